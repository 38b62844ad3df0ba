//! All sources, one after the other in rising strength, into one [`Config`].
//!
//! A value that is wrong is reported and leaves the weaker one in place, so that the reading goes on and finds
//! the next mistake. The only file access of the configuration is here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::keys::{KEYS, Settings};
use super::problem::{Misplaced, Origin, Problem, Problems, Wrong, place, value};
use super::read::{self, Found, FoundSite, Holds, Layer};
use super::shape::{Key, Raw, Surroundings, quoted};
use super::site::{SITE, SITE_KEYS, blank_site};
use super::{Config, SHIPPED, Sources};
use crate::count;
use crate::sites::Site;
use crate::web::Address;
use crate::words::SiteId;

/// A value in force: as TOML, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effective {
    pub(super) text: String,
    pub(super) origin: Origin,
    /// How a value that was left open was found.
    pub(super) note: &'static str,
}

/// What is known so far.
struct Loading<'a> {
    sources: &'a Sources,
    machine_time_zone: TimeZone,
    settings: Settings,
    effective: BTreeMap<&'static str, Effective>,
    /// What a site is as long as it does not say otherwise.
    template: (Site, BTreeMap<&'static str, Effective>),
    sites: Vec<(Site, BTreeMap<&'static str, Effective>)>,
    files: Vec<PathBuf>,
    warnings: Vec<String>,
    problems: Vec<Misplaced>,
    /// Keys with a problem: what depends on them is not judged.
    wrong: BTreeSet<&'static str>,
}

pub(super) fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut loading = Loading::new(sources);
    loading.shipped();
    let sites = loading.configuration_file();
    loading.layer(read::environment(&sources.environment), Path::new(""));
    loading.flags();
    loading.sites(sites);
    loading.state_directory();
    loading.listeners_differ();
    loading.certificates_have_keys();
    loading.journal_reaches_back();
    loading.warn();
    loading.finish()
}

pub(super) fn state_directory(sources: &Sources) -> Option<PathBuf> {
    let mut loading = Loading::new(sources);
    loading.shipped();
    loading.configuration_file();
    loading.layer(read::environment(&sources.environment), Path::new(""));
    loading.flags();
    loading.state_directory();
    loading.settings.state_directory
}

