//! Hosts as they are compared: lower case, without user, port and trailing dot, IPv6 in its short form.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::bytes::Bytes;

/// The longest name that the domain name system knows.
const BYTES_MAX: usize = 253;
/// What a host in its one spelling is made of.
const PLAIN: Bytes = Bytes::of(b"abcdefghijklmnopqrstuvwxyz0123456789-._");
/// What ends the authority of a URL.
const BEHIND_AUTHORITY: Bytes = Bytes::of(b"/\\?#");

/// Splits an absolute URL into the authority and what follows; `None` when it is no such URL.
pub(super) fn split_url(url: &[u8]) -> Option<(&[u8], &[u8])> {
    let behind = url.strip_prefix(b"https://").or_else(|| behind_scheme(url))?;
    Some(behind.split_at(BEHIND_AUTHORITY.run_up_to(behind)))
}

fn behind_scheme(url: &[u8]) -> Option<&[u8]> {
    let (scheme, behind) = url.split_at(url.iter().position(|b| !is_scheme(*b))?);
    behind.strip_prefix(b"://").filter(|_| !scheme.is_empty())
}

/// The host of an absolute URL of any scheme.
pub(super) fn of_url(url: &[u8]) -> Option<Cow<'_, str>> {
    let (authority, _) = split_url(url)?;
    if is_plain(authority) {
        return str::from_utf8(authority).ok().map(Cow::Borrowed);
    }
    of_authority(str::from_utf8(authority).ok()?)
}

/// The host of `user@host:port`; `None` when there is none or it is malformed.
pub(super) fn of_authority(authority: &str) -> Option<Cow<'_, str>> {
    if is_plain(authority.as_bytes()) {
        return Some(Cow::Borrowed(authority));
    }
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, behind)| behind);
    if let Some(literal) = host_and_port.strip_prefix('[') {
        let (address, port) = literal.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port(port.strip_prefix(':').unwrap_or(port)).then(|| Cow::Owned(address.to_string()));
    }
    let (name, port) = host_and_port.split_once(':').unwrap_or((host_and_port, ""));
    let name = name.strip_suffix('.').unwrap_or(name);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if name.is_empty() || name.len() > BYTES_MAX || !name.bytes().all(allowed) || !is_port(port) {
        return None;
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(Cow::Owned(name.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(name))
}

/// Whether this is a name in its one spelling and nothing else, as nearly all are.
fn is_plain(authority: &[u8]) -> bool {
    !matches!(authority, [] | [.., b'.']) && authority.len() <= BYTES_MAX && PLAIN.make_up(authority)
}

fn is_scheme(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')
}

fn is_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_out_in_one_spelling() {
        let cases = [
            ("https://vks.example.vn/tin", Some("vks.example.vn")),
            ("https://VKS.Example.VN", Some("vks.example.vn")),
            ("https://vks.example.vn:8443?x", Some("vks.example.vn")),
            ("https://vks.example.vn.:8443#x", Some("vks.example.vn")),
            ("https://vks.example.vn:", Some("vks.example.vn")),
            ("http://user:secret@vks.example.vn/", Some("vks.example.vn")),
            ("http://good.vn@evil.vn/", Some("evil.vn")),
            ("http://evil.vn\\@good.vn/", Some("evil.vn")),
            ("http://evil.vn/@good.vn", Some("evil.vn")),
            ("http://[2001:DB8:0::1]:80/", Some("2001:db8::1")),
            ("http://[::1]", Some("::1")),
            ("http://127.0.0.1:80/", Some("127.0.0.1")),
            ("android-app://com.example/", Some("com.example")),
            ("http://xn--ting-vit-8za.vn/", Some("xn--ting-vit-8za.vn")),
            ("http://[::1", None),
            ("http://[::1]x", None),
            ("http://[zz]/", None),
            ("http://a:b:c/", None),
            ("http://a:123456/", None),
            ("http://a b/", None),
            ("http://tiếng.vn/", None),
            ("http:///x", None),
            ("http://./x", None),
            ("file:///home", None),
            ("://a", None),
            ("//a.vn/x", None),
            ("/a?u=http://b.vn", None),
            ("about:blank", None),
            ("", None),
        ];
        for (url, expected) in cases {
            assert_eq!(of_url(url.as_bytes()).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn lower_case_names_are_borrowed() {
        assert!(matches!(of_authority("vks.example.vn:80"), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn overlong_names_are_none() {
        assert!(of_authority(&"a".repeat(253)).is_some());
        assert!(of_authority(&"a".repeat(254)).is_none());
    }
}
