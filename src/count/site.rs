//! The numbers of one site in memory.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::presence::{Change, Spot};
use super::window::Window;
use super::{Opened, Options};
use crate::rows::{
    Addition, Calendar, LocalDay, PageSlot, Pages, SharedChanges, SiteChanges, Span, timestamp,
};
use crate::sites::{Placed, Site, SiteNumber};
use crate::words::{Day, Figure, Numbers, PageNumbers, PagePath, Peak, SiteId, Tally, UnixMillis};

/// What the store kept of a site.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The weekday that the site's weeks begin with.
    pub first_weekday: Option<Weekday>,
    /// All time, adjustments included.
    pub total: Tally,
    /// Calendar rows with their visitors, at least as far back as last month and this year reach.
    pub days: Vec<(Day, Tally, u64)>,
    /// Minute rows of the last 24 hours.
    pub minutes: Vec<(u64, Tally)>,
    /// All-time pages.
    pub pages: Vec<(PagePath, Tally)>,
    /// The highest online number and its moment.
    pub peak: Option<(u32, UnixMillis)>,
    /// The last counted beacon.
    pub last_beacon: Option<UnixMillis>,
}

pub(super) struct SiteCounts {
    pub(super) id: SiteId,
    pub(super) number: SiteNumber,
    pages_max: u32,
    /// A fleet says how many are online.
    together: bool,
    online: AtomicI64,
    online_window_ms: AtomicU64,
    live: Mutex<Live>,
}

struct Live {
    zone: TimeZone,
    local: LocalDay,
    /// The moment as text, made once a second.
    written: (u64, Arc<str>),
    calendar: Calendar,
    total: Tally,
    window: Window,
    pages: Pages,
    visitors: [(Day, u64); 2],
    /// The peak that is in the journal, and so may be shown.
    peak: Option<(u32, UnixMillis, Arc<str>)>,
    /// The highest number seen.
    seen: Option<(u32, UnixMillis)>,
    last_beacon: Option<UnixMillis>,
    /// What this machine counted since its start; never less than before.
    counted: Tally,
    shared_online: Option<SharedOnline>,
}

/// Who is online in the whole fleet, as of the last time it was asked.
struct SharedOnline {
    count: u32,
    /// This machine's own number at that moment: whoever came since is not in `count`.
    own: u32,
    at: UnixMillis,
}

impl SiteCounts {
    pub(super) fn new(placed: &Placed, kept: &Kept, options: &Options, now: UnixMillis) -> SiteCounts {
        SiteCounts {
            id: placed.site.id.clone(),
            number: placed.number,
            pages_max: options.pages_per_site,
            together: options.together,
            online: AtomicI64::new(0),
            online_window_ms: AtomicU64::new(placed.site.online_window_ms),
            live: Mutex::new(Live::new(placed, kept, options.pages_per_site, now)),
        }
    }

    /// Takes a changed configuration. Rows are kept by local date, so a new zone only says which
    /// date comes next; a new first weekday needs the days of the store again.
    pub(super) fn reconfigure(&self, site: &Site, kept: &Kept, now: UnixMillis) {
        self.online_window_ms.store(site.online_window_ms, Ordering::Relaxed);
        let mut live = self.live();
        live.zone = site.time_zone.clone();
        live.local = LocalDay::of(now, &live.zone);
        live.written = (0, Arc::from(""));
        live.peak = live.peak.take().map(|(count, at, _)| (count, at, written(at, &live.zone)));
        let day = live.calendar.day().max(live.local.day);
        live.calendar.advance(day);
        let mut weeks = calendar(day, kept);
        weeks.take_all_but_weeks_from(&live.calendar);
        live.calendar = weeks;
    }

    /// Shows what is kept now; pages keep who is on them.
    pub(super) fn replace(&self, placed: &Placed, kept: &Kept, options: &Options, now: UnixMillis) {
        let mut fresh = Live::new(placed, kept, options.pages_per_site, now);
        let mut live = self.live();
        live.pages.forget();
        for (path, tally) in &kept.pages {
            let slot = live.pages.slot(path.as_str(), self.pages_max);
            live.pages.add(slot, *tally);
        }
        std::mem::swap(&mut fresh.pages, &mut live.pages);
        fresh.shared_online = live.shared_online.take();
        fresh.counted = live.counted;
        *live = fresh;
    }

