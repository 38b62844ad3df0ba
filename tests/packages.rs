//! The Debian package: what is in it, and what its scripts do under a real systemd.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::machine::{ADMIN, Machine, PUBLIC};
use crate::support::package::{VERSIONS, packages};

const SITE: &str = "state_directory = \"/var/lib/headcount\"\nworkers = 2\n[limits]\nviews_per_network_per_second = 0\n\
                    new_visitors_per_network_per_hour = 0\n[[site]]\nid = \"demo\"\n";
const UNITS: &str = "headcount.socket headcount-admin.socket headcount.service";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Lets some load pass.
fn pause() {
    std::thread::sleep(Duration::from_millis(300));
}

/// What a program printed, which must have succeeded.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether there is a program; CI must have each.
fn have(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        assert!(std::env::var_os("CI").is_none(), "CI must have {program}");
        std::io::stderr().write_all(format!("SKIPPED: {program} is missing\n").as_bytes()).unwrap();
    }
    there
}

/// The files of the repository that go into the package as they are, and where to.
fn taken() -> Vec<(PathBuf, String)> {
    let mut taken = Vec::new();
    let mut take = |from: &str, to: &str| taken.push((root().join(from), to.to_owned()));
    for unit in UNITS.split(' ').chain(["headcount-tls.socket"]) {
        take(&format!("config/{unit}"), &format!("usr/lib/systemd/system/{unit}"));
    }
    take("config/debian/headcount.toml", "etc/headcount/headcount.toml");
    take("config/headcount.toml", "usr/share/doc/headcount/headcount.toml");
    for example in ["redis.conf", "tls.conf"] {
        take(
            &format!("config/headcount.service.d/{example}"),
            &format!("usr/share/doc/headcount/examples/{example}"),
        );
    }
    take("README.md", "usr/share/doc/headcount/README.md");
    take("config/debian/copyright", "usr/share/doc/headcount/copyright");
    take("config/completions/headcount.bash", "usr/share/bash-completion/completions/headcount");
    take("config/completions/_headcount", "usr/share/zsh/vendor-completions/_headcount");
    take("config/completions/headcount.fish", "usr/share/fish/vendor_completions.d/headcount.fish");
    for path in files_below(&root().join("dashboards")) {
        let below = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        taken.push((path, format!("usr/share/headcount/{below}")));
    }
    taken
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The names of files in an archive with the permissions they get.
fn listed(package: &Path) -> BTreeMap<String, String> {
    let listed = printed("dpkg-deb", &["--contents", package.to_str().unwrap()]);
    let mut files = BTreeMap::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [mode, owner, .., path] = words.as_slice() else { panic!("{line}") };
        assert_eq!(*owner, "0/0", "{line}");
        let path = path.trim_start_matches("./");
        if path.ends_with('/') {
            assert_eq!(*mode, "drwxr-xr-x", "{line}");
        } else {
            files.insert(path.to_owned(), (*mode).to_owned());
        }
    }
    files
}

