//! Texts that are more than a number or a word: addresses, networks, hosts, URLs, paths, zones, languages.
//!
//! Pure functions from text to value; each says what is wrong and, where it can guess what was meant, how to
//! write it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::Uri;
use ipnet::IpNet;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::problem::Wrong;
use super::shape::{Surroundings, choice};
use crate::fleet;
use crate::sites::LanguageChoice;
use crate::visitor::Countries;
use crate::web::{Address, Announcers};

/// More listeners than this are a mistake: one a network interface is plenty.
const LISTENERS_MAX: usize = 16;
/// The longest path of a unix socket (unix(7), less the byte that ends it).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Each costs a look at its names in every handshake.
const CERTIFICATES_MAX: usize = 100;
/// Longer names are no parameters that people tell pages apart by.
const PARAMETER_BYTES_MAX: usize = 64;
/// Each costs a comparison with every parameter of every beacon.
const PARAMETERS_MAX: usize = 32;

/// A list of `address:port` and `unix:/path`.
pub(super) fn listeners(list: &[String], around: &Surroundings<'_>) -> Result<Vec<Address>, Vec<Wrong>> {
    listed(list, |text| match text.strip_prefix("unix:") {
        Some(path) => socket(path, around).map(Address::Unix),
        None => listener(text).map(Address::Tcp),
    })
}

/// A list of `address:port` alone.
pub(super) fn ports(list: &[String]) -> Result<Vec<Address>, Vec<Wrong>> {
    listed(list, |text| listener(text).map(Address::Tcp))
}

fn listed(
    list: &[String],
    parse: impl Fn(&str) -> Result<Address, Wrong>,
) -> Result<Vec<Address>, Vec<Wrong>> {
    at_most(LISTENERS_MAX, list)?;
    let addresses = each(list, parse)?;
    let repeated = |(index, address): &(usize, &Address)| {
        address.is_one_place() && addresses.iter().position(|other| other == *address) != Some(*index)
    };
    match addresses.iter().enumerate().find(repeated) {
        Some((_, address)) => Err(vec![Wrong::mended_by(format!("names {address} twice"), "write it once")]),
        None => Ok(addresses),
    }
}

/// Every entry, or what is wrong with each that is.
fn each<V>(list: &[String], parse: impl Fn(&str) -> Result<V, Wrong>) -> Result<Vec<V>, Vec<Wrong>> {
    let (mut values, mut wrongs) = (Vec::new(), Vec::new());
    for text in list {
        match parse(text) {
            Ok(value) => values.push(value),
            Err(wrong) => wrongs.push(wrong),
        }
    }
    if wrongs.is_empty() { Ok(values) } else { Err(wrongs) }
}

fn at_most(max: usize, list: &[String]) -> Result<(), Vec<Wrong>> {
    if list.len() <= max {
        return Ok(());
    }
    Err(vec![Wrong::mended_by(format!("has {} entries", list.len()), format!("allowed: at most {max}"))])
}

fn listener(text: &str) -> Result<SocketAddr, Wrong> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.starts_with("unix:") {
        return Err(Wrong::mended_by(
            format!("names a unix socket (\"{text}\"), and TLS is spoken by TCP alone"),
            "write an address and a port, such as \"0.0.0.0:443\", or move it to listen",
        ));
    }
    if text.starts_with('/') {
        return Err(Wrong::mended_by(
            format!("has no address and port in \"{text}\""),
            format!("for a unix socket write \"unix:{text}\""),
        ));
    }
    let port = text.strip_prefix(':').unwrap_or(text);
    if port.parse::<u16>().is_ok() {
        return Err(Wrong::mended_by(
            format!("has no address in \"{text}\""),
            format!("write \"127.0.0.1:{port}\" for this machine alone, or \"[::]:{port}\" for everybody"),
        ));
    }
    if text.parse::<IpAddr>().is_ok() {
        let address = if text.contains(':') { format!("[{text}]") } else { text.to_owned() };
        return Err(Wrong::mended_by(
            format!("has no port in \"{text}\""),
            format!("write \"{address}:8080\""),
        ));
    }
    let what = format!("has no address and port in \"{text}\"");
    match text.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() && !name.contains(['/', ':']) => {
            Err(Wrong::mended_by(what, format!("names are not looked up: write \"127.0.0.1:{port}\"")))
        }
        _ => Err(Wrong::new(what)),
    }
}

/// The path of a unix socket.
fn socket(text: &str, around: &Surroundings<'_>) -> Result<PathBuf, Wrong> {
    let example = "write it like \"unix:/run/headcount/headcount.sock\"";
    let Some(path) = path(text, around)? else {
        return Err(Wrong::mended_by("names a unix socket without a path", example));
    };
    let path = std::path::absolute(&path).unwrap_or(path);
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let what = format!("names a unix socket whose path is too long (\"{}\")", path.display());
        return Err(Wrong::mended_by(what, format!("the system takes {SOCKET_PATH_BYTES_MAX} bytes")));
    }
    Ok(path)
}

