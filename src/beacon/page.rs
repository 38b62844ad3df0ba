//! Pages: the URL that `u` names, and the one rule by which it is folded into a [`PagePath`].
//!
//! The rule, in its order:
//!
//! 1. A page is the path of its URL; scheme, host and fragment are dropped. An empty path is `/`. What begins
//!    with two slashes begins with a host, except in a log, where nothing but paths are asked for.
//! 2. Percent escapes are decoded, so that `/tin-t%E1%BB%A9c` and `/tin-tức` are one page. Escaped stay
//!    (in upper case): `%` itself, `/ \ ? #` within a segment, spaces, control characters, and bytes that
//!    are not UTF-8. A lone `%` becomes `%25`.
//! 3. A backslash is a slash, as in browsers, and several slashes in a row are one.
//! 4. Index files at the end are dropped, in either case: `index.html`, `default.aspx` and their kin.
//! 5. A slash at the end is dropped, except that of `/`.
//! 6. The query is dropped, but for the parameters that the site keeps. They stand behind a `?`, sorted,
//!    as `name=value`, with the same escapes as above and `& = +` escaped too.
//!
//! Folding a folded page changes nothing.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_encode_byte;

use super::bytes::Bytes;
use super::{BeaconError, form, host};
use crate::words::PagePath;

/// Names that servers show for a directory; compared in either case.
const INDEX_FILES: [&str; 12] = [
    "index.html",
    "index.htm",
    "index.xhtml",
    "index.shtml",
    "index.php",
    "index.jsp",
    "index.asp",
    "index.aspx",
    "default.htm",
    "default.html",
    "default.asp",
    "default.aspx",
];

/// What a segment of a path is made of that folding leaves as it is.
const PLAIN: Bytes =
    Bytes::of(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$&'()*+,-.:;=@_~");
/// Escaped within a segment of the path, since they would end it.
const ENDS_SEGMENT: &[u8] = b"/\\?#";
/// Escaped within a kept parameter, since they would end it or mean something else.
const ENDS_PARAMETER: &[u8] = b"&=+#";

/// The page that a beacon names: a whole `http` or `https` URL, one that leaves the scheme to the page and begins
/// with `//`, or a path that begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUrl<'a> {
    text: Cow<'a, str>,
    /// Where user, host and port stand; empty when only a path was given.
    authority: Range<usize>,
}

/// The parameters of a URL by which people follow their own links. As they were written, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a> {
    /// `utm_campaign`.
    pub campaign: Option<Cow<'a, str>>,
    /// `utm_source`.
    pub source: Option<Cow<'a, str>>,
    /// `utm_medium`.
    pub medium: Option<Cow<'a, str>>,
}

