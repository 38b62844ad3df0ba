//! Seeded days of beacons of all kinds, midnights, full disks, late folds and crashes, against plain
//! lists that are looked at whole each time. Live numbers and folded numbers must both equal them.
//!
//! A failing run names its seed; `SIMULATION_SEED=n cargo test simulation` repeats it, and
//! `SIMULATION_RUNS=n` makes more of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use headcount::count::{Counts, Options as CountOptions};
use headcount::details::{Details, Dimension, Screen, Traits};
use headcount::fold::{Fold, Options as FoldOptions};
use headcount::journal::{self, Ack, Faults, Journal, Reading, SimulatedDisk, merge};
use headcount::keeper::kept;
use headcount::metrics::Metrics;
use headcount::rows::LocalDay;
use headcount::sites::{Identity, LanguageChoice, Placed, Site, Sites};
use headcount::store::{Options as StoreOptions, Store};
use headcount::web::{Committer, Worker, cuts};
use headcount::words::{
    Day, Figure, Kind, Numbers, PagePath, Record, SiteId, Tally, Touch, UnixMillis, VisitorId,
};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

const MINUTE: u64 = 60_000;
const VISIT_WINDOW: u64 = 30 * MINUTE;
const ONLINE_WINDOW: u64 = 5 * MINUTE;
/// 2026-12-28T20:00:00Z: weeks, a month and a year end within the first days.
const START: u64 = 1_798_488_000_000;
const PAGES: [&str; 4] = ["/", "/tin-tuc", "/about", "/a/b"];

fn site(id: &str, zone: &str, first_weekday: Weekday) -> Site {
    Site {
        id: SiteId::parse(id).unwrap(),
        hosts: Vec::new(),
        time_zone: TimeZone::get(zone).unwrap(),
        language: LanguageChoice::Fixed("vi".to_owned()),
        digit_grouping: None,
        first_weekday: Some(first_weekday),
        total: Figure::Visits,
        identity: Identity::Address,
        online_window_ms: ONLINE_WINDOW,
        honour_opt_out: false,
        page_parameters: Vec::new(),
        excluded_networks: Vec::new(),
        parts: 1,
    }
}

/// splitmix64 (Vigna): small, seeded, the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn visitor(site: usize, day: Day, person: u64) -> VisitorId {
    let seed = person ^ u64::try_from(site).unwrap() << 40 ^ u64::from(day.0.unsigned_abs()) << 20;
    VisitorId(Chance(seed).next())
}

/// The machine under test, one life of it at a time.
struct Machine {
    disk: SimulatedDisk,
    directory: tempfile::TempDir,
    sites: Vec<Placed>,
    life: Option<Life>,
}

struct Life {
    fold: Fold,
    counts: Counts,
    workers: Vec<(Arc<Worker>, Committer)>,
    metrics: Metrics,
}

impl Machine {
    fn new() -> Machine {
        let sites = vec![
            site("vks", "Asia/Ho_Chi_Minh", Weekday::Monday),
            site("ny", "America/New_York", Weekday::Sunday),
        ];
        let sites = Sites::default().replaced_by(sites).iter().cloned().collect();
        Machine { disk: SimulatedDisk::default(), directory: tempfile::tempdir().unwrap(), sites, life: None }
    }

