//! What the service manager is told: ready, reloading, stopping, alive; after `sd_notify(3)`.
//!
//! Without a manager nothing is sent and nothing is missed. A message that cannot be sent is told once in
//! the log, since a manager that hears nothing will end us.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// The service manager of this process, or that there is none.
#[derive(Debug, Default)]
pub struct Manager {
    listens: bool,
    watchdog: Option<Duration>,
    complained: AtomicBool,
}

impl Manager {
    /// The one that started this process and listens at `NOTIFY_SOCKET`; `WATCHDOG_USEC` says how long it
    /// waits for a sign of life.
    #[must_use]
    pub fn of_this_process() -> Manager {
        Manager { listens: true, watchdog: sd_notify::watchdog_enabled(), complained: AtomicBool::new(false) }
    }

    /// How long it waits for a sign of life before it puts another process in our place.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// What we are doing, for people who ask it.
    pub fn status(&self, text: &str) {
        self.tell(&[NotifyState::Status(text)]);
    }

    /// A start that takes long goes on: it is given this much time from now, if what the unit gives is over.
    pub fn more_time(&self, time: Duration) {
        let microseconds = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[NotifyState::ExtendTimeoutUsec(microseconds)]);
    }

    /// Everything is open and requests are taken.
    pub fn ready(&self, text: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(text)]);
    }

    /// The configuration is being read again; [`Manager::ready`] ends that.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => {
                self.tell(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration")]);
            }
            Err(error) => tracing::warn!(%error, "the service manager cannot be told of the reload"),
        }
    }

    /// Requests are not taken any more; what is in flight is finished.
    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is in flight")]);
    }

    /// All parts have made progress.
    pub fn alive(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if !self.listens {
            return;
        }
        if let Err(error) = sd_notify::notify(states)
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                %error,
                "the service manager cannot be reached through NOTIFY_SOCKET and may end this process; \
                 the unit needs RestrictAddressFamilies=AF_UNIX and NotifyAccess=main"
            );
        }
    }
}

/// Signs of life go out this many times within the manager's patience, and no more than once a second.
const SIGNS: u32 = 4;

/// Tells the manager that we are alive for as long as every part makes progress; `beats` gives their
/// counters. One that hangs, be it in a write, is silence, and the manager puts another process in our
/// place.
pub(super) async fn feed(manager: Arc<Manager>, patience: Duration, beats: impl Fn() -> Vec<u64>) {
    let mut progress = Progress::default();
    let mut sign = tokio::time::interval((patience / SIGNS).min(Duration::from_secs(1)));
    loop {
        sign.tick().await;
        if progress.all_moved(&beats()) {
            manager.alive();
        }
    }
}

/// Whether every part of the process goes on: a hung one must be noticed, however busy the others are.
#[derive(Debug, Default)]
struct Progress {
    seen: Vec<u64>,
    moved: Vec<bool>,
}

impl Progress {
    /// Looks at the parts' counters; true once each of them has changed since this was last true.
    fn all_moved(&mut self, beats: &[u64]) -> bool {
        self.moved.resize(beats.len(), false);
        self.seen.resize(beats.len(), 0);
        for ((seen, moved), beat) in self.seen.iter_mut().zip(&mut self.moved).zip(beats) {
            *moved |= seen != beat;
            *seen = *beat;
        }
        let all = self.moved.iter().all(|moved| *moved);
        if all {
            self.moved.fill(false);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_that_of_the_slowest_part() {
        let mut progress = Progress::default();
        assert!(!progress.all_moved(&[1, 0, 5]));
        assert!(progress.all_moved(&[2, 1, 5]), "the first and the last moved before");
        assert!(!progress.all_moved(&[3, 2, 5]));
        for round in 4..20 {
            assert!(!progress.all_moved(&[round, round, 5]), "the last hangs");
        }
        assert!(progress.all_moved(&[20, 20, 6]));
        assert!(!progress.all_moved(&[20, 20, 6]));
    }

    #[test]
    fn without_a_manager_there_is_nobody_to_tell() {
        let manager = Manager::default();
        assert_eq!(manager.watchdog(), None);
        manager.ready("serving");
        manager.reloading();
        manager.alive();
        manager.stopping();
    }
}
