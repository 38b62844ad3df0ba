//! Configuration: the shipped file, a file, the environment and flags into the options of each room.
//!
//! Sources in rising strength: `config/headcount.toml` (compiled in), the configuration file, variables that
//! begin with `HEADCOUNT_`, flags. Whatever is wrong is reported in one go, one line each, with place, key,
//! value and remedy; a configuration with a problem is none. This is the only room that knows TOML and names of
//! variables; it reads the files that are named to it, never the environment or the clock.
//!
//! A new key is one entry in `keys.rs` or `site.rs` and its lines in `config/headcount.toml`.

mod credential;
mod forms;
mod keys;
mod load;
mod problem;
mod read;
mod shape;
mod site;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use jiff::tz::TimeZone;

pub use problem::{Problem, Problems};

use crate::sites::Site;
use crate::{count, fleet, fold, guard, journal, visitor, web};
use keys::KEYS;
use load::Effective;
use site::{SITE, SITE_KEYS};

/// The shipped configuration file: every key with its default and the reason for it.
pub const SHIPPED: &str = include_str!("../../config/headcount.toml");

/// The keys outside of sites that a reload takes over.
const TAKEN_WHILE_SERVING: [&str; 4] =
    ["site_directory", "country_database", "tls.certificate_files", "tls.key_files"];

/// Where a configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The configuration file; without one `HEADCOUNT_CONFIG` may name it.
    pub file: Option<PathBuf>,
    /// The environment of the process, whole: `HOME` and the like are looked for too.
    pub environment: Vec<(String, String)>,
    /// What flags said.
    pub overrides: Overrides,
    /// The zone of sites that name none; `None` when the machine does not know, which warns and takes UTC.
    pub machine_time_zone: Option<TimeZone>,
    /// Tags of the languages that the counter speaks, such as `vi`.
    pub known_languages: Vec<&'static str>,
}

/// What flags may say. Each replaces the key of its name, lists as a whole; empty ones say nothing.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen`, any number of times.
    pub listen: Vec<String>,
    /// `--admin-listen`, any number of times.
    pub admin_listen: Vec<String>,
    /// `--public-url`.
    pub public_url: Option<String>,
    /// `--state-directory`.
    pub state_directory: Option<String>,
    /// `--log-format`.
    pub log_format: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For the journal where standard error goes there, else text.
    Auto,
    /// Time, level, message and fields, for people.
    Text,
    /// A level that journald understands, message and fields.
    Journal,
    /// One object a line, for programs.
    Json,
}

/// A configuration without mistakes, in the terms of each room.
#[derive(Clone, Debug)]
pub struct Config {
    /// For the door.
    pub web: web::Options,
    /// For the journal, which lies in a directory of its own below the state directory.
    pub journal: journal::Options,
    /// For counting.
    pub count: count::Options,
    /// For the guard.
    pub guard: guard::Options,
    /// For telling people apart.
    pub visitor: visitor::Options,
    /// For the fold.
    pub fold: fold::Options,
    /// For a machine of a fleet; `None` for one alone.
    pub fleet: Option<fleet::Options>,
    /// Values of one dimension of a site's day that the store keeps apart.
    pub details_per_day: u32,
    /// How the daemon writes its log.
    pub log_format: LogFormat,
    /// At least one, each with an id of its own, in the order of the files.
    pub sites: Vec<Site>,
    /// Where everything is kept. It may not exist yet.
    pub state_directory: PathBuf,
    /// The files that were read, the site directory, the database of countries and certificates: a change of one asks for another [`load()`].
    pub files: Vec<PathBuf>,
    /// What is allowed and odd: a sentence each, to be logged at start.
    pub warnings: Vec<String>,
    effective: BTreeMap<&'static str, Effective>,
    effective_sites: Vec<BTreeMap<&'static str, Effective>>,
}

/// Reads all sources. A reload is the same call: its caller takes the sites of the new configuration and names
/// what [`Config::differs_beyond_sites`] finds.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Config, Problems> {
    load::load(sources)
}

