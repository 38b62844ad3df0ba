//! `demo`: a whole daemon to throw away, with a day behind it and readers who keep coming.
//!
//! It reads no configuration and no variable, and writes into a directory of its own alone: a new one below the
//! system's temporary directory, or one that was named and is empty. With `--running` the same people come to the
//! daemon that runs, if it has counted nothing yet. So made-up people never get into real counts.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::import::count_history;
use super::{Failure, Settings, failed, log};
use crate::clock::Clock;
use crate::config::{self, Config, LogFormat, Overrides, Sources};
use crate::control::{Request, ask_daemon};
use crate::daemon::{Daemon, Host, Reload};
use crate::demo::{self, Crowd, PLACES, Step};
use crate::salt::{self, Salts, random};
use crate::snippet::Language;
use crate::words::{Day, SiteId, UnixMillis};

/// What lies behind the first start.
const DAY_MS: u64 = 86_400_000;
/// How often the live crowd is looked at.
const PACE: Duration = Duration::from_millis(100);
/// A daemon on the same machine answers sooner than this, or is about to stop.
const PATIENCE: Duration = Duration::from_secs(5);
/// Taken when they are free: those that the README names.
const PORTS: [u16; 2] = [8080, 8081];

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The same number makes the same people.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// About how many of them come in a day.
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    people: u64,
    /// Where to keep it, a directory that is empty or does not exist. Without it nothing is kept.
    #[arg(long, value_name = "DIRECTORY")]
    state_directory: Option<PathBuf>,
    /// Start no daemon: fill the one that runs, if it has counted nothing yet. --state-directory is its own then.
    #[arg(long, conflicts_with = "any_ports")]
    running: bool,
    /// The configuration of the daemon that runs.
    #[arg(long, value_name = "FILE", requires = "running")]
    config: Option<PathBuf>,
    /// Take any free ports, not the usual ones.
    #[arg(long)]
    any_ports: bool,
}

/// Where made-up people go: of the daemon's sites, which stands for which of the crowd's places.
type Cast = Vec<(&'static str, SiteId)>;

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.running { self.fill_running() } else { self.throw_away() }
    }

    fn throw_away(&self) -> Result<(), Failure> {
        let home = Home::make(self.state_directory.as_deref())?;
        let [public, admin] = self.addresses().map_err(|error| failed(&error))?;
        let config = configuration(&home.path, public, admin)?;
        log::start(LogFormat::Auto);
        let now = Clock::system().now();
        // With the secret by which those who are still to come are known: visitors of today are of both.
        let today = Day(i32::try_from(now.second() / 86_400).unwrap_or(i32::MAX));
        let salts = Salts::open(salt::file(&config.state_directory)).map_err(|error| failed(&error))?;
        salts.make(today).map_err(|error| failed(&error))?;
        let cast = cast(&config);
        let views = self.fill(&config, &cast, now)?;
        let daemon = Daemon::start(config.clone(), Clock::system(), Host::default())?;
        say_done!("A day of {views} views that nobody made, and more coming. All of it is made up.\n");
        say_done!("  the counter    http://{public}/snippet/news.html?frame");
        say_done!("  its page       http://{public}/");
        say_done!("  its numbers    http://{public}/snippet/news.json");
        say_done!("  for Prometheus http://{admin}/metrics");
        say_done!("  the commands   headcount status --state-directory {}", home.path.display());
        say_done!("\nCtrl-C ends it{}.", if home.is_kept { "" } else { " and leaves nothing behind" });
        let stop = AtomicBool::new(false);
        let reload: Reload = Box::new(move || Ok(config.clone()));
        std::thread::scope(|scope| {
            scope.spawn(|| keep_coming(self.crowd(now), &cast, public, &|| !stop.load(Ordering::Acquire)));
            let ended = daemon.run(&reload);
            stop.store(true, Ordering::Release);
            ended
        })?;
        Ok(())
    }

    /// The same people, for a daemon that somebody else started.
    fn fill_running(self) -> Result<(), Failure> {
        let state_directory = self.state_directory.as_ref().map(|path| path.display().to_string());
        let config = Settings { config: self.config.clone(), state_directory }.load()?;
        has_counted_nothing(&config)?;
        let public = reached(&config)?;
        let (cast, now) = (cast(&config), Clock::system().now());
        let views = self.fill(&config, &cast, now)?;
        say_done!(
            "A day of {views} views that nobody made, and more coming until Ctrl-C. All of it is made up,"
        );
        say_done!("and it stays in {}.\n", config.state_directory.display());
        for (_, site) in &cast {
            say_done!("  {site:<14} http://{public}/snippet/{site}.html?frame");
        }
        // Whoever takes its port after it may count real people.
        let is_there =
            || ask_daemon(&config.state_directory, &Request::Sites).is_ok_and(|sites| sites.is_some());
        keep_coming(self.crowd(now), &cast, public, &is_there);
        Err(Failure::Failed("the daemon has ended, and the made-up people with it".to_owned()))
    }

    fn crowd(&self, from: UnixMillis) -> Crowd {
        Crowd::new(self.seed.wrapping_add(from.0 / DAY_MS), self.people, from)
    }

    /// Counts the day before `now`, as a log of each site. Gives how many lines counted.
    fn fill(&self, config: &Config, cast: &Cast, now: UnixMillis) -> Result<u64, Failure> {
        let from = now.minus(DAY_MS);
        let mut steps = self.crowd(from).until(now);
        steps.retain(|step| step.at < now);
        let mut views = 0;
        for (place, site) in cast {
            let log = demo::log(&steps, place);
            views += count_history(config, site.as_str(), Cursor::new(log.into_bytes()))?;
        }
        Ok(views)
    }

    /// Where it listens: a port that is free now, and most likely still is in a moment.
    fn addresses(&self) -> io::Result<[SocketAddr; 2]> {
        let usual = PORTS.map(|port| TcpListener::bind(("127.0.0.1", port)));
        let listeners = match usual {
            [Ok(public), Ok(admin)] if !self.any_ports => [public, admin],
            _ => [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?],
        };
        Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
    }
}

