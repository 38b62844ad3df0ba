//! The ids of visitors: keyed hashes, which mean nothing to anyone without the day's salt.
//!
//! Every part that may vary in length stands behind its length, so that no two visitors hash the same bytes.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::words::{Salt, SiteId, VisitorId};

/// Of an address and a user agent; without an address, of the agent alone.
pub(super) fn address_id(salt: &Salt, site: &SiteId, address: Option<IpAddr>, agent: u64) -> VisitorId {
    let mut hasher = SipHasher24::new_with_key(&salt.0);
    match address {
        None => hasher.write(&[0]),
        Some(IpAddr::V4(address)) => {
            hasher.write(&[4]);
            hasher.write(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            hasher.write(&[6]);
            hasher.write(&address.octets());
        }
    }
    hasher.write(&agent.to_le_bytes());
    write_with_length(&mut hasher, site.as_str().as_bytes());
    VisitorId(hasher.finish())
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
    let mut hasher = SipHasher24::new_with_key(&salt.0);
    hasher.write(&[1]);
    hasher.write(&browser.to_le_bytes());
    write_with_length(&mut hasher, site.as_str().as_bytes());
    VisitorId(hasher.finish())
}

fn write_with_length(hasher: &mut SipHasher24, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hasher.write(&length.to_le_bytes());
    hasher.write(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

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
