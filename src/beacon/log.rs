//! A line of a web server's access log: the common and the combined format of Apache and nginx.
//!
//! ```text
//! [host[:port] ]client ident user [17/May/2015:10:05:03 +0000] "GET /page HTTP/1.1" 200 1234 ["referrer" "agent"] …
//! ```
//!
//! Bytes become borrowed fields; nothing is copied, nothing is decoded but the moment and the status. What
//! stands behind the agent is not looked at, and neither is what stands without quotes before the referrer:
//! servers are often told to log more. Within quotes a backslash takes the next byte with it; what escapes
//! mean ([`unescaped`]) is only asked of the few fields that have any. A line that ends inside the agent, as
//! the last one of a full disk does, is good up to there.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use memchr::{memchr, memchr_iter, memchr2};
use percent_encoding::percent_encode_byte;

use super::{PageUrl, host};
use crate::words::UnixMillis;

/// The longest line that is looked at; servers bound requests to far less.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// No web server's log is older than the common log format, of NCSA httpd 1.4 (1995).
const FIRST_YEAR: u32 = 1_995;
/// `[17/May/2015:10:05:03 +0000]`
const TIME_BYTES: usize = 28;
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// One request, as a server logged it. Texts are as they stand there, with their escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When the server was done with it, or began, to the second.
    pub at: UnixMillis,
    /// The host that was asked, with its port perhaps; empty where the server does not log it first.
    pub host: &'a [u8],
    /// The client: an address, or a name where the server looked names up.
    pub client: &'a [u8],
    /// The method; empty when the request was no request.
    pub method: &'a [u8],
    /// What was asked for, with its query.
    pub target: &'a [u8],
    /// The status of the answer.
    pub status: u16,
    /// Where the reader came from; empty when nothing was sent or the format has no such field.
    pub referrer: &'a [u8],
    /// The user agent, empty when none was sent; `None` in the common format, which never says.
    pub agent: Option<&'a [u8]>,
}

/// Why a line tells of no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum LogError {
    /// Nothing stands there.
    #[error("the line is empty")]
    Empty,
    /// Longer than anything that a server logs of one request.
    #[error("the line is longer than {} KiB", LINE_BYTES_MAX >> 10)]
    TooLong,
    /// No `[17/May/2015:10:05:03 +0000]` anywhere.
    #[error("there is no time like [17/May/2015:10:05:03 +0000]")]
    NoTime,
    /// A time that no calendar or clock has.
    #[error("the time is none that a clock shows")]
    Time,
    /// Before there were such logs.
    #[error("the time lies before 1995")]
    TooOld,
    /// Nothing stands before the time.
    #[error("there is no client before the time")]
    NoClient,
    /// No request in quotes behind the time, or one that does not end.
    #[error("there is no whole request in quotes behind the time")]
    Request,
    /// No three digits behind the request.
    #[error("there is no status of three digits behind the request")]
    Status,
    /// The line ends inside the referrer.
    #[error("the line ends inside the referrer")]
    Referrer,
    /// The line ends behind the referrer.
    #[error("the line ends before the user agent")]
    NoAgent,
}

/// Reads a line, without its line break.
///
/// # Errors
/// When it is not of the common or combined format; the error says where it leaves it.
pub fn parse(line: &[u8]) -> Result<LogLine<'_>, LogError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > LINE_BYTES_MAX {
        return Err(LogError::TooLong);
    }
    if line.trim_ascii().is_empty() {
        return Err(LogError::Empty);
    }
    let (before, time, rest) = split_at_time(line).ok_or(LogError::NoTime)?;
    let at = moment(time)?;
    let (host, client) = host_and_client(before).ok_or(LogError::NoClient)?;
    let (request, rest) = rest.strip_prefix(b" \"").and_then(quoted).ok_or(LogError::Request)?;
    let (status, rest) = status(rest).ok_or(LogError::Status)?;
    let (referrer, agent) = referrer_and_agent(rest)?;
    let (method, target) = method_and_target(request);
    Ok(LogLine { at, host, client, method, target, status, referrer, agent })
}

/// The bytes that a field stood for: `\xNN` is a byte, `\"` and `\\` are what stands behind the backslash,
/// `\n`, `\r` and `\t` are controls. An escape that is none of these stays as it is.
#[must_use]
pub fn unescaped(field: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', field) else { return Cow::Borrowed(field) };
    let (before, mut rest) = field.split_at(first);
    let mut bytes = before.to_vec();
    while let Some((byte, behind)) = rest.split_first() {
        let (meant, left) = match (byte, behind) {
            (b'\\', [b'x' | b'X', high, low, left @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                (hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0), left)
            }
            (b'\\', [escaped @ (b'"' | b'\\'), left @ ..]) => (*escaped, left),
            (b'\\', [b'n', left @ ..]) => (b'\n', left),
            (b'\\', [b'r', left @ ..]) => (b'\r', left),
            (b'\\', [b't', left @ ..]) => (b'\t', left),
            _ => (*byte, behind),
        };
        bytes.push(meant);
        rest = left;
    }
    Cow::Owned(bytes)
}

