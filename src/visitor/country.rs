//! Where an address is registered: a database in `MaxMind`'s format, held in memory.
//!
//! Any database of the format will do that names a country for an address in one of three usual places:
//! `country.iso_code` (`MaxMind`, DB-IP), `country_code` or `country` (`IPinfo`). An address that it does not
//! know, or an entry that cannot be read, has no country.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use maxminddb::{MaxMindDbError, PathElement, Reader};

use crate::details::Country;

/// Databases of cities take about 60 MiB; whatever is much larger is not what was meant.
const BYTES_MAX: u64 = 512 << 20;

/// Where a database may name the country.
const PLACES: [&[PathElement<'static>]; 3] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
];

/// Countries by address.
pub struct Countries(Reader<Vec<u8>>);

/// Why a file is no database of countries.
#[derive(Debug, thiserror::Error)]
pub enum CountriesError {
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// More than any database takes.
    #[error("is larger than {} MiB", BYTES_MAX >> 20)]
    TooLarge,
    /// It is something else, or damaged.
    #[error("is no database in MaxMind's format ({0})")]
    Format(#[from] MaxMindDbError),
}

impl Countries {
    /// Reads a database.
    ///
    /// # Errors
    /// When the file cannot be read or is no such database.
    pub fn open(path: &Path) -> Result<Countries, CountriesError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > BYTES_MAX) {
            return Err(CountriesError::TooLarge);
        }
        Ok(Countries(Reader::from_source(bytes)?))
    }

    /// The country of an address.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<Country> {
        let found = self.0.lookup(address).ok().filter(maxminddb::LookupResult::has_data)?;
        let named = |path: &[PathElement<'_>]| found.decode_path::<&str>(path).ok().flatten();
        PLACES.into_iter().find_map(named).and_then(|code| Country::parse(code.as_bytes()))
    }
}

impl std::fmt::Debug for Countries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Countries({})", self.0.metadata().database_type)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A database of IPv4 networks with a country each, by the specification of the format (version 2.0): a
    /// binary tree of 24-bit records, 16 zero bytes, the data, a marker and the metadata.
    pub(crate) fn database(networks: &[([u8; 4], u8, &str)], nested: bool) -> Vec<u8> {
        let mut data = Vec::new();
        let mut offsets = Vec::new();
        for (_, _, code) in networks {
            offsets.push(data.len());
            if nested {
                data.extend([0xe1]);
                put_text(&mut data, "country");
            }
            data.extend([0xe1]);
            put_text(&mut data, if nested { "iso_code" } else { "country_code" });
            put_text(&mut data, code);
        }
        let mut nodes: Vec<[Option<Next>; 2]> = vec![[None, None]];
        for ((address, bits, _), offset) in networks.iter().zip(&offsets) {
            let number = u32::from_be_bytes(*address);
            let mut node = 0;
            for depth in 0..*bits {
                let side = usize::from(number >> (31 - depth) & 1 == 1);
                if depth + 1 == *bits {
                    nodes[node][side] = Some(Next::Data(*offset));
                } else if let Some(Next::Node(next)) = nodes[node][side] {
                    node = next;
                } else {
                    nodes.push([None, None]);
                    let next = nodes.len() - 1;
                    nodes[node][side] = Some(Next::Node(next));
                    node = next;
                }
            }
        }
        let count = nodes.len();
        let mut bytes = Vec::new();
        for side in nodes.into_iter().flatten() {
            let value = match side {
                None => count,
                Some(Next::Node(node)) => node,
                Some(Next::Data(offset)) => count + 16 + offset,
            };
            bytes.extend(&u32::try_from(value).expect("small").to_be_bytes()[1..]);
        }
        bytes.extend([0; 16]);
        bytes.extend(data);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        put_metadata(&mut bytes, u32::try_from(count).expect("small"));
        bytes
    }

    #[derive(Clone, Copy)]
    enum Next {
        Node(usize),
        Data(usize),
    }

    fn put_text(bytes: &mut Vec<u8>, text: &str) {
        bytes.push(0x40 | u8::try_from(text.len()).expect("short"));
        bytes.extend(text.as_bytes());
    }

    fn put_metadata(bytes: &mut Vec<u8>, nodes: u32) {
        bytes.push(0xe9);
        put_text(bytes, "node_count");
        bytes.push(0xc4);
        bytes.extend(nodes.to_be_bytes());
        for (name, value) in [("record_size", 24), ("ip_version", 4), ("binary_format_major_version", 2)] {
            put_text(bytes, name);
            bytes.extend([0xa1, value]);
        }
        put_text(bytes, "binary_format_minor_version");
        bytes.push(0xa0);
        put_text(bytes, "build_epoch");
        bytes.extend([0x01, 0x02, 1]);
        put_text(bytes, "database_type");
        put_text(bytes, "Test-Country");
        put_text(bytes, "languages");
        bytes.extend([0x00, 0x04]);
        put_text(bytes, "description");
        bytes.push(0xe0);
    }

    fn country(countries: &Countries, address: &str) -> Option<String> {
        countries.of(address.parse().expect("an address")).map(|country| country.to_string())
    }

    #[test]
    fn addresses_have_the_country_of_their_network() {
        for nested in [true, false] {
            let networks =
                [([203, 0, 113, 0], 24, "VN"), ([198, 51, 0, 0], 16, "us"), ([192, 0, 2, 1], 32, "?")];
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("country.mmdb");
            std::fs::write(&path, database(&networks, nested)).expect("write");
            let countries = Countries::open(&path).expect("a database");
            assert_eq!(country(&countries, "203.0.113.9").as_deref(), Some("VN"));
            assert_eq!(country(&countries, "198.51.7.7").as_deref(), Some("US"));
            assert_eq!(country(&countries, "192.0.2.1"), None, "no code");
            assert_eq!(country(&countries, "8.8.8.8"), None);
            assert_eq!(country(&countries, "2001:db8::1"), None, "a database of the older addresses alone");
        }
    }

    #[test]
    fn other_files_are_refused_in_words() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("country.mmdb");
        let missing = Countries::open(&path).expect_err("is missing");
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
        std::fs::write(&path, "network,country\n").expect("write");
        let other = Countries::open(&path).expect_err("is something else");
        assert!(other.to_string().contains("no database"), "{other}");
        let whole = database(&[([203, 0, 113, 0], 24, "VN")], true);
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("write");
            if let Ok(countries) = Countries::open(&path) {
                let _ = country(&countries, "203.0.113.9");
            }
        }
    }
}
