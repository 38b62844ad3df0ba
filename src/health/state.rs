//! Questions about the daemon's own parts.

use std::sync::atomic::Ordering;

use super::{Finding, Vitals, size};
use crate::web::Unready;

/// A store that has taken nothing for this long is behind, whatever the reason.
const STORE_QUIET_SECONDS: u64 = 120;

/// Milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Whether beacons can be counted.
pub(super) fn counting(vitals: &Vitals) -> Finding {
    match vitals.rooms.ready() {
        Ok(()) => Finding::good("beacons are counted"),
        Err(why @ Unready::Salt) => Finding::bad(format!(
            "beacons are answered with 200 and not counted (no_salt): {why}; it recovers by itself once that works again"
        )),
        Err(why) => Finding::bad(format!(
            "beacons are answered with 503: {why}; the log says why, and it recovers by itself once that works again"
        )),
    }
}

/// Whether every thread makes progress.
pub(super) fn threads(vitals: &Vitals) -> Finding {
    let stalled = vitals.stalled();
    if stalled.is_empty() {
        return Finding::good("all threads make progress");
    }
    let parts: Vec<String> =
        stalled.iter().map(|(name, quiet_ms)| format!("{name} for {} s", quiet_ms / 1_000)).collect();
    Finding::bad(format!(
        "no progress of {}: stuck in a write most likely; look at the disk, then restart",
        parts.join(", ")
    ))
}

/// When the store last took what was counted.
pub(super) fn stored_seconds_ago(vitals: &Vitals) -> Option<u64> {
    let last = vitals.rooms.metrics.store_last_success.get();
    let now = u32::try_from(vitals.rooms.clock.now().second()).unwrap_or(u32::MAX);
    let ago = f64::from(now) - last;
    // A second is told as a whole number, and a clock that stepped must not make a negative one.
    (last > 0.0).then(|| std::time::Duration::from_secs_f64(ago.max(0.0)).as_secs())
}

/// Whether the store takes what is counted.
pub(super) fn store(vitals: &Vitals) -> Finding {
    let ago = stored_seconds_ago(vitals);
    let since = ago.map_or_else(|| "since the start".to_owned(), |ago| format!("for {ago} s"));
    if vitals.rooms.state.store_failing.load(Ordering::Acquire) {
        return Finding::odd(format!(
            "the store has refused what was counted {since}; counting goes on in the journal; the log says why"
        ));
    }
    if ago.is_some_and(|ago| ago > STORE_QUIET_SECONDS) {
        return Finding::odd(format!("nothing was stored {since}; the disk is slow, or the keeper is busy"));
    }
    Finding::good("what is counted is stored")
}

/// Whether the store that a fleet shares answers; `None` where the machine is alone.
pub(super) fn shared_store(vitals: &Vitals) -> Option<Finding> {
    let (shown, degraded) = vitals.rooms.state.fleet();
    if shown.is_empty() {
        return None;
    }
    Some(match degraded {
        Some(why) => Finding::odd(why),
        None => Finding::good("it answers, and every site is exchanged"),
    })
}

/// How full the journal is.
pub(super) fn journal(vitals: &Vitals) -> Finding {
    let lag = &vitals.rooms.state.lag;
    let (bytes, max) =
        (lag.journal_bytes.load(Ordering::Relaxed), lag.journal_bytes_max.load(Ordering::Relaxed));
    let text = format!("{} of {}", size(bytes), size(max));
    if max > 0 && bytes > max / 5 * 4 {
        return Finding::odd(format!(
            "the journal takes {text}; when it is full, views are refused: raise journal_bytes_max, or lower \
             journal_retained"
        ));
    }
    Finding::good(format!("the journal takes {text}"))
}

/// Whether the configuration in force is the one in the files.
pub(super) fn configuration(vitals: &Vitals) -> Finding {
    if vitals.rooms.metrics.reload_successful.get() == 1 {
        return Finding::good("the last change was taken over");
    }
    Finding::odd(
        "the changed configuration was refused and the one before is in force; headcount check-config says why",
    )
}

/// Whether anybody was turned away.
pub(super) fn connections(vitals: &Vitals) -> Finding {
    let metrics = &vitals.rooms.metrics;
    let (open, max) = (metrics.connections.get(), vitals.rooms.options.connections_max);
    let refused = metrics.connections_refused.get();
    if refused > 0 {
        return Finding::odd(format!(
            "{refused} connections were closed because connections_max = {max} was reached; raise it, and LimitNOFILE with it"
        ));
    }
    Finding::good(format!("{open} open of {max}"))
}

/// Whether connections of proxies are turned away.
pub(super) fn announced(vitals: &Vitals) -> Finding {
    match vitals.rooms.proxies_refused() {
        Some(text) => Finding::odd(format!("connections were closed in the last ten minutes: {text}")),
        None => Finding::good("no proxy is turned away"),
    }
}

/// Whether browsers accept what TLS listeners show.
pub(super) fn certificates(vitals: &Vitals) -> Finding {
    let now = vitals.rooms.clock.now();
    let warnings = vitals.rooms.certificates.warnings(now);
    if !warnings.is_empty() {
        return Finding::odd(warnings.join("; "));
    }
    let ends = vitals.rooms.certificates.terms().into_iter().map(|term| term.until).min();
    Finding::good(match ends {
        Some(until) => format!("the first certificate to end has {} days left", until.since(now) / DAY_MS),
        None => "no TLS is spoken here".to_owned(),
    })
}