/// The mode of a file, in octal.
pub(super) fn mode(text: &str) -> Result<u32, Wrong> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| text.len() <= 4 && *mode <= 0o777);
    mode.ok_or_else(|| Wrong::new("is not the mode of a file"))
}

/// Files with secrets or without; `credential:NAME` is the one that a service manager hands over. A name
/// that cannot be resolved here stays as it is: only the daemon reads the file.
pub(super) fn files(list: &[String], around: &Surroundings<'_>) -> Result<Vec<PathBuf>, Vec<Wrong>> {
    at_most(CERTIFICATES_MAX, list)?;
    each(list, |text| {
        let credential = text.strip_prefix("credential:").filter(|name| !name.contains('/'));
        match (credential, around.credentials) {
            (Some(name), Some(directory)) => Ok(directory.join(name)),
            (Some(_), None) => Ok(PathBuf::from(text)),
            (None, _) => path(text, around)?.ok_or_else(|| Wrong::new("has an empty path")),
        }
    })
}

/// Peers that say first for whom they ask.
pub(super) fn announcers(list: &[String]) -> Result<Announcers, Vec<Wrong>> {
    let (unix, others): (Vec<String>, Vec<String>) = list.iter().cloned().partition(|text| text == "unix");
    Ok(Announcers { networks: networks(&others)?, unix: !unix.is_empty() })
}

/// A list of networks; a single address is a network of one.
pub(super) fn networks(list: &[String]) -> Result<Vec<IpNet>, Vec<Wrong>> {
    each(list, |text| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network = network.map_err(|_| Wrong::new(format!("has no network in \"{text}\"")))?;
        Ok(network.trunc())
    })
}

/// Where readers reach this daemon, without a slash at the end; `None` when empty.
pub(super) fn public_url(text: &str) -> Result<Option<String>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let example = "write it like \"https://www.example.vn/hc\"";
    let Some((scheme, rest)) =
        text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
    else {
        return Err(Wrong::mended_by("does not begin with http:// or https://", example));
    };
    if let Some(part) = rest.find(['?', '#', '@', '"', '\'', '<', '>', '\\']) {
        let what = format!("may not hold '{}'", rest[part..].chars().next().unwrap_or_default());
        return Err(Wrong::mended_by(what, example));
    }
    let uri: Uri = text.parse().map_err(|_| Wrong::mended_by("is not a URL", example))?;
    let authority = uri.authority().ok_or_else(|| Wrong::mended_by("has no host", example))?;
    let literal = authority.host().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if literal.is_none_or(|address| address.parse::<Ipv6Addr>().is_err()) {
        host_name(authority.host())?;
    }
    let port = &authority.as_str()[authority.host().len()..];
    if !port.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err(Wrong::mended_by("has no valid port", example));
    }
    let host = authority.host().to_ascii_lowercase();
    Ok(Some(format!("{scheme}://{host}{port}{}", uri.path().trim_end_matches('/'))))
}

/// The database of countries in a file.
pub(super) fn countries(path: &Path) -> Result<Arc<Countries>, Wrong> {
    let remedy = "name a file in MaxMind's format that this user may read, or leave it empty";
    let read = Countries::open(path).map(Arc::new);
    read.map_err(|error| Wrong::mended_by(error.to_string(), remedy))
}

/// The name of the one header that proxies write the client's address to, in lower case.
pub(super) fn header(text: &str) -> Result<String, Wrong> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() {
        return Err(Wrong::mended_by("is empty", "to believe no header, write trusted_proxies = []"));
    }
    if text.contains(',') {
        return Err(Wrong::mended_by(
            "names several headers",
            "exactly one is read: the one your proxy sets",
        ));
    }
    if !text.bytes().all(token) {
        return Err(Wrong::new("is not the name of a header"));
    }
    Ok(text.to_ascii_lowercase())
}

/// Hosts of pages as beacons spell them: lower case, IPv6 without brackets; `*.example.vn` stands for every
/// name below.
pub(super) fn hosts(list: &[String]) -> Result<Vec<String>, Vec<Wrong>> {
    each(list, |text| {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(address.to_string());
        }
        host_name(text.strip_prefix("*.").unwrap_or(text))?;
        Ok(text.to_ascii_lowercase())
    })
}

