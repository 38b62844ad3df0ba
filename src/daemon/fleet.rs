//! This machine's part in a fleet: joined before anything is counted, served once the rooms are open.

use std::sync::{Arc, mpsc};

use super::{DaemonError, database};
use crate::clock::Clock;
use crate::config::Config;
use crate::fleet::{Fleet, Home, Identity};
use crate::keeper::Order;
use crate::salt::Salts;
use crate::store::Store;

/// Starts this machine's part in a fleet, if there is one. The salts that it shares begin with those that the
/// machine had alone.
pub(super) fn join(config: &Config, clock: &Clock, salts: &Arc<Salts>) -> Result<Option<Fleet>, DaemonError> {
    let Some(options) = &config.fleet else { return Ok(None) };
    let identity = Identity::open(&config.state_directory)?;
    Ok(Some(Fleet::start(options.clone(), identity, clock.clone(), Arc::clone(salts))?))
}

/// Lets the fleet read the store and write to the keeper.
pub(super) fn serve(fleet: &Fleet, config: &Config, orders: mpsc::Sender<Order>) -> Result<(), DaemonError> {
    let store = Store::open_read_only(&database(&config.state_directory))?;
    // A keeper that is gone ends the process.
    let letters = Box::new(move |letter| drop(orders.send(Order::Fleet(letter))));
    fleet.serve(Home { store, letters });
    Ok(())
}
