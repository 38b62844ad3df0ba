//! How long does a start take that finds ten million journalled records to add up?
//!
//! Four streams, as four workers write them side by side within an hour: 100,000 visitors, 5,000 pages,
//! 10 sites; a view, two pings and a leave in turn. Timed is what `daemon::open_kept` does: survey of
//! the journal, and the fold of everything into an empty store.
//!
//! Worrying: more than 5 s.
//!
//! `cargo bench --bench restart -- --records 10000000`
#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use headcount::details::{Browser, Country, Details, Device, Language, Screen, System, Traits};
use headcount::fold::{self, Fold};
use headcount::journal::{Ack, Journal, Options, RealDisk, Writer, encode};
use headcount::store::{self, Store};
use headcount::words::{Day, Kind, Record, StreamId, Touch, UnixMillis, VisitorId};
use mimalloc::MiMalloc;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const STREAMS: u64 = 4;
const VISITORS: u64 = 100_000;
const PAGES: u64 = 5_000;
const REFERRERS: u64 = 300;
const SITES: u64 = 10;
const BEGAN: UnixMillis = UnixMillis(1_800_000_000_000);
const SPAN_MS: u64 = 3_600_000;
const VISIT_WINDOW_MS: u64 = 30 * 60_000;
/// A worker's turn.
const RECORDS_PER_WRITE: u64 = 1_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let place = arguments.iter().position(|word| word == "--records");
    let given = place.and_then(|place| arguments.get(place + 1));
    let records: u64 = given.map_or(Ok(10_000_000), |word| word.parse()).context("--records")?;
    let directory = tempfile::tempdir()?;
    write(directory.path(), records)?;

    let began = Instant::now();
    let store = Store::open(&store::Options {
        path: directory.path().join("headcount.db"),
        synchronous_full: false,
        pages_per_site: 100_000,
        details_per_day: 1_000,
    })?;
    let (journal, found) = Journal::open(options(directory.path()), Arc::new(RealDisk))?;
    let surveyed = began.elapsed();
    let fold_options = fold::Options { interval_ms: 1_000, details_days: 400 };
    let (_, folded) = Fold::open(fold_options, VISIT_WINDOW_MS, journal, store)?;
    let started = began.elapsed();
    ensure!(found.records == records && folded.records == records, "records are missing");
    println!(
        "{records} records: {:.2} s, of which {:.2} s to survey the journal",
        started.as_secs_f64(),
        surveyed.as_secs_f64()
    );
    Ok(())
}

fn options(directory: &Path) -> Options {
    Options { directory: directory.to_owned(), ack: Ack::Written, retained_ms: SPAN_MS, bytes_max: 16 << 30 }
}

fn write(directory: &Path, records: u64) -> Result<()> {
    let (journal, _) = Journal::open(options(directory), Arc::new(RealDisk))?;
    let mut writers: Vec<Writer> = (0..STREAMS).map(|_| journal.writer()).collect();
    let (mut buffer, mut stream) = (Vec::new(), 0);
    for n in 0..records {
        let at = BEGAN.plus(n * SPAN_MS / records);
        put(n, at, &mut buffer);
        if n % RECORDS_PER_WRITE == RECORDS_PER_WRITE - 1 || n == records - 1 {
            stream += 1;
            let writer = &mut writers[usize::try_from(stream % STREAMS)?];
            writer.write(&buffer, at, || StreamId(stream))?;
            writer.publish(at);
            buffer.clear();
        }
    }
    Ok(())
}

fn put(n: u64, at: UnixMillis, buffer: &mut Vec<u8>) {
    let visitor = spread(n / 4 * 7) % VISITORS;
    let kind = [Kind::View, Kind::Ping, Kind::Ping, Kind::Leave][usize::try_from(n % 4).unwrap_or(0)];
    let site = format!("site-{}", visitor % SITES);
    let page = format!("/tin-tuc/bai-viet-{}", spread(n / 4) % PAGES);
    let referrer = format!("host-{}.example", spread(n / 4) % REFERRERS);
    let touch = Touch {
        kind,
        at,
        site: &site,
        day: Day(20_833),
        visitor: VisitorId(spread(visitor)),
        previous: None,
        in_visit: false,
        since_last_ms: if kind == Kind::Leave { 5_000 } else { 0 },
        page: Some(&page),
        details: if kind == Kind::View { told(visitor, &referrer) } else { Details::default() },
    };
    encode(&Record::Touch(touch), buffer);
}

/// What a view tells: every visitor has a browser and a country, and half of the views a referrer.
fn told(visitor: u64, referrer: &str) -> Details<'_> {
    let one = |number: u64, of: usize| 2 + usize::try_from(spread(number)).unwrap_or(0) % (of - 2);
    let traits = Traits {
        browser: Browser::ALL[one(visitor, Browser::ALL.len())],
        system: System::ALL[one(visitor + 1, System::ALL.len())],
        device: Device::ALL[one(visitor + 2, Device::ALL.len())],
        screen: Screen::ALL[one(visitor + 3, Screen::ALL.len())],
        language: Language::of_header([&b"vi"[..], b"en", b"zh", b"ja"][one(visitor, 6) - 2]),
        country: Country::parse([&b"vn"[..], b"us", b"jp", b"la"][one(visitor, 6) - 2]),
    };
    Details { traits, referrer: Some(referrer).filter(|_| visitor.is_multiple_of(2)), ..Details::default() }
}

/// splitmix64, the finaliser by Vigna: a number that is as evenly spread as a keyed hash.
fn spread(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd134_2543_de82_ef95);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
