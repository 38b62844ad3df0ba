//! The last hour and the last 24 hours, in one-minute steps.
//!
//! A deque of the minutes that had any view, so a quiet site's window is short; two running sums
//! follow its two ends. Minutes are whole: *the last hour* is the present minute and the 59 before.

use std::collections::VecDeque;

use crate::words::Tally;

/// Minutes of the shorter window.
const HOUR: u64 = 60;
/// Minutes of the longer window.
const DAY: u64 = 24 * 60;

#[derive(Clone, Copy, Debug)]
struct Minute {
    minute: u64,
    tally: Tally,
}

/// Both windows of one site.
#[derive(Debug, Default)]
pub(super) struct Window {
    minutes: VecDeque<Minute>,
    /// How many of the oldest minutes the last hour no longer holds.
    before_hour: usize,
    hour: Tally,
    day: Tally,
}

impl Window {
    /// Lets go of what is too old at `now`, in minutes since the epoch.
    pub(super) fn advance(&mut self, now: u64) {
        while let Some(minute) = self.minutes.get(self.before_hour)
            && minute.minute + HOUR <= now
        {
            take_away(&mut self.hour, minute.tally);
            self.before_hour += 1;
        }
        while let Some(minute) = self.minutes.front()
            && minute.minute + DAY <= now
        {
            take_away(&mut self.day, minute.tally);
            self.minutes.pop_front();
            self.before_hour = self.before_hour.saturating_sub(1);
        }
    }

    /// Adds to a minute; one that lies a little back is found, one before the window is left out.
    pub(super) fn add(&mut self, minute: u64, tally: Tally) {
        self.advance(minute);
        let newest = self.minutes.back().map_or(minute, |last| last.minute.max(minute));
        if minute + DAY <= newest {
            return;
        }
        let place = self.minutes.partition_point(|each| each.minute < minute);
        match self.minutes.get_mut(place) {
            Some(found) if found.minute == minute => found.tally += tally,
            _ => {
                self.minutes.insert(place, Minute { minute, tally });
                self.before_hour += usize::from(place < self.before_hour);
            }
        }
        self.day += tally;
        if place >= self.before_hour {
            self.hour += tally;
        }
    }

    /// Takes away visits that the fold did not find.
    pub(super) fn take_away_visits(&mut self, minute: u64, visits: u64) {
        let place = self.minutes.partition_point(|each| each.minute < minute);
        let tally = Tally { views: 0, visits };
        if let Some(found) = self.minutes.get_mut(place).filter(|found| found.minute == minute) {
            take_away(&mut found.tally, tally);
            take_away(&mut self.day, tally);
            if place >= self.before_hour {
                take_away(&mut self.hour, tally);
            }
        }
    }

    pub(super) fn last_hour(&self) -> Tally {
        self.hour
    }

    pub(super) fn last_24_hours(&self) -> Tally {
        self.day
    }
}

fn take_away(from: &mut Tally, less: Tally) {
    from.views = from.views.saturating_sub(less.views);
    from.visits = from.visits.saturating_sub(less.visits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_equal_a_plain_list_of_minutes(steps in prop::collection::vec((0_u64..200, 0_u64..4, 1_u64..5), 1..200)) {
            let (mut window, mut list, mut now) = (Window::default(), Vec::new(), 29_000_000);
            for (pause, late, views) in steps {
                now += pause;
                let minute = now - late;
                let tally = Tally { views, visits: 1 };
                window.advance(now);
                window.add(minute, tally);
                list.push((minute, tally));
                window.advance(now);
                let sum = |span: u64| list.iter().filter(|(minute, _)| minute + span > now).fold(Tally::default(), |mut sum, (_, tally)| { sum += *tally; sum });
                prop_assert_eq!(window.last_hour(), sum(60));
                prop_assert_eq!(window.last_24_hours(), sum(1_440));
            }
        }
    }
}
