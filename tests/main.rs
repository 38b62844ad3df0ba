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
