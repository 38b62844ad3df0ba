//! The store against a plain model: whatever is applied, adjusted, pruned and reopened, in any
//! order, every row reads back exactly as maps and additions say.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroI64;
use std::path::Path;

use proptest::prelude::*;

use super::{AdjustError, Adjustment, DayRow, Options, PageDayRow, Prune, Reason, Scope, Sequence, Store};
use crate::details::{Details, Dimension, OTHER, Traits};
use crate::rows::{DayVisitors, RowChanges, RowKey, SiteChanges};
use crate::words::{Day, Figure, PagePath, SiteId, StreamId, Tally, UnixMillis};

const PAGES_PER_SITE: u32 = 3;
const DETAILS_PER_DAY: u32 = 4;

pub(super) fn options(directory: &Path, pages_per_site: u32) -> Options {
    let path = directory.join("headcount.db");
    Options { path, synchronous_full: false, pages_per_site, details_per_day: DETAILS_PER_DAY }
}

pub(super) fn site(name: &str) -> SiteId {
    SiteId::parse(name).expect("a site id")
}

#[derive(Clone, Debug)]
enum Step {
    Apply(RowChanges, BTreeMap<u64, u64>),
    Adjust(Adjustment),
    Prune { details_before: Day, minutes_before: u64, rows_max: u32 },
    Forget(u64),
    Remove(SiteId),
    Checkpoint,
    Reopen,
}

/// Added, removed and counted values, and the last change, of a total, a day or a page.
#[derive(Clone, Default)]
struct Sums {
    counted: Tally,
    added: Tally,
    removed: Tally,
    sequence: u64,
}

impl Sums {
    fn shown(&self) -> Tally {
        Tally {
            views: self.counted.views + self.added.views - self.removed.views,
            visits: self.counted.visits + self.added.visits - self.removed.visits,
        }
    }

    fn adjust(&mut self, figure: Figure, amount: NonZeroI64, sequence: u64) {
        let side = if amount.is_positive() { &mut self.added } else { &mut self.removed };
        *side += match figure {
            Figure::Views => Tally { views: amount.unsigned_abs().get(), visits: 0 },
            Figure::Visits => Tally { views: 0, visits: amount.unsigned_abs().get() },
        };
        self.sequence = sequence;
    }

    fn values(&self) -> Vec<u64> {
        let of = [self.counted, self.added, self.removed].map(|tally| [tally.views, tally.visits]);
        let mut values = of.concat();
        while values.len() > 1 && values.last() == Some(&0) {
            values.pop();
        }
        values
    }
}

#[derive(Clone, Default)]
struct SiteModel {
    total: Sums,
    days: BTreeMap<Day, (Sums, u64)>,
    minutes: BTreeMap<u64, Tally>,
    pages: BTreeMap<PagePath, Sums>,
    page_days: BTreeMap<(Day, PagePath), Tally>,
    details: BTreeMap<(Day, Dimension, String), Tally>,
    sketches: BTreeMap<Day, Vec<u8>>,
    adjustments: Vec<Adjustment>,
    peak: Option<(u32, UnixMillis)>,
    beacons: BTreeSet<UnixMillis>,
}

impl SiteModel {
    /// The page that a page counts for.
    fn row_of(&self, path: &PagePath) -> PagePath {
        let room = self.own_pages() < usize::try_from(PAGES_PER_SITE).expect("small");
        if self.pages.contains_key(path) || room { path.clone() } else { PagePath::other() }
    }

    fn own_pages(&self) -> usize {
        self.pages.keys().filter(|path| path.as_str() != PagePath::OTHER).count()
    }

    fn apply(&mut self, changes: &SiteChanges, sequence: u64) {
        self.total.sequence = sequence;
        for (day, tally) in &changes.days {
            self.total.counted += *tally;
            let (sums, _) = self.days.entry(*day).or_default();
            sums.counted += *tally;
            sums.sequence = sequence;
        }
        for (minute, tally) in &changes.minutes {
            *self.minutes.entry(*minute).or_default() += *tally;
        }
        for (day, path, tally) in changes.pages.sorted() {
            let path = self.row_of(&PagePath::from_folded(path));
            let sums = self.pages.entry(path.clone()).or_default();
            sums.counted += tally;
            sums.sequence = sequence;
            *self.page_days.entry((day, path)).or_default() += tally;
        }
        for (day, dimension, value, tally) in changes.details.rows() {
            let own =
                self.details.keys().filter(|(d, n, v)| (*d, *n) == (day, dimension) && v != OTHER).count();
            let room = own < usize::try_from(DETAILS_PER_DAY).expect("small");
            let key = (day, dimension, value);
            let key = if self.details.contains_key(&key) || room {
                key
            } else {
                (day, dimension, OTHER.to_owned())
            };
            *self.details.entry(key).or_default() += tally;
        }
        for (day, visitors) in &changes.visitors {
            let (sums, count) = self.days.entry(*day).or_default();
            *count = visitors.count;
            sums.sequence = sequence;
            match &visitors.sketch {
                Some(bytes) => self.sketches.insert(*day, bytes.clone()),
                None => self.sketches.remove(day),
            };
        }
        if let Some((count, at)) = changes.peak
            && self.peak.is_none_or(|(highest, since)| count > highest || count == highest && at < since)
        {
            self.peak = Some((count, at));
        }
        self.beacons.extend(changes.first_beacon);
        self.beacons.extend(changes.last_beacon);
    }

