//! `import`: counting from a server's log; `--from` is in `import_from.rs`.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::import_from::FromOptions;
use super::screen::shortened;
use super::{Failure, Settings, failed, put};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{DaemonDesk, Request, ask_daemon};
use crate::daemon::{Kept, open_or_begin};
use crate::import::{
    Counter, Desk, Finished, Follow, ImportError, Log, Options, Outcome, Own, OwnDesk, Progress, Summary,
    follow_file,
};
use crate::salt::{self, Salts, imported_file, random};
use crate::sites::Site;
use crate::visitor::Visitors;
use crate::words::SiteId;

const EXAMPLES: &str = "Examples:\n  \
headcount import --site vks /var/log/nginx/access.log*\n  \
xzcat access.log.1.xz | headcount import --site vks\n  \
headcount import --site vks --follow /var/log/nginx/access.log\n  \
headcount import --finish\n  \
headcount import --site vks --from nukeviet dump.sql --dry-run\n\n\
What counts: a GET that was answered with 2xx or 304, that is no image, style, script, font, archive or media, not for headcount itself, no robots.txt, \
sitemap.xml or .well-known, and that no robot sent. The same log again counts nothing, and a log that has grown its new lines.";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that somebody may type")]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// The logs, in the common or combined format; plain, gzip or zstd. None, or -, is standard input. With
    /// --from, the dump or export of the old counter.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The site that they count for.
    #[arg(long, value_name = "ID", required_unless_present = "finish")]
    site: Option<String>,
    /// Count every line that can be read, also those of robots and for files.
    #[arg(long)]
    everything: bool,
    /// Count lines since the site's first beacon too, and those of a time that another log was counted for:
    /// say so when nothing else counts them, as for logs of several servers behind a balancer.
    #[arg(long)]
    overlap: bool,
    /// Count the last line of a log even if it has no end.
    #[arg(long = "final")]
    last_line_is_whole: bool,
    /// Go on with what is added to one log, through every rotation, until stopped. Needs the daemon.
    #[arg(long, conflicts_with = "finish")]
    follow: bool,
    /// Say that all logs of the past are read: their days keep the number of visitors, and the secrets that
    /// told these apart are erased. Without --site for all sites.
    #[arg(long, conflicts_with_all = ["files", "everything", "overlap", "last_line_is_whole"])]
    finish: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    old_counter: FromOptions,
    #[command(flatten)]
    settings: Settings,
}

impl Import {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.settings.load()?;
        if let (Some(system), Some(site)) = (&self.old_counter.from, &self.site) {
            return self.old_counter.run(system, &self.files, site, &config);
        }
        let site = self.site.as_deref().map(|site| find(&config, site)).transpose()?;
        if self.finish {
            let site = site.map(|site| site.id.clone());
            let finished = at_desk(&config, |desk| Ok(desk.finish(site.as_ref())?))?;
            return self.tell_finished(finished);
        }
        let site = site.ok_or_else(|| Failure::Argument("a site is needed".to_owned()))?;
        let key = random().map_err(|error| failed(&error))?;
        let visitors = Visitors::new(&config.visitor, key).map_err(|error| failed(&error))?;
        let options = Options {
            site: Arc::new(site.clone()),
            own: own(&config),
            visit_window_ms: config.count.visit_window_ms,
            everything: self.everything,
            overlap: self.overlap,
            details_days: config.fold.details_days,
        };
        let mut counter = Counter::new(options, &visitors, Clock::system().now());
        if self.follow {
            let done = self.follow(&config, &mut counter);
            let told = self.tell(&counter.summary);
            return done.and(told);
        }
        let logs = self.open(&mut counter, &config.state_directory);
        let mut done = Ok(());
        if !logs.is_empty() {
            done = at_desk(&config, |desk| {
                count(&mut counter, logs, desk);
                Ok(())
            });
        }
        let told = self.tell(&counter.summary);
        done?;
        let causes: Vec<&str> = counter.summary.uncounted().iter().map(|(_, cause)| cause.as_str()).collect();
        if causes.is_empty() { told } else { Err(Failure::Failed(causes.join("\n"))) }
    }

    /// The logs in the order of their first lines. One that cannot be opened is noted, for the others count.
    fn open(&self, counter: &mut Counter<'_>, spool: &Path) -> Vec<Log> {
        let stdin = [PathBuf::from("-")];
        let files = if self.files.is_empty() { &stdin } else { &self.files[..] };
        let mut logs = Vec::new();
        for file in files {
            let is_pipe = || std::fs::metadata(file).is_ok_and(|found| !found.is_file() && !found.is_dir());
            let log = if file.as_os_str() == "-" {
                Log::of_stream(io::stdin(), spool)
            } else if is_pipe() {
                Log::of_pipe(file, spool)
            } else {
                Log::open(file, self.last_line_is_whole)
            };
            match log {
                Ok(log) => logs.push(log),
                Err(error) => counter.note_uncounted(&file.display().to_string(), &error.to_string()),
            }
        }
        logs.sort_by_key(Log::first_at);
        logs
    }

    /// Follows one log until a signal comes. It never takes the state directory for itself, so that a daemon
    /// can always start.
    fn follow(&self, config: &Config, counter: &mut Counter<'_>) -> Result<(), Failure> {
        let [path] = &self.files[..] else {
            return Err(Failure::Argument("name the one log that is to be followed".to_owned()));
        };
        if path.as_os_str() == "-" {
            let text = "standard input cannot be followed; without --follow it is read to its end";
            return Err(Failure::Argument(text.to_owned()));
        }
        let memory = memory(config, &counter.site().id, path)?;
        let stop = Arc::new(AtomicBool::new(false));
        stop_on_signal(&stop).map_err(|error| failed(&error))?;
        let mut last = String::new();
        let mut tell = |text: &str| {
            if text != last {
                text.clone_into(&mut last);
                eprintln!("headcount: {text}");
            }
        };
        tell(&format!("following {}", path.display()));
        let mut desk = DaemonDesk::new(&config.state_directory);
        let mut follow =
            Follow { path, memory: &memory, clock: &Clock::system(), stop: &stop, tell: &mut tell };
        follow.run(counter, &mut desk).map_err(|error| Failure::Failed(error.to_string()))
    }

    fn tell(&self, summary: &Summary) -> Result<(), Failure> {
        let text = if self.json { format!("{}\n", summary.json()) } else { summary.to_string() };
        put(&text)
    }

    fn tell_finished(&self, finished: Finished) -> Result<(), Failure> {
        if self.json {
            say!("{}", json!({ "days": finished.days, "secrets_erased": finished.salts }));
        } else {
            say!(
                "{} imported days keep the number of their visitors; {} secrets were erased",
                finished.days,
                finished.salts
            );
        }
        Ok(())
    }
}

