//! Every key: its name, its shape and range, and the place its value goes to.
//!
//! The two lists are in the order of `config/headcount.toml`, which holds the defaults and the reasons; a test
//! keeps the file and the lists equal.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::LogFormat;
use super::credential;
use super::forms;
use super::problem::Wrong;
use super::shape::{DAY, HOUR, Key, MIB, MINUTE, SECOND, Shape, TIB, choice, days, entries, small};
use crate::journal::Ack;
use crate::sites::{Identity, LanguageChoice, Site};
use crate::words::{Figure, SiteId};
use crate::{count, fleet, fold, guard, journal, visitor, web};

/// What the keys outside of sites say, while it is put together.
pub(super) struct Settings {
    pub(super) web: web::Options,
    pub(super) journal: journal::Options,
    pub(super) count: count::Options,
    pub(super) guard: guard::Options,
    pub(super) visitor: visitor::Options,
    pub(super) fold: fold::Options,
    pub(super) details_per_day: u32,
    pub(super) log_format: LogFormat,
    /// The file that `visitor.countries` was read from.
    pub(super) country_database: Option<PathBuf>,
    pub(super) fleet: FleetSettings,
    /// `None`: to be found in the environment.
    pub(super) state_directory: Option<PathBuf>,
    /// `None`: sites are in the configuration file alone.
    pub(super) site_directory: Option<PathBuf>,
}

/// What makes a machine one of a fleet.
#[derive(Default)]
pub(super) struct FleetSettings {
    pub(super) address: Option<fleet::Address>,
    pub(super) user: String,
    pub(super) password_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) prefix: String,
    pub(super) interval_ms: u64,
    pub(super) timeout_ms: u64,
    pub(super) allow_eviction: bool,
}

impl FleetSettings {
    /// What a fleet is told; `None` for a machine alone.
    pub(super) fn options(self, visit_window_ms: u64, details_days: u32) -> Option<fleet::Options> {
        let access = fleet::Access {
            address: self.address?,
            user: self.user,
            password_file: self.password_file,
            ca_file: self.ca_file,
            timeout: Duration::from_millis(self.timeout_ms),
        };
        Some(fleet::Options {
            access,
            prefix: self.prefix,
            interval_ms: self.interval_ms,
            allow_eviction: self.allow_eviction,
            visit_window_ms,
            details_days: u64::from(details_days),
        })
    }
}

impl Settings {
    /// Nothing yet: the shipped file fills every place.
    pub(super) fn blank() -> Settings {
        Settings {
            web: web::Options {
                listen: Vec::new(),
                admin_listen: Vec::new(),
                public_url: None,
                welcome_page: false,
                workers: None,
                connections_max: 0,
                header_read_timeout_ms: 0,
                idle_timeout_ms: 0,
                drain_timeout_ms: 0,
                live_streams: 0,
                live_streams_per_network: 0,
                metrics_sites_max: 0,
            },
            journal: journal::Options {
                directory: PathBuf::new(),
                ack: Ack::Written,
                retained_ms: 0,
                bytes_max: 0,
            },
            count: count::Options { visit_window_ms: 0, pages_per_site: 0, presence_max: 0, together: false },
            guard: guard::Options {
                views_per_network_per_second: 0,
                views_per_network_burst: 0,
                views_per_site_per_second: 0,
                new_visitors_per_network_per_hour: 0,
                buckets_max: 0,
            },
            visitor: visitor::Options {
                trusted_proxies: Vec::new(),
                client_address_header: String::new(),
                country_header: String::new(),
                countries: None,
                agents_max: 0,
            },
            fold: fold::Options { interval_ms: 0, details_days: 0 },
            details_per_day: 0,
            log_format: LogFormat::Auto,
            country_database: None,
            fleet: FleetSettings::default(),
            state_directory: None,
            site_directory: None,
        }
    }
}

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