/// As many of the daemon's sites as there are places.
fn cast(config: &Config) -> Cast {
    PLACES.iter().zip(&config.sites).map(|(place, site)| (place.site, site.id.clone())).collect()
}

/// That a daemon runs, alone, and no number of its sites could be a real one.
fn has_counted_nothing(config: &Config) -> Result<(), Failure> {
    let state = config.state_directory.display();
    if config.fleet.is_some() {
        let text = "this machine shares its numbers with a fleet, and the demo adds made-up people to none";
        return Err(Failure::Failed(text.to_owned()));
    }
    let Some(sites) = ask_daemon(&config.state_directory, &Request::Sites).map_err(Failure::Failed)? else {
        return Err(Failure::Failed(format!(
            "no daemon runs in {state}; start one by `headcount serve`, or leave --running away"
        )));
    };
    for site in sites.as_array().into_iter().flatten() {
        let is_zero = |number: &str| site["total"][number].as_u64() == Some(0);
        if !is_zero("views") || !is_zero("visits") {
            return Err(Failure::Failed(format!(
                "site {} in {state} has counted {} views, and the demo never adds made-up people to real ones; \
                 start a daemon in a new directory: `headcount serve --state-directory DIRECTORY`",
                site["site"].as_str().unwrap_or("?"),
                site["total"]["views"]
            )));
        }
    }
    Ok(())
}

/// Where the daemon that runs takes beacons.
fn reached(config: &Config) -> Result<SocketAddr, Failure> {
    let status = ask_daemon(&config.state_directory, &Request::Status).map_err(Failure::Failed)?;
    let status = status.unwrap_or_default();
    let mut addresses = status["listening"]["http"].as_array().into_iter().flatten();
    let with_port = |address: &Value| address.as_str()?.parse().ok();
    addresses.find_map(with_port).ok_or_else(|| {
        let text = "the daemon listens on no port without TLS, so made-up people have no way to it; name one in \
                    `listen`, as 127.0.0.1:8080";
        Failure::Failed(text.to_owned())
    })
}

/// The state directory of a demo.
struct Home {
    path: PathBuf,
    is_kept: bool,
}

impl Home {
    fn make(named: Option<&Path>) -> Result<Home, Failure> {
        let refused = |path: &Path, error: &io::Error| {
            Failure::Failed(format!("cannot make {} for the demo: {error}", path.display()))
        };
        if let Some(path) = named {
            let mut directory = DirBuilder::new();
            directory.recursive(true).mode(0o700).create(path).map_err(|error| refused(path, &error))?;
            let mut entries = fs::read_dir(path).map_err(|error| refused(path, &error))?;
            if entries.next().is_some() {
                return Err(Failure::Failed(format!(
                    "{} is not empty, and the demo never adds made-up people to what is there; name a directory \
                     that is empty or does not exist",
                    path.display()
                )));
            }
            return Ok(Home { path: path.to_owned(), is_kept: true });
        }
        let chance = u64::from_le_bytes(random().map_err(|error| failed(&error))?);
        let path = std::env::temp_dir().join(format!("headcount-demo-{chance:016x}"));
        // Not recursive: somebody else's directory of that name is an error.
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| refused(&path, &error))?;
        Ok(Home { path, is_kept: false })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("headcount: {} could not be removed: {error}", self.path.display());
        }
    }
}

fn configuration(state: &Path, public: SocketAddr, admin: SocketAddr) -> Result<Config, Failure> {
    let file = state.join("demo.toml");
    let site = |site: &str| format!("[[site]]\nid = \"{site}\"\ntime_zone = \"UTC\"\n");
    let text: String = PLACES.iter().map(|place| site(place.site)).collect();
    fs::write(&file, text).map_err(|error| failed(&error))?;
    let overrides = Overrides {
        listen: vec![public.to_string()],
        admin_listen: vec![admin.to_string()],
        state_directory: Some(state.display().to_string()),
        ..Overrides::default()
    };
    let known_languages = Language::tags().collect();
    Ok(config::load(&Sources { file: Some(file), overrides, known_languages, ..Sources::default() })?)
}

/// Sends what people do at its time, as long as whom they come to is there.
fn keep_coming(mut crowd: Crowd, cast: &Cast, public: SocketAddr, is_there: &dyn Fn() -> bool) {
    let clock = Clock::system();
    let mut due: BTreeMap<(UnixMillis, u64), Step> = BTreeMap::new();
    let mut number = 0;
    while is_there() {
        let now = clock.now();
        for step in crowd.until(now) {
            number += 1;
            due.insert((step.at, number), step);
        }
        let later = due.split_off(&(now.plus(1), 0));
        for step in std::mem::replace(&mut due, later).into_values() {
            let Some((_, site)) = cast.iter().find(|(place, _)| *place == step.site) else { continue };
            // The daemon may be stopping; then the next look ends this.
            if let Err(error) = send(&step, site, public) {
                tracing::debug!(%error, "a made-up beacon was not sent");
                break;
            }
        }
        std::thread::sleep(PACE);
    }
}

fn send(step: &Step, site: &SiteId, public: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&public, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(demo::beacon(step, site.as_str(), &public.to_string()).as_bytes())?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}
