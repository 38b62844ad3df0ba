//! A log in any order and in any pieces counts as the sorted log at once.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::fold::{self, Fold};
use crate::journal::{Ack, Journal, RealDisk};
use crate::salt::{Salts, imported_file};
use crate::sites::Site;
use crate::store::{self, EdgeSecond, ImportBatch, Store};
use crate::visitor::{self, Visitors};
use crate::words::{Day, SiteId, StreamId, Tally, UnixMillis};

const WINDOW_MS: u64 = 30 * 60_000;
/// 2015-05-17T22:00:00Z, an hour before midnight in the site's zone.
const BEGAN: u64 = 1_431_900_000;
const NOW: UnixMillis = UnixMillis(1_500_000_000_000);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

pub(super) fn site() -> Arc<Site> {
    let time_zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
    Arc::new(Site { time_zone, ..Site::plain("vks") })
}

/// A state directory with everything that a desk needs.
struct Room {
    fold: Fold,
    salts: Salts,
    imported: Salts,
    visitors: Visitors,
    directory: tempfile::TempDir,
}

impl Room {
    fn new() -> Room {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = directory.path().join("journal");
        std::fs::create_dir(&journal).expect("room");
        let options =
            crate::journal::Options { directory: journal, ack: Ack::Written, retained_ms: 0, bytes_max: 1 };
        let (journal, _) = Journal::open(options, Arc::new(RealDisk)).expect("opens");
        let store = Store::open(&store::Options {
            path: directory.path().join("headcount.db"),
            synchronous_full: false,
            pages_per_site: 100,
            details_per_day: 100,
        });
        let options = fold::Options { interval_ms: 1_000, details_days: 400 };
        let (fold, _) = Fold::open(options, WINDOW_MS, journal, store.expect("opens")).expect("folds");
        let options = visitor::Options {
            trusted_proxies: Vec::new(),
            client_address_header: "x-forwarded-for".to_owned(),
            country_header: String::new(),
            countries: None,
            agents_max: 100,
        };
        Room {
            fold,
            salts: Salts::open(directory.path().join("salts")).expect("opens"),
            imported: Salts::open(imported_file(directory.path())).expect("opens"),
            visitors: Visitors::new(&options, [1; 16]).expect("a header"),
            directory,
        }
    }

    /// Counts a text until the desk has taken so many batches, handing in after so many lines.
    fn count(&mut self, text: &[u8], lines: u64, batches_max: usize) -> (Result<(), ImportError>, Summary) {
        let own = OwnDesk {
            fold: &mut self.fold,
            salts: &self.salts,
            imported: &self.imported,
            visitors: BTreeMap::new(),
        };
        let mut desk = Mortal { own, batches_left: batches_max };
        let options = Options {
            site: site(),
            own: Own::default(),
            visit_window_ms: WINDOW_MS,
            everything: false,
            overlap: false,
            details_days: 400,
        };
        let mut counter = Counter::new(options, &self.visitors, NOW);
        let spool = self.directory.path();
        let log = Log::of_stream(Cursor::new(text.to_vec()), spool).expect("reads");
        let done = counter.count_log_by(log, &mut desk, &mut |_, _| {}, lines);
        (done, counter.summary)
    }

    fn days(&mut self) -> Vec<(String, Tally, u64)> {
        let days = self.fold.store().days(&site().id, Day::FIRST, Day::LAST).expect("reads");
        days.into_iter().map(|row| (row.day.to_string(), row.tally, row.visitors)).collect()
    }

    fn views(&mut self) -> u64 {
        self.days().iter().map(|day| day.1.views).sum()
    }

    fn pages(&mut self) -> Vec<(String, Tally)> {
        let pages = self.fold.store().page_days(&site().id, Day::FIRST, Day::LAST).expect("reads");
        pages.into_iter().map(|row| (format!("{} {}", row.day, row.path.as_str()), row.tally)).collect()
    }
}

/// A desk that dies after some batches, as a process does.
struct Mortal<'a> {
    own: OwnDesk<'a>,
    batches_left: usize,
}