    fn start(&mut self, now: UnixMillis) {
        let options = journal::Options {
            directory: PathBuf::from("/journal"),
            ack: Ack::Written,
            retained_ms: 60 * MINUTE,
            bytes_max: 1 << 30,
        };
        let (journal, _) = Journal::open(options, Arc::new(self.disk.clone())).unwrap();
        let path = self.directory.path().join("headcount.db");
        let options =
            StoreOptions { path, synchronous_full: false, pages_per_site: 100, details_per_day: 100 };
        let store = Store::open(&options).unwrap();
        let options = FoldOptions { interval_ms: 1_000, details_days: 400 };
        let (mut fold, _) = Fold::open(options, VISIT_WINDOW, Arc::clone(&journal), store).unwrap();
        let options = CountOptions {
            visit_window_ms: VISIT_WINDOW,
            pages_per_site: 100,
            presence_max: 10_000,
            together: false,
        };
        let oldest = now.minus(VISIT_WINDOW);
        let counts = Counts::new(options, oldest);
        for placed in &self.sites {
            counts.place(placed, &kept(fold.store(), &placed.site, now).unwrap(), now);
        }
        let streams = journal.streams().into_iter();
        let readings =
            streams.map(|(id, stream)| Reading { id, from: 0, to: stream.length, stream }).collect();
        merge(&journal, readings, |record, _, _| {
            if let Record::Touch(touch) = record
                && touch.at >= oldest
            {
                counts.replay(touch);
            }
            Ok::<(), std::io::Error>(())
        })
        .unwrap();
        let workers = (0..2).map(|_| (Arc::default(), Committer::new(journal.writer()))).collect();
        let metrics = Metrics::new(&[], &[], "test");
        self.life = Some(Life { fold, counts, workers, metrics });
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("it was started")
    }

    /// Sends a beacon through one worker; whether it was counted.
    fn beacon(&mut self, worker: usize, touch: &Touch<'_>) -> bool {
        let life = self.life();
        let (worker, committer) = &mut life.workers[worker];
        drop(worker.commit(touch));
        worker.turn(committer, &life.counts, &life.metrics, touch.at).expect("there was a record")
    }

    fn record_peaks(&mut self, now: UnixMillis) {
        let life = self.life();
        let (worker, committer) = &mut life.workers[0];
        worker.gather_peaks(&life.counts);
        worker.turn(committer, &life.counts, &life.metrics, now);
    }

    fn fold(&mut self, now: UnixMillis) {
        let life = self.life();
        let workers: Vec<_> = life.workers.iter().map(|(worker, _)| Arc::clone(worker)).collect();
        let cuts = cuts(&workers);
        life.fold.run(cuts, &life.counts, now).unwrap();
        for (_, committer) in &mut life.workers {
            committer.seal_if_old(now);
        }
        life.fold.tidy(now).unwrap();
    }
}

struct Counted {
    at: u64,
    day: Day,
    page: &'static str,
    opened: bool,
}

#[derive(Clone, Copy)]
struct Person {
    last: u64,
    in_visit: bool,
    until: u64,
    page: &'static str,
}

/// The same rules on plain lists.
#[derive(Default)]
struct Model {
    views: Vec<Counted>,
    people: HashMap<u64, Person>,
    visitors: BTreeMap<Day, HashSet<u64>>,
}

impl Model {
    fn take(&mut self, kind: Kind, at: u64, day: Day, person: u64, since: u64, page: &'static str) {
        let known = self.people.get(&person).copied();
        if kind != Kind::Leave {
            self.visitors.entry(day).or_default().insert(person);
        }
        let Some(mut known) = known else {
            if kind != Kind::Leave {
                let in_visit = kind == Kind::View;
                self.people.insert(person, Person { last: at, in_visit, until: at + ONLINE_WINDOW, page });
            }
            if kind == Kind::View {
                self.views.push(Counted { at, day, page, opened: true });
            }
            return;
        };
        let goes_on = known.in_visit && at - known.last <= VISIT_WINDOW;
        let opened = kind == Kind::View && !goes_on;
        if kind == Kind::View {
            self.views.push(Counted { at, day, page, opened });
        }
        if kind == Kind::Leave {
            let latest = known.until / 1_000 * 1_000 - ONLINE_WINDOW;
            if latest <= at - since + 1_000 {
                known.until = known.until.min(at + 15_000);
            }
        } else {
            known.until = at + ONLINE_WINDOW;
            known.page = page;
        }
        known.last = at;
        known.in_visit = goes_on || opened;
        self.people.insert(person, known);
    }