/// The state directory alone, whatever is wrong with other keys: a daemon that runs has an earlier configuration.
#[must_use]
pub fn state_directory(sources: &Sources) -> Option<PathBuf> {
    load::state_directory(sources)
}

impl Config {
    /// The names of keys, outside of sites, whose values differ: they take effect at the next start.
    #[must_use]
    pub fn differs_beyond_sites(&self, other: &Config) -> Vec<&'static str> {
        let names = KEYS.iter().map(|key| key.name).filter(|name| !TAKEN_WHILE_SERVING.contains(name));
        names.filter(|name| self.text(name) != other.text(name)).collect()
    }

    /// The configuration in force as TOML, each value with a comment that says where it came from. Read as a
    /// file it gives the same configuration.
    #[must_use]
    pub fn print(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for key in &KEYS {
            let (place, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
            if place != section {
                section = place;
                print_line(&mut out, format_args!("\n[{section}]"));
            }
            print_value(&mut out, name, self.effective.get(key.name));
        }
        for site in &self.effective_sites {
            print_line(&mut out, format_args!("\n[[{SITE}]]"));
            for key in &SITE_KEYS {
                print_value(&mut out, key.name, site.get(key.name));
            }
        }
        out
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.effective.get(name).map(|effective| effective.text.as_str())
    }
}

fn print_value(out: &mut String, name: &str, effective: Option<&Effective>) {
    if let Some(Effective { text, origin, note }) = effective {
        print_line(out, format_args!("{name} = {text}  # {origin}{note}"));
    }
}

