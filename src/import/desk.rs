//! Where parts of logs are handed in: to what is kept, in this process or through a running daemon.
//!
//! The desk knows how far each log is counted, gives out the salts of days, and takes batches, each whole or
//! not at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fold::Fold;
use crate::salt::{SaltError, Salts};
use crate::store::{EdgeSecond, ImportBatch, ImportLog, Span, StoreError};
use crate::words::{Day, Salt, SiteId, StreamId, UnixMillis};

/// Where a log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// How far it is counted; its position is 0 when it is new.
    pub log: ImportLog,
    /// The first beacon of the site, from which on it counts itself.
    pub live_from: Option<UnixMillis>,
    /// The other logs of the site, and the time that each told of.
    pub others: Vec<(StreamId, Span)>,
}

/// The salt of a day of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySalt {
    /// What ids of that day are made with.
    pub salt: Salt,
    /// Whether beacons have their ids by it too: it is that of today, or of a day just over.
    pub is_of_beacons: bool,
    /// Whether the day has visitors whom an erased secret told apart: whoever comes counts as another one there.
    pub is_anew: bool,
}

/// What finishing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Days of sites that keep their number alone from now on.
    pub days: usize,
    /// Secrets that were erased.
    pub salts: usize,
}

/// Why the desk did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Nobody answers; the same may succeed later.
    #[error("{0}")]
    Away(String),
    /// It was refused, in these words.
    #[error("{0}")]
    Refused(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The salts cannot be kept.
    #[error(transparent)]
    Salt(#[from] SaltError),
    /// Visitors were told apart by a secret that is erased meanwhile.
    #[error(
        "the secret of {0} was erased while its lines were being counted; import the log again, it goes on from there"
    )]
    SaltGone(Day),
}

/// Takes parts of logs.
pub trait Desk {
    /// How far the log with this head is counted for a site.
    ///
    /// # Errors
    /// When the site is not there, nobody answers, or what is kept cannot be read.
    fn begin(&mut self, site: &SiteId, head: &[u64]) -> Result<Begun, DeskError>;

    /// The salt of a day for the logs of a site, made if there is none.
    ///
    /// # Errors
    /// When nobody answers, or it cannot be kept.
    fn salt(&mut self, site: &SiteId, day: Day) -> Result<DaySalt, DeskError>;

    /// The views of a minute since 1970 that stand at edges of logs of a site, but for one log.
    ///
    /// # Errors
    /// When nobody answers, or what is kept cannot be read.
    fn edges(
        &mut self,
        site: &SiteId,
        but: StreamId,
        minute: u64,
    ) -> Result<Vec<(StreamId, EdgeSecond)>, DeskError>;

    /// Stores a batch. Gives the site's first beacon, which may have come meanwhile.
    ///
    /// # Errors
    /// When nobody answers, the log stands elsewhere, a secret is gone, or the store refuses.
    fn take(&mut self, batch: &ImportBatch) -> Result<Option<UnixMillis>, DeskError>;

    /// Ends the imported days of a site, or of all, and erases secrets that no day needs any more.
    ///
    /// # Errors
    /// When nobody answers, or what is kept cannot be written.
    fn finish(&mut self, site: Option<&SiteId>) -> Result<Finished, DeskError>;
}

/// The desk in front of what this process keeps.
pub struct OwnDesk<'a> {
    /// The fold and its store, caught up.
    pub fold: &'a mut Fold,
    /// The salts of beacons.
    pub salts: &'a Salts,
    /// The salts of imported days.
    pub imported: &'a Salts,
    /// The visitors of days that a batch changed, once it was taken.
    pub visitors: BTreeMap<Day, u64>,
}

impl Desk for OwnDesk<'_> {
    fn begin(&mut self, site: &SiteId, head: &[u64]) -> Result<Begun, DeskError> {
        let store = self.fold.store();
        let live_from = store.site(site)?.and_then(|row| row.first_beacon);
        let same = |log: &ImportLog| {
            let lines = log.head.len().min(head.len());
            lines > 0 && log.head[lines - 1] == head[lines - 1]
        };
        let logs = store.import_logs(site)?;
        let known = logs.iter().filter(|log| same(log)).max_by_key(|log| log.head.len());
        let log = known.cloned().unwrap_or_else(|| new_log(head));
        let others = logs.iter().filter(|other| other.stream != log.stream);
        let others = others.filter_map(|other| other.span.map(|span| (other.stream, span)));
        Ok(Begun { others: others.collect(), log: with_head(log, head), live_from })
    }

    fn salt(&mut self, site: &SiteId, day: Day) -> Result<DaySalt, DeskError> {
        // A day that was begun with a secret of its own goes on with it.
        let of_beacons = self.salts.of(day).filter(|_| self.imported.of(day).is_none());
        if let Some(salt) = of_beacons {
            return Ok(DaySalt { salt, is_of_beacons: true, is_anew: false });
        }
        let (by_beacons, finished) = self.fold.store().visitors_known(site, day)?;
        let is_anew = finished > 0 || (by_beacons > 0 && self.salts.of(day).is_none());
        Ok(DaySalt { salt: self.imported.make(day)?, is_of_beacons: false, is_anew })
    }

    fn edges(
        &mut self,
        site: &SiteId,
        but: StreamId,
        minute: u64,
    ) -> Result<Vec<(StreamId, EdgeSecond)>, DeskError> {
        Ok(self.fold.store().import_edges(site, but, minute)?)
    }

    fn take(&mut self, batch: &ImportBatch) -> Result<Option<UnixMillis>, DeskError> {
        let of_log = batch.visitors.keys().map(|day| (day, self.imported));
        let mut days = of_log.chain(batch.visitors_today.keys().map(|day| (day, self.salts)));
        if let Some((day, _)) = days.find(|(day, salts)| salts.of(**day).is_none()) {
            return Err(DeskError::SaltGone(*day));
        }
        self.fold.import(batch)?;
        let store = self.fold.store();
        self.visitors.clear();
        for day in batch.visitors.keys().chain(batch.visitors_today.keys()) {
            let rows = store.days(&batch.site, *day, *day)?;
            self.visitors.extend(rows.first().map(|row| (*day, row.visitors)));
        }
        Ok(store.site(&batch.site)?.and_then(|row| row.first_beacon))
    }

    fn finish(&mut self, site: Option<&SiteId>) -> Result<Finished, DeskError> {
        let store = self.fold.store();
        let days = store.finish_imports(site, Day::LAST)?;
        let salts = self.imported.forget_all_but(&store.import_days()?)?;
        Ok(Finished { days, salts })
    }
}

/// A log that nobody has counted yet is named by all that is seen of its first lines.
fn new_log(head: &[u64]) -> ImportLog {
    ImportLog {
        stream: StreamId(head.last().copied().unwrap_or(0)),
        head: Vec::new(),
        position: 0,
        tail: 0,
        counted_at: UnixMillis(0),
        replay_from: 0,
        replay_line: 0,
        span: None,
        left_out: Vec::new(),
    }
}

/// A log that was short when it got its name is known by more lines once it has them.
fn with_head(mut log: ImportLog, head: &[u64]) -> ImportLog {
    if head.len() > log.head.len() {
        log.head = head.to_vec();
    }
    log
}
