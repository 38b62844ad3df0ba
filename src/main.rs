//! The headcount daemon and its commands: parse, run, exit code.

fn main() {}
