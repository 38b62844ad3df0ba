//! "From an empty Debian to a counting site": every command of that chapter of the README, in its order, on a booted
//! machine and then on another one.

use std::fs;
use std::path::Path;

use crate::support::machine::Machine;
use crate::support::package::packages;

const CHAPTER: &str = "## From an empty Debian to a counting site";

/// What a machine of the tests cannot do as it is written, and what is done in its place. All else is typed as it is.
const IN_PLACE: &[(&str, &str)] = &[
    // The package is that of `cargo deb` from the binary under test (tests/support/package.rs), and lies there already.
    ("cargo install cargo-deb --locked", ":"),
    ("cargo deb", ":"),
    ("scp target/debian/headcount_*.deb root@www.example.vn:", ":"),
    // There is no network: the lists, and all packages of Debian's, are those of the machine that the tests run on.
    ("apt-get update", ":"),
    // Machines see a directory of the real one; the test carries what is in it to the other machine.
    (
        "scp /root/headcount.backup /etc/headcount/headcount.toml root@other.example.vn:",
        "cp /root/headcount.backup /etc/headcount/headcount.toml /share/",
    ),
    // A person waits for as long as it may take; the test asks each second, for twice that time.
    (
        "sleep 30",
        "for second in $(seq 60); do curl --silent --get http://127.0.0.1:9090/api/v1/query \
         --data-urlencode 'query=up{job=\"headcount\"}' | grep --quiet '\"1\"]' && break; sleep 1; done",
    ),
];

/// The commands of the chapter: the blocks between two lines of three backticks, the first of which says `sh`.
fn blocks() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, chapter) = readme.split_once(CHAPTER).expect("the chapter is there");
    let chapter = chapter.split("\n## ").next().unwrap();
    let blocks = chapter.split("\n```sh\n").skip(1);
    blocks.map(|rest| rest.split_once("\n```\n").expect("a block ends").0.to_owned()).collect()
}

/// The lines of a block with those replaced that cannot be typed here.
fn possible(block: &str, replaced: &mut Vec<&str>) -> String {
    let mut lines = Vec::new();
    for line in block.lines() {
        let found = IN_PLACE.iter().find(|(written, _)| *written == line);
        replaced.extend(found.map(|(written, _)| *written));
        lines.push(found.map_or(line, |(_, instead)| *instead));
    }
    lines.join("\n")
}

/// A terminal of root's on a machine: what it exported stays.
struct Terminal {
    machine: Machine,
    exported: Vec<String>,
}

impl Terminal {
    /// A machine that has the package in `/root`, and these files.
    fn open(files: &[&Path]) -> Option<Terminal> {
        let machine = Machine::bare()?;
        for file in files {
            fs::copy(file, machine.share().join(file.file_name().unwrap())).unwrap();
            machine.must(&format!("mv /share/{} /root/", file.file_name().unwrap().to_str().unwrap()));
        }
        // What is there already is as new as the lists say; there is nowhere to fetch a newer one from.
        machine.must("echo 'APT::Get::Upgrade \"false\";' >/etc/apt/apt.conf.d/99there-is-no-network");
        Some(Terminal { machine, exported: Vec::new() })
    }

    /// Types a block; each of its commands must succeed.
    fn types(&mut self, block: &str) -> String {
        let before = self.exported.join("\n");
        self.exported.extend(block.lines().filter(|line| line.starts_with("export ")).map(str::to_owned));
        self.machine.must(&format!("set -eu\ncd /root\n{before}\n{block}"))
    }
}

#[test]
fn every_command_on_the_way_from_an_empty_debian_to_a_counting_site_works() {
    let Some([package, _]) = packages() else { return };
    let mut replaced = Vec::new();
    let blocks: Vec<String> = blocks().iter().map(|block| possible(block, &mut replaced)).collect();
    for (written, _) in IN_PLACE {
        assert!(replaced.contains(written), "the chapter does not say {written:?} any more");
    }
    let [made, install, port, site, nginx, adjust, prometheus, grafana, backup, restore] = blocks.as_slice()
    else {
        panic!("{} blocks, each of which is looked at below", blocks.len())
    };

    let Some(mut first) = Terminal::open(&[&package]) else { return };
    first.types(made);
    let status = first.types(install);
    assert!(status.contains(", healthy, up "), "{status}");
    first.types(port);
    let checked = first.types(site);
    assert!(checked.contains("1 site") || checked.contains("right"), "{checked}");
    let behind = first.types(nginx);
    assert!(behind.contains("\"counted\":true"), "{behind}");
    assert!(!behind.contains("BAD") && !behind.contains("WARNING"), "{behind}");
    let adjusted = first.types(adjust);
    assert!(adjusted.contains("vks now has 1333797 visits and 1 views in all"), "{adjusted}");
    assert!(adjusted.contains("the old counter on its last day"), "{adjusted}");
    let up = first.types(prometheus);
    let answer: serde_json::Value = serde_json::from_str(up.lines().last().unwrap()).unwrap();
    assert_eq!(answer["data"]["result"][0]["value"][1], "1", "{up}");
    assert!(up.contains("SUCCESS: 1 rule files found"), "{up}");
    let rules = first.types("curl --silent http://127.0.0.1:9090/api/v1/rules");
    assert!(rules.contains("HeadcountDown") && rules.contains("job_site:headcount_views:rate5m"), "{rules}");
    first.types(grafana);
    let shown = first.types(
        "ls $(sed -n 's/^ *path: //p' /etc/grafana/provisioning/dashboards/headcount.yml)/*.json | xargs -n 1 basename",
    );
    assert_eq!(shown, "fleet.json\nhealth.json\ntraffic.json");
    first.types(backup);

    let share = first.machine.share();
    let carried = [share.join("headcount.backup"), share.join("headcount.toml")];
    let Some(mut second) = Terminal::open(&[&package, &carried[0], &carried[1]]) else { return };
    drop(first);
    let sites = second.types(restore);
    assert!(sites.contains("vks") && sites.contains("1333797"), "{sites}");
    assert!(sites.contains("/root/headcount.backup") || sites.contains("headcount.backup held"), "{sites}");
    let status = second.types("headcount status");
    assert!(status.contains(", healthy, up "), "{status}");
}