impl<'a> PageUrl<'a> {
    /// Parses the page that a reader of numbers asks about; `None` when it is no path and no URL.
    #[must_use]
    pub fn asked(text: &'a str) -> Option<PageUrl<'a>> {
        PageUrl::parse(Cow::Borrowed(text)).ok()
    }

    /// Parses what a server was asked for, or what somebody took for a path: two slashes are as good as one there.
    #[must_use]
    pub fn requested(text: Cow<'a, str>) -> Option<PageUrl<'a>> {
        if text.starts_with('/') {
            return Some(PageUrl { text, authority: 0..0 });
        }
        PageUrl::parse(text).ok()
    }

    /// Parses a page's URL. The text has been bounded and holds no control characters.
    pub(super) fn parse(text: Cow<'a, str>) -> Result<PageUrl<'a>, BeaconError> {
        let malformed =
            BeaconError::Malformed { field: "u", expected: "a path that begins with `/`, or an http(s) URL" };
        if text.starts_with('/') {
            let authority = authority_behind_slashes(&text).unwrap_or(0..0);
            return Ok(PageUrl { text, authority });
        }
        let (authority, behind) = host::split_url(text.as_bytes()).ok_or(malformed)?;
        let end = text.len() - behind.len();
        let authority = end - authority.len()..end;
        let scheme = &text[..authority.start];
        let is_web = scheme.eq_ignore_ascii_case("https://") || scheme.eq_ignore_ascii_case("http://");
        if !is_web || host::of_authority(&text[authority.clone()]).is_none() {
            return Err(malformed);
        }
        Ok(PageUrl { text, authority })
    }

    /// The host of a whole URL: lower case, without port; `None` when only a path was given.
    #[must_use]
    pub fn host(&self) -> Option<Cow<'_, str>> {
        host::of_authority(&self.text[self.authority.clone()])
    }

    /// The page after the one folding rule, which this file's head writes down.
    ///
    /// # Errors
    /// When the page is longer than [`PagePath::BYTES_MAX`].
    pub fn page(&self, kept_parameters: &[String]) -> Result<PagePath, BeaconError> {
        let folded = self.folded(kept_parameters);
        if folded.len() > PagePath::BYTES_MAX {
            return Err(BeaconError::PageTooLong { bytes_max: PagePath::BYTES_MAX });
        }
        Ok(PagePath::from_folded(&folded))
    }

    /// What the query says about the campaign that led here, though the page drops it.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        let behind = &self.text[self.authority.end..];
        let mut tags = Tags::default();
        let Some(mark) = memchr::memchr2(b'?', b'#', behind.as_bytes()) else { return tags };
        let Some(query) = behind[mark..].strip_prefix('?') else { return tags };
        let query = query.split_once('#').map_or(query, |(before, _)| before);
        for (name, value) in query.split('&').filter_map(|pair| pair.strip_prefix("utm_")?.split_once('=')) {
            let place = match name {
                "campaign" => &mut tags.campaign,
                "source" => &mut tags.source,
                "medium" => &mut tags.medium,
                _ => continue,
            };
            if place.is_none() {
                *place = form::decoded(value);
            }
        }
        tags
    }

    fn folded(&self, kept_parameters: &[String]) -> Cow<'_, str> {
        let behind = &self.text[self.authority.end..];
        if is_folded(behind) {
            return Cow::Borrowed(behind);
        }
        let without_fragment = behind.split_once('#').map_or(behind, |(before, _)| before);
        let (path, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
        let folded_path = if is_folded(path) { Cow::Borrowed(path) } else { Cow::Owned(fold_path(path)) };
        if kept_parameters.is_empty() || query.is_empty() {
            return folded_path;
        }
        with_parameters(folded_path, query, kept_parameters)
    }
}

/// Where user, host and port stand in a URL that begins with two slashes of either kind; none where that is no
/// host, as in a path with an empty segment.
fn authority_behind_slashes(text: &str) -> Option<Range<usize>> {
    let behind = text.strip_prefix("//").or_else(|| text.strip_prefix("/\\"))?;
    let end = behind.find(['/', '\\', '?', '#']).unwrap_or(behind.len());
    host::of_authority(&behind[..end]).map(|_| 2..2 + end)
}

/// Whether a path is plain and already as folding would leave it; `false` may err.
fn is_folded(path: &str) -> bool {
    let Some(mut rest) = path.strip_prefix('/') else { return false };
    while let end @ 1.. = PLAIN.run(rest.as_bytes()) {
        if end == rest.len() {
            return !is_index_file(rest);
        }
        let Some(next) = rest[end..].strip_prefix('/') else { return false };
        rest = next;
    }
    path == "/"
}

fn fold_path(path: &str) -> String {
    let mut folded = String::with_capacity(path.len());
    for segment in path.split(['/', '\\']).filter(|segment| !segment.is_empty()) {
        folded.push('/');
        let bytes: Cow<'_, [u8]> = percent_encoding::percent_decode_str(segment).into();
        push_escaped(&mut folded, &bytes, ENDS_SEGMENT);
    }
    while let Some((before, last)) = folded.rsplit_once('/')
        && is_index_file(last)
    {
        folded.truncate(before.len());
    }
    if folded.is_empty() {
        folded.push('/');
    }
    folded
}

fn with_parameters<'t>(path: Cow<'t, str>, query: &str, kept: &[String]) -> Cow<'t, str> {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (fold_parameter(name), fold_parameter(value)))
        .filter(|(name, _)| kept.contains(name))
        .collect();
    if pairs.is_empty() {
        return path;
    }
    pairs.sort_unstable();
    let mut folded = path.into_owned();
    for (index, (name, value)) in pairs.iter().enumerate() {
        folded.push(if index == 0 { '?' } else { '&' });
        folded.push_str(name);
        folded.push('=');
        folded.push_str(value);
    }
    Cow::Owned(folded)
}

fn fold_parameter(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    form::push_form_decoded(raw, &mut bytes);
    let mut folded = String::with_capacity(raw.len());
    push_escaped(&mut folded, &bytes, ENDS_PARAMETER);
    folded
}

