//! Connections that are closed because they do not speak what their listener expects: counted by reason,
//! and told in the log once in a while, not each time: some come from whoever scans the internet.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::metrics::{Metrics, Rejections};
use crate::words::UnixMillis;

/// A line in the log stands for all of its reason for this long.
const QUIET_MS: u64 = 10 * 60 * 1_000;

/// What a connection was closed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strange {
    /// A PROXY header from a peer that is not listed.
    ProxyUnlisted,
    /// None from a peer that is listed.
    ProxyMissing,
    /// One that cannot be read.
    ProxyMalformed,
    /// One that did not come in time.
    ProxyLate,
    /// TLS where plain HTTP is spoken.
    TlsOnPlain,
    /// Plain HTTP where TLS is spoken.
    PlainOnTls,
    /// A handshake that came to nothing.
    HandshakeFailed,
    /// One that did not end in time.
    HandshakeLate,
    /// Too many of them at once.
    HandshakesFull,
}

use Strange::{
    HandshakeFailed, HandshakeLate, HandshakesFull, PlainOnTls, ProxyLate, ProxyMalformed, ProxyMissing,
    ProxyUnlisted, TlsOnPlain,
};

/// Every reason with its label in the metrics and what somebody on duty should know; nothing where it is
/// everyday noise.
const ALL: [(Strange, &str, Option<&str>); 9] = [
    (
        ProxyUnlisted,
        "proxy_unlisted",
        Some(
            "a PROXY header came from an address that is not in proxy_protocol_from: add your balancer's there",
        ),
    ),
    (
        ProxyMissing,
        "proxy_missing",
        Some(
            "an address in proxy_protocol_from sent no PROXY header: let it send one, or take it from the list",
        ),
    ),
    (
        ProxyMalformed,
        "proxy_malformed",
        Some("an address in proxy_protocol_from sent a PROXY header that cannot be read"),
    ),
    (
        ProxyLate,
        "proxy_late",
        Some("an address in proxy_protocol_from sent no PROXY header within header_read_timeout"),
    ),
    (
        TlsOnPlain,
        "tls_on_plain",
        Some("somebody spoke TLS on a listener without it: https needs the listeners of [tls]"),
    ),
    (PlainOnTls, "plain_on_tls", None),
    (HandshakeFailed, "tls_failed", None),
    (HandshakeLate, "tls_late", None),
    (
        HandshakesFull,
        "tls_full",
        Some(
            "so many TLS handshakes are unfinished that more are refused: clients that never go on, most likely",
        ),
    ),
];

/// Who was turned away, by reason.
pub(super) struct Strangers {
    counted: Rejections,
    told: [AtomicU64; ALL.len()],
}

impl Strangers {
    pub(super) fn new(metrics: &Metrics) -> Strangers {
        let labels: Vec<&str> = ALL.iter().map(|(_, label, _)| *label).collect();
        Strangers { counted: metrics.rejections(&labels), told: Default::default() }
    }

    /// What keeps a proxy's readers out, if it did lately.
    pub(super) fn proxies_refused(&self, now: UnixMillis) -> Option<&'static str> {
        let of_proxies = [ProxyUnlisted, ProxyMissing, ProxyMalformed, ProxyLate];
        ALL.iter().zip(&self.told).find_map(|((strange, _, text), told)| {
            let told = told.load(Ordering::Relaxed);
            let is_late = told == 0 || now.0.saturating_sub(told) > QUIET_MS;
            text.filter(|_| !is_late && of_proxies.contains(strange))
        })
    }

    /// Counts one, and tells of it if nothing was told of its reason lately.
    pub(super) fn note(&self, strange: Strange, clock: &Clock) {
        let Some(place) = ALL.iter().position(|(known, ..)| *known == strange) else { return };
        self.counted.count(place);
        let (_, reason, text) = ALL[place];
        let Some(text) = text else { return };
        let now = clock.now().0;
        let told = self.told[place].load(Ordering::Relaxed);
        let is_due = told == 0 || now.saturating_sub(told) >= QUIET_MS;
        if is_due
            && self.told[place].compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            tracing::warn!(reason, "{text}; this is told once in ten minutes at most");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_one_in_ten_minutes_is_told() {
        let metrics = Metrics::new(&[], &[], "0");
        let strangers = Strangers::new(&metrics);
        let clock = Clock::manual(UnixMillis(1_000));
        strangers.note(TlsOnPlain, &clock);
        clock.set(UnixMillis(2_000));
        strangers.note(TlsOnPlain, &clock);
        assert_eq!(strangers.told[4].load(Ordering::Relaxed), 1_000);
        clock.set(UnixMillis(1_000 + QUIET_MS));
        strangers.note(TlsOnPlain, &clock);
        assert_eq!(strangers.told[4].load(Ordering::Relaxed), 1_000 + QUIET_MS);
        let page = metrics.page();
        assert!(page.contains("headcount_connections_rejected_total{reason=\"tls_on_plain\"} 3"), "{page}");
        assert!(page.contains("headcount_connections_rejected_total{reason=\"proxy_late\"} 0"), "{page}");
    }
}