impl Desk for Mortal<'_> {
    fn begin(&mut self, site: &SiteId, head: &[u64]) -> Result<Begun, DeskError> {
        self.own.begin(site, head)
    }

    fn salt(&mut self, site: &SiteId, day: Day) -> Result<DaySalt, DeskError> {
        self.own.salt(site, day)
    }

    fn edges(
        &mut self,
        site: &SiteId,
        but: StreamId,
        minute: u64,
    ) -> Result<Vec<(StreamId, EdgeSecond)>, DeskError> {
        self.own.edges(site, but, minute)
    }

    fn take(&mut self, batch: &ImportBatch) -> Result<Option<UnixMillis>, DeskError> {
        if self.batches_left == 0 {
            return Err(DeskError::Away("killed".to_owned()));
        }
        self.batches_left -= 1;
        self.own.take(batch)
    }

    fn finish(&mut self, site: Option<&SiteId>) -> Result<Finished, DeskError> {
        self.own.finish(site)
    }
}

/// A view: seconds since the beginning, who, and of which page.
type View = (u64, u8, u8);

fn line((second, who, page): &View) -> String {
    let at = jiff::Timestamp::from_second(i64::try_from(BEGAN + second).expect("small")).expect("a moment");
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
    format!("203.0.113.{who} - - [{at}] \"GET /p{page} HTTP/1.1\" 200 9 \"-\" \"{FIREFOX}\"\n")
}

fn text(views: &[View]) -> Vec<u8> {
    views.iter().map(line).collect::<String>().into_bytes()
}

/// What the sorted log counts, by the words of the README alone.
fn expected(views: &[View]) -> Vec<(String, Tally, u64)> {
    let mut sorted = views.to_vec();
    sorted.sort_by_key(|view| view.0);
    let mut last: BTreeMap<u8, u64> = BTreeMap::new();
    let mut days: BTreeMap<&str, (Tally, std::collections::BTreeSet<u8>)> = BTreeMap::new();
    for (second, who, _) in sorted {
        let opened = last.insert(who, second).is_none_or(|last| second - last > WINDOW_MS / 1_000);
        let day = days.entry(if second < 3_600 { "2015-05-17" } else { "2015-05-18" }).or_default();
        day.0 += Tally { views: 1, visits: u64::from(opened) };
        day.1.insert(who);
    }
    let row = |(day, (tally, who)): (&str, (Tally, std::collections::BTreeSet<u8>))| {
        (day.to_owned(), tally, u64::try_from(who.len()).expect("small"))
    };
    days.into_iter().map(row).collect()
}