/// Counts a log that was never a file. Gives how many of its lines counted.
pub(super) fn count_history(
    config: &Config,
    site: &str,
    log: impl io::Read + 'static,
) -> Result<u64, Failure> {
    let key = random().map_err(|error| failed(&error))?;
    let visitors = Visitors::new(&config.visitor, key).map_err(|error| failed(&error))?;
    let options = Options {
        site: Arc::new(find(config, site)?.clone()),
        own: own(config),
        visit_window_ms: config.count.visit_window_ms,
        everything: false,
        overlap: false,
        details_days: config.fold.details_days,
    };
    let mut counter = Counter::new(options, &visitors, Clock::system().now());
    let log = Log::of_stream(log, &config.state_directory).map_err(|error| failed(&error))?;
    at_desk(config, |desk| counter.count_log(log, desk, &mut |_, _| ()))?;
    Ok(counter.summary.of(Outcome::Counted))
}

/// The file in which the follower of a log remembers, held for as long as it lives: two would take each other's
/// lines.
fn memory(config: &Config, site: &SiteId, log: &Path) -> Result<File, Failure> {
    let state = &config.state_directory;
    let refused = |file: &Path, error: &io::Error| {
        Failure::Failed(format!(
            "cannot remember the place in {} in {}: {error}",
            log.display(),
            file.display()
        ))
    };
    let file = follow_file(state, site, log).map_err(|error| refused(state, &error))?;
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(|error| refused(state, &error))?;
    let options =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&file);
    let memory = options.map_err(|error| refused(&file, &error))?;
    match memory.try_lock() {
        Ok(()) => Ok(memory),
        Err(TryLockError::WouldBlock) => Err(Failure::Failed(format!(
            "another `headcount import --follow` reads {} for {site} already; end that one first",
            log.display()
        ))),
        Err(TryLockError::Error(error)) => Err(refused(&file, &error)),
    }
}

/// Listens for SIGINT and SIGTERM in a thread of its own.
fn stop_on_signal(stop: &Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        stop.store(true, Ordering::Release);
    });
    Ok(())
}

fn find<'c>(config: &'c Config, site: &str) -> Result<&'c Site, Failure> {
    let id = SiteId::parse(site).map_err(|error| Failure::Argument(format!("the site id {error}")))?;
    let found = config.sites.iter().find(|configured| configured.id == id);
    found.ok_or_else(|| Failure::Failed(format!("there is no site {id} in the configuration")))
}

