//! Referrer spam: hosts of a dated list (`config/referrer-spam.txt`) and every name below them.

use std::sync::LazyLock;

static HOSTS: LazyLock<foldhash::HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("../../config/referrer-spam.txt").lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
});

/// Whether `host`, in lower case, is listed or lies below a listed one.
pub(crate) fn is_spam(host: &str) -> bool {
    let mut name = host;
    loop {
        if HOSTS.contains(name) {
            return true;
        }
        let Some((_, parent)) = name.split_once('.') else { return false };
        name = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_lower_case_hosts() {
        assert!(HOSTS.len() >= 60);
        for host in HOSTS.iter() {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
            assert!(host.contains('.') && host.bytes().all(plain), "{host}");
        }
    }

    #[test]
    fn listed_hosts_and_names_below_them_are_spam() {
        for (host, expected) in [
            ("semalt.com", true),
            ("12.semalt.com", true),
            ("a.b.buttons-for-website.com", true),
            ("notsemalt.com", false),
            ("semalt.com.vn", false),
            ("com", false),
            ("", false),
            ("vks.example.vn", false),
        ] {
            assert_eq!(is_spam(host), expected, "{host}");
        }
    }
}