fn host_name(text: &str) -> Result<(), Wrong> {
    let wrong = |what: &str, remedy: &str| Err(Wrong::mended_by(format!("{what} in \"{text}\""), remedy));
    if text == "*" {
        return wrong("has a lone star", "leave the list empty to let any host count");
    }
    if text.contains("://") || text.contains('/') {
        return wrong("has more than a host", "write the host alone, such as \"www.example.vn\"");
    }
    if text.contains(':') {
        return wrong("has a port", "write the host alone: a page counts whatever its port");
    }
    if !text.is_ascii() {
        return wrong("has letters beyond a-z", "write the name as browsers send it, beginning with xn--");
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text.len() > 253 || !text.split('.').all(label) {
        return wrong("has no host name", "write it like \"www.example.vn\" or \"*.example.vn\"");
    }
    Ok(())
}

/// Names of query parameters.
pub(super) fn parameters(list: &[String]) -> Result<Vec<String>, Vec<Wrong>> {
    at_most(PARAMETERS_MAX, list)?;
    let unfit = |c: char| c.is_control() || c.is_whitespace() || "?&=#;%+".contains(c);
    each(list, |name| {
        if name.is_empty() || name.len() > PARAMETER_BYTES_MAX || name.contains(unfit) {
            return Err(Wrong::new(format!("has no name of a parameter in \"{name}\"")));
        }
        Ok(name.to_owned())
    })
}

/// A path; a relative one begins where `around` says. `None` when empty.
pub(super) fn path(text: &str, around: &Surroundings<'_>) -> Result<Option<PathBuf>, Wrong> {
    if text.starts_with('~') {
        return Err(Wrong::mended_by(
            "begins with ~, which only a shell understands",
            "write the whole path",
        ));
    }
    if text.contains('\0') {
        return Err(Wrong::new("holds a NUL"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(|text| around.folder.join(text)))
}

/// Where a fleet shares its count; nothing is this machine alone.
pub(super) fn shared_store(text: &str) -> Result<Option<fleet::Address>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    fleet::Address::parse(text).map(Some).map_err(|error| Wrong::new(error.to_string()))
}

/// What the names of all keys in the shared store begin with. Braces would change a key's slot.
pub(super) fn prefix(text: &str) -> Result<String, Wrong> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=64).contains(&text.len()) && text.bytes().all(good) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("is empty, longer than 64, or holds another character"))
}

/// A zone of the IANA database.
pub(super) fn time_zone(text: &str, around: &Surroundings<'_>) -> Result<TimeZone, Wrong> {
    if text == "auto" {
        return Ok(around.machine_time_zone.clone());
    }
    TimeZone::get(text).map_err(|_| Wrong::new("is not a known time zone"))
}

/// A language that the counter speaks, or the reader's.
pub(super) fn language(text: &str, around: &Surroundings<'_>) -> Result<LanguageChoice, Wrong> {
    if text == "auto" {
        return Ok(LanguageChoice::Auto);
    }
    let known = around.known_languages.iter().find(|tag| tag.eq_ignore_ascii_case(text));
    known.map(|tag| LanguageChoice::Fixed((*tag).to_owned())).ok_or_else(|| {
        Wrong::mended_by("is not spoken", format!("allowed: auto, {}", around.known_languages.join(", ")))
    })
}

/// What stands between groups of three digits; `None` leaves it to the language.
pub(super) fn digit_grouping(text: &str) -> Result<Option<String>, Wrong> {
    match text {
        "auto" => Ok(None),
        "" | "," | "." | " " | "'" | "\u{202f}" => Ok(Some(text.to_owned())),
        _ => Err(Wrong::new("is not one of the separators")),
    }
}

