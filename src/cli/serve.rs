//! `serve`: the daemon itself.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use listenfd::ListenFd;

use super::{Failure, Settings, log};
use crate::clock::Clock;
use crate::config::{self, Sources};
use crate::daemon::{Daemon, Host, Manager, Reload};
use crate::web::{Address, PASSED_MAX, Passed, PassedError};

/// Under socket activation requests that wait would start a process that cannot serve many times a second,
/// until systemd gave the socket up: after twenty starts in two seconds it closes the port.
const FAILED_START_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: Settings,
    /// Address and port of the counter.
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "Address and port of the counter, or unix:/path; may be given more than once"
    )]
    listen: Vec<String>,
    /// Address and port of metrics and health.
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "Address and port of metrics and health, or unix:/path; may be given more than once"
    )]
    admin_listen: Vec<String>,
    /// Where readers find the counter.
    #[arg(
        long,
        value_name = "URL",
        help = "Where readers find the counter, such as https://www.example.vn/hc"
    )]
    public_url: Option<String>,
    /// How log lines look.
    #[arg(
        long,
        value_name = "FORMAT",
        help = "How log lines look: text, journal or json. Default: journal where systemd reads along, else text"
    )]
    log_format: Option<String>,
}

impl Serve {
    fn sources(&self) -> Sources {
        let mut sources = self.settings.sources();
        sources.overrides.listen.clone_from(&self.listen);
        sources.overrides.admin_listen.clone_from(&self.admin_listen);
        sources.overrides.public_url.clone_from(&self.public_url);
        sources.overrides.log_format.clone_from(&self.log_format);
        sources
    }

    pub(super) fn run(self) -> Result<(), Failure> {
        // First of all: the numbers of these descriptors are not ours to give away before.
        let passed = passed();
        let is_passed = !matches!(passed, Ok(None));
        let started = passed.and_then(|passed| self.start(passed));
        if started.is_err() && is_passed {
            // The socket is still there, and the next request starts us again at once.
            std::thread::sleep(FAILED_START_PAUSE);
        }
        let daemon = started?;
        let reload: Reload = Box::new(move || config::load(&self.sources()));
        daemon.run(&reload)?;
        Ok(())
    }

    fn start(&self, passed: Option<Passed>) -> Result<Daemon, Failure> {
        let config = config::load(&self.sources())?;
        log::start(config.log_format);
        let manager = match std::env::var_os("NOTIFY_SOCKET") {
            Some(_) => Manager::of_this_process(),
            None => Manager::default(),
        };
        let is_passed = passed.is_some();
        let daemon = Daemon::start(config, Clock::system(), Host { passed, manager: Arc::new(manager) })?;
        let addresses = [("http", &daemon.public), ("https", &daemon.tls)];
        for (scheme, addresses) in addresses.into_iter().filter(|_| !is_passed) {
            for address in addresses.iter().filter(|address| matches!(address, Address::Tcp(_))) {
                eprintln!("headcount: open {scheme}://{address}/ to see the counter and the line to paste");
            }
        }
        Ok(daemon)
    }
}

/// The sockets that a service manager keeps for us.
fn passed() -> Result<Option<Passed>, Failure> {
    let Ok(count) = std::env::var("LISTEN_FDS") else { return Ok(None) };
    if !count.parse::<usize>().is_ok_and(|count| count <= PASSED_MAX) {
        return Err(PassedError::Count { count }.into());
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<String> = names.split(':').map(str::to_owned).collect();
    Ok(Passed::take(ListenFd::from_env(), &names)?)
}
