//! Who is here.
//!
//! One entry of 24 bytes for everybody seen within the visit window, in a dashmap: the last moment,
//! until when that makes somebody online, where, and whether a visit is open. The map never evicts:
//! when it is full, unknown visitors are refused at the guard.
//!
//! Expiry is on a lazy wheel of one slot a second. An entry lies in one slot, that of the second in
//! which something about it falls due; a touch that only puts this off does not move it, and the
//! sweep of that second then files it anew. Somebody is online up to the last whole second in which
//! the latest beacon is at most the window old, so a number is good for a second.
//!
//! The lock of a slot is the one lock taken inside another, that of the map's shard: an entry and
//! its place on the wheel must change together. The sweep never holds both.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::rows::{PARTS, PageSlot, Seen, step, uneven_part};
use crate::sites::SiteNumber;
use crate::words::{Kind, UnixMillis, VisitorId};

/// Slots of the wheel, one a second: more than the default visit window of 30 minutes. Whatever is
/// due later lies in the farthest slot and is filed anew from there.
const SLOTS: u32 = 2_048;
/// How long somebody who left stays online, in case this was only the way to the next page.
const LEAVE_GRACE_MS: u64 = 15_000;
/// No entry lives longer than the longest visit window, a day; the other day is slack.
const LIFE_SECONDS_MAX: u64 = 2 * 86_400;
/// A leave is still the last word of its page when the last known beacon is this much younger than
/// the leave says: two clocks and a network lie between.
const LEAVE_SLACK_MS: u64 = 1_000;

/// Where the map looks for the number of a shard in a hash: 6 bits behind the first 7 of 64.
const SHARD_SHIFT: u32 = 64 - 7 - 6;
const SHARD_MASK: u64 = 63;
/// A slot of the wheel grows by this part of itself: memory matters more than moving ids.
const SLOT_GROWTH: usize = 4;

const ONLINE: u32 = 1;
const IN_VISIT: u32 = 2;
const FLAG_BITS: u32 = 4;
const FILED_BITS: u32 = 12;
const FLAG_MASK: u32 = (1 << FLAG_BITS) - 1;
const FILED_MASK: u32 = (1 << FILED_BITS) - 1;

/// What somebody's entry remembers. Moments are the low 32 bits of milliseconds since the epoch:
/// differences are right up to 24 days, and no entry lives longer than a day.
#[derive(Clone, Copy, Debug)]
struct Here {
    last_ms: u32,
    /// Online before this second since the epoch.
    until: u32,
    /// Site, then four bits of flags.
    site: u32,
    /// Page slot (20 bits), then the low 12 bits of the second under which it is filed.
    page: u32,
}

impl Here {
    fn is(&self, flag: u32) -> bool {
        self.site & flag != 0
    }

    fn set(&mut self, flag: u32, on: bool) {
        self.site = if on { self.site | flag } else { self.site & !flag };
    }

    /// Where, while online.
    fn spot(&self) -> Option<Spot> {
        let (site, page) = (SiteNumber(self.site >> FLAG_BITS), PageSlot(self.page >> FILED_BITS));
        self.is(ONLINE).then_some(Spot { site, page })
    }

    fn set_spot(&mut self, spot: Spot) {
        self.site = spot.site.0 << FLAG_BITS | self.site & FLAG_MASK | ONLINE;
        self.page = spot.page.0 << FILED_BITS | self.page & FILED_MASK;
    }

    /// Milliseconds from the last beacon to `at`; 0 if that is earlier.
    fn gap_ms(&self, at: UnixMillis) -> u64 {
        u64::try_from(low(at.0).wrapping_sub(self.last_ms).cast_signed()).unwrap_or(0)
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("32 bits were left")
}

/// Visitor ids are keyed hashes already, and all that is changed of one is which shard it falls to.
#[derive(Default)]
struct UnevenShards(u64);

impl Hasher for UnevenShards {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only visitor ids are hashed here");
    }

    /// The map picks a shard by the bits behind the first seven. They are dealt unevenly, so that the
    /// shards double one after the other and not all at once.
    fn write_u64(&mut self, id: u64) {
        let part = u64::try_from(uneven_part(VisitorId(id))).unwrap_or(0);
        self.0 = id & !(SHARD_MASK << SHARD_SHIFT) | part << SHARD_SHIFT;
    }
}