    /// Begins anew at nothing, but for who is here.
    pub(super) fn forget(&self, now: UnixMillis) {
        let mut live = self.live();
        let day = live.local_day(now).day;
        live.calendar = Calendar::new(day, live.calendar.first_weekday());
        live.total = Tally::default();
        live.window = Window::default();
        live.pages.forget();
        live.visitors = [(day, 0), (day.previous(), 0)];
        (live.peak, live.seen, live.last_beacon) = (None, None, None);
    }

    pub(super) fn online_window_ms(&self) -> u64 {
        self.online_window_ms.load(Ordering::Relaxed)
    }

    pub(super) fn page_slot(&self, page: &str) -> PageSlot {
        self.live().pages.slot(page, self.pages_max)
    }

    /// Takes what a beacon of this site changes: who is where, and for a view the sums. Says whether more
    /// are online than ever before.
    pub(super) fn take(
        &self,
        change: &Change,
        addition: Option<&Addition<'_>>,
        page: Option<PageSlot>,
        at: UnixMillis,
    ) -> bool {
        let here = |spot: Spot| (spot.site == self.number).then_some(spot.page);
        let came = change.came.and_then(here);
        let went = [change.went.and_then(here), change.doubled.and_then(here)];
        let more = i64::from(came.is_some()) - went.map(|page| i64::from(page.is_some())).iter().sum::<i64>();
        let online = if more == 0 { 0 } else { self.online.fetch_add(more, Ordering::AcqRel) + more };
        let mut live = self.live();
        for page in went.into_iter().flatten() {
            live.pages.leave(page);
        }
        if let Some(page) = came {
            live.pages.enter(page);
        }
        let online = u32::try_from(online).unwrap_or(0);
        let rose = more > 0 && !self.together && live.seen.is_none_or(|(highest, _)| online > highest);
        if rose {
            live.seen = Some((online, at));
        }
        if let Some(addition) = addition {
            live.calendar.add(addition.day, addition.tally);
            live.window.add(addition.minute, addition.tally);
            live.total += addition.tally;
            live.counted.views = live.counted.views.saturating_add(addition.tally.views);
            if let Some(slot) = page {
                live.pages.add(slot, addition.tally);
            }
        }
        live.last_beacon = live.last_beacon.max(Some(at));
        rose
    }

    /// Somebody is no longer on a page.
    pub(super) fn went(&self, page: PageSlot) {
        self.online.fetch_sub(1, Ordering::AcqRel);
        self.live().pages.leave(page);
    }

    pub(super) fn rising(&self) -> Option<(u32, UnixMillis)> {
        let live = self.live();
        let shown = live.peak.as_ref().map_or(0, |(count, _, _)| *count);
        live.seen.filter(|(count, _)| *count > shown)
    }

    pub(super) fn raise_peak(&self, count: u32, at: UnixMillis) {
        let mut live = self.live();
        if count > live.peak.as_ref().map_or(0, |(highest, _, _)| *highest) {
            live.peak = Some((count, at, written(at, &live.zone)));
        }
    }

    /// Notes visits that the fold has decided.
    pub(super) fn note_visits(&self, visits: u64) {
        let mut live = self.live();
        live.counted.visits = live.counted.visits.saturating_add(visits);
    }

    pub(super) fn correct_visits(&self, opened: &Opened, ours: u64, theirs: u64) {
        let mut live = self.live();
        let (more, less) = (theirs.saturating_sub(ours), ours.saturating_sub(theirs));
        let more = Tally { views: 0, visits: more };
        live.total += more;
        live.calendar.add(opened.day, more);
        live.window.add(opened.minute, more);
        live.total.visits = live.total.visits.saturating_sub(less);
        live.calendar.take_away(opened.day, Tally { views: 0, visits: less });
        live.window.take_away_visits(opened.minute, less);
        if let Some(page) = opened.page {
            live.pages.add(page, more);
            live.pages.take_away(page, Tally { views: 0, visits: less });
        }
    }

    pub(super) fn set_visitors(&self, day: Day, count: u64) {
        self.live().set_visitors(day, count);
    }