    fn adjust(&mut self, adjustment: &Adjustment, sequence: u64) -> bool {
        let Adjustment { figure, amount, .. } = *adjustment;
        let day = adjustment.scope.day();
        let wanted = if amount.is_negative() { amount.unsigned_abs().get() } else { 0 };
        let of_day = day.map(|day| self.days.get(&day).map(|(sums, _)| sums.shown()).unwrap_or_default());
        let short = |tally: Tally| figure.of(tally) < wanted;
        if let Some(page) = adjustment.scope.page() {
            let path = self.row_of(page);
            if short(self.pages.get(&path).map(Sums::shown).unwrap_or_default()) {
                return false;
            }
            self.pages.entry(path).or_default().adjust(figure, amount, sequence);
            self.total.sequence = sequence;
            self.adjustments.push(adjustment.clone());
            return true;
        }
        if short(self.total.shown()) || of_day.is_some_and(short) {
            return false;
        }
        self.total.adjust(figure, amount, sequence);
        if let Some(day) = day {
            self.days.entry(day).or_default().0.adjust(figure, amount, sequence);
        }
        self.adjustments.push(adjustment.clone());
        true
    }

    /// The rows of totals, days and pages, with the last change of each.
    fn values(&self) -> Vec<(RowKey, Vec<u64>, u64)> {
        let mut values = vec![(RowKey::Total, self.total.values(), self.total.sequence)];
        for (day, (sums, _)) in &self.days {
            values.push((RowKey::Day(*day), sums.values(), sums.sequence));
        }
        for (path, sums) in &self.pages {
            values.push((RowKey::Page(path.clone()), sums.values(), sums.sequence));
        }
        values
    }

    fn check(&self, store: &Store, id: &SiteId, sequences: &[Sequence]) {
        let row = store.site(id).expect("read").expect("a row");
        assert_eq!(row.total, self.total.shown());
        assert_eq!(row.peak, self.peak);
        assert_eq!(
            (row.first_beacon, row.last_beacon),
            (self.beacons.first().copied(), self.beacons.last().copied())
        );
        assert_eq!(usize::try_from(row.pages).expect("small"), self.own_pages());
        let (first, last) = (Day(0), Day(100_000));
        let days: Vec<_> = self
            .days
            .iter()
            .map(|(day, (sums, visitors))| {
                let (tally, counted) = (sums.shown(), sums.counted);
                DayRow { day: *day, tally, visitors: *visitors, counted }
            })
            .collect();
        assert_eq!(store.days(id, first, last).expect("read"), days);
        let minutes: Vec<_> = self.minutes.clone().into_iter().collect();
        assert_eq!(store.minutes(id, 0).expect("read"), minutes);
        let pages: BTreeMap<_, _> = store.pages(id).expect("read").into_iter().collect();
        let sums: BTreeMap<_, _> =
            self.pages.iter().map(|(path, sums)| (path.clone(), sums.shown())).collect();
        assert_eq!(pages, sums);
        let page_days: Vec<_> = self
            .page_days
            .iter()
            .map(|((day, path), tally)| PageDayRow { day: *day, path: path.clone(), tally: *tally })
            .collect();
        assert_eq!(store.page_days(id, first, last).expect("read"), page_days);
        let details = store.detail_days(id, first, last).expect("read").into_iter();
        let details: BTreeMap<_, _> =
            details.map(|row| ((row.day, row.dimension, row.value), row.tally)).collect();
        assert_eq!(details, self.details);
        assert_eq!(store.adjustments(id).expect("read"), self.adjustments);
        for since in sequences {
            self.check_changed_since(store, id, *since);
        }
    }

