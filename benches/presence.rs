//! How much memory does somebody take who is here, and a site that had one visit today?
//!
//! The resident size of a process of its own for every line: visitors come within one visit window,
//! each with one view of one of 500 pages, and the numbers are taken over by the counts alone, or by the
//! counts and a fold with its store, as a daemon does.
//!
//! Worrying: more than 80 B a visitor anywhere between half a million and two, or more than 2 KiB a
//! site.
//!
//! `cargo bench --bench presence`
#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use headcount::count::{self, Counts, Kept};
use headcount::details::Details;
use headcount::fold::{self, Cut, Fold};
use headcount::journal::{self, Ack, Journal, RealDisk, decode, encode};
use headcount::sites::{Identity, LanguageChoice, Placed, Site, SiteNumber};
use headcount::store::{self, Store};
use headcount::words::{Day, Figure, Kind, Record, SiteId, StreamId, Touch, UnixMillis, VisitorId};
use mimalloc::MiMalloc;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const VISITORS: [u64; 7] = [500_000, 750_000, 1_000_000, 1_250_000, 1_500_000, 1_750_000, 2_000_000];
const SITES: u64 = 10_000;
const BEGAN: UnixMillis = UnixMillis(1_800_000_000_000);
const VISIT_WINDOW_MS: u64 = 30 * 60_000;
/// Everybody comes within this time, so that nobody has gone by the end.
const SPAN_MS: u64 = 29 * 60_000;
/// Folds happen every second of that time.
const FOLDS: u64 = SPAN_MS / 1_000;
/// The allocator gives back what was not used for a while, and half an hour passes here in a moment.
const PAUSE: Duration = Duration::from_millis(60);
const TURNS_BEFORE_A_PAUSE: u64 = 60;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [what, visitors, sites, folded] = arguments.as_slice() {
        ensure!(what == "one", "`cargo bench --bench presence` takes no arguments");
        return one(visitors.parse()?, sites.parse()?, folded == "folded");
    }
    println!("{:>9} {:>7} {:>22} {:>22}", "visitors", "sites", "counts alone", "counts and fold");
    let mut worst = (0, 0);
    for visitors in VISITORS {
        let (alone, folded) = (apart(visitors, 1, "alone")?, apart(visitors, 1, "folded")?);
        let each = |bytes: u64| bytes / visitors;
        worst = worst.max((each(folded), visitors));
        println!("{visitors:>9} {:>7} {:>13} B/visitor {:>13} B/visitor", 1, each(alone), each(folded));
    }
    println!("worst: {} B a visitor, at {} visitors", worst.0, worst.1);
    let (alone, folded) = (apart(SITES, SITES, "alone")?, apart(SITES, SITES, "folded")?);
    println!("{SITES:>9} {SITES:>7} {:>16} B/site {:>16} B/site", alone / SITES, folded / SITES);
    Ok(())
}

/// Measures in a process of its own, so that nothing is left over from the line before.
fn apart(visitors: u64, sites: u64, folded: &str) -> Result<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["one", &visitors.to_string(), &sites.to_string(), folded]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn one(visitors: u64, sites: u64, folded: bool) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (mut fold, mut writer) = if folded {
        let (fold, writer) = open(directory.path())?;
        (Some(fold), Some(writer))
    } else {
        (None, None)
    };
    let names: Vec<String> = (0..sites).map(|n| format!("site-{n}")).collect();
    // What the first site brings once for all: the database of time zones.
    drop(site("first")?);
    let before = resident()?;
    let options = count::Options {
        visit_window_ms: VISIT_WINDOW_MS,
        pages_per_site: 100_000,
        presence_max: 4_000_000,
        together: false,
    };
    let counts = Counts::new(options, BEGAN);
    place(&counts, &names)?;
    let (mut records, mut opened) = (Vec::new(), Vec::new());
    for turn in 0..FOLDS {
        let (from, to) = (visitors * turn / FOLDS, visitors * (turn + 1) / FOLDS);
        let now = BEGAN.plus((turn + 1) * 1_000);
        records.clear();
        (from..to).for_each(|n| put(n, &names, now, &mut records));
        counts.sweep(now);
        counts.take(&records, decode, &mut opened);
        if let (Some(fold), Some(writer)) = (&mut fold, &mut writer) {
            let mut cut = Cut { published: BTreeMap::new(), opened: std::mem::take(&mut opened) };
            if !records.is_empty() {
                writer.write(&records, now, || StreamId(turn))?;
                cut.published.extend(writer.publish(now));
            }
            fold.run(vec![cut], &counts, now)?;
        }
        opened.clear();
        if turn % TURNS_BEFORE_A_PAUSE == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    drop((records, opened));
    ensure!(counts.present() == usize::try_from(visitors)?, "somebody has gone");
    println!("{}", resident()?.saturating_sub(before));
    Ok(())
}

fn open(directory: &Path) -> Result<(Fold, journal::Writer)> {
    let options = journal::Options {
        directory: directory.to_owned(),
        ack: Ack::Written,
        retained_ms: 3_600_000,
        bytes_max: 4 << 30,
    };
    let (journal, _) = Journal::open(options, Arc::new(RealDisk))?;
    let store = Store::open(&store::Options {
        path: directory.join("headcount.db"),
        synchronous_full: false,
        pages_per_site: 100_000,
        details_per_day: 1_000,
    })?;
    let writer = journal.writer();
    let options = fold::Options { interval_ms: 1_000, details_days: 400 };
    let (fold, _) = Fold::open(options, VISIT_WINDOW_MS, journal, store)?;
    Ok((fold, writer))
}

fn place(counts: &Counts, names: &[String]) -> Result<()> {
    for (name, number) in names.iter().zip(0..) {
        let placed = Placed { number: SiteNumber(number), site: Arc::new(site(name)?) };
        counts.place(&placed, &Kept::default(), BEGAN);
    }
    Ok(())
}

fn site(name: &str) -> Result<Site> {
    Ok(Site {
        id: SiteId::parse(name)?,
        hosts: Vec::new(),
        time_zone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh")?,
        language: LanguageChoice::Auto,
        digit_grouping: None,
        first_weekday: None,
        total: Figure::Visits,
        identity: Identity::Address,
        online_window_ms: 300_000,
        honour_opt_out: false,
        page_parameters: Vec::new(),
        excluded_networks: Vec::new(),
        parts: 1,
    })
}

fn put(n: u64, names: &[String], at: UnixMillis, records: &mut Vec<u8>) {
    let page = format!("/tin-tuc/bai-viet-{}", n % 500);
    let site = usize::try_from(n).unwrap_or(0) % names.len();
    let touch = Touch {
        kind: Kind::View,
        at,
        site: &names[site],
        day: Day(20_833),
        visitor: VisitorId(spread(n)),
        previous: None,
        in_visit: false,
        since_last_ms: 0,
        page: Some(&page),
        details: Details::default(),
    };
    encode(&Record::Touch(touch), records);
}

/// splitmix64, the finaliser by Vigna: a number that is as evenly spread as a keyed hash.
fn spread(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd134_2543_de82_ef95);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The resident size of this process, in bytes.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.split_whitespace().next().context("VmRSS")?.parse::<u64>()? * 1_024)
}
