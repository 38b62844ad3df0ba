//! How many lines of a log does an import count in a second, on one core, and in how much memory?
//!
//! A log as a busy site writes it, 100 views a second: combined format, 50,000 readers a day with 40 browsers,
//! 5,000 pages; of ten lines five are pictures, styles and scripts, and one is a robot's. Timed is what
//! `headcount import` does on a stopped daemon's directory, from opening the file to the last transaction.
//! Memory is the highest of the process, less that before the import.
//!
//! Worrying: fewer than 300,000 lines a second, or a memory that grows with the log.
//!
//! `cargo bench --bench import -- --lines 1000000,4000000`
#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use headcount::fold::{self, Fold};
use headcount::import::{Counter, Log, Options, Outcome, Own, OwnDesk};
use headcount::journal::{self, Ack, Journal, RealDisk};
use headcount::salt::{Salts, imported_file};
use headcount::sites::{Identity, LanguageChoice, Site};
use headcount::store::{self, Store};
use headcount::visitor::{self, Visitors};
use headcount::words::{Figure, SiteId, UnixMillis};
use mimalloc::MiMalloc;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// 2024-03-01T00:00:00Z
const BEGAN: u64 = 1_709_251_200;
const LINES_PER_SECOND: u64 = 100;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const VISIT_WINDOW_MS: u64 = 30 * 60_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let place = arguments.iter().position(|word| word == "--lines");
    let given = place.and_then(|place| arguments.get(place + 1)).map_or("1000000,4000000", String::as_str);
    for lines in given.split(',') {
        measure(lines.parse().context("--lines")?)?;
    }
    Ok(())
}

fn measure(lines: u64) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("access.log");
    write(&log, lines)?;
    let (bytes, before) = (std::fs::metadata(&log)?.len(), peak_kib()?);
    let began = Instant::now();
    let (counted, visits) = import(directory.path(), &log, lines)?;
    let seconds = began.elapsed().as_secs_f64();
    let per_second = f64::from(u32::try_from(lines)?) / seconds;
    println!(
        "{lines} lines ({} MB): {seconds:.2} s, {per_second:.0} lines/s, {counted} views, {visits} visits, \
         {} KiB more at the peak",
        bytes / 1_000_000,
        peak_kib()?.saturating_sub(before)
    );
    Ok(())
}

fn import(state: &Path, log: &Path, lines: u64) -> Result<(u64, u64)> {
    let store = Store::open(&store::Options {
        path: state.join("headcount.db"),
        synchronous_full: false,
        pages_per_site: 100_000,
        details_per_day: 1_000,
    })?;
    let directory = state.join("journal");
    std::fs::create_dir(&directory)?;
    let options = journal::Options { directory, ack: Ack::Written, retained_ms: 0, bytes_max: 1 << 30 };
    let (journal, _) = Journal::open(options, Arc::new(RealDisk))?;
    let options = fold::Options { interval_ms: 1_000, details_days: 400 };
    let (mut fold, _) = Fold::open(options, VISIT_WINDOW_MS, journal, store)?;
    let (salts, imported) = (Salts::open(state.join("salts"))?, Salts::open(imported_file(state))?);
    let mut desk = OwnDesk { fold: &mut fold, salts: &salts, imported: &imported, visitors: BTreeMap::new() };
    let options = visitor::Options {
        trusted_proxies: Vec::new(),
        client_address_header: "x-forwarded-for".to_owned(),
        country_header: String::new(),
        countries: None,
        agents_max: 100_000,
    };
    let visitors = Visitors::new(&options, [7; 16])?;
    let options = Options {
        site: site()?,
        own: Own::default(),
        visit_window_ms: VISIT_WINDOW_MS,
        everything: false,
        overlap: false,
        details_days: 4_000,
    };
    let mut counter = Counter::new(options, &visitors, NOW);
    counter.count_log(Log::open(log, false)?, &mut desk, &mut |_, _| {})?;
    ensure!(counter.summary.lines() == lines, "lines are missing");
    Ok((counter.summary.of(Outcome::Counted), counter.summary.visits))
}

fn site() -> Result<Arc<Site>> {
    Ok(Arc::new(Site {
        id: SiteId::parse("bench")?,
        hosts: vec!["www.example.vn".to_owned()],
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
    }))
}

fn write(path: &Path, lines: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for n in 0..lines {
        let second = BEGAN + n / LINES_PER_SECOND;
        let moment = jiff::Timestamp::from_second(i64::try_from(second)?)?.to_zoned(jiff::tz::TimeZone::UTC);
        let reader = spread(n) % 50_000;
        let page = spread(n + 7) % 5_000;
        let target = match n % 10 {
            0..=2 => format!("/images/photo-{page}.jpg"),
            3 => "/assets/style.css?v=12".to_owned(),
            4 => "/assets/site.js?v=12".to_owned(),
            _ => format!("/tin-tuc/bai-viet-so-{page}?page={}", n % 3),
        };
        let agent = if n % 10 == 9 {
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)".to_owned()
        } else {
            let version = 100 + reader % 40;
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
            )
        };
        let referrer = if n % 4 == 0 { "https://www.google.com/" } else { "https://www.example.vn/tin-tuc/" };
        writeln!(
            file,
            "10.{}.{}.{} - - [{}] \"GET {target} HTTP/1.1\" 200 {} \"{referrer}\" \"{agent}\"",
            reader >> 16,
            reader >> 8 & 255,
            reader & 255,
            moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            n % 90_000,
        )?;
    }
    Ok(file.flush()?)
}

/// The highest resident size of this process so far.
fn peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// splitmix64, the finaliser by Vigna: a number that is as evenly spread as a keyed hash.
fn spread(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd134_2543_de82_ef95);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
