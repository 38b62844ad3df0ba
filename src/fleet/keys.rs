//! The names of keys in the shared store.
//!
//! Everything of one site lies in one slot of a Cluster, by the hash tag `{site}`; the presence of a big
//! site is split over parts `{site#1}`, `{site#2}` and so on with a slot each. Every name begins with
//! the prefix and the version of the schema.

use crate::words::{Day, SiteId};

/// The version of what the keys hold. A node refuses to run against a later one.
pub(super) const SCHEMA: u32 = 1;

/// Makes names.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Keys {
        Keys { prefix: format!("{prefix}:{SCHEMA}") }
    }

    fn of_site(&self, site: &SiteId, rest: &str) -> String {
        format!("{}:{{{site}}}:{rest}", self.prefix)
    }

    fn of_part(&self, site: &SiteId, part: usize, rest: &str) -> String {
        match part {
            0 => self.of_site(site, rest),
            part => format!("{}:{{{site}#{part}}}:{rest}", self.prefix),
        }
    }

    /// Version and trimmed minutes of a site's sums.
    pub(super) fn meta(&self, site: &SiteId) -> String {
        self.of_site(site, "meta")
    }

    /// The sums of a site's rows.
    pub(super) fn sums(&self, site: &SiteId) -> String {
        self.of_site(site, "sums")
    }

    /// What one node sent.
    pub(super) fn own(&self, site: &SiteId, node: &str) -> String {
        self.of_site(site, &format!("own:{node}"))
    }

    /// Which row changed when.
    pub(super) fn changed(&self, site: &SiteId) -> String {
        self.of_site(site, "changed")
    }

    /// The sums of a day's pages and details.
    pub(super) fn day_sums(&self, site: &SiteId, day: Day) -> String {
        self.of_site(site, &format!("sums:{day}"))
    }

    /// What one node sent of a day's pages and details.
    pub(super) fn day_own(&self, site: &SiteId, day: Day, node: &str) -> String {
        self.of_site(site, &format!("own:{day}:{node}"))
    }

    /// The visitors of a day.
    pub(super) fn sketch(&self, site: &SiteId, day: Day) -> String {
        self.of_site(site, &format!("visitors:{day}"))
    }

    /// Visitors in a visit.
    pub(super) fn here(&self, site: &SiteId, part: usize) -> String {
        self.of_part(site, part, "here")
    }

    /// Visitors who left.
    pub(super) fn left(&self, site: &SiteId, part: usize) -> String {
        self.of_part(site, part, "left")
    }

    /// Visitors online without a visit.
    pub(super) fn idle(&self, site: &SiteId, part: usize) -> String {
        self.of_part(site, part, "idle")
    }

    /// Visits that a node opened and has not stored yet.
    pub(super) fn open(&self, site: &SiteId, part: usize, node: &str) -> String {
        self.of_part(site, part, &format!("open:{node}"))
    }

    /// The secret of a day.
    pub(super) fn salt(&self, day: Day) -> String {
        format!("{}:salt:{day}", self.prefix)
    }

    /// Who speaks for a node.
    pub(super) fn lease(&self, node: &str) -> String {
        format!("{}:lease:{node}", self.prefix)
    }

    /// What is known of every node.
    pub(super) fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// A key that nothing is kept in, for trying what a user may do. No site has such a name.
    pub(super) fn probe(&self, tag: usize) -> String {
        format!("{}:{{{}}}", self.prefix, Keys::probe_tag(tag))
    }

    /// What decides on the slot of such a key.
    pub(super) fn probe_tag(tag: usize) -> String {
        format!("#probe{tag}")
    }

    /// What a user must be allowed to touch, as an ACL says it.
    pub(super) fn pattern(&self) -> String {
        let (prefix, _) = self.prefix.rsplit_once(':').unwrap_or((&self.prefix, ""));
        format!("~{prefix}:*")
    }

    /// The schema's version; its own name never changes.
    pub(super) fn schema(&self) -> String {
        let (prefix, _) = self.prefix.rsplit_once(':').unwrap_or((&self.prefix, ""));
        format!("{prefix}:schema")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_one_slot_and_its_parts_one_each() {
        let (keys, site) = (Keys::new("hc"), SiteId::parse("vks").expect("an id"));
        assert_eq!(keys.own(&site, "a1"), "hc:1:{vks}:own:a1");
        assert_eq!(keys.here(&site, 0), "hc:1:{vks}:here");
        assert_eq!(keys.here(&site, 2), "hc:1:{vks#2}:here");
        assert_eq!(keys.schema(), "hc:schema");
    }
}