/// The requests that the configured daemon serves itself.
fn own(config: &Config) -> Own {
    Own::of(config.web.public_url.as_deref(), config.sites.iter().map(|site| site.id.clone()))
}

/// Counts what can be counted: a log with a fault of its own does not keep the others out, a desk that takes
/// nothing does.
fn count(counter: &mut Counter<'_>, logs: Vec<Log>, desk: &mut dyn Desk) {
    let mut bar = Bar::default();
    let mut logs = logs.into_iter();
    while let Some(log) = logs.next() {
        let (name, file) = (log.name().to_owned(), log.whole_name());
        let done = counter.count_log(log, desk, &mut |progress, summary| bar.show(&name, progress, summary));
        let Err(error) = done else { continue };
        counter.note_uncounted(&file, &error.to_string());
        if matches!(error, ImportError::Desk(_)) {
            logs.by_ref().for_each(|log| counter.note_uncounted(&log.whole_name(), "it was not come to"));
        }
    }
    bar.clear();
}

/// Does something at the desk of the running daemon, or at one of our own when none runs.
fn at_desk<T>(
    config: &Config,
    work: impl FnOnce(&mut dyn Desk) -> Result<T, ImportError>,
) -> Result<T, Failure> {
    let state = &config.state_directory;
    let told = |error: ImportError| Failure::Failed(error.to_string());
    if ask_daemon(state, &Request::Fold).map_err(Failure::Failed)?.is_some() {
        return work(&mut DaemonDesk::new(state)).map_err(told);
    }
    let Kept { mut fold, .. } = open_or_begin(config)?;
    let salts = Salts::open(salt::file(state)).map_err(|error| failed(&error))?;
    let imported = Salts::open(imported_file(state)).map_err(|error| failed(&error))?;
    let mut desk = OwnDesk { fold: &mut fold, salts: &salts, imported: &imported, visitors: BTreeMap::new() };
    work(&mut desk).map_err(told)
}

/// How far it is, on a terminal; nothing anywhere else.
#[derive(Default)]
struct Bar {
    is_shown: bool,
}

impl Bar {
    const CELLS_MAX: usize = 30;
    /// A shorter bar says less than the name in its place.
    const CELLS_MIN: usize = 5;

    /// The line, in fewer columns than the terminal has, so that it stays one.
    fn text(name: &str, read: u64, bytes: u64, lines: u64, columns: usize) -> String {
        let room = columns.saturating_sub(1);
        let read = read.min(bytes);
        let behind = match bytes {
            0 => format!("{lines} lines"),
            bytes => format!("{:>3} %, {lines} lines", 100 * read / bytes),
        };
        let left = room.saturating_sub(behind.len());
        let name = format!("{}: ", shortened(name, (left / 2).max(left.saturating_sub(Self::CELLS_MAX + 3))));
        let cells = left.saturating_sub(name.chars().count() + 1).min(Self::CELLS_MAX);
        let bar: String = if bytes == 0 || cells < Self::CELLS_MIN {
            String::new()
        } else {
            let all = u64::try_from(cells).unwrap_or(0);
            let cell = |n| if n < all * read / bytes { '█' } else { '░' };
            (0..all).map(cell).chain([' ']).collect()
        };
        shortened(&format!("{name}{bar}{behind}"), room)
    }

    fn show(&mut self, name: &str, progress: &Progress, summary: &Summary) {
        let mut terminal = io::stderr();
        if !terminal.is_terminal() {
            return;
        }
        self.is_shown = true;
        let columns = terminal_size::terminal_size_of(&terminal).map_or(80, |(columns, _)| columns.0);
        let text = Self::text(name, progress.read(), progress.bytes, summary.lines(), usize::from(columns));
        // A terminal that is gone needs no bar.
        write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush()).ok();
    }

    fn clear(&mut self) {
        if self.is_shown {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Bar;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn the_bar_is_narrower_than_any_terminal_and_says_how_far_it_is() {
        let name = "access.log-20260301-of-a-host-with-a-long-name.gz";
        for columns in [1, 10, 20, 30, 40, 60, 80, 200] {
            for bytes in [0, 1_000_000] {
                let text = Bar::text(name, 500_000, bytes, 1_234_567, columns);
                assert!(text.width() < columns.max(1) + usize::from(columns == 1), "{columns}: {text}");
                assert!(columns < 30 || text.ends_with("1234567 lines"), "{columns}: {text}");
                assert!(columns < 30 || bytes == 0 || text.contains(" 50 %"), "{columns}: {text}");
            }
        }
        assert!(Bar::text("a.log", 500_000, 1_000_000, 7, 80).starts_with("a.log: ███████████████░░░"));
    }
}