    fn sum(&self, holds: impl Fn(&Counted) -> bool) -> Tally {
        let mut sum = Tally::default();
        for view in self.views.iter().filter(|view| holds(view)) {
            sum += Tally { views: 1, visits: u64::from(view.opened) };
        }
        sum
    }

    fn online(&self, now: u64, page: Option<&str>) -> u32 {
        let second = now / 1_000 * 1_000;
        let here = |person: &&Person| person.until >= second && page.is_none_or(|page| page == person.page);
        u32::try_from(self.people.values().filter(here).count()).unwrap()
    }

    fn check(&self, numbers: &Numbers, site: &Site, now: u64, page: &str, folded: bool) {
        let today = LocalDay::of(UnixMillis(now), &site.time_zone).day;
        let date = today.date();
        let week = Day(today.0 - i32::from(date.weekday().since(site.first_weekday.unwrap())));
        let month = |back: i64| {
            let first = date.first_of_month().checked_sub(jiff::Span::new().months(back)).unwrap();
            (Day::from_date(first), Day::from_date(first.last_of_month()))
        };
        let within = |first: Day, last: Day| self.sum(|view| first <= view.day && view.day <= last);
        let year = (Day::from_date(date.first_of_year()), Day::from_date(date.last_of_year()));
        assert_eq!(numbers.total, self.sum(|_| true), "total");
        assert_eq!(numbers.today, within(today, today), "today");
        assert_eq!(numbers.yesterday, within(today.previous(), today.previous()), "yesterday");
        assert_eq!(numbers.this_week, within(week, Day(week.0 + 6)), "this week");
        assert_eq!(numbers.last_week, within(Day(week.0 - 7), Day(week.0 - 1)), "last week");
        assert_eq!(numbers.this_month, within(month(0).0, month(0).1), "this month");
        assert_eq!(numbers.last_month, within(month(1).0, month(1).1), "last month");
        assert_eq!(numbers.this_year, within(year.0, year.1), "this year");
        let minutes = |span: u64| self.sum(|view| view.at / MINUTE + span > now / MINUTE);
        assert_eq!(numbers.last_hour, minutes(60), "last hour");
        assert_eq!(numbers.last_24_hours, minutes(24 * 60), "last 24 hours");
        assert_eq!(numbers.online, self.online(now, None), "online");
        let of_page = self.sum(|view| view.page == page);
        let shown = numbers.page.as_ref().expect("a page was named");
        let shown = (shown.views, shown.visits, shown.online);
        assert_eq!(shown, (of_page.views, of_page.visits, self.online(now, Some(page))), "page {page}");
        if folded {
            let visitors =
                |day: Day| self.visitors.get(&day).map_or(0, |set| u64::try_from(set.len()).unwrap());
            assert_eq!(numbers.today_visitors, visitors(today), "visitors today");
            assert_eq!(numbers.yesterday_visitors, visitors(today.previous()), "visitors yesterday");
        }
    }
}

/// What the store kept, against the same lists.
fn check_store(machine: &mut Machine, models: &[Model]) {
    let sites = machine.sites.clone();
    for (placed, model) in sites.iter().zip(models) {
        let store = machine.life().fold.store();
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        let days = store.days(&placed.site.id, Day::FIRST, Day::LAST).unwrap();
        let mut expected: BTreeMap<Day, Tally> = BTreeMap::new();
        for view in &model.views {
            *expected.entry(view.day).or_default() += Tally { views: 1, visits: u64::from(view.opened) };
        }
        let kept: BTreeMap<Day, Tally> =
            days.iter().filter(|row| row.tally != Tally::default()).map(|row| (row.day, row.tally)).collect();
        assert_eq!(kept, expected, "days of {}", placed.site.id);
        for dimension in [Dimension::Screen, Dimension::Referrer] {
            let mut told: BTreeMap<Day, Tally> = BTreeMap::new();
            for row in store.detail_days(&placed.site.id, Day::FIRST, Day::LAST).unwrap() {
                if row.dimension == dimension {
                    *told.entry(row.day).or_default() += row.tally;
                }
            }
            assert_eq!(told, expected, "{dimension:?} of {}", placed.site.id);
        }
        for row in days {
            let visitors = model.visitors.get(&row.day).map_or(0, |set| u64::try_from(set.len()).unwrap());
            assert_eq!(row.visitors, visitors, "visitors of {} on {}", placed.site.id, row.day);
        }
    }
}

