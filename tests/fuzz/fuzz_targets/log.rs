//! Any line is a request or an error that can be printed, never a panic; a page that it names is bounded and
//! folds to itself.
//!
//! A fuzzer is slow to guess the time, so the input is also taken as the rest of a line behind one.
#![no_main]

use headcount::beacon::{PageUrl, log};
use headcount::words::PagePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    read(input);
    read(&[b"203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"GET ", input].concat());
    read(&[input, b" - - [17/May/2015:10:05:03 +0700] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\""].concat());
});

fn read(line: &[u8]) {
    let line = match log::parse(line) {
        Ok(line) => line,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!((100..1_000).contains(&line.status) && line.at.second() > 780_000_000);
    let _ = (log::address(line.client), log::referrer_host(line.referrer), line.agent.map(log::unescaped));
    let Some(Ok(page)) = log::page(line.target).map(|url| url.page(&["id".to_owned()])) else { return };
    assert!(page.as_str().starts_with('/') && page.as_str().len() <= PagePath::BYTES_MAX);
    let again = PageUrl::asked(page.as_str()).expect("a folded page is a path");
    assert_eq!(again.page(&["id".to_owned()]).expect("it is as long as before"), page);
}
