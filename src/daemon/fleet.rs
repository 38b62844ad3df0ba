//! This machine's part in a fleet: joined before anything is counted, served once the rooms are open.

use std::sync::{Arc, mpsc};

use super::{DaemonError, database};
use crate::clock::Clock;
use crate::config::Config;
use crate::fleet::{self, Fleet, Home, Identity};
use crate::keeper::Order;
use crate::salt::Salts;
use crate::store::Store;

/// Starts this machine's part in a fleet, if there is one. The salts that it shares begin with those that the
/// machine had alone.
pub(super) fn join(config: &Config, clock: &Clock) -> Result<Option<(Fleet, Arc<Salts>)>, DaemonError> {
    let Some(options) = &config.fleet else { return Ok(None) };
    let state = &config.state_directory;
    let identity = Identity::open(state)?;
    let path = fleet::salts_file(state);
    let is_new = !path.exists();
    let salts = Arc::new(Salts::open(path)?);
    if is_new {
        Salts::open(state.join("salts"))?.copy_to(&salts)?;
    }
    let fleet = Fleet::start(options.clone(), identity, clock.clone(), Arc::clone(&salts))?;
    Ok(Some((fleet, salts)))
}

/// Lets the fleet read the store and write to the keeper.
pub(super) fn serve(fleet: &Fleet, config: &Config, orders: mpsc::Sender<Order>) -> Result<(), DaemonError> {
    let store = Store::open_read_only(&database(&config.state_directory))?;
    // A keeper that is gone ends the process.
    let letters = Box::new(move |letter| drop(orders.send(Order::Fleet(letter))));
    fleet.serve(Home { store, letters });
    Ok(())
}
