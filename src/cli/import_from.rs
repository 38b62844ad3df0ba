//! `import --from`: an old counter's numbers, as audited adjustments.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::read::MultiGzDecoder;

use super::adjust::{audit, configured};
use super::{Failure, failed};
use crate::config::Config;
use crate::control::{BroughtReply, Change, REQUEST_BYTES_MAX, Request, ask_daemon};
use crate::daemon::{database, open_or_begin, open_stopped};
use crate::fleet::Identity;
use crate::legacy::{self, SYSTEMS, Setting, Totals};
use crate::rows::LocalDay;
use crate::sites::Site;
use crate::store::{Batch, Earlier, Source, Store};
use crate::words::{Figure, Tally};

/// A list of paths that is longer is not one.
const PAGES_BYTES_MAX: u64 = 64 << 20;
/// Lines of pages that a table shows.
const PAGES_SHOWN: usize = 20;
/// Characters of a file's name that the reason keeps.
const NAME_CHARACTERS_MAX: usize = 200;

/// The options of `import` that are about an old counter.
#[derive(Debug, Args)]
#[command(next_help_heading = "Numbers of an old counter")]
pub(super) struct FromOptions {
    /// The system that the file is of: vinaora, nukeviet, busuanzi, goatcounter or headcount.
    #[arg(long, value_name = "SYSTEM", long_help = systems(), requires = "site",
        conflicts_with_all = ["everything", "overlap", "last_line_is_whole", "follow", "finish", "json"])]
    pub(super) from: Option<String>,
    /// Show what would be added, and add nothing.
    #[arg(long, requires = "from")]
    dry_run: bool,
    /// Take back what was brought along from this system before, and bring this in its place.
    #[arg(long, requires = "from", conflicts_with = "again")]
    replace: bool,
    /// Add to what was brought along from this system before, as the numbers of a second counter.
    #[arg(long, requires = "from")]
    again: bool,
    /// Paths of pages, one a line, for files that name pages by hashes (busuanzi's Redis).
    #[arg(long, value_name = "FILE", requires = "from")]
    pages: Option<PathBuf>,
}

fn systems() -> String {
    let lines = SYSTEMS.map(|system| format!("\n- {}: {}", system.name, system.about));
    format!("The system that the file is of:{}", lines.concat())
}

impl FromOptions {
    /// Brings `files`, which must be one, along to `site`.
    pub(super) fn run(
        &self,
        system: &str,
        files: &[PathBuf],
        site: &str,
        config: &Config,
    ) -> Result<(), Failure> {
        let [file] = files else {
            return Err(Failure::Argument("import --from takes one file: the dump or export".to_owned()));
        };
        let pages = self.pages.as_deref();
        let earlier = match (self.replace, self.again) {
            (true, _) => Earlier::TakeBack,
            (false, true) => Earlier::Stay,
            (false, false) => Earlier::Forbid,
        };
        let asked = OldCounter { system, file, site, pages, dry_run: self.dry_run, earlier };
        bring_along(config, &asked)
    }
}

/// A file of an old counter, and what shall become of it.
struct OldCounter<'a> {
    /// The name of its system.
    system: &'a str,
    /// The file.
    file: &'a Path,
    /// The site's id.
    site: &'a str,
    /// A file with the paths of pages.
    pages: Option<&'a Path>,
    /// Whether nothing is to be changed.
    dry_run: bool,
    /// What becomes of numbers of the same system that were brought along before.
    earlier: Earlier,
}

/// Reads an old counter's file and adds its numbers to a site, all of them or none.
fn bring_along(config: &Config, asked: &OldCounter<'_>) -> Result<(), Failure> {
    let site = configured(config, asked.site)?;
    let node = Identity::find(&config.state_directory).map_err(|error| failed(&error))?;
    let totals = read(site, asked, node.as_ref().map(|identity| identity.node.as_str()))?;
    let fingerprint = totals.fingerprint();
    let name: String = name_of(asked.file).escape_debug().take(NAME_CHARACTERS_MAX).collect();
    let reason = format!("{}: {name}, known as {}", asked.system, &fingerprint[..16]);
    let source = Source::of(asked.system, &fingerprint);
    let changes = changes(&totals);
    if changes.is_empty() {
        return Err(Failure::Failed(format!("{}: nothing was counted in it", asked.file.display())));
    }
    let batch = audit(site, &reason).batch(&changes, source.as_str(), asked.earlier);
    let batch = batch.map_err(Failure::Failed)?;
    if asked.dry_run {
        super::put(&table(asked.site, &reason, &totals))?;
    }
    let request = Request::BringAlong {
        site: asked.site.to_owned(),
        changes,
        reason,
        source: source.as_str().to_owned(),
        earlier: asked.earlier,
        dry_run: asked.dry_run,
    };
    let brought = match ask(config, &request)? {
        Some(brought) => brought,
        None => bring_stopped(config, &batch, asked.dry_run)?,
    };
    if !asked.dry_run {
        let (sum, days, pages) = (sum(&totals), totals.days.len(), totals.pages.len());
        say_done!("brought along: {} visits and {} views, {days} days, {pages} pages", sum.visits, sum.views);
        totals.notes.iter().for_each(|note| say_done!("note: {note}"));
    }
    if brought.adjustments_taken_back > 0 {
        let (visits, views) = (brought.visits_taken_back, brought.views_taken_back);
        let done = if asked.dry_run { "would be taken back" } else { "taken back" };
        say_done!("{done}: {visits} visits and {views} views of before");
    }
    let has = if asked.dry_run { "would have" } else { "now has" };
    say_done!("{} {has} {} visits and {} views in all", asked.site, brought.visits, brought.views);
    Ok(())
}