impl<'a> Loading<'a> {
    fn new(sources: &'a Sources) -> Loading<'a> {
        Loading {
            sources,
            machine_time_zone: sources.machine_time_zone.clone().unwrap_or(TimeZone::UTC),
            settings: Settings::blank(),
            effective: BTreeMap::new(),
            template: (blank_site(), BTreeMap::new()),
            sites: Vec::new(),
            files: Vec::new(),
            warnings: Vec::new(),
            problems: Vec::new(),
            wrong: BTreeSet::new(),
        }
    }

    fn shipped(&mut self) {
        let mut layer = read::document(SHIPPED, None, Holds::Everything);
        let sites = std::mem::take(&mut layer.sites);
        self.layer(layer, Path::new(""));
        for found in sites {
            let site = self.site(&found, Path::new(""));
            self.template = site;
        }
    }

    /// Its settings are taken at once, its sites are handed back: the site directory may be named later.
    fn configuration_file(&mut self) -> Vec<(FoundSite, PathBuf)> {
        let variables = &self.sources.environment;
        let file =
            self.sources.file.clone().or_else(|| variable(variables, "HEADCOUNT_CONFIG").map(PathBuf::from));
        let Some(path) = file else { return Vec::new() };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut layer = self.file(&path, Holds::Everything);
        let sites = std::mem::take(&mut layer.sites);
        self.layer(layer, &folder);
        sites.into_iter().map(|site| (site, folder.clone())).collect()
    }

    fn flags(&mut self) {
        let overrides = &self.sources.overrides;
        let flags = [
            ("--listen", "listen", Some(overrides.listen.join(",")).filter(|list| !list.is_empty())),
            (
                "--admin-listen",
                "admin_listen",
                Some(overrides.admin_listen.join(",")).filter(|list| !list.is_empty()),
            ),
            ("--public-url", "public_url", overrides.public_url.clone()),
            ("--state-directory", "state_directory", overrides.state_directory.clone()),
            ("--log-format", "log_format", overrides.log_format.clone()),
        ];
        for (flag, name, value) in flags {
            if let Some(value) = value {
                self.layer(read::flag(flag, name, &value), Path::new(""));
            }
        }
    }

    fn layer(&mut self, layer: Layer, folder: &Path) {
        self.problems.extend(layer.problems);
        for found in layer.found {
            let around = surroundings(self.sources, &self.machine_time_zone, folder);
            let key = &KEYS[found.index];
            match take(key, &mut self.settings, &found, &around, key.name) {
                Ok(effective) => {
                    self.effective.insert(key.name, effective);
                }
                Err(problems) => {
                    self.wrong.insert(key.name);
                    self.problems.extend(problems);
                }
            }
        }
    }

    fn sites(&mut self, mut sites: Vec<(FoundSite, PathBuf)>) {
        if let Some(directory) = self.settings.site_directory.clone() {
            for path in self.site_files(&directory) {
                let mut layer = self.file(&path, Holds::Sites);
                let found = std::mem::take(&mut layer.sites);
                self.problems.extend(layer.problems);
                sites.extend(found.into_iter().map(|site| (site, directory.clone())));
            }
        }
        let mut seen: BTreeMap<SiteId, Origin> = BTreeMap::new();
        for (found, folder) in sites {
            if let Some(id) = site_id(&found) {
                if let Some(first) = seen.get(&id) {
                    let wrong = format!("is the id of another site too, at {first}");
                    let key = format!("{SITE}[{id}]");
                    self.problems.push(place(&found.origin, &key, &wrong, "give each site an id of its own"));
                }
                seen.entry(id).or_insert_with(|| found.origin.clone());
            }
            let site = self.site(&found, &folder);
            self.sites.push(site);
        }
    }

    /// The `*.toml` of the site directory, by name.
    fn site_files(&mut self, directory: &Path) -> Vec<PathBuf> {
        self.files.push(directory.to_owned());
        let read = || -> std::io::Result<Vec<PathBuf>> {
            let mut paths = Vec::new();
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "toml") {
                    paths.push(path);
                }
            }
            paths.sort();
            Ok(paths)
        };
        match read() {
            Ok(paths) => paths,
            Err(source) => {
                let origin = self.origin("site_directory");
                self.problems.push((origin, Problem::Unreadable { path: directory.to_owned(), source }));
                Vec::new()
            }
        }
    }

    fn site(&mut self, found: &FoundSite, folder: &Path) -> (Site, BTreeMap<&'static str, Effective>) {
        let (mut site, mut all) = self.template.clone();
        let name = site_id(found).map_or_else(|| found.ordinal.to_string(), |id| id.to_string());
        let around = surroundings(self.sources, &self.machine_time_zone, folder);
        for found in &found.found {
            let key = &SITE_KEYS[found.index];
            match take(key, &mut site, found, &around, &format!("{SITE}[{name}].{}", key.name)) {
                Ok(effective) => {
                    all.insert(key.name, effective);
                }
                Err(problems) => self.problems.extend(problems),
            }
        }
        (site, all)
    }

    /// Reads and parses a file; what cannot be read is a problem and holds nothing.
    fn file(&mut self, path: &Path, holds: Holds) -> Layer {
        self.files.push(path.to_owned());
        let place: Arc<Path> = Arc::from(path);
        let failed = |source| {
            let origin = Origin::File { path: Arc::clone(&place), line: 0 };
            let problem = Problem::Unreadable { path: path.to_owned(), source };
            Layer { problems: vec![(origin, problem)], ..Layer::default() }
        };
        match std::fs::read_to_string(path) {
            Ok(text) => read::document(&text, Some(&place), holds),
            Err(source) => failed(source),
        }
    }

    /// Finds the state directory that was left open.
    fn state_directory(&mut self) {
        let variables = &self.sources.environment;
        let given = |name| variable(variables, name).filter(|value| !value.is_empty());
        let (path, note) = if let Some(path) = self.settings.state_directory.take() {
            (path, "")
        } else if let Some(list) = given("STATE_DIRECTORY") {
            // systemd lists several when the unit names several; ours is the first.
            (PathBuf::from(list.split(':').next().unwrap_or(list)), ", from $STATE_DIRECTORY")
        } else if let Some(home) = given("XDG_STATE_HOME").map(Path::new).filter(|home| home.is_absolute()) {
            (home.join("headcount"), ", from $XDG_STATE_HOME")
        } else if let Some(home) = given("HOME") {
            (Path::new(home).join(".local/state/headcount"), ", from $HOME")
        } else {
            if self.sound(&["state_directory"]) {
                let origin = self.origin("state_directory");
                let remedy = "set it, or $STATE_DIRECTORY, or $HOME";
                let wrong = "there is no place to keep anything";
                self.problems.push(place(&origin, "state_directory", wrong, remedy));
            }
            return;
        };
        let path = whole(path);
        self.settings.journal.directory = path.join("journal");
        self.settle("state_directory", &path.display().to_string(), note);
        self.settings.state_directory = Some(path);
    }

    /// Writes down what a value that was left open came to.
    fn settle(&mut self, name: &'static str, text: &str, note: &'static str) {
        if let Some(effective) = self.effective.get_mut(name) {
            effective.text = quoted(text);
            effective.note = note;
        }
    }

    fn listeners_differ(&mut self) {
        let web = &self.settings.web;
        let lists = [
            ("admin_listen", &web.admin_listen, "listen", &web.listen),
            ("tls.listen", &web.tls.listen, "listen", &web.listen),
            ("tls.listen", &web.tls.listen, "admin_listen", &web.admin_listen),
        ];
        let shared =
            |(name, list, other, others): (&'static str, &Vec<Address>, &'static str, &Vec<Address>)| {
                let address = list.iter().find(|at| at.is_one_place() && others.contains(at))?;
                Some((name, other, address.to_string()))
            };
        let shared: Vec<_> = lists.into_iter().filter_map(shared).collect();
        let is_empty = web.listen.is_empty() && web.tls.listen.is_empty();
        for (name, other, address) in shared {
            if self.sound(&[name, other]) {
                let (name, other) = self.blamed(name, other);
                let wrong = format!("names {address}, which is in {other} too");
                self.unfit(name, &wrong, "give each its own address or port");
            }
        }
        if is_empty && self.sound(&["listen", "tls.listen"]) {
            self.unfit("listen", "is empty", "name at least one address with a port");
        }
    }

    fn certificates_have_keys(&mut self) {
        let tls = &self.settings.web.tls;
        let (certificates, keys) = (tls.certificate_files.len(), tls.key_files.len());
        let listens = !tls.listen.is_empty();
        if !self.sound(&["tls.listen", "tls.certificate_files", "tls.key_files"]) {
            return;
        }
        if certificates != keys {
            let wrong = format!("names {keys}, and tls.certificate_files names {certificates}");
            let (name, _) = self.blamed("tls.key_files", "tls.certificate_files");
            self.unfit(name, &wrong, "name the key of each certificate, in the same order");
        } else if listens && certificates == 0 {
            let remedy =
                "name files with a certificate and its key in tls.certificate_files and tls.key_files";
            self.unfit("tls.listen", "needs a certificate", remedy);
        }
    }

    /// After a restart the journal is all that tells who is online and which visits are open.
    fn journal_reaches_back(&mut self) {
        let retained = self.settings.journal.retained_ms;
        if self.settings.count.visit_window_ms > retained && self.sound(&["journal_retained", "visit_window"])
        {
            let (name, other) = self.blamed("journal_retained", "visit_window");
            let wrong = format!("does not fit {other} = {}", self.text(other));
            self.unfit(name, &wrong, "journal_retained must be at least as long as visit_window");
        }
        if !self.sound(&["journal_retained"]) {
            return;
        }
        let wrong = format!("is longer than journal_retained = {}", self.text("journal_retained"));
        let remedy = "journal_retained must be at least as long as every online_window";
        for (site, keys) in self.sites.iter().filter(|(site, _)| site.online_window_ms > retained) {
            if let Some(window) = keys.get("online_window") {
                let key = format!("{SITE}[{}].online_window", site.id);
                self.problems.push(value(&window.origin, &key, &window.text, &wrong, remedy));
            }
        }
    }

    /// Which of two keys that do not fit each other somebody has set: the first, unless it is a default.
    fn blamed(&self, first: &'static str, second: &'static str) -> (&'static str, &'static str) {
        if self.origin(first) == Origin::Default { (second, first) } else { (first, second) }
    }

    fn warn(&mut self) {
        if self.sources.machine_time_zone.is_none() {
            self.warnings.push("the machine's time zone is unknown; days begin at midnight UTC".to_owned());
        }
        if self.settings.visitor.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            let text =
                "trusted_proxies holds everybody: any client may claim any address and be counted as many";
            self.warnings.push(text.to_owned());
        }
        if self.sites.is_empty() && !self.files.is_empty() {
            let text = "no [[site]] is configured: the site \"demo\" is open to every host";
            self.warnings.push(text.to_owned());
        }
    }

    fn finish(mut self) -> Result<Config, Problems> {
        if self.sites.is_empty() {
            self.sites.push(self.template.clone());
        }
        if let Some(path) = self.settings.country_database.take().map(whole) {
            self.settle("country_database", &path.display().to_string(), "");
            self.files.push(path);
        }
        self.whole_paths();
        if let Some(path) = self.settings.site_directory.clone() {
            self.settle("site_directory", &whole(path).display().to_string(), "");
        }
        for (site, keys) in &mut self.sites {
            let zone = site.time_zone.iana_name().map(quoted);
            if let (Some(zone), Some(effective)) = (zone, keys.get_mut("time_zone"))
                && effective.text == "\"auto\""
            {
                effective.text = zone;
                effective.note = ", the machine's";
            }
        }
        let Some(state_directory) = self.settings.state_directory.take().filter(|_| self.problems.is_empty())
        else {
            return Err(self.in_order());
        };
        let (sites, effective_sites) = self.sites.into_iter().unzip();
        let visit_window_ms = self.settings.count.visit_window_ms;
        let fleet = self.settings.fleet.options(visit_window_ms, self.settings.fold.details_days);
        if let Some(effective) = self.effective.get_mut("shared_store")
            && fleet.as_ref().is_some_and(|fleet| fleet.access.address.password.is_some())
        {
            effective.note = " (its password is not shown)";
            effective.text =
                fleet.as_ref().map(|fleet| quoted(&fleet.access.address.to_string())).unwrap_or_default();
        }
        Ok(Config {
            web: self.settings.web,
            journal: self.settings.journal,
            count: count::Options { together: fleet.is_some(), ..self.settings.count },
            fleet,
            guard: self.settings.guard,
            visitor: self.settings.visitor,
            fold: self.settings.fold,
            details_per_day: self.settings.details_per_day,
            log_format: self.settings.log_format,
            sites,
            state_directory,
            files: self.files,
            warnings: self.warnings,
            effective: self.effective,
            effective_sites,
        })
    }

    /// Paths in lists from the root on, and certificates among the files whose changes are looked for.
    fn whole_paths(&mut self) {
        let web = &mut self.settings.web;
        let texts = |list: &[Address]| list.iter().map(Address::to_string).collect::<Vec<_>>();
        let mut found = vec![("listen", texts(&web.listen)), ("admin_listen", texts(&web.admin_listen))];
        let lists = [
            ("tls.certificate_files", &mut web.tls.certificate_files),
            ("tls.key_files", &mut web.tls.key_files),
        ];
        for (name, list) in lists {
            for path in list.iter_mut().filter(|path| !path.to_string_lossy().starts_with("credential:")) {
                *path = whole(std::mem::take(path));
            }
            self.files.extend(list.iter().cloned());
            found.push((name, list.iter().map(|path| path.display().to_string()).collect()));
        }
        for (name, list) in found {
            if let Some(effective) = self.effective.get_mut(name) {
                effective.text = Raw::List(list).toml();
            }
        }
    }

    /// Files in the order of reading and by line, then variables, then flags.
    fn in_order(mut self) -> Problems {
        let files = self.files;
        let rank = |origin: &Origin| match origin {
            Origin::Default => (0, 0),
            Origin::File { path, line } => {
                (1 + files.iter().position(|file| **file == **path).unwrap_or(files.len()), *line)
            }
            Origin::Environment(_) => (2 + files.len(), 0),
            Origin::Flag(_) => (3 + files.len(), 0),
        };
        self.problems.sort_by_key(|(origin, _)| rank(origin));
        Problems(self.problems.into_iter().map(|(_, problem)| problem).collect())
    }

    fn origin(&self, name: &str) -> Origin {
        self.effective.get(name).map_or(Origin::Default, |effective| effective.origin.clone())
    }

    fn text(&self, name: &str) -> String {
        self.effective.get(name).map_or_else(String::new, |effective| effective.text.clone())
    }

    /// Whether none of the keys is reported already: their values would be the weaker source's.
    fn sound(&self, names: &[&str]) -> bool {
        !names.iter().any(|name| self.wrong.contains(name))
    }

    /// Reports a value that is good in itself but does not fit another.
    fn unfit(&mut self, name: &'static str, wrong: &str, remedy: &str) {
        self.problems.push(value(&self.origin(name), name, &self.text(name), wrong, remedy));
    }
}

