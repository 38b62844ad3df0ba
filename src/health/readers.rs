//! Questions about how readers reach us: what is seen of them behind proxies.

use super::{Finding, Vitals};

/// Fewer beacons than this say nothing about a setup.
const BEACONS_MIN: u64 = 20;
/// Fewer views than this say nothing about a crowd.
const VIEWS_MIN: usize = 100;

/// Whether the proxies in front of us name the clients.
pub(super) fn proxies(vitals: &Vitals) -> Finding {
    let ways = vitals.rooms.visitors.ways();
    let all = ways.direct + ways.ignored + ways.forwarded + ways.missing;
    if ways.missing > 0 {
        return Finding::odd(format!(
            "{} of {all} beacons came from a trusted proxy that did not name the client, so no network limit \
             applies to them; in nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            ways.missing
        ));
    }
    if ways.ignored > 0 {
        return Finding::odd(format!(
            "{} of {all} beacons claimed to come from elsewhere, by a peer that is not in trusted_proxies: if that \
             is your proxy, add its address there; if not, somebody tried",
            ways.ignored
        ));
    }
    Finding::good(match (ways.forwarded, ways.direct) {
        (0, 0) => "no beacon has come yet".to_owned(),
        (0, direct) => format!("all {direct} beacons came without a proxy"),
        (forwarded, 0) => {
            format!("all {forwarded} beacons came through a trusted proxy that names the client")
        }
        (forwarded, direct) => {
            format!(
                "{forwarded} beacons came through a trusted proxy that names the client, {direct} without one"
            )
        }
    })
}

/// Whether the addresses that are seen can be readers'.
pub(super) fn addresses(vitals: &Vitals) -> Finding {
    let ways = vitals.rooms.visitors.ways();
    let known = ways.direct + ways.ignored + ways.forwarded;
    if known >= BEACONS_MIN && ways.private > known / 2 {
        return Finding::odd(format!(
            "{} of {known} clients have addresses of a private network: fine for an intranet; on the internet \
             another proxy stands in front, and belongs into trusted_proxies",
            ways.private
        ));
    }
    Finding::good(format!("{} of {known} clients have public addresses", known - ways.private.min(known)))
}

/// Whether one network brings most of the views.
pub(super) fn networks(vitals: &Vitals) -> Finding {
    let crowd = vitals.rooms.visitors.crowd();
    let percent = (crowd.views * 100).checked_div(crowd.of).unwrap_or(0);
    if crowd.of >= VIEWS_MIN && percent > 50 {
        return Finding::odd(format!(
            "{percent} % of the last {} views came from one network: a proxy that hides the clients, a robot, or a \
             site for one office (identity = \"browser\" tells its people apart)",
            crowd.of
        ));
    }
    Finding::good(format!("the most frequent network brought {} of the last {} views", crowd.views, crowd.of))
}
