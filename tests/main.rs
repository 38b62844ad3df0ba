//! The whole suite, one file a subject. A file that is not listed here fails `tidy`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by ending")]

/// The daemon under test, and a client that sends bytes as they are.
#[expect(unreachable_pub, reason = "what the test files share")]
mod support;

/// The first life of a counter: start, count, show, stop, start again.
mod operate;

/// A real Chromium opens pages that embed the counter in every way, and pictures are made of them.
mod browser;