fn take<T>(
    key: &Key<T>,
    to: &mut T,
    found: &Found,
    around: &Surroundings<'_>,
    name: &str,
) -> Result<Effective, Vec<Misplaced>> {
    let problem = |Wrong { what, remedy }| {
        let remedy = remedy.unwrap_or_else(|| format!("allowed: {}", key.shape.allowed()));
        value(&found.origin, name, &found.shown, &what, &remedy)
    };
    match key.take(to, &found.raw, around) {
        Ok(()) => Ok(Effective { text: found.raw.toml(), origin: found.origin.clone(), note: "" }),
        Err(wrongs) => Err(wrongs.into_iter().map(problem).collect()),
    }
}

fn surroundings<'a>(sources: &'a Sources, machine: &'a TimeZone, folder: &Path) -> Surroundings<'a> {
    Surroundings {
        known_languages: &sources.known_languages,
        machine_time_zone: machine,
        folder: folder.to_owned(),
        credentials: variable(&sources.environment, "CREDENTIALS_DIRECTORY").map(Path::new),
    }
}

fn variable<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.as_str())
}

/// The path from the root on: what is printed and logged must be found from anywhere.
fn whole(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The id of a site, when it has a good one.
fn site_id(found: &FoundSite) -> Option<SiteId> {
    let id = found.found.iter().find(|found| SITE_KEYS[found.index].name == "id")?;
    match &id.raw {
        Raw::Text(id) => SiteId::parse(id).ok(),
        _ => None,
    }
}