/// Views of three hours around a midnight, each at most a minute from its place.
fn views() -> impl Strategy<Value = Vec<View>> {
    let view = (0_u64..120, 0_u64..60, 0_u8..6, 0_u8..3);
    prop::collection::vec(view, 1..120).prop_map(|mut views| {
        views.sort_by_key(|(minute, ..)| *minute);
        views.into_iter().map(|(minute, second, who, page)| (minute * 60 + second, who, page)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_log_that_is_out_of_order_by_up_to_a_minute_counts_as_the_sorted_one(views in views()) {
        let (mut as_it_is, mut sorted) = (Room::new(), Room::new());
        as_it_is.count(&text(&views), 1_000, 9).0.expect("counts");
        let mut in_order = views.clone();
        in_order.sort_by_key(|view| view.0);
        sorted.count(&text(&in_order), 1_000, 9).0.expect("counts");
        prop_assert_eq!(as_it_is.days(), expected(&views));
        prop_assert_eq!(sorted.days(), expected(&views));
    }

    #[test]
    fn an_import_that_dies_again_and_again_counts_as_one_that_does_not(
        views in views(), lines in 1_u64..30, deaths in prop::collection::vec(0_usize..4, 0..6)) {
        let (mut whole, mut in_pieces) = (Room::new(), Room::new());
        let (counted, at_once) = whole.count(&text(&views), 1_000, 9);
        counted.expect("counts");
        let all = u64::try_from(views.len()).expect("small");
        prop_assert_eq!((at_once.lines(), at_once.of(Outcome::Counted)), (all, all));
        let mut grown = 0;
        for batches in deaths {
            grown += views.len() / 6;
            in_pieces.count(&text(&views[..grown]), lines, batches).0.ok();
        }
        let (counted, last) = in_pieces.count(&text(&views), lines, 1_000);
        counted.expect("counts");
        prop_assert_eq!(last.lines(), at_once.lines());
        let views_of = |days: Vec<(String, Tally, u64)>| {
            days.into_iter().map(|day| (day.0, day.1.views, day.2)).collect::<Vec<_>>()
        };
        prop_assert_eq!(views_of(in_pieces.days()), views_of(whole.days()));
        let (counted, again) = in_pieces.count(&text(&views), lines, 1_000);
        counted.expect("counts");
        prop_assert_eq!(again.of(Outcome::Already), at_once.lines());
        prop_assert_eq!(views_of(in_pieces.days()), views_of(whole.days()));
    }

    #[test]
    fn an_interrupted_import_opens_the_same_visits(
        views in views(), lines in 1_u64..30, deaths in prop::collection::vec(0_usize..4, 0..6)) {
        let (mut whole, mut in_pieces) = (Room::new(), Room::new());
        whole.count(&text(&views), 1_000, 9).0.expect("counts");
        for batches in deaths {
            in_pieces.count(&text(&views), lines, batches).0.ok();
        }
        in_pieces.count(&text(&views), lines, 1_000).0.expect("counts");
        prop_assert_eq!(in_pieces.days(), whole.days());
        prop_assert_eq!(in_pieces.pages(), whole.pages());
    }
}

/// One import: which pieces of a log, joined in which order, and with which line ends.
type Joined = (usize, usize, bool, bool);

/// A log of 40 minutes with lines up to a minute from their place, each of another page, and where it is cut.
fn cut_log() -> impl Strategy<Value = (Vec<View>, Vec<usize>, Vec<Joined>)> {
    let views = prop::collection::vec((0_u64..40, 0_u64..60, 0_u8..6), 20..300);
    let joined = (0_usize..8, 1_usize..8, any::<bool>(), any::<bool>());
    (views, prop::collection::vec(0_usize..300, 7), prop::collection::vec(joined, 1..12)).prop_map(
        |(mut views, mut cuts, joined)| {
            views.sort_by_key(|(minute, ..)| *minute);
            let lines = views.len();
            let view = |(minute, second, who): (u64, u64, u8)| (minute * 60 + second, who, 0);
            for cut in &mut cuts {
                *cut %= lines;
            }
            cuts.extend([0, lines]);
            cuts.sort_unstable();
            // A piece of one line is like an equal request, and is counted as one.
            for n in 1..cuts.len() - 1 {
                let is_short = cuts[n] < cuts[n - 1] + 2 || cuts[n] + 2 > lines;
                cuts[n] = if is_short { cuts[n - 1] } else { cuts[n] };
            }
            (views.into_iter().map(view).collect(), cuts, joined)
        },
    )
}

/// A line that no other is like.
fn numbered(n: usize, view: &View) -> String {
    line(view).replace("/p0", &format!("/n{n}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_log_that_is_cut_and_joined_in_any_way_counts_each_line_once(
        (views, cuts, mut joined) in cut_log(), lines in 5_u64..200) {
        let mut room = Room::new();
        let mut counted = vec![false; views.len()];
        joined.push((0, 8, false, false));
        for (first, pieces, is_turned, has_returns) in joined {
            let mut pieces: Vec<_> =
                (first..(first + pieces).min(8)).map(|piece| cuts[piece]..cuts[piece + 1]).collect();
            if is_turned {
                pieces.reverse();
            }
            let taken: Vec<usize> = pieces.into_iter().flatten().collect();
            let mut text: String = taken.iter().map(|n| numbered(*n, &views[*n])).collect();
            if has_returns {
                text = text.replace('\n', "\r\n");
            }
            // One that begins like another that went on differently is refused, and counts nothing.
            if room.count(text.as_bytes(), lines, 1_000).0.is_ok() {
                for n in taken {
                    counted[n] = true;
                }
            }
            let expected = u64::try_from(counted.iter().filter(|is| **is).count()).expect("small");
            prop_assert_eq!(room.views(), expected);
        }
    }
}

#[test]
fn equal_lines_count_as_often_as_one_log_has_them_and_not_again_from_a_copy() {
    let (mut room, view) = (Room::new(), |second| (second, 1, 1));
    let views: Vec<View> = [0, 0, 0, 5, 5, 30].into_iter().map(view).collect();
    room.count(&text(&views), 1_000, 9).0.expect("counts");
    assert_eq!(room.views(), 6);
    let copy = |views: &[View]| String::from_utf8_lossy(&text(views)).replace('\n', "\r\n").into_bytes();
    let (_, summary) = room.count(&copy(&views), 1_000, 9);
    assert_eq!((room.views(), summary.of(Outcome::Covered)), (6, 6));
    let more: Vec<View> = [31, 0, 0, 0, 0, 5, 5, 30].into_iter().map(view).collect();
    let (_, summary) = room.count(&copy(&more), 1_000, 9);
    assert_eq!((room.views(), summary.of(Outcome::Covered)), (8, 6));
}

#[test]
fn an_equal_line_on_the_other_side_of_a_cut_counts() {
    let mut room = Room::new();
    let view = |(second, who)| (second, who, 1);
    let first: Vec<View> = [(0, 1), (30, 2), (50, 3), (55, 4)].into_iter().map(view).collect();
    let second: Vec<View> = [(56, 5), (50, 3), (57, 6), (59, 7)].into_iter().map(view).collect();
    room.count(&text(&first), 1_000, 9).0.expect("counts");
    let (_, summary) = room.count(&text(&second), 1_000, 9);
    assert_eq!((summary.of(Outcome::Counted), summary.of(Outcome::Covered)), (4, 0));
    let whole = [text(&first), text(&second)].concat();
    for copy in [whole.clone(), [text(&second), text(&first)].concat(), [&b"x\n"[..], &whole[..]].concat()] {
        room.count(&copy, 1_000, 9).0.expect("counts");
        assert_eq!(room.views(), 8);
    }
}

#[test]
fn once_the_secrets_are_erased_a_copy_is_left_out_by_its_time_and_a_neighbour_counts() {
    let views: Vec<View> = (0..600).map(|n| (n, u8::try_from(n % 7).expect("small"), 1)).collect();
    let (first, second) = views.split_at(400);
    let mut room = Room::new();
    room.count(&text(first), 1_000, 9).0.expect("counts");
    room.fold.store().finish_imports(None, Day::LAST).expect("finishes");
    room.imported.forget_all_but(&std::collections::BTreeSet::new()).expect("writes");
    let copy = String::from_utf8_lossy(&text(first)).replace('\n', "\r\n");
    room.count(copy.as_bytes(), 1_000, 9).0.expect("counts");
    assert_eq!(room.views(), 400);
    room.count(&text(second), 1_000, 9).0.expect("counts");
    assert_eq!(room.views(), 600);
}

#[test]
fn once_the_secrets_are_erased_the_whole_of_logs_that_were_counted_in_parts_counts_nothing() {
    let views: Vec<View> = (0..900).map(|n| (n, u8::try_from(n % 7).expect("small"), 1)).collect();
    let parts = [&views[..400], &views[400..600], &views[600..]].map(text);
    let returns = |text: &[u8]| String::from_utf8_lossy(text).replace('\n', "\r\n").into_bytes();
    let whole = parts.concat();
    let turned = [parts[1].clone(), parts[2].clone(), parts[0].clone()].concat();
    for copy in [whole.clone(), returns(&whole), turned.clone(), returns(&turned), parts[1..].concat()] {
        let mut room = Room::new();
        for part in &parts {
            room.count(part, 1_000, 9).0.expect("counts");
        }
        room.fold.store().finish_imports(None, Day::LAST).expect("finishes");
        room.imported.forget_all_but(&std::collections::BTreeSet::new()).expect("writes");
        room.count(&copy, 1_000, 9).0.expect("counts");
        assert_eq!(room.views(), 900);
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut encoder, text).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn of_a_packed_stream_that_is_damaged_nothing_counts_and_then_the_whole_one_does() {
    let views: Vec<View> = (0..4_000).map(|n| (n, u8::try_from(n % 50).expect("small"), 1)).collect();
    let (text, mut room, mut whole) = (text(&views), Room::new(), Room::new());
    let packed = gzip(&text);
    let mut flipped = packed.clone();
    flipped[packed.len() / 3] ^= 1;
    for damaged in [&packed[..packed.len() / 2], &flipped] {
        let (counted, summary) = room.count(damaged, 500, 1_000);
        assert!(matches!(counted, Err(ImportError::Broken { .. })), "{counted:?}");
        assert_eq!((summary.lines(), room.views()), (0, 0));
    }
    let (counted, rest) = room.count(&packed, 500, 1_000);
    counted.expect("counts");
    assert_eq!(rest.of(Outcome::Counted), 4_000);
    whole.count(&text, 500, 1_000).0.expect("counts");
    assert_eq!(room.days(), whole.days());
}