/// The day weeks begin with; `None` leaves it to the language.
pub(super) fn first_weekday(text: &str) -> Result<Option<Weekday>, Wrong> {
    let known = [
        ("auto", None),
        ("monday", Some(Weekday::Monday)),
        ("tuesday", Some(Weekday::Tuesday)),
        ("wednesday", Some(Weekday::Wednesday)),
        ("thursday", Some(Weekday::Thursday)),
        ("friday", Some(Weekday::Friday)),
        ("saturday", Some(Weekday::Saturday)),
        ("sunday", Some(Weekday::Sunday)),
    ];
    choice(text, &known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused<T: std::fmt::Debug>(result: Result<T, Vec<Wrong>>, what: &str, remedy: &str) {
        let wrong = result.expect_err(what).remove(0);
        assert!(wrong.what.contains(what), "{}", wrong.what);
        assert!(wrong.remedy.as_deref().unwrap_or_default().contains(remedy), "{:?}", wrong.remedy);
    }

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(
            ["0660", "600", "0777"].map(|text| mode(text).map_err(|w| w.what)),
            [Ok(0o660), Ok(0o600), Ok(0o777)]
        );
        for text in ["", "0999", "00660", "1777", "rw", "-1"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listeners_are_addresses_with_a_port_or_unix_sockets() {
        let around = Surroundings {
            known_languages: &[],
            machine_time_zone: &TimeZone::UTC,
            folder: PathBuf::from("/etc/headcount"),
            credentials: None,
        };
        let listeners = |list: Vec<String>| listeners(&list, &around);
        assert_eq!(listeners(list(&["127.0.0.1:0", "127.0.0.1:0"])).map(|l| l.len()), Ok(2));
        assert_eq!(listeners(list(&["[::1]:80"])).map(|l| l.len()), Ok(1));
        refused(listeners(list(&[":8080"])), "no address", "127.0.0.1:8080");
        refused(listeners(list(&["8080"])), "no address", "[::]:8080");
        refused(listeners(list(&["localhost:8080"])), "localhost", "not looked up");
        refused(listeners(list(&["::1"])), "no port", "[::1]:8080");
        refused(ports(&list(&["unix:/run/x"])), "TLS is spoken by TCP alone", "0.0.0.0:443");
        refused(listeners(list(&["unix:"])), "without a path", "unix:/run/headcount");
        refused(listeners(list(&["/run/x"])), "no address", "unix:/run/x");
        refused(listeners(list(&[&format!("unix:/{}", "x".repeat(107))])), "too long", "107");
        let relative = listeners(list(&["unix:x.sock"])).expect("is a path");
        assert_eq!(relative, [Address::Unix("/etc/headcount/x.sock".into())]);
        refused(listeners(list(&["1.2.3.4:5", "1.2.3.4:5"])), "twice", "once");
    }

    #[test]
    fn networks_lose_their_host_bits() {
        let parsed = networks(&list(&["10.1.2.3/8", "192.0.2.1", "2001:db8::/32"])).expect("are networks");
        let written: Vec<String> = parsed.iter().map(ToString::to_string).collect();
        assert_eq!(written, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
        refused(networks(&list(&["10.0.0.0/33"])), "10.0.0.0/33", "");
    }

    #[test]
    fn a_public_url_has_a_host_and_no_slash_at_its_end() {
        let parsed = |text| public_url(text).map_err(|wrong| wrong.what);
        assert_eq!(parsed(""), Ok(None));
        assert_eq!(parsed("https://WWW.example.vn/hc/"), Ok(Some("https://www.example.vn/hc".into())));
        assert_eq!(parsed("http://localhost:8080"), Ok(Some("http://localhost:8080".into())));
        assert_eq!(parsed("https://[::1]:8443/"), Ok(Some("https://[::1]:8443".into())));
        for bad in ["www.example.vn", "ftp://x", "https://", "https:///hc", "https://x?y", "https://x#y"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        for bad in ["https://a@b", "https://x:", "https://x:70000", "https://a b", "https://x/\"y", "https:x"]
        {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_without_scheme_path_or_port() {
        let good =
            ["VKS.example.vn", "*.example.vn", "localhost", "127.0.0.1", "[::1]", "xn--bcher-kva.example"];
        assert_eq!(hosts(&list(&good)).map(|hosts| hosts[0].clone()), Ok("vks.example.vn".into()));
        assert_eq!(hosts(&list(&["[2001:DB8:0::1]", "::1"])), Ok(list(&["2001:db8::1", "::1"])));
        refused(hosts(&list(&["https://a.vn"])), "more than a host", "alone");
        refused(hosts(&list(&["a.vn/x"])), "more than a host", "alone");
        refused(hosts(&list(&["a.vn:8443"])), "a port", "whatever its port");
        refused(hosts(&list(&["*"])), "lone star", "empty");
        refused(hosts(&list(&["viện.vn"])), "beyond a-z", "xn--");
        assert_eq!(
            hosts(&list(&["good.vn", "a b", "c/d"])).map_err(|wrongs| wrongs.len()),
            Err(2),
            "each is told"
        );
        for bad in ["", "a..b", ".vn", "*.*.vn", "a b"] {
            assert!(hosts(&list(&[bad])).is_err(), "{bad}");
        }
    }

    #[test]
    fn exactly_one_header_is_read() {
        assert_eq!(header("X-Forwarded-For"), Ok("x-forwarded-for".into()));
        refused(header("X-Real-IP, X-Forwarded-For").map_err(|wrong| vec![wrong]), "several", "one");
        refused(header("").map_err(|wrong| vec![wrong]), "empty", "trusted_proxies");
        refused(header("a b").map_err(|wrong| vec![wrong]), "not the name", "");
    }

    #[test]
    fn parameters_are_plain_names() {
        assert!(parameters(&list(&["id", "trang", "bài"])).is_ok());
        for bad in ["", "a=b", "a&b", "a b", &"x".repeat(65)] {
            assert!(parameters(&list(&[bad])).is_err(), "{bad}");
        }
    }
}