fn print_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::journal::Ack;
    use crate::sites::{Identity, LanguageChoice};
    use crate::words::Figure;

    fn sources() -> Sources {
        Sources {
            file: None,
            environment: vec![("HOME".into(), "/home/an".into())],
            overrides: Overrides::default(),
            machine_time_zone: TimeZone::get("Asia/Ho_Chi_Minh").ok(),
            known_languages: vec!["vi", "en"],
        }
    }

    fn with_file(directory: &Path, text: &str) -> Sources {
        let path = directory.join("headcount.toml");
        std::fs::write(&path, text).expect("is written");
        Sources { file: Some(path), ..sources() }
    }

    fn with_variables(variables: &[(&str, &str)]) -> Sources {
        let mut sources = sources();
        sources.environment.extend(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        sources
    }

    /// The problems, one a line, with `directory` left out of the paths.
    fn problems(sources: &Sources, directory: &Path) -> Vec<String> {
        let text = load(sources).expect_err("has problems").to_string();
        text.replace(&format!("{}/", directory.display()), "").lines().map(str::to_owned).collect()
    }

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    #[test]
    fn the_shipped_file_is_what_you_get_without_any() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/headcount.toml");
        let given = load(&Sources { file: Some(shipped), ..sources() }).expect("is good");
        let none = load(&sources()).expect("is good");
        assert_eq!(given.differs_beyond_sites(&none), Vec::<&str>::new());
        assert_eq!(format!("{:?}", given.sites), format!("{:?}", none.sites));
        assert!(none.warnings.is_empty(), "{:?}", none.warnings);
    }

    #[test]
    fn the_defaults_are_the_promised_ones() {
        let config = load(&sources()).expect("is good");
        assert_eq!(config.web.listen, ["127.0.0.1:8080".parse().expect("an address")]);
        assert_eq!(config.web.admin_listen, ["127.0.0.1:8081".parse().expect("an address")]);
        assert_eq!((config.web.public_url, config.web.welcome_page, config.web.workers), (None, true, None));
        assert_eq!(config.state_directory, Path::new("/home/an/.local/state/headcount"));
        assert_eq!(config.journal.directory, Path::new("/home/an/.local/state/headcount/journal"));
        assert_eq!((config.journal.ack, config.journal.retained_ms), (Ack::Written, 3_600_000));
        assert_eq!(config.journal.bytes_max, 4 << 30);
        assert_eq!((config.count.visit_window_ms, config.count.presence_max), (1_800_000, 4_000_000));
        assert_eq!(config.count.pages_per_site, 100_000);
        assert_eq!(config.guard.views_per_network_per_second, 10);
        assert_eq!(config.guard.views_per_network_burst, 60);
        assert_eq!(config.guard.views_per_site_per_second, 0);
        assert_eq!(config.guard.new_visitors_per_network_per_hour, 600);
        assert_eq!(config.visitor.client_address_header, "x-forwarded-for");
        assert_eq!(config.visitor.trusted_proxies.len(), 2);
        assert!(config.visitor.country_header.is_empty() && config.visitor.countries.is_none());
        assert_eq!(config.details_per_day, 1_000);
        assert_eq!((config.fold.interval_ms, config.fold.details_days), (1_000, 400));
        let [site] = config.sites.as_slice() else { panic!("one site") };
        assert_eq!(site.id.as_str(), "demo");
        assert!(site.hosts.is_empty());
        assert_eq!(site.time_zone.iana_name(), Some("Asia/Ho_Chi_Minh"));
        assert_eq!((site.total, site.identity), (Figure::Visits, Identity::Address));
        assert_eq!((site.online_window_ms, &site.language), (300_000, &LanguageChoice::Auto));
        assert_eq!((&site.digit_grouping, site.first_weekday), (&None, None));
    }

    #[test]
    fn every_key_is_in_the_shipped_file_with_its_range_and_in_the_same_order() {
        let mut documented = Vec::new();
        let (mut section, mut allowed) = (String::new(), None);
        for line in SHIPPED.lines() {
            if let Some(text) = line.strip_prefix("# Allowed: ") {
                allowed = Some(text.to_owned());
            } else if let Some(name) = line.strip_prefix('[') {
                section = format!("{}.", name.trim_matches(['[', ']']));
            } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                documented.push((format!("{section}{name}"), allowed.take().expect(line)));
            }
        }
        let keys = KEYS.iter().map(|key| (key.name.to_owned(), key.shape.allowed()));
        let sites = SITE_KEYS.iter().map(|key| (format!("site.{}", key.name), key.shape.allowed()));
        assert_eq!(documented, keys.chain(sites).collect::<Vec<_>>());
    }

    #[test]
    fn flags_beat_variables_and_variables_beat_the_file() {
        let directory = directory();
        let text = "listen = [\"127.0.0.1:1\"]\nadmin_listen = [\"127.0.0.1:2\"]\nack = \"synced\"\n";
        let mut sources = with_file(directory.path(), text);
        sources.environment.push(("HEADCOUNT_LISTEN".into(), "127.0.0.1:3, [::1]:3".into()));
        sources.environment.push(("HEADCOUNT_ADMIN_LISTEN".into(), "127.0.0.1:4".into()));
        sources.environment.push(("HEADCOUNT_LIMITS__PAGES_PER_SITE".into(), "5".into()));
        sources.environment.push(("HEADCOUNT_WELCOME_PAGE".into(), "false".into()));
        sources.overrides.listen = vec!["127.0.0.1:5".into()];
        let config = load(&sources).expect("is good");
        assert_eq!(config.web.listen, ["127.0.0.1:5".parse().expect("an address")]);
        assert_eq!(config.web.admin_listen, ["127.0.0.1:4".parse().expect("an address")]);
        assert_eq!((config.journal.ack, config.web.welcome_page), (Ack::Synced, false));
        assert_eq!(config.count.pages_per_site, 5);
    }

    #[test]
    fn ten_mistakes_are_ten_lines() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("tests/config/ten-mistakes.toml");
        let mut text = problems(&Sources { file: Some(file), ..sources() }, root).join("\n");
        text.push('\n');
        let golden = root.join("tests/config/ten-mistakes.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &text).expect("is written");
        }
        assert_eq!(text, std::fs::read_to_string(&golden).expect("is read"));
        assert_eq!(text.lines().count(), 10);
    }

    #[test]
    fn what_is_printed_is_the_same_configuration_and_says_where_it_came_from() {
        let directory = directory();
        let text = "visit_window = \"45m\"\n[limits]\npages_per_site = 7\n[[site]]\nid = \"vks\"\n\
                    digit_grouping = \"\u{202f}\"\nhosts = [\"a.vn\", \"*.b.vn\"]\n";
        let mut sources = with_file(directory.path(), text);
        sources.environment.push(("HEADCOUNT_PUBLIC_URL".into(), "https://a.vn/hc".into()));
        sources.overrides.listen = vec!["127.0.0.1:5".into()];
        let config = load(&sources).expect("is good");
        let printed = config.print();
        let file = directory.path().join("headcount.toml");
        for line in [
            "listen = [\"127.0.0.1:5\"]  # flag --listen".to_owned(),
            "public_url = \"https://a.vn/hc\"  # environment HEADCOUNT_PUBLIC_URL".to_owned(),
            "state_directory = \"/home/an/.local/state/headcount\"  # default, from $HOME".to_owned(),
            format!("visit_window = \"45m\"  # {}:1", file.display()),
            format!("pages_per_site = 7  # {}:3", file.display()),
            "views_per_network_burst = 60  # default".to_owned(),
            format!("id = \"vks\"  # {}:5", file.display()),
            "time_zone = \"Asia/Ho_Chi_Minh\"  # default, the machine's".to_owned(),
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line}\nin\n{printed}");
        }
        let again = load(&with_file(directory.path(), &printed)).expect("is good");
        assert_eq!(again.differs_beyond_sites(&config), Vec::<&str>::new());
        assert_eq!(format!("{:?}", again.sites), format!("{:?}", config.sites));
    }

    #[test]
    fn a_reload_names_what_needs_a_restart() {
        let directory = directory();
        let before = load(&with_file(directory.path(), "[[site]]\nid = \"a\"\n")).expect("is good");
        let text = "ack = \"synced\"\n[limits]\nnetworks_max = 5000\n[[site]]\nid = \"b\"\n";
        let after = load(&with_file(directory.path(), text)).expect("is good");
        assert_eq!(after.differs_beyond_sites(&before), ["ack", "limits.networks_max"]);
    }

    #[test]
    fn a_database_of_countries_that_cannot_be_read_is_a_problem_with_its_place() {
        let directory = directory();
        std::fs::write(directory.path().join("x.mmdb"), "not one").expect("is written");
        let text = "country_database = \"x.mmdb\"\ncountry_header = \"CF-IPCountry, X\"\n";
        let found = problems(&with_file(directory.path(), text), directory.path());
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("headcount.toml:1: country_database = \"x.mmdb\": is no database"),
            "{found:?}"
        );
        assert!(found[0].ends_with("that this user may read, or leave it empty"), "{found:?}");
        assert!(found[1].starts_with("headcount.toml:2: country_header = "), "{found:?}");
    }

    #[test]
    fn sites_come_from_the_file_and_then_from_the_directory_by_name() {
        let directory = directory();
        let sites = directory.path().join("sites");
        std::fs::create_dir(&sites).expect("is made");
        std::fs::write(sites.join("b.toml"), "[[site]]\nid = \"three\"\n").expect("is written");
        std::fs::write(sites.join("a.toml"), "[[site]]\nid = \"two\"\n").expect("is written");
        std::fs::write(sites.join("notes.txt"), "not TOML").expect("is written");
        let text = "site_directory = \"sites\"\n[[site]]\nid = \"one\"\n";
        let config = load(&with_file(directory.path(), text)).expect("is good");
        let ids: Vec<&str> = config.sites.iter().map(|site| site.id.as_str()).collect();
        assert_eq!(ids, ["one", "two", "three"]);
        assert_eq!(config.files.len(), 4, "{:?}", config.files);

        std::fs::write(sites.join("b.toml"), "ack = \"synced\"\n[[site]]\nid = \"one\"\n")
            .expect("is written");
        assert_eq!(
            problems(&with_file(directory.path(), text), directory.path()),
            [
                "sites/b.toml:1: ack: does not belong here; a file of site_directory holds [[site]] tables alone",
                "sites/b.toml:2: site[one]: is the id of another site too, at headcount.toml:2; \
                 give each site an id of its own",
            ]
        );
    }

    #[test]
    fn the_state_directory_is_looked_for_in_the_promised_order() {
        let found = |variables: &[(&str, &str)]| {
            let mut sources = with_variables(variables);
            sources.environment.remove(0);
            load(&sources).map(|config| config.state_directory).map_err(|problems| problems.to_string())
        };
        let all = [("STATE_DIRECTORY", "/s/a:/s/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(found(&all), Ok("/s/a".into()));
        assert_eq!(found(&all[1..]), Ok("/x/headcount".into()));
        assert_eq!(found(&all[2..]), Ok("/h/.local/state/headcount".into()));
        let nothing = "default: state_directory: there is no place to keep anything; \
                       set it, or $STATE_DIRECTORY, or $HOME";
        assert_eq!(found(&[]), Err(nothing.to_owned()));
        assert_eq!(found(&[("HEADCOUNT_STATE_DIRECTORY", "/d")]), Ok("/d".into()));
    }

    #[test]
    fn unknown_variables_are_problems_but_for_those_of_others() {
        let sources = with_variables(&[
            ("HEADCOUNT_LISEN", "x"),
            ("HEADCOUNT_PAGES_PER_SITE", "5"),
            ("HEADCOUNT_SITE__ID", "x"),
            ("HEADCOUNT_WORKERS", "many"),
            ("HEADCOUNT_LOG", "debug"),
            ("HEADCOUNT_SERVICE_HOST", "10.0.0.1"),
            ("HEADCOUNT_PORT", "tcp://10.0.0.1:80"),
        ]);
        assert_eq!(
            problems(&sources, Path::new("")),
            [
                "environment HEADCOUNT_LISEN: lisen: is no key of headcount; did you mean HEADCOUNT_LISTEN?",
                "environment HEADCOUNT_PAGES_PER_SITE: pages_per_site: is no key of headcount; \
                 did you mean HEADCOUNT_LIMITS__PAGES_PER_SITE?",
                "environment HEADCOUNT_SITE__ID: site.id: is no key of headcount; sites are written in a file",
                "environment HEADCOUNT_WORKERS: workers = many: is a text, not a whole number; allowed: 0 to 1024",
            ]
        );
    }

    #[test]
    fn a_key_in_the_wrong_place_is_told_where_it_belongs() {
        let directory = directory();
        let text = "pages_per_site = 5\nlimits = 5\nonline_window = \"5m\"\n[limit]\nx = 1\n\
                    [retention]\nack = \"synced\"\n[site]\nid = \"a\"\n";
        assert_eq!(
            problems(&with_file(directory.path(), text), directory.path()),
            [
                "headcount.toml:1: pages_per_site: is no key of headcount; \"pages_per_site\" stands below [limits]",
                "headcount.toml:2: limits: is a section, not a key; \
                 write [limits] on a line of its own, and its keys below",
                "headcount.toml:3: online_window: is no key of headcount; \
                 \"online_window\" stands below a [[site]]",
                "headcount.toml:4: limit: is no key of headcount; did you mean [limits]?",
                "headcount.toml:7: retention.ack: is no key of headcount; \
                 \"ack\" stands at the top of the file, above the first [section]",
                "headcount.toml:8: site: is not a list of sites; \
                 write [[site]], with two brackets on each side, on a line of its own",
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_toml_is_told_once_and_the_other_mistakes_too() {
        let directory = directory();
        let text = "visit_window = 30m\nworkers = -1\nlisten = [\n  \"127.0.0.1:80\",\n  a b\n]\nack: written\n\
                    [[site]]\nid = vks\nlanguage = \"xx\"\n[[site]]\n";
        let found = problems(&with_file(directory.path(), text), directory.path());
        let lines: Vec<&str> =
            found.iter().map(|line| line.split(": ").take(2).last().unwrap_or("")).collect();
        assert_eq!(
            lines,
            [
                "visit_window = 30m",
                "workers = -1",
                "a b",
                "ack",
                "id = vks",
                "site[1].language = \"xx\"",
                "site[2]",
            ],
            "{found:#?}"
        );
        assert!(found[0].starts_with("headcount.toml:1: "), "{found:?}");
        assert!(
            found[0].contains("is not TOML from character 16 on; string values must be quoted"),
            "{found:?}"
        );
        assert_eq!(
            found[6],
            "headcount.toml:11: site[2]: has no id; give it a name, such as id = \"my-site\""
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let sources = Sources { file: Some("/nowhere/headcount.toml".into()), ..sources() };
        let found = problems(&sources, Path::new("-"));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("/nowhere/headcount.toml: cannot be read: No such file"), "{found:?}");
        let sources = with_variables(&[("HEADCOUNT_CONFIG", "/nowhere/else.toml")]);
        assert!(problems(&sources, Path::new("-"))[0].starts_with("/nowhere/else.toml: cannot be read"));
    }

    #[test]
    fn values_that_do_not_fit_each_other_are_told() {
        let directory = directory();
        let text = "visit_window = \"2h\"\nadmin_listen = [\"127.0.0.1:8080\"]\n";
        assert_eq!(
            problems(&with_file(directory.path(), text), directory.path()),
            [
                "headcount.toml:1: visit_window = \"2h\": does not fit journal_retained = \"1h\"; \
                 journal_retained must be at least as long as visit_window",
                "headcount.toml:2: admin_listen = [\"127.0.0.1:8080\"]: names 127.0.0.1:8080, which is in listen too; \
                 give each its own address or port",
            ]
        );
        let text = "visit_window = \"2m\"\njournal_retained = \"2m\"\n[[site]]\nid = \"a\"\n";
        let found = problems(&with_file(directory.path(), text), directory.path());
        assert_eq!(
            found,
            ["default: site[a].online_window = \"5m\": is longer than journal_retained = \"2m\"; \
              journal_retained must be at least as long as every online_window"]
        );
    }

    #[test]
    fn what_is_odd_but_allowed_is_a_warning() {
        let directory = directory();
        let mut sources = with_file(directory.path(), "trusted_proxies = [\"0.0.0.0/0\"]\n");
        sources.machine_time_zone = None;
        let config = load(&sources).expect("is good");
        assert_eq!(config.warnings.len(), 3, "{:?}", config.warnings);
        assert_eq!(config.sites[0].time_zone, TimeZone::UTC);
    }

    /// Pieces of files that fit together by chance.
    const PIECES: [&str; 24] = [
        "listen",
        "hosts",
        "id",
        "ack",
        "limits",
        "site",
        "visit_window",
        " = ",
        "=",
        "[",
        "]",
        "[[",
        "]]",
        "\"",
        "'",
        "\"30m\"",
        "\"\\u0000\\n\"",
        "5",
        "-",
        "\n",
        "\n",
        "{",
        ", ",
        "ộ\u{1b}[31m",
    ];

    proptest::proptest! {
        #[test]
        fn no_text_of_a_file_or_variable_makes_more_than_lines_of_problems(
            pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60),
        ) {
            let directory = directory();
            let text = pieces.concat();
            let mut sources = with_file(directory.path(), &text);
            sources.environment.push(("HEADCOUNT_LISTEN".into(), text.clone()));
            sources.environment.push((format!("HEADCOUNT_{text}"), text));
            if let Err(problems) = load(&sources) {
                let written = problems.to_string();
                assert_eq!(written.lines().count(), problems.0.len(), "{written}");
                assert!(!written.contains('\u{1b}'), "{written}");
            }
        }
    }
}
