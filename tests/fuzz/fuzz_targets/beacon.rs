//! Query, body and header lines become a beacon or an error, never a panic; folding a folded page
//! changes nothing.
//!
//! Input: query, body, header lines, each up to a byte 0xFE; a header line is `name: value`.
#![no_main]

use headcount::beacon::{Method, PROTOCOLS, PageUrl, Request};
use headcount::words::PagePath;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 0xfe);
    let (query, body) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
    let Ok(query) = str::from_utf8(query) else { return };
    let mut headers = HeaderMap::new();
    for line in parts.take(32) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()))
        {
            headers.append(name, value);
        }
    }
    for protocol in PROTOCOLS {
        for method in [Method::Get, Method::Post] {
            let request = Request { method, path: protocol.paths[0], query, headers: &headers, body };
            let Ok(beacon) = (protocol.decode)(&request) else { continue };
            for tag in beacon.url.iter().flat_map(|url| url.tags().campaign.map(std::borrow::Cow::into_owned)) {
                assert!(headcount::details::tag(&tag).is_none_or(|kept| !kept.is_empty() && kept.len() <= 100));
            }
            let kept = ["id".to_owned(), "page".to_owned()];
            for kept in [&kept[..], &[]] {
                let Some(Ok(page)) = beacon.url.as_ref().map(|url| url.page(kept)) else { continue };
                assert!(page.as_str().len() <= PagePath::BYTES_MAX && page.as_str().starts_with('/'));
                let again = PageUrl::asked(page.as_str()).expect("a folded page is a path");
                assert_eq!(again.page(kept).expect("it is as long as before"), page);
            }
        }
    }
});