#[test]
fn the_package_has_what_ops_expect_and_nothing_else() {
    let Some([package, _]) = packages() else { return };
    let mut files = listed(&package);
    let unpacked = tempfile::tempdir().unwrap();
    printed("dpkg-deb", &["--extract", package.to_str().unwrap(), unpacked.path().to_str().unwrap()]);
    assert_eq!(files.remove("usr/bin/headcount").as_deref(), Some("-rwxr-xr-x"));
    let version = printed(unpacked.path().join("usr/bin/headcount").to_str().unwrap(), &["--version"]);
    assert_eq!(version, concat!("headcount ", env!("CARGO_PKG_VERSION"), "\n"));
    for (from, to) in taken() {
        assert_eq!(
            files.remove(&to).as_deref(),
            Some("-rw-r--r--"),
            "{to} is not in it, from {}",
            from.display()
        );
        assert!(fs::read(&from).unwrap() == fs::read(unpacked.path().join(&to)).unwrap(), "{to}");
    }
    for entry in fs::read_dir(root().join("config/man")).unwrap() {
        let page = entry.unwrap();
        let place = format!("usr/share/man/man8/{}.gz", page.file_name().to_str().unwrap());
        assert_eq!(files.remove(&place).as_deref(), Some("-rw-r--r--"), "{place}");
        let text = printed("gzip", &["-cd", unpacked.path().join(&place).to_str().unwrap()]);
        assert!(text == fs::read_to_string(page.path()).unwrap(), "{place}");
    }
    files.remove("usr/share/doc/headcount/changelog.Debian.gz").expect("a changelog as Debian wants it");
    assert!(files.is_empty(), "nobody asked for {files:?}");

    let field = |name| printed("dpkg-deb", &["--field", package.to_str().unwrap(), name]).trim().to_owned();
    assert_eq!((field("Package"), field("Version")), ("headcount".to_owned(), VERSIONS[0].to_owned()));
    assert!(
        field("Depends").contains("libc6 (>= 2.") && field("Depends").contains("tzdata"),
        "{}",
        field("Depends")
    );
    let control = unpacked.path().join("control");
    printed("dpkg-deb", &["--control", package.to_str().unwrap(), control.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(control.join("conffiles")).unwrap(), "/etc/headcount/headcount.toml\n");
    for script in ["postinst", "prerm", "postrm"] {
        let shipped = fs::read(root().join("config/debian").join(script)).unwrap();
        assert!(
            fs::read(control.join(script)).unwrap() == shipped,
            "{script} is the one that is read and tested"
        );
    }
}

#[test]
fn debian_has_nothing_to_say_against_the_package() {
    let Some([package, _]) = packages() else { return };
    if !have("lintian") {
        return;
    }
    // There is no bug of Debian's that this package closes.
    let suppressed = "--suppress-tags=initial-upload-closes-no-bugs";
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on=error,warning", suppressed]).arg(&package);
    let output = lintian.output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn the_first_entry_of_the_package_s_changelog_is_this_version() {
    let changelog = fs::read_to_string(root().join("config/debian/changelog")).unwrap();
    let first = concat!("headcount (", env!("CARGO_PKG_VERSION"), "-1) ");
    assert!(changelog.starts_with(first), "{changelog}");
}

#[test]
fn shells_complete_commands_and_pages_are_readable() {
    let completions = root().join("config/completions");
    let bash = format!(
        ". {}/headcount.bash; COMP_WORDS=(headcount stat); COMP_CWORD=1; _headcount headcount stat headcount; \
         echo ${{COMPREPLY[@]}}",
        completions.display()
    );
    assert_eq!(printed("bash", &["-c", &bash]), "status\n");
    if have("zsh") {
        printed("zsh", &["-n", completions.join("_headcount").to_str().unwrap()]);
    }
    if have("fish") {
        let fish = format!("source {}/headcount.fish; complete -C 'headcount stat'", completions.display());
        let offered = printed("fish", &["--no-config", "-c", &fish]);
        assert!(offered.starts_with("status\tSay on one screen"), "{offered}");
    }
    if have("man") {
        for page in files_below(&root().join("config/man")) {
            let mut man = Command::new("man");
            man.args(["--warnings", "-E", "UTF-8", "-l", "-P", "cat"]).arg(&page).env("MANWIDTH", "80");
            let output = man.output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", page.display());
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("SYNOPSIS") && text.contains("headcount"), "{}", page.display());
        }
    }
}

/// A machine in which the package was installed as people do it.
fn installed(package: &Path) -> Option<Machine> {
    let machine = Machine::bare()?;
    put(&machine, package);
    apt(&machine, "install /share/headcount_*.deb");
    Some(machine)
}

/// Runs apt, which must succeed, and gives what it and the package's scripts said.
fn apt(machine: &Machine, words: &str) -> String {
    machine.must(&format!("apt-get --yes {words} 2>&1"))
}

/// Lays a package into what the machine sees as `/share`, in the place of another.
fn put(machine: &Machine, package: &Path) {
    machine.must("rm -f /share/headcount_*.deb");
    fs::copy(package, machine.share().join(package.file_name().unwrap())).unwrap();
}

fn views(machine: &Machine) -> u64 {
    machine.get(PUBLIC, "/snippet/demo.json").json()["total"]["views"].as_u64().unwrap()
}

#[test]
fn an_installed_package_serves_and_an_upgrade_under_load_refuses_nobody_and_loses_nothing() {
    let Some([old, new]) = packages() else { return };
    let Some(machine) = installed(&old) else { return };
    assert_eq!(machine.must(&format!("systemctl is-enabled {UNITS}")), "enabled\nenabled\nenabled");
    let not_asked_for = machine.run("systemctl is-enabled headcount-tls.socket");
    assert_eq!(not_asked_for.stdout, b"disabled\n");
    assert_eq!(machine.get(ADMIN, "/readyz").status, 200);
    let status = machine.must("headcount status --config /etc/headcount/headcount.toml");
    assert!(status.contains(", healthy, up "), "{status}");
    machine.must("man --where headcount");

    machine.configure(SITE);
    machine.must("systemctl restart headcount.service");
    let before = machine.property("MainPID");
    let socket = |machine: &Machine| {
        machine.must("systemctl show --value --property=ActiveEnterTimestampMonotonic headcount.socket")
    };
    let opened = socket(&machine);
    put(&machine, &new);
    let load = machine.load(3);
    pause();
    apt(&machine, "install /share/headcount_*.deb");
    pause();
    let seen = load.end();
    assert_eq!((seen.refused, seen.broken, &seen.others), (0, 0, &Vec::new()), "{seen:?}");
    assert!(seen.counted > 200, "{seen:?}");
    assert_eq!(views(&machine), seen.counted);
    assert_eq!(machine.must("dpkg-query --show --showformat='${Version}' headcount"), VERSIONS[1]);
    assert_ne!(machine.property("MainPID"), before, "the new binary runs");
    assert_eq!(socket(&machine), opened, "the socket was not touched");
    let configuration = machine.must("cat /etc/headcount/headcount.toml");
    assert_eq!(configuration, SITE.trim_end(), "what an admin wrote stays");
}

#[test]
fn a_removed_package_leaves_no_port_open_and_a_purged_one_leaves_the_numbers_alone() {
    let Some([package, _]) = packages() else { return };
    let Some(machine) = installed(&package) else { return };
    machine.configure(SITE);
    machine.must("systemctl restart headcount.service");
    assert_eq!(machine.get(PUBLIC, "/hit?s=demo&u=/a").json()["counted"], true);
    machine.must("systemctl stop headcount.service; systemctl enable --now headcount-tls.socket");
    let listening = || machine.must("ss --listening --tcp --numeric --no-header");
    assert!(listening().contains(":443 "), "{}", listening());
    apt(&machine, "remove headcount");
    for port in [":80 ", ":443 ", ":8081 "] {
        assert!(!listening().contains(port), "{}", listening());
    }
    machine.must("test -e /etc/headcount/headcount.toml");

    // Installed again, it goes on.
    apt(&machine, "install /share/headcount_*.deb");
    assert_eq!(views(&machine), 1);

    machine.must("systemctl disable headcount-admin.socket");
    apt(&machine, "install --reinstall /share/headcount_*.deb");
    let enabled = machine.run("systemctl is-enabled headcount-admin.socket");
    assert_eq!(enabled.stdout, b"disabled\n", "what an admin disabled stays so");

    let said = apt(&machine, "purge headcount");
    assert!(said.contains("the numbers stay in /var/lib/private/headcount"), "{said}");
    machine.must("test -s /var/lib/private/headcount/headcount.db");
    // Files that are gone show as character devices there.
    let left = machine.must(
        "cd /share/changed && find . -name '*headcount*' -not -type c -not -path './var/lib/*/headcount*' \
         -not -path './var/log/*'",
    );
    assert_eq!(left, "./var/lib/headcount", "nothing else is left");
}

#[test]
fn a_port_that_is_taken_does_not_fail_the_install_and_is_said_with_the_remedy() {
    let Some([package, _]) = packages() else { return };
    let Some(machine) = Machine::bare() else { return };
    machine.must("systemd-run --unit=other --property=Type=exec nginx -g 'daemon off;'");
    crate::support::wait_for(|| machine.run("ss -ltnH | grep -q ':80 '").status.success().then_some(()));
    put(&machine, &package);
    let said = apt(&machine, "install /share/headcount_*.deb");
    assert!(
        said.contains("headcount.socket did not start. Most often another program has its port"),
        "{said}"
    );
    machine.must("mkdir /etc/systemd/system/headcount.socket.d");
    let port = "printf '[Socket]\\nListenStream=\\nListenStream=127.0.0.1:8080\\n'";
    machine
        .must(&format!("{port} >/etc/systemd/system/headcount.socket.d/port.conf; systemctl daemon-reload"));
    machine.must("systemctl restart headcount.socket headcount");
    assert_eq!(machine.property("ActiveState"), "active");
}

#[test]
fn an_upgrade_onto_a_mistaken_configuration_says_so_and_keeps_the_port_open() {
    let Some([old, new]) = packages() else { return };
    let Some(machine) = installed(&old) else { return };
    machine.configure("[[site]]\nid = \"BAD\"\n");
    put(&machine, &new);
    let said = apt(&machine, "install /share/headcount_*.deb");
    assert!(said.contains("`journalctl -u headcount -n 20` says why"), "{said}");
    assert_eq!(machine.must("systemctl is-active headcount.socket"), "active");
    machine.logged("/etc/headcount/headcount.toml:2: site[1].id = \"BAD\"");
}
