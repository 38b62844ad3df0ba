//! Visits that a fleet decides together.
//!
//! Views are added at once. A view that this machine's records alone would call the beginning of a
//! visit is kept aside until the fleet has said whether that visit is open elsewhere; then it is added
//! to the same rows, in the same transaction as the views.

use crate::count::{Counts, Opened};
use crate::journal::{decode, encode};
use crate::rows::{Gathering, Touched};
use crate::store::Sequence;
use crate::words::{Record, Touch};

/// Tells the fleet what visitors did and asks which visits opened: an answer for every entry. The
/// sequence is that of the store's last transaction: whatever was answered before it is kept by now.
pub type Decide = Box<dyn FnMut(Sequence, &[Touched]) -> Vec<bool> + Send>;

/// What waits for the fleet's word.
#[derive(Default)]
pub(super) struct Together {
    gathering: Gathering,
    pending: Vec<Pending>,
}

/// A view that may have opened a visit.
struct Pending {
    /// The place of its entry among what was gathered.
    entry: usize,
    /// The view, as the journal writes it.
    record: Vec<u8>,
    /// What it would be in the words of memory.
    opened: Option<Opened>,
}

impl Together {
    /// Takes a beacon that `opened` a visit, or did not, by this machine's records alone.
    pub(super) fn take(&mut self, touch: &Touch<'_>, opened: bool, in_visit: bool, counts: Option<&Counts>) {
        let entry = self.gathering.take(touch, opened, in_visit);
        if opened {
            let mut record = Vec::new();
            encode(&Record::Touch(*touch), &mut record);
            let opened = counts.and_then(|counts| counts.opened_by(touch));
            self.pending.push(Pending { entry, record, opened });
        }
    }

    /// Beacons that are gathered since the fleet was asked last.
    pub(super) fn is_empty(&self) -> bool {
        self.gathering.is_empty()
    }

    /// Asks, and hands every view that opened a visit to `add`. Gives the visits in the words of memory.
    pub(super) fn settle(
        &mut self,
        settled: Sequence,
        decide: &mut Decide,
        mut add: impl FnMut(&Touch<'_>),
    ) -> Vec<Opened> {
        let verdicts = decide(settled, &self.gathering.finish());
        let mut visits = Vec::new();
        for pending in self.pending.drain(..) {
            if !verdicts.get(pending.entry).copied().unwrap_or(false) {
                continue;
            }
            if let Some((Record::Touch(touch), _)) = decode(&pending.record) {
                add(&touch);
            }
            visits.extend(pending.opened);
        }
        visits
    }
}