/// The totals of a file.
fn read(site: &Site, asked: &OldCounter<'_>, node: Option<&str>) -> Result<Totals, Failure> {
    let Some(system) = legacy::system(asked.system) else {
        let known = SYSTEMS.map(|system| system.name).join(", ");
        return Err(Failure::Argument(format!("there is no system {}; there are {known}", asked.system)));
    };
    let unreadable = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| Failure::Failed(format!("{path}: cannot be read: {error}"))
    };
    let known_pages = match asked.pages {
        Some(path) => paths(path).map_err(unreadable(path))?,
        None => Vec::new(),
    };
    let setting = Setting {
        zone: &site.time_zone,
        today: LocalDay::of(crate::clock::Clock::system().now(), &site.time_zone).day,
        hosts: &site.hosts,
        page_parameters: &site.page_parameters,
        known_pages: &known_pages,
        site: site.id.as_str(),
        node,
    };
    let file = File::open(asked.file).map_err(unreadable(asked.file))?;
    let mut file = BufReader::new(file);
    let is_gzip = file.fill_buf().map_err(unreadable(asked.file))?.starts_with(&[0x1f, 0x8b]);
    let read = if is_gzip {
        system.totals(&mut MultiGzDecoder::new(file), &setting)
    } else {
        system.totals(&mut file, &setting)
    };
    read.map_err(|error| Failure::Failed(format!("{}: {error}", asked.file.display())))
}

fn paths(path: &Path) -> io::Result<Vec<String>> {
    let mut text = String::new();
    File::open(path)?.take(PAGES_BYTES_MAX).read_to_string(&mut text)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect())
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// All that the site's total gains.
fn sum(totals: &Totals) -> Tally {
    let mut sum = totals.undated();
    sum += totals.dated();
    sum -= totals.less;
    sum
}

/// One change for each number that is not 0.
fn changes(totals: &Totals) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut change = |tally: Tally, sign: i64, day: Option<String>, page: Option<String>| {
        for figure in [Figure::Views, Figure::Visits] {
            let amount = sign * i64::try_from(figure.of(tally)).unwrap_or(i64::MAX);
            if amount != 0 {
                let (day, page) = (day.clone(), page.clone());
                changes.push(Change { figure: figure.as_str().to_owned(), amount, day, page });
            }
        }
    };
    change(totals.undated(), 1, None, None);
    totals.days.iter().for_each(|(day, tally)| change(*tally, 1, Some(day.to_string()), None));
    totals.pages.iter().for_each(|(page, tally)| change(*tally, 1, None, Some(page.as_str().to_owned())));
    // Last, for only then there is what it takes from.
    change(totals.less, -1, None, None);
    changes
}

fn ask(config: &Config, request: &Request) -> Result<Option<BroughtReply>, Failure> {
    let bytes = serde_json::to_string(request).map_or(usize::MAX, |text| text.len());
    let answer = ask_daemon(&config.state_directory, request).map_err(|error| {
        let is_long = u64::try_from(bytes).unwrap_or(u64::MAX) >= REQUEST_BYTES_MAX;
        let what = "the file has more pages than a running daemon takes at once; stop it and try again";
        Failure::Failed(if is_long { what.to_owned() } else { error })
    })?;
    let odd = |error| Failure::Failed(format!("the daemon is of another release: {error}"));
    answer.map(serde_json::from_value).transpose().map_err(odd)
}

/// Brings a batch along where no daemon runs, or tries to.
fn bring_stopped(config: &Config, batch: &Batch, dry_run: bool) -> Result<BroughtReply, Failure> {
    let brought = match dry_run {
        false => open_or_begin(config)?.fold.store().adjust_all(batch),
        true if database(&config.state_directory).exists() => {
            open_stopped(config)?.fold.store().try_all(batch)
        }
        // A trial makes no state directory.
        true => Store::in_memory(config.count.pages_per_site).map_err(|error| failed(&error))?.try_all(batch),
    };
    Ok(BroughtReply::of(&brought.map_err(|error| failed(&error))?))
}

/// What would be done.
fn table(site: &str, reason: &str, totals: &Totals) -> String {
    let mut text = format!("{reason}\nwould be added to {site}:\n\n{:>14} {:>14}\n", "visits", "views");
    let mut line = |tally: Tally, what: &str| {
        writeln!(text, "{:>14} {:>14}  {what}", tally.visits, tally.views)
            .expect("a String takes everything");
    };
    line(totals.undated(), "to the total alone");
    totals.days.iter().for_each(|(day, tally)| line(*tally, &day.to_string()));
    if totals.less != Tally::default() {
        line(totals.less, "are taken from the total alone");
    }
    line(sum(totals), "to the total in all");
    let mut pages: Vec<_> = totals.pages.iter().collect();
    pages.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.views, tally.visits)));
    pages.iter().take(PAGES_SHOWN).for_each(|(page, tally)| line(**tally, page.as_str()));
    if pages.len() > PAGES_SHOWN {
        let mut rest = Tally::default();
        pages.iter().skip(PAGES_SHOWN).for_each(|(_, tally)| rest += **tally);
        line(rest, &format!("{} more pages", pages.len() - PAGES_SHOWN));
    }
    for note in &totals.notes {
        writeln!(text, "note: {note}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::legacy::COUNT_MAX;
    use crate::store::Adjustment;

    #[test]
    fn what_a_file_may_hold_an_adjustment_may_change() {
        assert_eq!(COUNT_MAX, Adjustment::AMOUNT_MAX);
    }
}