    fn check_changed_since(&self, store: &Store, id: &SiteId, since: Sequence) {
        let (changed, _) = store.changed_since(id, since).expect("read");
        let sortable = |(row, values): (RowKey, Vec<u64>)| (format!("{row:?}"), values);
        let sums = |row: &RowKey| matches!(row, RowKey::Total | RowKey::Day(_) | RowKey::Page(_));
        let changed: BTreeSet<_> =
            changed.into_iter().filter(|v| sums(&v.row)).map(|v| sortable((v.row, v.values))).collect();
        let values = self.values().into_iter().filter(|(_, _, sequence)| *sequence > since.0);
        let values = values.map(|(row, values, _)| (row, values));
        assert_eq!(changed, values.map(sortable).collect(), "since {since:?}");
    }
}

#[derive(Default)]
struct Model {
    sites: BTreeMap<SiteId, SiteModel>,
    offsets: BTreeMap<u64, u64>,
    sequences: Vec<Sequence>,
}

impl Model {
    /// Takes one step on both sides, the store's and the model's.
    fn step(&mut self, mut store: Store, options: &Options, step: &Step) -> Store {
        match step {
            Step::Apply(changes, covered) => self.apply(&mut store, changes, covered),
            Step::Adjust(adjustment) => self.adjust(&mut store, adjustment),
            Step::Prune { details_before, minutes_before, rows_max } => {
                let plan = Prune {
                    details_before: *details_before,
                    minutes_before: *minutes_before,
                    rows_max: *rows_max,
                };
                self.prune(&mut store, &plan);
            }
            Step::Forget(stream) => {
                store.forget_streams(&[StreamId(*stream)]).expect("forget");
                self.offsets.remove(stream);
            }
            Step::Remove(id) => {
                assert_eq!(store.remove_site(id).expect("remove"), self.sites.remove(id).is_some());
            }
            Step::Checkpoint => store.checkpoint().expect("checkpoint"),
            Step::Reopen => {
                drop(store);
                return Store::open(options).expect("open again");
            }
        }
        store
    }

    fn apply(&mut self, store: &mut Store, changes: &RowChanges, covered: &BTreeMap<u64, u64>) {
        let reached: BTreeMap<u64, u64> = covered
            .iter()
            .map(|(stream, bytes)| (*stream, self.offsets.get(stream).copied().unwrap_or(0) + bytes))
            .collect();
        let pairs: Vec<_> = reached.iter().map(|(stream, offset)| (StreamId(*stream), *offset)).collect();
        let sequence = store.apply(changes, &pairs).expect("apply");
        assert!(self.sequences.last().is_none_or(|last| *last < sequence), "sequences grow");
        self.sequences.push(sequence);
        self.offsets.extend(reached);
        for (id, site_changes) in &changes.sites {
            self.sites.entry(id.clone()).or_default().apply(site_changes, sequence.0);
        }
    }

    fn adjust(&mut self, store: &mut Store, adjustment: &Adjustment) {
        let next = store.sequence().expect("read").0 + 1;
        let mut site = self.sites.get(&adjustment.site).cloned().unwrap_or_default();
        let taken = site.adjust(adjustment, next);
        match store.adjust(adjustment) {
            Ok(total) => {
                assert!(taken);
                assert_eq!(total, site.total.shown());
                self.sites.insert(adjustment.site.clone(), site);
            }
            Err(AdjustError::BelowZero { .. }) => assert!(!taken),
            Err(error) => panic!("{error}"),
        }
    }

    /// Which of the old rows go first is the store's to choose, so steps are taken until none is left.
    fn prune(&mut self, store: &mut Store, plan: &Prune) {
        let rows = |sites: &BTreeMap<SiteId, SiteModel>| -> usize {
            let rows = |site: &SiteModel| site.page_days.len() + site.details.len() + site.minutes.len();
            sites.values().map(rows).sum()
        };
        let before = rows(&self.sites);
        for site in self.sites.values_mut() {
            site.page_days.retain(|(day, _), _| *day >= plan.details_before);
            site.details.retain(|(day, ..), _| *day >= plan.details_before);
            site.minutes.retain(|minute, _| *minute >= plan.minutes_before);
        }
        let mut gone = 0;
        loop {
            let pruned = store.prune(plan).expect("prune");
            let step = pruned.page_days + pruned.detail_days + pruned.minutes;
            assert!(step <= usize::try_from(plan.rows_max).expect("small"));
            gone += step;
            if !pruned.more {
                break;
            }
        }
        assert_eq!(gone, before - rows(&self.sites));
    }