/// Adds decoded bytes as text, with escapes for whatever would not come back the same.
fn push_escaped(folded: &mut String, bytes: &[u8], reserved: &[u8]) {
    let mut buffer = [0; 4];
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let encoded = c.encode_utf8(&mut buffer).as_bytes();
            let ends = c == '%' || encoded.first().is_some_and(|b| reserved.contains(b));
            if ends || c.is_control() || c.is_whitespace() {
                folded.extend(encoded.iter().map(|b| percent_encode_byte(*b)));
            } else {
                folded.push(c);
            }
        }
        folded.extend(chunk.invalid().iter().map(|b| percent_encode_byte(*b)));
    }
}

fn is_index_file(segment: &str) -> bool {
    INDEX_FILES.iter().any(|name| segment.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(url: &str, kept: &[&str]) -> Result<PagePath, BeaconError> {
        let kept: Vec<String> = kept.iter().map(|name| (*name).to_owned()).collect();
        PageUrl::parse(Cow::Borrowed(url))?.page(&kept)
    }

    fn check(url: &str, kept: &[&str], expected: &str) {
        let folded = page(url, kept).expect("a page");
        assert_eq!(folded.as_str(), expected, "{url}");
    }

    #[test]
    fn tags_are_read_from_the_query_alone() {
        let cases = [
            (
                "/tin?utm_source=zalo&utm_medium=social&utm_campaign=T%E1%BA%BFt+2027",
                [Some("Tết 2027"), Some("zalo"), Some("social")],
            ),
            ("https://a.vn/?x=1&utm_source=mail#utm_medium=no", [None, Some("mail"), None]),
            ("/tin#x?utm_source=no", [None, None, None]),
            ("/tin?utm_source=a&utm_source=b", [None, Some("a"), None]),
            ("/tin?utm_source=&utm_source=b", [None, Some(""), None]),
            ("/tin?utm_source=%ff&utm_term=x&utm_source", [None, None, None]),
            ("/utm_source=x", [None, None, None]),
            ("/tin", [None, None, None]),
        ];
        for (url, expected) in cases {
            let url = PageUrl::parse(Cow::Borrowed(url)).expect("a page");
            let tags = url.tags();
            assert_eq!(
                [&tags.campaign, &tags.source, &tags.medium].map(|tag| tag.as_deref()),
                expected,
                "{url:?}"
            );
        }
    }

    #[test]
    fn a_page_is_its_path() {
        check("/", &[], "/");
        check("/tin-tuc", &[], "/tin-tuc");
        check("https://vks.example.vn", &[], "/");
        check("https://vks.example.vn/", &[], "/");
        check("https://vks.example.vn?x=1", &[], "/");
        check("https://vks.example.vn#x", &[], "/");
        check("HTTPS://VKS.example.vn/Tin", &[], "/Tin");
        check("/tin#/route?x", &[], "/tin");
        check("/tin?x=/a#b", &[], "/tin");
        check("/tin?", &[], "/tin");
    }

    #[test]
    fn slashes_are_folded() {
        check("//", &[], "/");
        check("/tin/", &[], "/tin");
        check("/tin///tuc//", &[], "/tin/tuc");
        check("//a.vn//tin/", &[], "/tin");
        check("//a.vn", &[], "/");
        check("https://a.vn//x", &[], "/x");
        check("/tin\\\\tuc\\", &[], "/tin/tuc");
        check("https://a.vn\\x", &[], "/x");
    }

    #[test]
    fn index_files_are_dropped() {
        for name in INDEX_FILES {
            let mut url = String::from("/tin/");
            url.push_str(name);
            check(&url, &[], "/tin");
        }
        check("/index.html", &[], "/");
        check("/Default.aspx?id=1", &[], "/");
        check("/tin/index%2Ehtml", &[], "/tin");
        check("/index.php/index.html/", &[], "/");
        check("/index.php/bai-viet", &[], "/index.php/bai-viet");
        check("/my-index.html", &[], "/my-index.html");
    }

    #[test]
    fn escapes_have_one_spelling() {
        check("/tin-t%e1%bb%a9c", &[], "/tin-tức");
        check("/tin-tức", &[], "/tin-tức");
        check("/%41%7e", &[], "/A~");
        check("/a%2fb%3fc%23d", &[], "/a%2Fb%3Fc%23d");
        check("/a%5cb", &[], "/a%5Cb");
        check("/100%", &[], "/100%25");
        check("/100%25", &[], "/100%25");
        check("/%2541", &[], "/%2541");
        check("/a b%20c", &[], "/a%20b%20c");
        check("/a+b", &[], "/a+b");
        check("/%ff%C3%28", &[], "/%FF%C3(");
        check("/%00%0a%7f%c2%85", &[], "/%00%0A%7F%C2%85");
        check("/%zz", &[], "/%25zz");
    }

    #[test]
    fn only_kept_parameters_stay_and_they_are_sorted() {
        check("/a?b=2&a=1&c=3", &["a", "b"], "/a?a=1&b=2");
        check("/a?b=2", &["a"], "/a");
        check("/a?id=2&id=1", &["id"], "/a?id=1&id=2");
        check("/a?id", &["id"], "/a?id=");
        check("/index.php?id=5", &["id"], "/?id=5");
        check("/a?q=x+y%26z%3D%25", &["q"], "/a?q=x%20y%26z%3D%25");
        check("/a?q=ti%E1%BA%BFng/x?y", &["q"], "/a?q=tiếng/x?y");
        check("/a?%69d=1", &["id"], "/a?id=1");
        check("/a?id=1#id=2", &["id"], "/a?id=1");
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for url in [
            "",
            "tin-tuc",
            "?x=1",
            "#x",
            "file:///C:/x.html",
            "about:srcdoc",
            "ftp://a.vn/x",
            "javascript:alert(1)",
            "http://",
            "http:///x",
            "https://a b/",
            "https://[::1/",
            "https:/a.vn",
        ] {
            assert!(matches!(page(url, &[]), Err(BeaconError::Malformed { field: "u", .. })), "{url}");
        }
    }

    #[test]
    fn hosts_of_pages_are_normalised() {
        let host = |url| PageUrl::parse(Cow::Borrowed(url)).map(|url| url.host().map(Cow::into_owned));
        assert_eq!(host("https://A.vn:8443/x@y"), Ok(Some("a.vn".to_owned())));
        assert_eq!(host("https://[::0001]/"), Ok(Some("::1".to_owned())));
        assert_eq!(host("/x"), Ok(None));
        assert_eq!(host("//a.vn/x"), Ok(Some("a.vn".to_owned())));
        assert_eq!(host("/\\user@A.vn:80?x"), Ok(Some("a.vn".to_owned())));
        for path in ["//", "///a.vn", "//a b/x", "//a.vn:80:80/", "/a.vn//b.vn"] {
            assert_eq!(host(path), Ok(None), "{path}");
        }
        assert_eq!(
            PageUrl::requested(Cow::Borrowed("//a.vn/x")).and_then(|url| url.host().map(Cow::into_owned)),
            None
        );
    }

    #[test]
    fn pages_are_bounded_after_folding() {
        let long = |n: usize, c: &str| ["/", &c.repeat(n)].concat();
        assert!(page(&long(PagePath::BYTES_MAX - 1, "a"), &[]).is_ok());
        let expected = Err(BeaconError::PageTooLong { bytes_max: PagePath::BYTES_MAX });
        assert_eq!(page(&long(PagePath::BYTES_MAX, "a"), &[]), expected);
        assert_eq!(page(&long(400, " "), &[]), expected);
        assert!(page(&["/?x=", &"a".repeat(2_000)].concat(), &[]).is_ok());
    }

    #[test]
    fn plain_paths_are_not_copied_on_the_way() {
        let url = PageUrl::parse(Cow::Borrowed("https://a.vn/tin-tuc/bai-1.html?x=1")).expect("a page");
        assert!(matches!(url.folded(&[]), Cow::Borrowed("/tin-tuc/bai-1.html")));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(path in "(/|%[0-9a-fA-F]{2}|%|[a-f]|é|\\+|&|=|\\?|#|i=|index\\.html| |\\\\){0,24}") {
            let kept = ["i", "a"];
            let once = page(&["/", &path].concat(), &kept).expect("short enough");
            let twice = page(once.as_str(), &kept).expect("a folded page is a page");
            prop_assert_eq!(&once, &twice);
            prop_assert!(!once.as_str().chars().any(|c| c.is_control() || c.is_whitespace()));
        }

        #[test]
        fn no_text_makes_folding_panic(text in any::<String>()) {
            if let Ok(folded) = page(&text, &["a"]) {
                prop_assert!(folded.as_str().starts_with('/'));
            }
        }

        #[test]
        fn the_short_way_agrees_with_the_long_way(path in "/[a-z./A-Z0-9-]{0,20}") {
            prop_assert!(!is_folded(&path) || fold_path(&path) == path);
        }
    }
}