    pub(super) fn adjust(&self, day: Option<Day>, figure: Figure, amount: i64) {
        let mut live = self.live();
        let tally = figure.alone(amount.unsigned_abs());
        // A day after the present one is not in the calendar yet; the store has it.
        let day = day.filter(|day| *day <= live.calendar.day());
        if amount >= 0 {
            live.total += tally;
            if let Some(day) = day {
                live.calendar.add(day, tally);
            }
        } else {
            live.total.views = live.total.views.saturating_sub(tally.views);
            live.total.visits = live.total.visits.saturating_sub(tally.visits);
            if let Some(day) = day {
                live.calendar.take_away(day, tally);
            }
        }
    }

    pub(super) fn adjust_page(&self, page: &str, figure: Figure, amount: i64) {
        let mut live = self.live();
        let slot = live.pages.slot(page, self.pages_max);
        let by = figure.alone(amount.unsigned_abs());
        if amount >= 0 {
            live.pages.add(slot, by);
        } else {
            live.pages.take_away(slot, by);
        }
    }

    /// Days of the past; one that lies beyond the present day is not in the calendar yet.
    pub(super) fn import(&self, changes: &SiteChanges, now: UnixMillis) {
        let mut live = self.live();
        let today = live.local_day(now).day;
        live.calendar.advance(today);
        for (day, tally) in &changes.days {
            live.total += *tally;
            if *day <= today {
                live.calendar.add(*day, *tally);
            }
        }
        for (_, page, tally) in changes.pages.sorted() {
            let slot = live.pages.slot(page, self.pages_max);
            live.pages.add(slot, tally);
        }
    }

    /// Takes what other machines counted. Says whether one of them has seen a higher peak.
    pub(super) fn merge(&self, changes: &SharedChanges, now: UnixMillis) -> bool {
        let mut live = self.live();
        let today = live.local_day(now).day;
        live.calendar.advance(today);
        live.window.advance(now.minute());
        live.total += changes.total.more;
        live.total -= changes.total.less;
        for (day, growth) in changes.days.iter().filter(|(day, _)| **day <= today) {
            live.calendar.add(*day, growth.more);
            live.calendar.take_away(*day, growth.less);
        }
        for (minute, tally) in &changes.minutes {
            live.window.add(*minute, *tally);
        }
        for (page, growth) in &changes.pages {
            let slot = live.pages.slot(page.as_str(), self.pages_max);
            live.pages.add(slot, growth.more);
            live.pages.take_away(slot, growth.less);
        }
        changes.peak.is_some_and(|(count, at)| live.saw(count, at))
    }

    /// Takes the fleet's number online. Says whether it is higher than ever before.
    pub(super) fn set_online(&self, count: u32, own: u32, at: UnixMillis) -> bool {
        let mut live = self.live();
        live.shared_online = Some(SharedOnline { count, own, at });
        live.saw(count, at)
    }

    /// Online by what this machine saw.
    pub(super) fn own_online(&self) -> u32 {
        u32::try_from(self.online.load(Ordering::Acquire)).unwrap_or(0)
    }

    pub(super) fn local_day(&self, now: UnixMillis) -> LocalDay {
        self.live().local_day(now)
    }

    pub(super) fn extent(&self) -> (usize, Option<UnixMillis>) {
        let live = self.live();
        (live.pages.len(), live.last_beacon)
    }

    pub(super) fn counted(&self) -> Tally {
        self.live().counted
    }

    pub(super) fn page(&self, page: PagePath) -> PageNumbers {
        self.live().page_numbers(page)
    }