/// The keys outside of sites.
pub(super) static KEYS: [Key<Settings>; 42] = [
    Key {
        name: "listen",
        shape: Shape::List {
            allowed: "addresses with a port",
            take: |to, list| {
                to.web.listen = forms::listeners(list)?;
                if to.web.listen.is_empty() {
                    let remedy = "name at least one address with a port";
                    return Err(vec![Wrong::mended_by("is empty", remedy)]);
                }
                Ok(())
            },
        },
    },
    Key {
        name: "admin_listen",
        shape: Shape::List {
            allowed: "addresses with a port, or none",
            take: |to, list| {
                to.web.admin_listen = forms::listeners(list)?;
                Ok(())
            },
        },
    },
    Key {
        name: "public_url",
        shape: Shape::Text {
            allowed: "empty, or http:// or https:// with a host and perhaps a path",
            take: |to, text, _| {
                to.web.public_url = forms::public_url(text)?;
                Ok(())
            },
        },
    },
    Key { name: "welcome_page", shape: Shape::Switch { put: |to, on| to.web.welcome_page = on } },
    Key {
        name: "state_directory",
        shape: Shape::Text {
            allowed: "a path, or empty",
            take: |to, text, around| {
                to.state_directory = forms::path(text, around)?;
                Ok(())
            },
        },
    },
    Key {
        name: "log_format",
        shape: Shape::Text {
            allowed: "\"auto\", \"text\", \"journal\" or \"json\"",
            take: |to, text, _| {
                let formats = [
                    ("auto", LogFormat::Auto),
                    ("text", LogFormat::Text),
                    ("journal", LogFormat::Journal),
                    ("json", LogFormat::Json),
                ];
                to.log_format = choice(text, &formats)?;
                Ok(())
            },
        },
    },
    Key {
        name: "site_directory",
        shape: Shape::Text {
            allowed: "a path, or empty",
            take: |to, text, around| {
                to.site_directory = forms::path(text, around)?;
                Ok(())
            },
        },
    },
    Key {
        name: "shared_store",
        shape: Shape::Text {
            allowed: "empty, or an address such as \"redis://127.0.0.1:6379\"",
            take: |to, text, around| {
                to.fleet.address = forms::shared_store(&credential::reveal(text, around)?)?;
                Ok(())
            },
        },
    },
    Key {
        name: "ack",
        shape: Shape::Text {
            allowed: "\"written\" or \"synced\"",
            take: |to, text, _| {
                to.journal.ack = choice(text, &[("written", Ack::Written), ("synced", Ack::Synced)])?;
                Ok(())
            },
        },
    },
    Key {
        name: "journal_retained",
        shape: Shape::Duration { range: MINUTE..=7 * DAY, put: |to, ms| to.journal.retained_ms = ms },
    },
    Key {
        name: "journal_bytes_max",
        shape: Shape::Size { range: MIB..=TIB, put: |to, bytes| to.journal.bytes_max = bytes },
    },
    Key {
        name: "fold_interval",
        shape: Shape::Duration { range: 10..=MINUTE, put: |to, ms| to.fold.interval_ms = ms },
    },
    Key {
        name: "visit_window",
        shape: Shape::Duration { range: MINUTE..=DAY, put: |to, ms| to.count.visit_window_ms = ms },
    },
    Key {
        name: "presence_max",
        shape: Shape::Number { range: 1_000..=200_000_000, put: |to, n| to.count.presence_max = entries(n) },
    },
    Key {
        name: "trusted_proxies",
        shape: Shape::List {
            allowed: "networks such as \"10.0.0.0/8\", or none",
            take: |to, list| {
                to.visitor.trusted_proxies = forms::networks(list)?;
                Ok(())
            },
        },
    },
    Key {
        name: "client_address_header",
        shape: Shape::Text {
            allowed: "the name of one header",
            take: |to, text, _| {
                to.visitor.client_address_header = forms::header(text)?;
                Ok(())
            },
        },
    },
    Key {
        name: "country_header",
        shape: Shape::Text {
            allowed: "the name of one header, or empty",
            take: |to, text, _| {
                to.visitor.country_header =
                    if text.is_empty() { String::new() } else { forms::header(text)? };
                Ok(())
            },
        },
    },
    Key {
        name: "country_database",
        shape: Shape::Text {
            allowed: "a path, or empty",
            take: |to, text, around| {
                to.country_database = forms::path(text, around)?;
                to.visitor.countries = to.country_database.as_deref().map(forms::countries).transpose()?;
                Ok(())
            },
        },
    },
    Key {
        name: "workers",
        shape: Shape::Number {
            range: 0..=1_024,
            put: |to, n| to.web.workers = Some(entries(n)).filter(|workers| *workers > 0),
        },
    },
    Key {
        name: "connections_max",
        shape: Shape::Number { range: 1..=1_000_000, put: |to, n| to.web.connections_max = entries(n) },
    },
    Key {
        name: "header_read_timeout",
        shape: Shape::Duration { range: 100..=5 * MINUTE, put: |to, ms| to.web.header_read_timeout_ms = ms },
    },
    Key {
        name: "idle_timeout",
        shape: Shape::Duration { range: 100..=HOUR, put: |to, ms| to.web.idle_timeout_ms = ms },
    },
    Key {
        name: "drain_timeout",
        shape: Shape::Duration { range: 100..=10 * MINUTE, put: |to, ms| to.web.drain_timeout_ms = ms },
    },
    Key {
        name: "limits.views_per_network_per_second",
        shape: Shape::Number {
            range: 0..=1_000_000,
            put: |to, n| to.guard.views_per_network_per_second = small(n),
        },
    },
    Key {
        name: "limits.views_per_network_burst",
        shape: Shape::Number {
            range: 1..=1_000_000,
            put: |to, n| to.guard.views_per_network_burst = small(n),
        },
    },
    Key {
        name: "limits.views_per_site_per_second",
        shape: Shape::Number {
            range: 0..=10_000_000,
            put: |to, n| to.guard.views_per_site_per_second = small(n),
        },
    },
    Key {
        name: "limits.new_visitors_per_network_per_hour",
        shape: Shape::Number {
            range: 0..=10_000_000,
            put: |to, n| to.guard.new_visitors_per_network_per_hour = small(n),
        },
    },
    Key {
        name: "limits.pages_per_site",
        shape: Shape::Number { range: 1..=10_000_000, put: |to, n| to.count.pages_per_site = small(n) },
    },
    Key {
        name: "limits.details_per_day",
        shape: Shape::Number { range: 1..=1_000_000, put: |to, n| to.details_per_day = small(n) },
    },
    Key {
        name: "limits.networks_max",
        shape: Shape::Number { range: 1_000..=50_000_000, put: |to, n| to.guard.buckets_max = entries(n) },
    },
    Key {
        name: "limits.user_agents_max",
        shape: Shape::Number { range: 100..=1_000_000, put: |to, n| to.visitor.agents_max = entries(n) },
    },
    Key {
        name: "limits.live_streams",
        shape: Shape::Number { range: 1..=1_000_000, put: |to, n| to.web.live_streams = entries(n) },
    },
    Key {
        name: "limits.live_streams_per_network",
        shape: Shape::Number {
            range: 0..=1_000_000,
            put: |to, n| to.web.live_streams_per_network = entries(n),
        },
    },
    Key {
        name: "retention.details",
        shape: Shape::Duration { range: DAY..=3_650 * DAY, put: |to, ms| to.fold.details_days = days(ms) },
    },
    Key {
        name: "metrics.max_sites",
        shape: Shape::Number { range: 1..=10_000, put: |to, n| to.web.metrics_sites_max = entries(n) },
    },
    Key {
        name: "fleet.user",
        shape: Shape::Text {
            allowed: "a name, or empty",
            take: |to, text, _| {
                text.clone_into(&mut to.fleet.user);
                Ok(())
            },
        },
    },
    Key {
        name: "fleet.password_file",
        shape: Shape::Text {
            allowed: "a path, or empty",
            take: |to, text, around| {
                to.fleet.password_file = forms::path(text, around)?;
                Ok(())
            },
        },
    },
    Key {
        name: "fleet.ca_file",
        shape: Shape::Text {
            allowed: "a path, or empty",
            take: |to, text, around| {
                to.fleet.ca_file = forms::path(text, around)?;
                Ok(())
            },
        },
    },
    Key {
        name: "fleet.prefix",
        shape: Shape::Text {
            allowed: "1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'",
            take: |to, text, _| {
                to.fleet.prefix = forms::prefix(text)?;
                Ok(())
            },
        },
    },
    Key {
        name: "fleet.flush_interval",
        shape: Shape::Duration { range: 10..=MINUTE, put: |to, ms| to.fleet.interval_ms = ms },
    },
    Key {
        name: "fleet.timeout",
        shape: Shape::Duration { range: 10..=MINUTE, put: |to, ms| to.fleet.timeout_ms = ms },
    },
    Key { name: "fleet.allow_eviction", shape: Shape::Switch { put: |to, on| to.fleet.allow_eviction = on } },
];

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
            take: |to, list| {
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
            take: |to, list| {
                to.page_parameters = forms::parameters(list)?;
                Ok(())
            },
        },
    },
    Key {
        name: "excluded_networks",
        shape: Shape::List {
            allowed: "networks such as \"203.0.113.0/24\", or none",
            take: |to, list| {
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
