//! Text of TOML, variables and flags into values, each with its place.
//!
//! Reads no file and judges no value: it only finds which key a value belongs to, and says so when there is
//! none.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, de};

use super::keys::KEYS;
use super::problem::{Misplaced, Origin, Problem, closest, place};
use super::shape::Raw;
use super::site::{SITE, SITE_KEYS};

/// Longer values are cut in messages.
const SHOWN_CHARS_MAX: usize = 60;
/// A text is parsed again for each line that the parser gave up at; after so many it is no configuration at all.
const ROUNDS_MAX: usize = 50;
/// What every variable of ours begins with.
const PREFIX: &str = "HEADCOUNT_";
/// What is said of keys that are not in the list.
const UNKNOWN: &str = "is no key of headcount";
/// What is said of other keys in a file of the site directory.
const SITE_FILE: &str = "a file of site_directory holds [[site]] tables alone";
/// Read before the configuration is.
const OTHER_VARIABLES: [&str; 2] = ["CONFIG", "LOG"];

/// A value, with the place of its key in [`KEYS`] or [`SITE_KEYS`].
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) index: usize,
    pub(super) raw: Raw,
    /// As it was written.
    pub(super) shown: String,
    pub(super) origin: Origin,
}

/// One `[[site]]`.
#[derive(Clone, Debug)]
pub(super) struct FoundSite {
    /// Its place among the sites of its file, from 1.
    pub(super) ordinal: usize,
    pub(super) origin: Origin,
    pub(super) found: Vec<Found>,
}

/// What a source holds.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) found: Vec<Found>,
    pub(super) sites: Vec<FoundSite>,
    pub(super) problems: Vec<Misplaced>,
}

/// Which keys a file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// All of them.
    Everything,
    /// `[[site]]` tables alone.
    Sites,
}

/// Reads a file's text; without a path it is the one that is compiled in.
pub(super) fn document(text: &str, path: Option<&Arc<Path>>, holds: Holds) -> Layer {
    let line_starts = text.match_indices('\n').map(|(newline, _)| newline + 1).collect();
    let broken = BTreeSet::new();
    let mut reader = Reader { text, line_starts, path, holds, broken, layer: Layer::default() };
    let mut readable = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let (table, errors) = DeTable::parse_recoverable(&readable);
        let before = reader.broken.len();
        for error in errors {
            reader.syntax(&error);
        }
        if reader.broken.len() == before {
            reader.table(table.get_ref(), "");
            break;
        }
        readable = reader.without_hopeless_lines();
    }
    reader.layer
}

/// Reads the variables that begin with `HEADCOUNT_`.
pub(super) fn environment(variables: &[(String, String)]) -> Layer {
    let mut layer = Layer::default();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
        if OTHER_VARIABLES.contains(&rest) || is_service_link(rest) {
            continue;
        }
        let origin = Origin::Environment(variable.clone());
        let name = rest.to_lowercase().replace("__", ".");
        if let Some(index) = KEYS.iter().position(|key| key.name == name) {
            layer.found.push(loose(index, value, origin));
        } else {
            layer.problems.push(place(&origin, &name, UNKNOWN, &variable_remedy(&name)));
        }
    }
    layer
}

/// Reads one flag.
pub(super) fn flag(flag: &'static str, name: &str, value: &str) -> Layer {
    let index = KEYS.iter().position(|key| key.name == name);
    let found = index.map(|index| loose(index, value, Origin::Flag(flag)));
    Layer { found: found.into_iter().collect(), ..Layer::default() }
}

fn loose(index: usize, value: &str, origin: Origin) -> Found {
    Found { index, raw: KEYS[index].shape.settle(value), shown: shorten(value), origin }
}

