//! Every key of a `[[site]]`: its name, its shape and range, and the place its value goes to.
//!
//! In the order of `config/headcount.toml`, as the keys outside of sites are.

use jiff::tz::TimeZone;

use super::forms;
use super::problem::Wrong;
use super::shape::{HOUR, Key, SECOND, Shape, choice};
use crate::sites::{Identity, LanguageChoice, Site};
use crate::words::{Figure, SiteId};

/// Nothing yet: the site of the shipped file fills every place.
pub(super) fn blank_site() -> Site {
    Site {
        id: SiteId::parse("demo").expect("is a good name"),
        hosts: Vec::new(),
        time_zone: TimeZone::UTC,
        language: LanguageChoice::Auto,
        digit_grouping: None,
        first_weekday: None,
        total: Figure::Visits,
        identity: Identity::Address,
        online_window_ms: 0,
        honour_opt_out: false,
        page_parameters: Vec::new(),
        excluded_networks: Vec::new(),
        parts: 1,
    }
}

/// The section of a file that holds one site.
pub(super) const SITE: &str = "site";

/// The keys of one `[[site]]`.
pub(super) static SITE_KEYS: [Key<Site>; 13] = [
    Key {
        name: "id",
        shape: Shape::Text {
            allowed: "1 to 64 of a-z, 0-9, '-', '_' and '.', beginning with a letter or digit",
            take: |to, text, _| {
                to.id = SiteId::parse(text).map_err(|error| Wrong::new(error.to_string()))?;
                Ok(())
            },
        },
    },
    Key {
        name: "hosts",
        shape: Shape::List {
            allowed: "host names such as \"www.example.vn\" or \"*.example.vn\", or none",
            take: |to, list, _| {
                to.hosts = forms::hosts(list)?;
                Ok(())
            },
        },
    },
    Key {
        name: "time_zone",
        shape: Shape::Text {
            allowed: "\"auto\", or a name such as \"Asia/Ho_Chi_Minh\"",
            take: |to, text, around| {
                to.time_zone = forms::time_zone(text, around)?;
                Ok(())
            },
        },
    },
    Key {
        name: "language",
        shape: Shape::Text {
            allowed: "\"auto\", or a language such as \"vi\" or \"en\"",
            take: |to, text, around| {
                to.language = forms::language(text, around)?;
                Ok(())
            },
        },
    },
    Key {
        name: "digit_grouping",
        shape: Shape::Text {
            allowed: "\"auto\", \"\", \",\", \".\", \" \", \"'\" or \"\\u202F\"",
            take: |to, text, _| {
                to.digit_grouping = forms::digit_grouping(text)?;
                Ok(())
            },
        },
    },
    Key {
        name: "first_weekday",
        shape: Shape::Text {
            allowed: "\"auto\", or a day from \"monday\" to \"sunday\"",
            take: |to, text, _| {
                to.first_weekday = forms::first_weekday(text)?;
                Ok(())
            },
        },
    },
    Key {
        name: "total",
        shape: Shape::Text {
            allowed: "\"visits\" or \"views\"",
            take: |to, text, _| {
                to.total = choice(text, &[("visits", Figure::Visits), ("views", Figure::Views)])?;
                Ok(())
            },
        },
    },
    Key {
        name: "identity",
        shape: Shape::Text {
            allowed: "\"address\" or \"browser\"",
            take: |to, text, _| {
                to.identity =
                    choice(text, &[("address", Identity::Address), ("browser", Identity::Browser)])?;
                Ok(())
            },
        },
    },
    Key {
        name: "online_window",
        shape: Shape::Duration { range: 30 * SECOND..=HOUR, put: |to, ms| to.online_window_ms = ms },
    },
    Key { name: "honour_opt_out", shape: Shape::Switch { put: |to, on| to.honour_opt_out = on } },
    Key {
        name: "page_parameters",
        shape: Shape::List {
            allowed: "names of query parameters, or none",
            take: |to, list, _| {
                to.page_parameters = forms::parameters(list)?;
                Ok(())
            },
        },
    },
    Key {
        name: "excluded_networks",
        shape: Shape::List {
            allowed: "networks such as \"203.0.113.0/24\", or none",
            take: |to, list, _| {
                to.excluded_networks = forms::networks(list)?;
                Ok(())
            },
        },
    },
    Key {
        name: "parts",
        shape: Shape::Number { range: 1..=64, put: |to, n| to.parts = usize::try_from(n).unwrap_or(1) },
    },
];