fn pause(chance: &mut Chance) -> u64 {
    match chance.below(40) {
        // Perhaps another worker, in the same millisecond.
        9..=19 => 0,
        0 => chance.below(9 * 60 * MINUTE),
        1..=3 => chance.below(40 * MINUTE),
        4..=8 => chance.below(6 * MINUTE),
        _ => chance.below(20_000),
    }
}

fn simulate(seed: u64, steps: u64) {
    let mut chance = Chance(seed);
    let mut machine = Machine::new();
    let mut models = [Model::default(), Model::default()];
    let mut now = START + chance.below(86_400_000);
    machine.start(UnixMillis(now));
    let mut last = (Kind::View, PAGES[0]);
    for _ in 0..steps {
        let pause = pause(&mut chance);
        now += pause;
        let at = UnixMillis(now);
        let n = usize::try_from(chance.below(2)).unwrap();
        let placed = machine.sites[n].clone();
        let local = LocalDay::of(at, &placed.site.time_zone);
        let (person, page) = (chance.below(12), PAGES[usize::try_from(chance.below(4)).unwrap()]);
        let kind =
            [Kind::View, Kind::View, Kind::Ping, Kind::Leave][usize::try_from(chance.below(4)).unwrap()];
        // Of one visitor's beacons in the same millisecond nobody can say which page came last, or
        // whether somebody left or came; views of one page only have to be one visit.
        let (kind, page) = if pause == 0 && last.0 == Kind::View { last } else { (kind, page) };
        now += u64::from(pause == 0 && last.0 != Kind::View);
        let at = UnixMillis(now);
        last = (kind, page);
        let since_last_ms = u32::try_from(chance.below(400_000)).unwrap();
        let full = chance.one_in(25);
        let room = usize::try_from(chance.below(60)).unwrap();
        machine.disk.set_faults(Faults {
            room: full.then_some(room),
            truncate_fails: full && chance.one_in(2),
            ..Faults::default()
        });
        let new_id = visitor(n, local.day, person);
        let previous =
            (at.since(local.from) < VISIT_WINDOW).then(|| visitor(n, local.day.previous(), person));
        let counts = &machine.life().counts;
        let known = counts.known(new_id, at).or_else(|| previous.and_then(|id| counts.known(id, at)));
        let screen = Screen::ALL[2 + usize::try_from(person % 4).unwrap()];
        let traits = Traits { screen, ..Traits::default() };
        let told = Details { traits, referrer: Some("example.org"), ..Details::default() };
        let touch = Touch {
            kind,
            at,
            site: placed.site.id.as_str(),
            day: local.day,
            visitor: new_id,
            previous,
            in_visit: known == Some(true),
            since_last_ms: if kind == Kind::Leave { since_last_ms } else { 0 },
            page: Some(page),
            details: if kind == Kind::View { told } else { Details::default() },
        };
        let counted = machine.beacon(usize::try_from(chance.below(2)).unwrap(), &touch);
        assert!(counted || full, "only a full disk refuses");
        machine.disk.set_faults(Faults::default());
        if counted {
            models[n].take(kind, now, local.day, person, u64::from(since_last_ms), page);
        }
        let folded = chance.one_in(5);
        if folded {
            machine.fold(at);
        }
        if chance.one_in(40) {
            // A crash: what was not folded lies in the journal.
            machine.life = None;
            machine.start(at);
        }
        for (placed, model) in machine.sites.clone().iter().zip(&models) {
            let numbers =
                machine.life().counts.numbers(placed.number, Some(PagePath::from_folded(page)), at).unwrap();
            model.check(&numbers, &placed.site, now, page, folded);
        }
    }
    machine.fold(UnixMillis(now));
    check_store(&mut machine, &models);
}

