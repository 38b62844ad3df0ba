//! The whole suite, one file a subject. A file that is not listed here fails `tidy`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by ending")]

/// The daemon under test, and a client that sends bytes as they are.
#[expect(unreachable_pub, reason = "what the test files share")]
mod support;

/// Seeded days of beacons, faults and restarts against plain lists.
mod simulation;

/// House rules: layers, lengths, headers, banned calls.
mod tidy;

/// Midnight: one person stays one, and the old secret goes.
mod midnight;

/// The first life of a counter: start, count, show, stop, start again.
mod operate;

/// After kill -9 nothing answered is missing or counts twice; damage is cut off or stops the start.
mod recovery;

/// A full disk: refused with the reason, footers go on, and it comes back by itself.
mod full;

/// Beacons good and bad over real sockets: counted, not counted for a reason, or refused in words.
mod beacon;

/// Which language a reader gets: of the request, the site, the page, the browser.
mod languages;

/// Live streams: what is sent, when, and what ends them.
mod live;

/// What an operator of a fleet meets: connecting, permissions, TLS, dead machines, leaving, numbers of all.
mod fleet_operator;

/// New and changed sites are taken over while serving; a bad configuration changes nothing.
mod reload;

/// A real Chromium opens pages that embed the counter in every way, and pictures are made of them.
mod browser;

/// Every command beside a running daemon and on a stopped one's directory.
mod commands;

/// Old counters' dumps and exports become adjustments, whole and once.
mod legacy;

/// An access log sent again as beacons counts as plain maps do.
mod replay;

/// Logs of a server are counted: each line once, however often and whenever it is read.
mod logs;

/// No file, log line or metric holds an address or a user agent.
mod privacy;

/// Referrers, browsers, countries and the like: kept, exported, shown; and a state directory of the first format.
mod report;

/// Many machines that share one count through Redis: a contract, faults, chaos.
mod fleet;

/// A real systemd runs the units as they are shipped: start, restart, crash, hang, reload, mistakes.
mod systemd;

/// Sockets handed down that cannot be served, and the other mistakes of a start by hand.
mod handed;

/// TLS without a proxy: handshakes, names, HTTP/2, certificates that change and that are wrong.
mod tls;

/// Behind real web servers and balancers: their blocks of the README, unix sockets, the PROXY protocol.
mod proxies;

/// Dashboards, rules and alerts: as they are generated, and with a real Prometheus.
mod dashboards;

/// The Debian package: what is in it; installed, upgraded under load, removed and purged under a real systemd.
mod packages;

/// The Containerfile: its image made by hand, started, asked for its health, stopped.
mod container;

/// The README's way from an empty Debian to a counting site, every command of it.
mod walk;