/// Kubernetes sets such variables in every container beside a service that is called headcount.
fn is_service_link(rest: &str) -> bool {
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

fn variable_remedy(name: &str) -> String {
    let leaf = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let inside = KEYS.iter().map(|key| key.name).find(|key| leaf(key) == name);
    match inside.or_else(|| closest(name, KEYS.iter().map(|key| key.name))) {
        Some(meant) => format!("did you mean {PREFIX}{}?", meant.replace('.', "__").to_uppercase()),
        None if name.starts_with(SITE) => "sites are written in a file".to_owned(),
        None => "`headcount config` prints every key".to_owned(),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Where every line but the first begins.
    line_starts: Vec<usize>,
    path: Option<&'a Arc<Path>>,
    holds: Holds,
    /// Lines that are no TOML. What the parser makes of the rest of them is not judged again.
    broken: BTreeSet<usize>,
    layer: Layer,
}

impl Reader<'_> {
    /// The first error of a line; the others follow from it.
    fn syntax(&mut self, error: &de::Error) {
        let offset = error.span().map_or(0, |span| span.start);
        let line = self.line(offset);
        if !self.broken.insert(line) {
            return;
        }
        let before = self.text.get(..offset).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = error.message().trim().replace('\n', ", ");
        let path = self.path.map_or_else(|| Arc::from(Path::new("default")), Arc::clone);
        let shown = match self.text.lines().nth(line - 1).unwrap_or_default().trim() {
            "" => "nothing".to_owned(),
            written => shorten(written),
        };
        let problem = Problem::Syntax { path, line, column, shown, message };
        self.layer.problems.push((self.origin(offset), problem));
    }

    /// The text with broken lines that hold neither key nor header blanked out, at the same offsets: the parser
    /// gives up at those, and what follows must be read too.
    fn without_hopeless_lines(&self) -> String {
        let mut readable = String::with_capacity(self.text.len());
        for (index, line) in self.text.split_inclusive('\n').enumerate() {
            if self.broken.contains(&(index + 1))
                && !line.contains('=')
                && !line.trim_start().starts_with('[')
            {
                readable.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            } else {
                readable.push_str(line);
            }
        }
        readable
    }

    fn table(&mut self, table: &DeTable<'_>, section: &str) {
        for (key, value) in in_file_order(table) {
            let word = key.get_ref().as_ref();
            let name = if section.is_empty() { word.to_owned() } else { format!("{section}.{word}") };
            let index = KEYS.iter().position(|key| key.name == name);
            match (index, value.get_ref()) {
                (_, sites) if name == SITE => self.sites(sites, key),
                _ if self.holds == Holds::Sites => {
                    self.place(key.span().start, &name, "does not belong here", SITE_FILE);
                }
                (Some(index), _) => {
                    let found = self.found(index, value);
                    self.layer.found.push(found);
                }
                (None, DeValue::Table(inner)) if is_section(&name) => self.table(inner, &name),
                (None, _) if is_section(&name) => {
                    let remedy = format!("write [{name}] on a line of its own, and its keys below");
                    self.place(key.span().start, &name, "is a section, not a key", &remedy);
                }
                (None, _) => {
                    let remedy = unknown_remedy(&name, word);
                    self.place(key.span().start, &name, UNKNOWN, &remedy);
                }
            }
        }
    }

    fn sites(&mut self, value: &DeValue<'_>, key: &Spanned<de::DeString<'_>>) {
        let tables = value.as_array().into_iter().flat_map(|array| array.iter());
        let tables: Option<Vec<_>> =
            tables.map(|entry| Some((entry.span().start, entry.get_ref().as_table()?))).collect();
        let Some(tables) = tables.filter(|_| value.is_array()) else {
            let remedy = "write [[site]], with two brackets on each side, on a line of its own";
            return self.place(key.span().start, SITE, "is not a list of sites", remedy);
        };
        for (index, (offset, table)) in tables.into_iter().enumerate() {
            let ordinal = index + 1;
            let mut found = Vec::new();
            for (key, value) in in_file_order(table) {
                let word = key.get_ref().as_ref();
                if let Some(index) = SITE_KEYS.iter().position(|key| key.name == word) {
                    found.push(self.found(index, value));
                } else {
                    let name = format!("{SITE}[{ordinal}].{word}");
                    self.place(key.span().start, &name, "is no key of a site", &unknown_site_remedy(word));
                }
            }
            if !table.contains_key("id") {
                let remedy = "give it a name, such as id = \"my-site\"";
                self.place(offset, &format!("{SITE}[{ordinal}]"), "has no id", remedy);
            }
            self.layer.sites.push(FoundSite { ordinal, origin: self.origin(offset), found });
        }
    }

    fn found(&self, index: usize, value: &Spanned<DeValue<'_>>) -> Found {
        let shown = shorten(self.text.get(value.span()).unwrap_or_default());
        let span = value.span();
        let lines = self.line(span.start)..=self.line(span.end.saturating_sub(1).max(span.start));
        let broken = self.broken.range(lines).next().is_some();
        let raw = if broken { Raw::Broken } else { raw(value.get_ref()) };
        Found { index, raw, shown, origin: self.origin(span.start) }
    }

    fn place(&mut self, offset: usize, name: &str, wrong: &str, remedy: &str) {
        if self.broken.contains(&self.line(offset)) {
            return;
        }
        let origin = self.origin(offset);
        self.layer.problems.push(place(&origin, name, wrong, remedy));
    }

    fn origin(&self, offset: usize) -> Origin {
        self.path
            .map_or(Origin::Default, |path| Origin::File { path: Arc::clone(path), line: self.line(offset) })
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) + 1
    }
}

fn in_file_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<de::DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// Where the key with that last word stands.
fn whereabouts(word: &str) -> Option<String> {
    KEYS.iter().find_map(|key| match key.name.rsplit_once('.') {
        Some((section, leaf)) if leaf == word => Some(format!("\"{word}\" stands below [{section}]")),
        None if key.name == word => {
            Some(format!("\"{word}\" stands at the top of the file, above the first [section]"))
        }
        _ => None,
    })
}

fn unknown_remedy(name: &str, word: &str) -> String {
    if let Some(meant) = closest(name, KEYS.iter().map(|key| key.name)) {
        return format!("did you mean \"{meant}\"?");
    }
    let sections = KEYS.iter().filter_map(|key| key.name.split_once('.')).map(|(section, _)| section);
    if let Some(meant) = closest(name, sections) {
        return format!("did you mean [{meant}]?");
    }
    if closest(name, [SITE]).is_some() {
        return "did you mean [[site]]?".to_owned();
    }
    if SITE_KEYS.iter().any(|key| key.name == word) {
        return format!("\"{word}\" stands below a [[site]]");
    }
    whereabouts(word).unwrap_or_else(|| "`headcount config` prints every key".to_owned())
}

fn unknown_site_remedy(word: &str) -> String {
    match closest(word, SITE_KEYS.iter().map(|key| key.name)) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => whereabouts(word).unwrap_or_else(|| "`headcount config` prints every key".to_owned()),
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.clone().into_owned()),
        DeValue::Boolean(on) => Raw::Switch(*on),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number beyond all ranges"), Raw::Number),
        DeValue::Array(array) => {
            let entries = array.iter().map(|entry| entry.get_ref().as_str().map(str::to_owned));
            let entries: Option<Vec<String>> = entries.collect();
            entries.map_or(Raw::Other("a list that holds more than texts"), Raw::List)
        }
        DeValue::Float(_) => Raw::Other("a broken number"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

/// The first line of what was written, cut when long.
fn shorten(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let cut: String = first.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}