/// The client's address, if the server logged an address: IPv4 never hides in IPv6, and the zone of a
/// link-local one is left out.
#[must_use]
pub fn address(client: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ipv4(client) {
        return Some(address);
    }
    let text = str::from_utf8(client).ok()?;
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

/// The page that a target names; `None` for `*` and whatever else is no path and no address of the web.
#[must_use]
pub fn page(target: &[u8]) -> Option<PageUrl<'_>> {
    let bytes = unescaped(target);
    let text = match bytes {
        Cow::Borrowed(bytes) => text(bytes),
        Cow::Owned(bytes) => Cow::Owned(text(&bytes).into_owned()),
    };
    PageUrl::requested(text)
}

/// The host that was asked: lower case, without port; `None` where the log does not say.
#[must_use]
pub fn asked_host<'a>(line: &LogLine<'a>) -> Option<Cow<'a, str>> {
    // nginx says `_` where no name is set, and both say `-` where none was sent.
    let host = str::from_utf8(line.host).ok().filter(|host| !matches!(*host, "-" | "_"))?;
    host::of_authority(host)
}

/// The host of a referrer: lower case, without port.
#[must_use]
pub fn referrer_host(referrer: &[u8]) -> Option<Cow<'_, str>> {
    host::of_url(referrer)
}

/// Text, with percent escapes for bytes that are none: folding leaves these as they are.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| percent_encode_byte(*byte)));
    }
    Cow::Owned(text)
}

/// What stands before the time, the time without its brackets, and what stands behind. Names of users may
/// hold brackets too, so the first one that looks like a time is taken.
fn split_at_time(line: &[u8]) -> Option<(&[u8], &[u8; TIME_BYTES - 2], &[u8])> {
    memchr_iter(b'[', line).find_map(|at| {
        let (before, rest) = line.split_at(at);
        let (time, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
        let [b'[', inner @ .., b']'] = time else { return None };
        let shape = [inner[2], inner[6], inner[11], inner[14], inner[17], inner[20]];
        (shape == *b"//::: ").then_some((before, inner, rest))
    })
}

/// The moment of `17/May/2015:10:05:03 +0000`. A leap second is the end of the second before it.
fn moment(time: &[u8; TIME_BYTES - 2]) -> Result<UnixMillis, LogError> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(&time[3..6]));
    let month = u32::try_from(month.ok_or(LogError::Time)?).map_err(|_| LogError::Time)? + 1;
    let two = |at: usize| digits([time[at], time[at + 1]]).ok_or(LogError::Time);
    let (day, year) = (two(0)?, two(7)? * 100 + two(9)?);
    let (hour, minute, second) = (two(12)?, two(15)?, two(18)?);
    let (sign, zone_hours, zone_minutes) = (time[21], two(22)?, two(24)?);
    let sound = (1..=days_in(year, month)).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !sound || zone_hours > 23 || zone_minutes > 59 || !matches!(sign, b'+' | b'-') {
        return Err(LogError::Time);
    }
    if year < FIRST_YEAR {
        return Err(LogError::TooOld);
    }
    let seconds =
        days_before(year, month, day) * 86_400 + u64::from(hour * 3_600 + minute * 60 + second.min(59));
    let zone = u64::from(zone_hours * 3_600 + zone_minutes * 60);
    let seconds = if sign == b'+' { seconds.saturating_sub(zone) } else { seconds + zone };
    Ok(UnixMillis(seconds * 1_000))
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of 1970 or later, in the Gregorian calendar; 0 for earlier ones.
fn days_before(year: u32, month: u32, day: u32) -> u64 {
    // The year is taken to begin in March, so that the leap day is its last: month lengths then follow
    // (153 · m + 2) / 5, and 719,468 days lie between 0000-03-01 and 1970-01-01.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.saturating_sub(1), month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    u64::from(days.saturating_sub(719_468))
}

