//! What a start says of what it found.

use crate::clock::Clock;
use crate::fold::Folded;
use crate::journal::Found;

/// What was added up before anything is served: nothing after a stop in order, else what the store lacks.
pub(super) fn left_over(folded: &Folded) {
    if folded.lost > 0 {
        let streams = folded.lost;
        tracing::warn!(
            streams,
            "files of the journal are gone that the store knows; what they held and it had not added up is not counted"
        );
    }
    let (added, stored_before) = (folded.records, folded.known);
    if added > 0 {
        tracing::info!(
            added,
            stored_before,
            "the store lacked records, as it does after a crash; they are added up from the journal"
        );
    } else {
        tracing::info!(stored_before, "the store has everything that the journal holds");
    }
}

/// The clock goes on behind the newest record.
pub(super) fn clock_after(clock: &Clock, found: &Found) {
    if !clock.begin_at(found.newest) {
        tracing::warn!(
            "the journal holds moments more than a day ahead of the system's clock; they stay where they are"
        );
    }
}
