//! What readers and webmasters see: a real browser, the real binary, pages on another origin.

/// Scripts for old pages, badges, pictures, digit wheels.
mod formats;
/// Every language on a screen, and against the browser's own copy of CLDR.
mod languages;
/// A page that listens: its number changes when somebody else comes.
mod live;
/// Behind a real nginx with TLS, under a path of the site.
mod nginx;
/// One person, two people, one who leaves: what online means on a screen.
mod people;
/// Pictures of everything that is shown, to be looked at.
mod pictures;
/// What the script does on a page, and what it leaves alone.
mod script;
/// The five ways of the README, each under the policy that stands beside it there.
mod ways;

use serde_json::Value;

use crate::support::Daemon;

/// A site in Vietnamese whose pages lie on `www.localhost`.
const VKS: &str = "[[site]]\nid = \"vks\"\nhosts = [\"www.localhost\"]\nlanguage = \"vi\"\n\
                   time_zone = \"Asia/Ho_Chi_Minh\"\n";

/// The script line of the README, with these attributes too.
fn script(daemon: &Daemon, attributes: &str) -> String {
    let base = base(daemon);
    format!("<script defer src=\"{base}/headcount.js\" data-site=\"vks\" {attributes}></script>")
}

/// The block of the README.
const SPANS: &str = "<p data-headcount-block hidden>Số lượt truy cập: <span data-headcount=\"total\"></span> lượt<br>\n\
                     Số người online: <span data-headcount=\"online\"></span> người</p>";

/// What a reader sees of the counter.
fn reads(total: u64, online: u64) -> String {
    format!("Số lượt truy cập: {total} lượt\nSố người online: {online} người")
}

fn base(daemon: &Daemon) -> String {
    format!("http://{}", daemon.public())
}

/// The numbers of this very moment: a snippet may be a second old, the reply to a robot is not.
fn numbers(daemon: &Daemon, page: &str) -> Value {
    let numbers = daemon.get(&format!("/hit?s=vks&u={page}"), &[("User-Agent", "curl/8.0")]).json();
    assert_eq!(numbers["reason"], "robot");
    numbers
}

/// The views and visits of all time.
fn total(daemon: &Daemon) -> (u64, u64) {
    let total = &numbers(daemon, "/")["total"];
    let number = |name: &str| total[name].as_u64().expect("is a number");
    (number("views"), number("visits"))
}

fn online(daemon: &Daemon) -> u64 {
    numbers(daemon, "/")["online"].as_u64().expect("is a number")
}