/// The host that was asked, and the client: the first word; or the second where that is an address and the first is
/// none, or where the first is a name with a port.
fn host_and_client(before: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = word(before)?;
    let Some((second, behind)) = word(rest) else { return Some((b"", first)) };
    if second != b"-" && address(second).is_some() && address(first).is_none() {
        return Some((first, second));
    }
    let has_port = |name: &[u8]| {
        let colon = name.iter().rposition(|b| *b == b':')?;
        let (name, port) = (name.get(..colon)?, name.get(colon + 1..)?);
        Some(!name.contains(&b':') && (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit))
    };
    // An address with its port, as some proxies log it, has two more words behind it, like any client.
    let is_before_client = || word(behind).is_some_and(|(_, rest)| word(rest).is_some());
    Some(if has_port(first) == Some(true) && is_before_client() { (first, second) } else { (b"", first) })
}

fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b' ', bytes).unwrap_or(bytes.len());
    let (word, rest) = bytes.split_at(end);
    (end > 0).then(|| (word, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// What stands within quotes, behind the opening one, and what stands behind the closing one.
fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes[at] == b'"' {
            return Some((&bytes[..at], &bytes[at + 1..]));
        }
        from = at + 2;
    }
}

fn status(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (status, rest) = word(rest.strip_prefix(b" ")?)?;
    let [class @ b'1'..=b'9', tens, ones] = status else { return None };
    let status = u32::from(class - b'0') * 100 + digits([*tens, *ones])?;
    Some((u16::try_from(status).ok()?, rest))
}

/// Referrer and user agent, from behind the status on; nothing in the common format.
fn referrer_and_agent(rest: &[u8]) -> Result<(&[u8], Option<&[u8]>), LogError> {
    let Some(quote) = memchr(b'"', rest) else { return Ok((b"", None)) };
    let (referrer, rest) = quoted(&rest[quote + 1..]).ok_or(LogError::Referrer)?;
    let rest = rest.strip_prefix(b" \"").ok_or(LogError::NoAgent)?;
    let agent = quoted(rest).map_or(rest, |(agent, _)| agent);
    let sent = |field| if field == b"-" { &b""[..] } else { field };
    Ok((sent(referrer), Some(sent(agent))))
}

/// `GET /a b HTTP/1.1`: the target is what lies between the first word and the protocol.
fn method_and_target(request: &[u8]) -> (&[u8], &[u8]) {
    let Some((method, rest)) = word(request) else { return (b"", b"") };
    let last = rest.iter().rposition(|b| *b == b' ');
    let target = match last.map(|at| rest.split_at(at)) {
        Some((target, protocol)) if protocol.starts_with(b" HTTP/") => target,
        _ => rest,
    };
    (method, target)
}

/// Only the plain form; most lines have it, and the standard library takes longer to read it.
fn ipv4(client: &[u8]) -> Option<IpAddr> {
    if client.len() > 15 {
        return None;
    }
    let mut octets = [0_u8; 4];
    let mut parts = client.split(|b| *b == b'.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 3 || (part.len() > 1 && part[0] == b'0') {
            return None;
        }
        let add = |sum: u16, b: &u8| b.is_ascii_digit().then(|| sum * 10 + u16::from(b - b'0'));
        *octet = u8::try_from(part.iter().try_fold(0, add)?).ok()?;
    }
    parts.next().is_none().then(|| IpAddr::from(octets))
}