/// A counted beacon, as presence needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    pub kind: Kind,
    pub at: UnixMillis,
    pub site: SiteNumber,
    pub visitor: VisitorId,
    pub previous: Option<VisitorId>,
    pub in_visit: bool,
    pub since_last_ms: u32,
    pub page: PageSlot,
    pub online_window_ms: u64,
}

/// Where somebody is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub site: SiteNumber,
    pub page: PageSlot,
}

/// What a beat changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// A visit opened.
    pub opened: bool,
    /// Somebody is online here who was not.
    pub came: Option<Spot>,
    /// Somebody is no longer online there: the same one, who went on to `came`.
    pub went: Option<Spot>,
    /// An entry of the day before, whose person is here under today's id already.
    pub doubled: Option<Spot>,
}

/// Everybody who is here.
pub(super) struct Presence {
    visit_window_ms: u64,
    here: DashMap<VisitorId, Here, BuildHasherDefault<UnevenShards>>,
    entries: AtomicUsize,
    wheel: Vec<Mutex<Vec<VisitorId>>>,
    /// The last second that was swept.
    swept: AtomicU64,
}

impl Presence {
    pub(super) fn new(visit_window_ms: u64, now: UnixMillis) -> Presence {
        Presence {
            visit_window_ms,
            here: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), PARTS),
            entries: AtomicUsize::new(0),
            wheel: (0..SLOTS).map(|_| Mutex::default()).collect(),
            swept: AtomicU64::new(now.second()),
        }
    }

    /// Everybody remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Everybody of a site: who, the last moment, until which second online, and whether in a visit.
    pub(super) fn of_site(
        &self,
        site: SiteNumber,
        now: UnixMillis,
    ) -> Vec<(VisitorId, UnixMillis, u64, bool)> {
        let of_site = self.here.iter().filter(|entry| entry.site >> FLAG_BITS == site.0);
        let told = of_site.map(|entry| {
            let last = now.minus(entry.gap_ms(now));
            let until = if entry.is(ONLINE) { u64::from(entry.until) } else { 0 };
            (*entry.key(), last, until, entry.is(IN_VISIT))
        });
        told.collect()
    }

    /// Whether this visitor is remembered, and then whether a beacon at `at` finds a visit open.
    pub(super) fn known(&self, visitor: VisitorId, at: UnixMillis) -> Option<bool> {
        let here = self.here.get(&visitor)?;
        Some(here.is(IN_VISIT) && here.gap_ms(at) <= self.visit_window_ms)
    }

    /// Takes a counted beacon. After midnight the entry of the day before is carried over to the
    /// new id first.
    pub(super) fn touch(&self, beat: &Beat) -> Change {
        let doubled = beat.previous.and_then(|previous| self.carry_over(previous, beat.visitor));
        let change = match self.here.entry(beat.visitor) {
            Entry::Occupied(mut entry) => self.touch_known(beat, entry.get_mut()),
            // Who is not known cannot leave.
            Entry::Vacant(_) if beat.kind == Kind::Leave && !beat.in_visit => Change::default(),
            Entry::Vacant(entry) => {
                self.entries.fetch_add(1, Ordering::Relaxed);
                let step = step(beat.kind, Seen::from_word(beat.in_visit), self.visit_window_ms);
                let mut here = entry.insert(Here { last_ms: low(beat.at.0), until: 0, site: 0, page: 0 });
                here.set(IN_VISIT, step.in_visit);
                if beat.kind == Kind::Leave {
                    self.file(beat.visitor, &mut here);
                    return Change { doubled, ..Change::default() };
                }
                Change { opened: step.opened, ..self.stay(beat, &mut here) }
            }
        };
        Change { doubled, ..change }
    }

    fn carry_over(&self, previous: VisitorId, visitor: VisitorId) -> Option<Spot> {
        let (_, carried) = self.here.remove(&previous)?;
        match self.here.entry(visitor) {
            Entry::Occupied(_) => {
                self.entries.fetch_sub(1, Ordering::Relaxed);
                carried.spot()
            }
            Entry::Vacant(entry) => {
                let mut here = entry.insert(carried);
                self.file(visitor, &mut here);
                None
            }
        }
    }

    fn touch_known(&self, beat: &Beat, here: &mut Here) -> Change {
        let gap_ms = here.gap_ms(beat.at);
        let seen = Seen { gap_ms, in_visit: here.is(IN_VISIT) };
        let step = step(beat.kind, Some(seen), self.visit_window_ms);
        here.set(IN_VISIT, step.in_visit);
        if gap_ms > 0 {
            here.last_ms = low(beat.at.0);
        }
        if beat.kind == Kind::Leave {
            self.leave(beat, here);
            return Change::default();
        }
        Change { opened: step.opened, ..self.stay(beat, here) }
    }

    /// A view or a ping: online for a whole window, here.
    fn stay(&self, beat: &Beat, here: &mut Here) -> Change {
        let was = here.spot();
        let spot = Spot { site: beat.site, page: beat.page };
        here.until = here.until.max(low(beat.at.plus(beat.online_window_ms).second() + 1));
        here.set_spot(spot);
        if was.is_none() {
            self.file(beat.visitor, here);
        }
        if was == Some(spot) {
            Change::default()
        } else {
            Change { came: Some(spot), went: was, ..Change::default() }
        }
    }

    /// A leave: the grace, unless a view or ping is known that came after the last one of the page
    /// that was left. When that was can be read from `until`, to the second.
    fn leave(&self, beat: &Beat, here: &mut Here) {
        let latest = (u64::from(here.until).saturating_sub(1) * 1_000).saturating_sub(beat.online_window_ms);
        let of_page = beat.at.minus(u64::from(beat.since_last_ms));
        let until = low(beat.at.plus(LEAVE_GRACE_MS).second() + 1);
        if here.is(ONLINE) && latest <= of_page.0 + LEAVE_SLACK_MS && until < here.until {
            here.until = until;
            self.file(beat.visitor, here);
        }
    }

    /// Puts an entry into the slot of the second in which it falls due.
    fn file(&self, visitor: VisitorId, here: &mut Here) {
        let next = self.swept.load(Ordering::Acquire) + 1;
        let farthest = next + u64::from(SLOTS) - 2;
        let due = self.due(here).clamp(low(next), low(farthest));
        here.page = here.page & !FILED_MASK | due & FILED_MASK;
        let mut slot = self.slot(due);
        if slot.len() == slot.capacity() {
            let more = slot.len() / SLOT_GROWTH + 4;
            slot.reserve_exact(more);
        }
        slot.push(visitor);
    }

    fn due(&self, here: &Here) -> u32 {
        if here.is(ONLINE) { here.until } else { self.gone(here) }
    }

    /// The second in which an entry that is not online may go.
    fn gone(&self, here: &Here) -> u32 {
        if !here.is(IN_VISIT) {
            return here.until;
        }
        let now = self.swept.load(Ordering::Acquire) * 1_000;
        let passed = here.gap_ms(UnixMillis(now));
        low((now + self.visit_window_ms).saturating_sub(passed) / 1_000 + 1)
    }

    fn slot(&self, second: u32) -> std::sync::MutexGuard<'_, Vec<VisitorId>> {
        let place = usize::try_from(second % SLOTS).unwrap_or(0);
        self.wheel[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to `now` and tells of everybody who went offline. One caller does the work of a
    /// second; others find it done.
    pub(super) fn sweep(&self, now: UnixMillis, mut went: impl FnMut(Spot)) {
        let until = now.second();
        loop {
            let swept = self.swept.load(Ordering::Acquire);
            if swept >= until {
                return;
            }
            let far = until - swept > LIFE_SECONDS_MAX;
            let next = if far { until } else { swept + 1 };
            if self.swept.compare_exchange(swept, next, Ordering::AcqRel, Ordering::Acquire).is_err() {
                continue;
            }
            if far {
                self.forget_everybody(&mut went);
            } else {
                self.sweep_second(low(next), &mut went);
            }
        }
    }

    fn sweep_second(&self, second: u32, went: &mut impl FnMut(Spot)) {
        let due = std::mem::take(&mut *self.slot(second));
        for visitor in due {
            let Entry::Occupied(mut entry) = self.here.entry(visitor) else { continue };
            let here = entry.get_mut();
            if here.page & FILED_MASK != second & FILED_MASK {
                continue;
            }
            if here.until <= second
                && let Some(spot) = here.spot()
            {
                here.set(ONLINE, false);
                went(spot);
            }
            if !here.is(ONLINE) && self.gone(here) <= second {
                entry.remove();
                self.entries.fetch_sub(1, Ordering::Relaxed);
            } else {
                self.file(visitor, here);
            }
        }
    }

    /// The clock jumped by more than any entry lives.
    fn forget_everybody(&self, went: &mut impl FnMut(Spot)) {
        self.here.retain(|_, here| {
            here.spot().into_iter().for_each(&mut *went);
            self.entries.fetch_sub(1, Ordering::Relaxed);
            false
        });
        for slot in 0..SLOTS {
            self.slot(slot).clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const WINDOW: u64 = 30 * 60_000;
    const ONLINE_WINDOW: u64 = 300_000;
    const START: u64 = 1_790_000_000_123;

    fn beat(kind: Kind, at: u64, visitor: u64, page: u32, since: u32) -> Beat {
        Beat {
            kind,
            at: UnixMillis(at),
            site: SiteNumber(7),
            visitor: VisitorId(visitor),
            previous: None,
            in_visit: false,
            since_last_ms: since,
            page: PageSlot(page),
            online_window_ms: ONLINE_WINDOW,
        }
    }

    struct Room {
        presence: Presence,
        online: HashMap<u32, i64>,
        visits: u64,
    }

    impl Room {
        fn new() -> Room {
            let presence = Presence::new(WINDOW, UnixMillis(START));
            Room { presence, online: HashMap::new(), visits: 0 }
        }

        fn touch(&mut self, beat: &Beat) -> bool {
            self.advance(beat.at.0);
            let change = self.presence.touch(beat);
            change.came.into_iter().for_each(|spot| *self.online.entry(spot.page.0).or_default() += 1);
            let gone = [change.went, change.doubled];
            gone.into_iter().flatten().for_each(|spot| *self.online.entry(spot.page.0).or_default() -= 1);
            self.visits += u64::from(change.opened);
            change.opened
        }

        fn advance(&mut self, at: u64) {
            let online = &mut self.online;
            self.presence.sweep(UnixMillis(at), |spot| *online.entry(spot.page.0).or_default() -= 1);
        }

        fn online(&mut self, at: u64) -> i64 {
            self.advance(at);
            self.online.values().sum()
        }
    }

    #[test]
    fn somebody_is_online_for_the_window_and_not_longer() {
        let mut room = Room::new();
        room.touch(&beat(Kind::View, START, 1, 0, 0));
        assert_eq!(room.online(START + ONLINE_WINDOW), 1);
        assert_eq!(room.online(START + ONLINE_WINDOW + 1_000), 0);
        assert_eq!(room.presence.len(), 1, "the visit is still open");
        room.advance(START + WINDOW + 2_000);
        assert_eq!(room.presence.len(), 0);
    }

    #[test]
    fn pings_keep_a_visit_open_and_do_not_open_one() {
        let mut room = Room::new();
        assert!(room.touch(&beat(Kind::View, START, 1, 0, 0)));
        for minute in 1..=120 {
            assert!(!room.touch(&beat(Kind::Ping, START + minute * 60_000, 1, 0, 0)));
        }
        assert!(!room.touch(&beat(Kind::View, START + 121 * 60_000, 1, 0, 0)));
        assert!(!room.touch(&beat(Kind::Ping, START, 2, 0, 0)));
        assert!(room.touch(&beat(Kind::View, START + 121 * 60_000, 2, 0, 0)));
    }

    #[test]
    fn a_leave_shortens_the_window_unless_another_tab_is_open() {
        let mut room = Room::new();
        room.touch(&beat(Kind::View, START, 1, 0, 0));
        room.touch(&beat(Kind::Leave, START + 20_000, 1, 0, 20_000));
        assert_eq!(room.online(START + 34_000), 1);
        assert_eq!(room.online(START + 36_000), 0);
        // Two tabs: the second one's view came after the first one's.
        room.touch(&beat(Kind::View, START + 100_000, 2, 0, 0));
        room.touch(&beat(Kind::View, START + 130_000, 2, 1, 0));
        room.touch(&beat(Kind::Leave, START + 140_000, 2, 0, 40_000));
        assert_eq!(room.online(START + 200_000), 1);
        room.touch(&beat(Kind::Leave, START + 201_000, 2, 1, 71_000));
        assert_eq!(room.online(START + 217_000), 0);
    }

    #[test]
    fn a_view_after_a_leave_keeps_somebody_online() {
        let mut room = Room::new();
        room.touch(&beat(Kind::View, START, 1, 0, 0));
        room.touch(&beat(Kind::Leave, START + 5_000, 1, 0, 5_000));
        room.touch(&beat(Kind::View, START + 6_000, 1, 3, 0));
        assert_eq!(room.online(START + 306_000), 1);
        assert_eq!(room.online[&3], 1);
        assert_eq!(room.online(START + 307_000), 0);
        assert_eq!(room.visits, 1);
    }

    #[test]
    fn after_midnight_one_person_stays_one() {
        let mut room = Room::new();
        room.touch(&beat(Kind::View, START, 1, 0, 0));
        let carried = Beat { previous: Some(VisitorId(1)), ..beat(Kind::View, START + 60_000, 2, 0, 0) };
        assert!(!room.touch(&carried), "the visit goes on");
        assert_eq!((room.online(START + 60_000), room.presence.len()), (1, 1));
        // A straggler under the old id is folded into the new one.
        room.touch(&beat(Kind::View, START + 60_001, 1, 0, 0));
        room.touch(&Beat { at: UnixMillis(START + 61_000), ..carried });
        assert_eq!((room.online(START + 61_000), room.presence.len()), (1, 1));
    }

    #[test]
    fn a_clock_that_jumps_by_years_forgets_everybody() {
        let mut room = Room::new();
        room.touch(&beat(Kind::View, START, 1, 0, 0));
        let later = START + 5 * 365 * 86_400_000;
        assert_eq!((room.online(later), room.presence.len()), (0, 0));
        assert!(room.touch(&beat(Kind::View, later, 1, 0, 0)));
    }

    /// The same rules on a list of moments, looked at whole each time.
    #[derive(Default)]
    struct Model {
        people: HashMap<u64, (u64, bool, u64, u32)>,
        visits: u64,
    }

    impl Model {
        fn touch(&mut self, beat: &Beat) {
            let at = beat.at.0;
            let known = self.people.get(&beat.visitor.0).copied();
            let Some((last, open, until, page)) = known else {
                if beat.kind != Kind::Leave {
                    self.visits += u64::from(beat.kind == Kind::View);
                    self.people.insert(
                        beat.visitor.0,
                        (at, beat.kind == Kind::View, at + ONLINE_WINDOW, beat.page.0),
                    );
                }
                return;
            };
            let goes_on = open && at - last <= WINDOW;
            let opened = beat.kind == Kind::View && !goes_on;
            self.visits += u64::from(opened);
            let (until, page) = if beat.kind == Kind::Leave {
                let latest = until / 1_000 * 1_000 - ONLINE_WINDOW;
                let shortens = latest <= at - u64::from(beat.since_last_ms) + LEAVE_SLACK_MS;
                (if shortens { until.min(at + LEAVE_GRACE_MS) } else { until }, page)
            } else {
                (at + ONLINE_WINDOW, beat.page.0)
            };
            self.people.insert(beat.visitor.0, (at, goes_on || opened, until, page));
        }

        fn online(&self, at: u64) -> i64 {
            let now = at / 1_000 * 1_000;
            i64::try_from(self.people.values().filter(|(_, _, until, _)| *until >= now).count()).expect("few")
        }
    }

    proptest! {
        #[test]
        fn presence_equals_a_plain_model(steps in prop::collection::vec((0_usize..3, 0_u64..900_000, 0_u64..6, 0_u32..3, 0_u32..400_000), 1..300)) {
            let (mut room, mut model, mut at) = (Room::new(), Model::default(), START);
            for (kind, pause, visitor, page, since) in steps {
                at += if pause % 3 == 0 { pause } else { pause / 100 };
                let beat = beat(Kind::ALL[kind], at, visitor, page, since);
                room.touch(&beat);
                model.touch(&beat);
                prop_assert_eq!(room.online(at), model.online(at));
                prop_assert_eq!(room.visits, model.visits);
            }
            for later in [10_000, 60_000, 400_000] {
                prop_assert_eq!(room.online(at + later), model.online(at + later));
            }
            room.advance(at + WINDOW + 400_000);
            prop_assert_eq!(room.presence.len(), 0);
        }
    }
}