    fn check(&self, store: &Store) {
        let ids: Vec<_> = self.sites.keys().cloned().collect();
        assert_eq!(store.site_ids().expect("read"), ids);
        let mut some = self.sequences.clone();
        some.push(Sequence(0));
        for (id, site) in &self.sites {
            site.check(store, id, &some);
        }
        let sketches: Vec<_> = self
            .sites
            .iter()
            .flat_map(|(id, site)| site.sketches.iter().map(|(day, bytes)| (id.clone(), *day, bytes.clone())))
            .collect();
        assert_eq!(store.open_sketches().expect("read"), sketches);
        let offsets: Vec<_> =
            self.offsets.iter().map(|(stream, offset)| (StreamId(*stream), *offset)).collect();
        assert_eq!(store.offsets().expect("read"), offsets);
        assert_eq!(store.check().expect("read"), Vec::<String>::new());
    }
}

fn tally() -> impl Strategy<Value = Tally> {
    (0..5_u64, 0..3_u64).prop_map(|(views, visits)| Tally { views, visits })
}

fn day() -> impl Strategy<Value = Day> {
    (20_700..20_705_i32).prop_map(Day)
}

fn page() -> impl Strategy<Value = PagePath> {
    prop_oneof![
        9 => (0..6_u8).prop_map(|n| PagePath::from_folded(&format!("/{n}"))),
        1 => Just(PagePath::other()),
    ]
}

fn id() -> impl Strategy<Value = SiteId> {
    prop_oneof![Just(site("a")), Just(site("vks")), Just(site("x.example"))]
}

fn site_changes() -> impl Strategy<Value = SiteChanges> {
    use prop::collection::{btree_map, vec};
    let visitors = (0..200_u64, prop::option::of(vec(any::<u8>(), 0..20)))
        .prop_map(|(count, sketch)| DayVisitors { count, sketch });
    (
        btree_map(day(), tally(), 0..3),
        btree_map(1_000..1_010_u64, tally(), 0..3),
        vec((day(), page(), tally()), 0..6),
        vec((day(), 0..9_u8, 0..4_u64), 0..12),
        btree_map(day(), visitors, 0..2),
        prop::option::of((1..4_u32, (1..1_000_u64).prop_map(UnixMillis))),
        prop::option::of((1..1_000_u64, 1..1_000_u64).prop_map(|(a, b)| (UnixMillis(a), UnixMillis(b)))),
    )
        .prop_map(|(days, minutes, pages, told, visitors, peak, beacon)| {
            let mut changes = SiteChanges { days, minutes, visitors, peak, ..SiteChanges::default() };
            for (day, path, tally) in pages {
                changes.pages.add(day, path.as_str(), tally);
            }
            for (day, referrer, packed) in told {
                let tally = Tally { views: 1, visits: packed & 1 };
                *changes.days.entry(day).or_default() += tally;
                let referrer = format!("{referrer}.example");
                let traits = Traits::from_packed(packed);
                changes.details.add(
                    day,
                    &Details { traits, referrer: Some(&referrer), ..Details::default() },
                    tally,
                );
            }
            if let Some((first, last)) = beacon {
                changes.note_beacon(last);
                changes.note_beacon(first);
            }
            changes
        })
}

fn adjustment() -> impl Strategy<Value = Adjustment> {
    let figure = prop_oneof![Just(Figure::Views), Just(Figure::Visits)];
    let amount = (-6..9_i64).prop_filter_map("zero is no adjustment", NonZeroI64::new);
    let scope = prop_oneof![Just(Scope::Total), day().prop_map(Scope::Day), page().prop_map(Scope::Page)];
    (id(), figure, amount, scope, 1..1_000_u64).prop_map(|(site, figure, amount, scope, at)| Adjustment {
        site,
        figure,
        amount,
        scope,
        reason: Reason::parse("moved from the old counter").expect("a reason"),
        who: "uid 1000".to_owned(),
        at: UnixMillis(at),
    })
}

fn step() -> impl Strategy<Value = Step> {
    use prop::collection::btree_map;
    let apply = (btree_map(id(), site_changes(), 0..3), btree_map(0..4_u64, 0..100_u64, 0..3));
    prop_oneof![
        10 => apply.prop_map(|(sites, covered)| Step::Apply(RowChanges { sites }, covered)),
        5 => adjustment().prop_map(Step::Adjust),
        1 => (day(), 1_000..1_010_u64, 1..5_u32).prop_map(|(details_before, minutes_before, rows_max)| {
            Step::Prune { details_before, minutes_before, rows_max }
        }),
        1 => (0..4_u64).prop_map(Step::Forget),
        1 => id().prop_map(Step::Remove),
        1 => Just(Step::Checkpoint),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_reads_back_as_maps_and_additions_say(steps in prop::collection::vec(step(), 1..25)) {
        let directory = tempfile::tempdir().expect("a directory");
        let options = options(directory.path(), PAGES_PER_SITE);
        let mut store = Store::open(&options).expect("open");
        let mut model = Model::default();
        for step in &steps {
            store = model.step(store, &options, step);
            model.check(&store);
        }
    }
}
