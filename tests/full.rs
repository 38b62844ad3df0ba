//! A disk that is full: beacons are refused with the reason, footers go on, and counting comes back
//! by itself once there is room. The state directory is a small tmpfs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::client::{Wire, browser, counted, logged, noon, sums};
use crate::support::{Daemon, wait_for};

/// A small disk, mounted for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one; `None`, told loudly, where that is not allowed. Under CI it must be.
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(at.to_owned())),
            failed => {
                assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a tmpfs: {failed:?}");
                eprintln!("SKIPPED: no tmpfs can be mounted here (are you root?): {failed:?}");
                None
            }
        }
    }

    /// Takes all the room that is left.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[7; 4_096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// The pages that were counted, and those that were refused.
#[derive(Default)]
struct Model {
    counted: Vec<String>,
    refused: Vec<String>,
}

impl Model {
    /// Sends views of new pages until `enough`, given (counted, refused) of this call.
    fn send(&mut self, daemon: &Daemon, enough: impl Fn(usize, usize) -> bool) {
        // Two connections, so that both workers may get one.
        let mut wires = [Wire::open(daemon.public()), Wire::open(daemon.public())];
        let before = (self.counted.len(), self.refused.len());
        while !enough(self.counted.len() - before.0, self.refused.len() - before.1) {
            let n = self.counted.len() + self.refused.len();
            assert!(n < 20_000, "the disk does not fill, or never gets room again");
            let page = format!("/page/with-a-name-that-takes-some-room-in-the-journal/{n}");
            let reply = wires[n % 2].ask(&browser(&format!("/hit?s=demo&u={page}"), "10.1.2.3")).unwrap();
            if reply.status == 503 {
                let text = reply.text();
                assert_eq!(
                    text,
                    "the beacon could not be written and was not counted; it may be sent again\n"
                );
                self.refused.push(page);
            } else {
                assert!(counted(&reply), "{}: {}", reply.status, reply.text());
                self.counted.push(page);
            }
        }
    }

    fn check(&self, daemon: &Daemon) {
        let numbers = daemon.numbers("demo");
        assert_eq!(numbers["total"]["views"], self.counted.len());
        assert_eq!(numbers["total"]["visits"], 1);
        assert_eq!(numbers["online"], 1);
        let mut wire = Wire::open(daemon.public());
        for (pages, views) in [(&self.counted, 1), (&self.refused, 0)] {
            for page in pages {
                let ask = browser(&format!("/snippet/demo.json?page={page}"), "10.1.2.3");
                assert_eq!(wire.ask(&ask).unwrap().json()["page"]["views"], views, "{page}");
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_beacons_with_the_reason_and_recovers_by_itself() {
    let mut daemon = Daemon::stopped(&format!(
        "fold_interval = \"50ms\"\nworkers = 2\n[limits]\nviews_per_network_per_second = 0\n\
         [[site]]\nid = \"demo\"\ntime_zone = \"{}\"\n",
        noon()
    ));
    let Some(disk) = SmallDisk::mount(&daemon.state()) else { return };
    daemon.restart();
    let mut model = Model::default();
    model.send(&daemon, |counted, _| counted == 50);
    for round in 0..3 {
        let filler = disk.fill();
        model.send(&daemon, |_, refused| refused > 100);
        // Whoever may write again for a moment has little room: all of it is gone at some time.
        wait_for(|| {
            model.send(&daemon, |counted, refused| counted + refused == 10);
            let ready = daemon.admin_get("/readyz");
            (ready.status == 503).then_some(ready.text())
        });
        assert_eq!(daemon.admin_get("/readyz").text(), "not ready: the journal cannot be written\n");
        assert_eq!(daemon.get("/snippet/demo.html", &[]).status, 200);
        // Probes do not make it look well in between: they need as much room as a beacon does.
        let errors = || daemon.metric("headcount_journal_write_errors_total");
        let before = errors();
        wait_for(|| (errors() >= before + 4.0).then_some(()));
        assert_eq!(daemon.admin_get("/readyz").status, 503);
        assert_eq!(daemon.admin_get("/healthz").status, 200);
        logged(&daemon, "beacons are answered with 503 until the journal can be written again");
        model.check(&daemon);
        std::fs::remove_file(filler).unwrap();
        // Nobody sends anything: it finds out by itself.
        wait_for(|| (daemon.admin_get("/readyz").text() == "ready\n").then_some(()));
        model.send(&daemon, |counted, _| counted == 50);
        model.check(&daemon);
        if round == 1 {
            daemon.kill();
            daemon.restart();
            model.check(&daemon);
        }
    }
    let views = sums(&daemon, "view");
    assert!(views.failed > 100, "{views:?}");
    daemon.kill();
    daemon.restart();
    model.check(&daemon);
    let (code, log) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    daemon.restart();
    model.check(&daemon);
}

#[test]
fn while_the_disk_is_full_every_refused_beacon_is_on_the_metrics_page() {
    let mut daemon =
        Daemon::stopped("workers = 1\n[limits]\nviews_per_network_per_second = 0\n[[site]]\nid = \"demo\"\n");
    let Some(disk) = SmallDisk::mount(&daemon.state()) else { return };
    daemon.restart();
    let mut model = Model::default();
    model.send(&daemon, |counted, _| counted == 10);
    disk.fill();
    model.send(&daemon, |_, refused| refused == 20);
    let views = sums(&daemon, "view");
    let expected = u64::try_from(model.counted.len()).unwrap();
    assert_eq!((views.counted, views.refused, views.failed), (expected, 0, 20));
    for kind in ["ping", "leave"] {
        let reply = daemon.get(&format!("/hit?s=demo&k={kind}&d=5"), &[]);
        let sums = sums(&daemon, kind);
        assert_eq!((sums.parsed, sums.counted + sums.failed), (1, 1), "{kind}");
        assert_eq!(sums.failed == 1, reply.status == 503, "{kind}");
    }
    assert!(daemon.metric("headcount_journal_write_errors_total") >= 20.0);
}

#[test]
fn a_stop_and_a_start_on_a_full_disk_lose_nothing() {
    // Nothing is folded before the stop.
    let mut daemon = Daemon::stopped(
        "fold_interval = \"1m\"\nworkers = 2\n[limits]\nviews_per_network_per_second = 0\n[[site]]\nid = \"demo\"\n",
    );
    let Some(disk) = SmallDisk::mount(&daemon.state()) else { return };
    daemon.restart();
    let mut model = Model::default();
    model.send(&daemon, |counted, _| counted == 500);
    let filler = disk.fill();
    model.send(&daemon, |_, refused| refused > 100);
    let (code, log) = daemon.stop();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("no space left"), "{log}");
    let (code, said) = daemon.refuses_to_start(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.to_lowercase().contains("no space left"), "{said}");
    std::fs::remove_file(filler).unwrap();
    daemon.restart();
    model.check(&daemon);
    model.send(&daemon, |counted, _| counted == 20);
    model.check(&daemon);
}
