//! Views at the edges of a log, by which it is seen whether another log tells of the same ones.
//!
//! Within a log every line of its time is its own. At its edges that is not so: lines stand up to a minute from
//! their place, so where a log was rotated both sides have lines of one minute. There a time does not say whether
//! a line was counted, and each view leaves a hash. No address and no browser is in it, only the visitor's id of
//! the day: once the secret of that id is erased, nothing can be found by trying, and no line fits any more.
//!
//! A log keeps two minutes of them, the first and the last of its span; as it grows, what is no edge any more is
//! deleted.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::import::ImportLog;
use super::read::list;
use super::{Store, StoreError};
use crate::words::{SiteId, StreamId};

/// Views of one second at an edge of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeSecond {
    /// Since 1970-01-01T00:00:00Z.
    pub second: u64,
    /// What the secret of the visitors' ids is known by.
    pub secret: u64,
    /// What each counted view is known by, in no order; of two that are the same, two. In the upper half a hash of
    /// what it says, in the lower that of the view before it, or 0 when nobody knows.
    pub views: Vec<u64>,
}

impl EdgeSecond {
    /// The most views of a second that are kept: 4,096 a second are beyond what a log is put in order for, and
    /// both edges take 4 MiB then. More are told apart by their time alone.
    pub const VIEWS_MAX: usize = 4_096;

    /// Whether views may be missing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.views.len() >= EdgeSecond::VIEWS_MAX
    }
}

impl Store {
    /// The views of a minute since 1970 that stand at edges of logs of a site, but for one log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn import_edges(
        &self,
        id: &SiteId,
        but: StreamId,
        minute: u64,
    ) -> Result<Vec<(StreamId, EdgeSecond)>, StoreError> {
        let from = minute.saturating_mul(60);
        self.read("read the edges of imported logs", |connection| {
            let key = named_params! { ":id": id, ":but": but, ":from": from, ":to": from.saturating_add(59) };
            list(connection, include_str!("sql/read_import_edges.sql"), key, |row| {
                let StreamId(secret) = row.get(2)?;
                let views: Vec<u8> = row.get(3)?;
                Ok((row.get(0)?, EdgeSecond { second: row.get(1)?, secret, views: views_of(&views) }))
            })
        })
    }
}

/// Adds what a batch counted at the edges, and deletes what is within the log by now.
pub(super) fn put_edges(
    connection: &Connection,
    site: i64,
    log: &ImportLog,
    edges: &[EdgeSecond],
) -> rusqlite::Result<()> {
    let mut find = connection.prepare_cached(include_str!("sql/find_import_edge.sql"))?;
    let mut put = connection.prepare_cached(include_str!("sql/put_import_edge.sql"))?;
    for edge in edges {
        let secret = StreamId(edge.secret);
        let key = named_params! {
            ":site": site, ":stream": log.stream, ":second": edge.second, ":secret": secret
        };
        let kept: Option<Vec<u8>> = find.query_row(key, |row| row.get(0)).optional()?;
        let mut views = kept.unwrap_or_default();
        views.extend(edge.views.iter().flat_map(|view| view.to_le_bytes()));
        views.truncate(EdgeSecond::VIEWS_MAX * size_of::<u64>());
        put.execute(named_params! {
            ":site": site, ":stream": log.stream, ":second": edge.second, ":secret": secret, ":views": views
        })?;
    }
    let Some(inner) = log.span.and_then(|span| span.inner()) else { return Ok(()) };
    let from = inner.from.plus(999).second();
    connection.prepare_cached(include_str!("sql/delete_import_edges.sql"))?.execute(named_params! {
        ":site": site, ":stream": log.stream, ":from": from, ":to": inner.to.second()
    })?;
    Ok(())
}

fn views_of(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::SiteChanges;
    use crate::store::model::{options, site};
    use crate::store::{ImportBatch, Span};
    use crate::words::UnixMillis;
    use std::collections::BTreeMap;

    fn batch(stream: u64, position: (u64, u64), last: u64, edges: Vec<EdgeSecond>) -> ImportBatch {
        let log = ImportLog {
            stream: StreamId(stream),
            head: vec![stream],
            position: position.1,
            tail: 0,
            counted_at: UnixMillis(position.1),
            replay_from: 0,
            replay_line: 0,
            span: Some(Span { from: UnixMillis(600_000), to: UnixMillis(last * 1_000) }),
            left_out: Vec::new(),
        };
        ImportBatch {
            site: site("vks"),
            from: (position.0, UnixMillis(position.0)),
            left_out_before: 0,
            log,
            changes: SiteChanges::default(),
            edges,
            visitors: BTreeMap::new(),
            visitors_today: BTreeMap::new(),
        }
    }

    fn edge(second: u64, views: Vec<u64>) -> EdgeSecond {
        EdgeSecond { second, secret: 9, views }
    }

    #[test]
    fn edges_grow_with_batches_and_what_is_within_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = Store::open(&options(directory.path(), 10)).expect("open");
        let none = BTreeMap::new();
        let first = batch(1, (0, 10), 610, vec![edge(600, vec![1]), edge(610, vec![2])]);
        store.apply_import(&first, &none).expect("apply");
        let second = batch(1, (10, 20), 900, vec![edge(610, vec![2, u64::MAX]), edge(900, vec![4])]);
        store.apply_import(&second, &none).expect("apply");
        let kept = |store: &Store, but, minute| {
            store.import_edges(&site("vks"), StreamId(but), minute).expect("read")
        };
        let expected = [(StreamId(1), edge(600, vec![1])), (StreamId(1), edge(610, vec![2, 2, u64::MAX]))];
        assert_eq!(kept(&store, 7, 10), expected);
        assert_eq!((kept(&store, 1, 10), kept(&store, 7, 15).len()), (Vec::new(), 1));
        store.apply_import(&batch(1, (20, 30), 990, vec![edge(990, vec![5])]), &none).expect("apply");
        assert_eq!((kept(&store, 7, 15), kept(&store, 7, 16).len()), (Vec::new(), 1));
        assert_eq!(kept(&store, 7, 10), expected);
        let flood = edge(660, vec![1; EdgeSecond::VIEWS_MAX]);
        store.apply_import(&batch(2, (0, 10), 660, vec![flood.clone()]), &none).expect("apply");
        store.apply_import(&batch(2, (10, 20), 660, vec![flood.clone()]), &none).expect("apply");
        assert_eq!(kept(&store, 1, 11), [(StreamId(2), flood)]);
        assert_eq!(store.check().expect("read"), Vec::<String>::new());
        assert!(store.remove_site(&site("vks")).expect("remove"));
        assert_eq!(kept(&store, 7, 10), []);
    }
}
