//! The ids of visitors: keyed hashes, which mean nothing to anyone without the day's salt.
//!
//! Every part that may vary in length stands behind its length, so that no two visitors hash the same bytes.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::words::{Salt, SiteId, VisitorId};

/// Of an address and a user agent; without an address, of the agent alone.
pub(super) fn address_id(salt: &Salt, site: &SiteId, address: Option<IpAddr>, agent: u64) -> VisitorId {
    let mut known = match address {
        None => Known::by(0, &[]),
        Some(IpAddr::V4(address)) => Known::by(4, &address.octets()),
        Some(IpAddr::V6(address)) => Known::by(6, &address.octets()),
    };
    known.push(&agent.to_le_bytes());
    known.id(salt, site)
}

/// For servers that look names up, or know the other end only as a socket.
pub(super) fn name_id(salt: &Salt, site: &SiteId, name: &[u8], agent: u64) -> VisitorId {
    let mut hasher = SipHasher24::new_with_key(&salt.0);
    hasher.write(&[2]);
    write_with_length(&mut hasher, &name.to_ascii_lowercase());
    hasher.write(&agent.to_le_bytes());
    write_with_length(&mut hasher, site.as_str().as_bytes());
    VisitorId(hasher.finish())
}

pub(super) fn browser_id(salt: &Salt, site: &SiteId, browser: u64) -> VisitorId {
    Known::by(1, &browser.to_le_bytes()).id(salt, site)
}

/// By what a visitor is known, put together and then hashed at once, which costs half of hashing it piece by
/// piece.
struct Known {
    /// Room for a kind, an address, a user agent's digest, and the site behind its length.
    bytes: [u8; 1 + 16 + 8 + 4 + SiteId::BYTES_MAX],
    length: usize,
}

impl Known {
    fn by(kind: u8, part: &[u8]) -> Known {
        let mut known = Known { bytes: [0; _], length: 0 };
        known.push(&[kind]);
        known.push(part);
        known
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.length..][..part.len()].copy_from_slice(part);
        self.length += part.len();
    }

    fn id(mut self, salt: &Salt, site: &SiteId) -> VisitorId {
        let site = site.as_str().as_bytes();
        self.push(&length(site));
        self.push(site);
        VisitorId(SipHasher24::new_with_key(&salt.0).hash(&self.bytes[..self.length]))
    }
}

fn write_with_length(hasher: &mut SipHasher24, bytes: &[u8]) {
    hasher.write(&length(bytes));
    hasher.write(bytes);
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_hash_of_its_parts_one_after_the_other() {
        let (salt, site) = (Salt([7; 16]), SiteId::parse("vks").expect("an id"));
        let hash = |parts: &[&[u8]]| {
            let mut hasher = SipHasher24::new_with_key(&salt.0);
            for part in parts {
                hasher.write(part);
            }
            VisitorId(hasher.finish())
        };
        let (agent, behind) = ([9, 8, 7, 6, 5, 4, 3, 2], [3, 0, 0, 0, b'v', b'k', b's']);
        let address = |text: &str| text.parse().ok();
        let id = |of| address_id(&salt, &site, of, u64::from_le_bytes(agent));
        assert_eq!(id(address("203.0.113.9")), hash(&[&[4, 203, 0, 113, 9], &agent, &behind]));
        let wide = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(id(address("2001:db8::1")), hash(&[&[6], &wide, &agent, &behind]));
        assert_eq!(id(None), hash(&[&[0], &agent, &behind]));
        assert_eq!(browser_id(&salt, &site, u64::from_le_bytes(agent)), hash(&[&[1], &agent, &behind]));
    }

    #[test]
    fn parts_of_an_id_cannot_run_into_each_other() {
        let salt = Salt([1; 16]);
        let site = |id| SiteId::parse(id).expect("a site id");
        let ids = [
            address_id(&salt, &site("ab"), None, 0),
            address_id(&salt, &site("b"), None, u64::from(b'a')),
            address_id(&salt, &site("a"), None, u64::from(b'b') << 56),
            browser_id(&salt, &site("ab"), 0),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id));
        }
    }
}