#[test]
fn seeded_days_equal_plain_lists() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("SIMULATION_SEED").unwrap_or(1);
    for seed in first..first + number("SIMULATION_RUNS").unwrap_or(12) {
        eprintln!("SIMULATION_SEED={seed}");
        simulate(seed, 600);
    }
}

#[test]
fn a_peak_is_shown_once_it_is_written_and_survives_a_crash() {
    let mut machine = Machine::new();
    machine.start(UnixMillis(START));
    let placed = machine.sites[0].clone();
    let local = LocalDay::of(UnixMillis(START), &placed.site.time_zone);
    let touch = |person| Touch {
        kind: Kind::View,
        at: UnixMillis(START),
        site: placed.site.id.as_str(),
        day: local.day,
        visitor: visitor(0, local.day, person),
        previous: None,
        in_visit: false,
        since_last_ms: 0,
        page: None,
        details: Details::default(),
    };
    let peak = |machine: &mut Machine, at: u64| {
        let numbers = machine.life().counts.numbers(placed.number, None, UnixMillis(at)).unwrap();
        numbers.peak_online.map(|peak| peak.count)
    };
    for person in 0..4 {
        assert!(machine.beacon(0, &touch(person)));
        assert_eq!(peak(&mut machine, START), Some(u32::try_from(person).unwrap() + 1));
    }
    let mut record = Vec::new();
    journal::encode(&Record::Touch(touch(4)), &mut record);
    machine.disk.set_faults(Faults { room: Some(record.len()), ..Faults::default() });
    assert!(machine.beacon(0, &touch(4)));
    assert_eq!(peak(&mut machine, START), Some(4), "it is not in the journal yet");
    machine.disk.set_faults(Faults::default());
    machine.record_peaks(UnixMillis(START));
    assert_eq!(peak(&mut machine, START), Some(5));
    machine.life = None;
    machine.start(UnixMillis(START + 60 * MINUTE));
    assert_eq!(peak(&mut machine, START + 60 * MINUTE), Some(5));
}

#[test]
fn a_torn_end_after_a_power_cut_loses_nothing_that_was_synced() {
    for kept in 0..80 {
        let disk = SimulatedDisk::default();
        let options = journal::Options {
            directory: PathBuf::from("/journal"),
            ack: Ack::Synced,
            retained_ms: 60 * MINUTE,
            bytes_max: 1 << 30,
        };
        let (journal, _) = Journal::open(options.clone(), Arc::new(disk.clone())).unwrap();
        let mut committer = Committer::new(journal.writer());
        let (worker, metrics) = (Worker::default(), Metrics::new(&[], &[], "test"));
        let options_of_counts = CountOptions {
            visit_window_ms: VISIT_WINDOW,
            pages_per_site: 10,
            presence_max: 10,
            together: false,
        };
        let counts = Counts::new(options_of_counts, UnixMillis(START));
        let mut answered = 0;
        for n in 0..6 {
            disk.set_faults(Faults { sync_fails: n == 4, ..Faults::default() });
            let at = UnixMillis(START + n);
            let (day, visitor) = (Day(1), VisitorId(n));
            let touch = Touch {
                kind: Kind::View,
                at,
                site: "vks",
                day,
                visitor,
                previous: None,
                in_visit: false,
                since_last_ms: 0,
                page: None,
                details: Details::default(),
            };
            drop(worker.commit(&touch));
            answered += u64::from(worker.turn(&mut committer, &counts, &metrics, at) == Some(true));
        }
        disk.cut_power(|unsynced| kept.min(unsynced));
        let (_, found) = Journal::open(options, Arc::new(disk.clone())).unwrap();
        assert_eq!((answered, found.records), (5, 5), "kept {kept} bytes");
    }
}