    pub(super) fn numbers(&self, page: Option<PagePath>, now: UnixMillis) -> Numbers {
        let own = self.own_online();
        let mut live = self.live();
        let online = live.online(own, self.online_window_ms(), now);
        let day = live.local_day(now).day;
        live.calendar.advance(day);
        live.window.advance(now.minute());
        if live.written.0 != now.second() {
            live.written = (now.second(), written(now, &live.zone));
        }
        let day = live.calendar.day();
        Numbers {
            site: self.id.clone(),
            at: Arc::clone(&live.written.1),
            online,
            online_window_seconds: u32::try_from(self.online_window_ms() / 1_000).unwrap_or(u32::MAX),
            total: live.total,
            today: live.calendar.sum(Span::Today),
            today_visitors: live.visitors(day),
            yesterday: live.calendar.sum(Span::Yesterday),
            yesterday_visitors: live.visitors(day.previous()),
            this_week: live.calendar.sum(Span::ThisWeek),
            last_week: live.calendar.sum(Span::LastWeek),
            this_month: live.calendar.sum(Span::ThisMonth),
            last_month: live.calendar.sum(Span::LastMonth),
            this_year: live.calendar.sum(Span::ThisYear),
            last_hour: live.window.last_hour(),
            last_24_hours: live.window.last_24_hours(),
            peak_online: live.peak.as_ref().map(|(count, _, at)| Peak { count: *count, at: Arc::clone(at) }),
            page: page.map(|page| live.page_numbers(page)),
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn new(placed: &Placed, kept: &Kept, pages_max: u32, now: UnixMillis) -> Live {
        let zone = placed.site.time_zone.clone();
        let local = LocalDay::of(now, &zone);
        let mut pages = Pages::default();
        for (path, tally) in &kept.pages {
            let slot = pages.slot(path.as_str(), pages_max);
            pages.add(slot, *tally);
        }
        let mut window = Window::default();
        kept.minutes.iter().for_each(|(minute, tally)| window.add(*minute, *tally));
        let mut live = Live {
            local,
            written: (0, Arc::from("")),
            calendar: calendar(local.day, kept),
            total: kept.total,
            window,
            pages,
            visitors: [(local.day, 0), (local.day.previous(), 0)],
            peak: kept.peak.map(|(count, at)| (count, at, written(at, &zone))),
            seen: kept.peak,
            last_beacon: kept.last_beacon,
            counted: Tally::default(),
            shared_online: None,
            zone,
        };
        kept.days.iter().for_each(|(day, _, visitors)| live.set_visitors(*day, *visitors));
        live
    }

    fn local_day(&mut self, now: UnixMillis) -> LocalDay {
        if !self.local.contains(now) {
            self.local = LocalDay::of(now, &self.zone);
        }
        self.local
    }

    /// Notes so many online. Says whether it is more than ever before.
    fn saw(&mut self, count: u32, at: UnixMillis) -> bool {
        let rose = count > self.seen.map_or(0, |(highest, _)| highest);
        if rose {
            self.seen = Some((count, at));
        }
        rose
    }

    /// The fleet's number with those who came here since; this machine's own once that is older than
    /// the online window.
    fn online(&self, own: u32, online_window_ms: u64, now: UnixMillis) -> u32 {
        match &self.shared_online {
            Some(shared) if now.since(shared.at) <= online_window_ms => {
                shared.count.saturating_add(own.saturating_sub(shared.own))
            }
            _ => own,
        }
    }

    fn set_visitors(&mut self, day: Day, count: u64) {
        if let Some(slot) = self.visitors.iter_mut().find(|(known, _)| *known == day) {
            slot.1 = count;
        } else if let Some(oldest) = self.visitors.iter_mut().min_by_key(|(known, _)| *known)
            && oldest.0 < day
        {
            *oldest = (day, count);
        }
    }

    fn visitors(&self, day: Day) -> u64 {
        self.visitors.iter().find(|(known, _)| *known == day).map_or(0, |(_, count)| *count)
    }

    fn page_numbers(&self, path: PagePath) -> PageNumbers {
        let (tally, online) = self.pages.of(path.as_str());
        PageNumbers { path, views: tally.views, visits: tally.visits, online }
    }
}

fn calendar(day: Day, kept: &Kept) -> Calendar {
    let mut calendar = Calendar::new(day, kept.first_weekday.unwrap_or(Weekday::Monday));
    kept.days.iter().filter(|(kept, ..)| *kept <= day).for_each(|(day, tally, _)| calendar.add(*day, *tally));
    calendar
}

/// RFC 3339 with the offset of the zone, to the second.
fn written(at: UnixMillis, zone: &TimeZone) -> Arc<str> {
    let zoned = timestamp(at).to_zoned(zone.clone());
    Arc::from(zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}