fn digits([tens, ones]: [u8; 2]) -> Option<u32> {
    let digit = |b: u8| b.is_ascii_digit().then(|| u32::from(b - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMBINED: &str = "203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"GET /tin?x=1 HTTP/1.1\" 200 1234 \
                            \"https://a.example/x\" \"Mozilla/5.0 (X11)\"";

    fn line(text: &str) -> LogLine<'_> {
        parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_combined_format_gives_every_field() {
        let read = line(COMBINED);
        let expected = LogLine {
            at: UnixMillis(1_431_857_103_000),
            host: b"",
            client: b"203.0.113.9",
            method: b"GET",
            target: b"/tin?x=1",
            status: 200,
            referrer: b"https://a.example/x",
            agent: Some(b"Mozilla/5.0 (X11)"),
        };
        assert_eq!(read, expected);
        assert_eq!(line(&format!("{COMBINED}\r")), expected);
        assert_eq!(line(&format!("{COMBINED} \"203.0.113.1\" 0.003")), expected);
        let with_host = LogLine { host: b"www.example.vn:443", ..expected };
        assert_eq!(line(&format!("www.example.vn:443 {COMBINED}")), with_host);
        assert_eq!(line(&COMBINED.replace("1234 ", "1234 0.003 ")), expected);
    }

    #[test]
    fn the_common_format_knows_no_agent_and_a_dash_says_that_none_was_sent() {
        let common = COMBINED.split(" \"https").next().expect("a beginning");
        assert_eq!((line(common).referrer, line(common).agent), (&b""[..], None));
        let silent = format!("{common} \"-\" \"-\"");
        assert_eq!((line(&silent).referrer, line(&silent).agent), (&b""[..], Some(&b""[..])));
        assert_eq!(line(&common.replace(" 1234", " -")).status, 200);
    }

    #[test]
    fn a_line_that_ends_inside_the_agent_is_good_up_to_there() {
        let cut = &COMBINED[..COMBINED.len() - 7];
        assert_eq!(line(cut).agent, Some(&b"Mozilla/5.0"[..]));
        assert_eq!(line(&format!("{cut}\\")).agent, Some(&b"Mozilla/5.0\\"[..]));
    }

    #[test]
    fn every_other_cut_is_named() {
        let at = |needle: &str| COMBINED.find(needle).expect("it is there");
        for (end, expected) in [
            (0, LogError::Empty),
            (at(" +0000"), LogError::NoTime),
            (at(" \"GET"), LogError::Request),
            (at(" HTTP"), LogError::Request),
            (at(" 200"), LogError::Status),
            (at("00 1234"), LogError::Status),
            (at("//a.example"), LogError::Referrer),
            (at(" \"Mozilla"), LogError::NoAgent),
        ] {
            assert_eq!(parse(&COMBINED.as_bytes()[..end]), Err(expected), "{}", &COMBINED[..end]);
        }
    }

    #[test]
    fn moments_have_zones_and_bounds() {
        let millis = |time: &str| {
            let text = COMBINED.replace("17/May/2015:10:05:03 +0000", time);
            parse(text.as_bytes()).map(|line| line.at.0)
        };
        for (time, expected) in [
            ("17/May/2015:17:05:03 +0700", 1_431_857_103_000),
            ("17/may/2015:06:35:03 -0330", 1_431_857_103_000),
            ("30/Jun/2015:23:59:60 +0000", 1_435_708_799_000),
            ("29/Feb/2016:00:00:00 +0000", 1_456_704_000_000),
            ("01/Mar/2000:00:00:00 +0000", 951_868_800_000),
            ("31/Dec/2099:23:59:59 +0000", 4_102_444_799_000),
            ("01/Jan/1995:00:00:00 +0000", 788_918_400_000),
        ] {
            assert_eq!(millis(time), Ok(expected), "{time}");
        }
        for (time, expected) in [
            ("01/Jan/1970:00:00:00 +0000", LogError::TooOld),
            ("31/Dec/1994:23:59:59 +0000", LogError::TooOld),
            ("29/Feb/2015:00:00:00 +0000", LogError::Time),
            ("00/May/2015:00:00:00 +0000", LogError::Time),
            ("17/Mai/2015:00:00:00 +0000", LogError::Time),
            ("17/May/2015:24:00:00 +0000", LogError::Time),
            ("17/May/2015:00:60:00 +0000", LogError::Time),
            ("17/May/2015:00:00:61 +0000", LogError::Time),
            ("17/May/2015:00:00:00 +2400", LogError::Time),
            ("17/May/2015:00:00:00 *0000", LogError::Time),
            ("17/May/20x5:00:00:00 +0000", LogError::Time),
            ("17-May-2015 00:00:00", LogError::NoTime),
        ] {
            assert_eq!(millis(time), Err(expected), "{time}");
        }
    }

    #[test]
    fn clients_are_addresses_or_names_with_or_without_a_host_before_them() {
        for (before, client, expected) in [
            ("203.0.113.9 - -", "203.0.113.9", Some("203.0.113.9")),
            ("2001:db8::1 - -", "2001:db8::1", Some("2001:db8::1")),
            ("fe80::1%eth0 - -", "fe80::1%eth0", Some("fe80::1")),
            ("::ffff:203.0.113.9 - -", "::ffff:203.0.113.9", Some("203.0.113.9")),
            ("reader.example - mai [admin]", "reader.example", None),
            ("www.example.vn:80 203.0.113.9 - mai", "203.0.113.9", Some("203.0.113.9")),
            ("www.example.vn:80 2001:db8::1 - -", "2001:db8::1", Some("2001:db8::1")),
            ("www.example.vn 203.0.113.9 - -", "203.0.113.9", Some("203.0.113.9")),
            ("198.51.100.1:443 203.0.113.9 - -", "203.0.113.9", Some("203.0.113.9")),
            ("www.example.vn:80 reader.example - -", "reader.example", None),
            ("203.0.113.9 10.0.0.1 -", "203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9:4711 - -", "203.0.113.9:4711", None),
            ("unix: - -", "unix:", None),
            ("- - -", "-", None),
            ("256.0.113.9 - -", "256.0.113.9", None),
            ("1.2.3 - -", "1.2.3", None),
        ] {
            let text = COMBINED.replace("203.0.113.9 - -", before);
            assert_eq!(line(&text).client, client.as_bytes(), "{before}");
            let expected = expected.map(|address| address.parse().expect("an address"));
            assert_eq!(address(line(&text).client), expected, "{before}");
        }
        assert_eq!(parse(COMBINED.replace("203.0.113.9 - -", "").as_bytes()), Err(LogError::NoClient));
    }

    #[test]
    fn a_host_before_the_client_is_the_one_that_was_asked() {
        for (before, expected) in [
            ("203.0.113.9 - -", None),
            ("www.example.vn:443 203.0.113.9 - -", Some("www.example.vn")),
            ("WWW.Example.vn 2001:db8::1 - -", Some("www.example.vn")),
            ("[2001:db8::2]:443 203.0.113.9 - -", Some("2001:db8::2")),
            ("www.example.vn:80 reader.example - -", Some("www.example.vn")),
            ("_ 203.0.113.9 - -", None),
            ("- 203.0.113.9 - -", None),
            ("203.0.113.9:4711 - -", None),
            ("reader.example - mai", None),
        ] {
            let text = COMBINED.replace("203.0.113.9 - -", before);
            assert_eq!(asked_host(&line(&text)).as_deref(), expected, "{before}");
        }
    }

    #[test]
    fn quotes_within_fields_are_escaped_and_come_back() {
        let text =
            COMBINED.replace("/tin?x=1", "/\\\"a\\\"/\\xE1\\xBB\\xA9").replace("(X11)", "\\\\\\\" \\q \\x4");
        let read = line(&text);
        assert_eq!(unescaped(read.target), "/\"a\"/ứ".as_bytes());
        assert_eq!(unescaped(read.agent.expect("one")), b"Mozilla/5.0 \\\" \\q \\x4".as_slice());
        let page = page(read.target).expect("a page").page(&[]).expect("short");
        assert_eq!(page.as_str(), "/\"a\"/ứ");
        assert!(matches!(unescaped(b"plain"), Cow::Borrowed(b"plain")));
    }

    #[test]
    fn targets_are_what_lies_between_method_and_protocol() {
        for (request, method, target) in [
            ("GET / HTTP/1.0", "GET", "/"),
            ("GET /a b HTTP/1.1", "GET", "/a b"),
            ("GET /", "GET", "/"),
            ("GET", "GET", ""),
            ("", "", ""),
            ("-", "-", ""),
            ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
            ("\\x16\\x03\\x01", "\\x16\\x03\\x01", ""),
        ] {
            let text = COMBINED.replace("GET /tin?x=1 HTTP/1.1", request);
            let read = line(&text);
            assert_eq!((read.method, read.target), (method.as_bytes(), target.as_bytes()), "{request}");
        }
        assert!(page(b"*").is_none() && page(b"").is_none());
        let folded = |target: &[u8]| page(target).expect("a page").page(&[]).expect("short");
        assert_eq!(folded(b"http://a.example/x//y?z").as_str(), "/x/y");
        assert_eq!(folded(b"/\xff").as_str(), "/%FF");
    }

    #[test]
    fn an_endless_line_is_refused_by_its_length() {
        let long = [COMBINED, &"x".repeat(LINE_BYTES_MAX)].concat();
        assert_eq!(parse(long.as_bytes()), Err(LogError::TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = unescaped(&bytes);
            let _ = address(&bytes);
            let _ = page(&bytes).map(|page| page.page(&[]));
            let _ = parse(&bytes).map(|line| asked_host(&line).is_some());
        }

        #[test]
        fn a_broken_line_is_read_or_named(place: prop::sample::Index, byte: u8) {
            let mut bytes = COMBINED.as_bytes().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if let Ok(line) = parse(&bytes) {
                let _ = page(line.target).map(|page| page.page(&[]));
            }
        }

        #[test]
        fn days_agree_with_a_calendar(days in 9_131_i32..60_000) {
            let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(days));
            let (year, month, day) = (date.year(), date.month(), date.day());
            let part = |n: i8| u32::try_from(n).expect("positive");
            let found = days_before(u32::try_from(year).expect("positive"), part(month), part(day));
            prop_assert_eq!(found, u64::try_from(days).expect("positive"));
            prop_assert_eq!(days_in(u32::try_from(year).expect("positive"), part(month)), part(date.days_in_month()));
        }
    }
}
