//! Reading streams: the survey at a start, and the merge by time that the fold walks along.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::record::{self, HEADER_BYTES, Header, RECORD_BYTES_MAX};
use super::{Disk, Found, Journal, OpenError, Stream};
use crate::words::{Record, StreamId, UnixMillis};

/// How much of a stream is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Looks at every stream of the directory: checks all records, cuts off torn ends, removes files
/// that hold no whole header.
pub(super) fn survey(
    directory: &Path,
    disk: &dyn Disk,
    found: &mut Found,
) -> Result<BTreeMap<StreamId, Stream>, OpenError> {
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Read { path, source }
    };
    let mut streams = BTreeMap::new();
    for (path, bytes) in disk.list(directory).map_err(refused(directory))? {
        if path.extension().is_none_or(|extension| extension != "hcj") {
            continue;
        }
        let bytes = closed_at(&path).map_or(bytes, |closed| closed.min(bytes));
        let mut content = Vec::new();
        disk.read(&path, 0, usize::try_from(bytes).unwrap_or(usize::MAX), &mut content)
            .map_err(refused(&path))?;
        let Some((id, stream, records)) = survey_stream(path.clone(), &content)? else {
            found.cut.push((path.clone(), 0, bytes));
            disk.remove(&path).map_err(refused(&path))?;
            continue;
        };
        if stream.length < bytes {
            found.cut.push((path.clone(), stream.length, bytes - stream.length));
            disk.truncate(&path, stream.length).map_err(refused(&path))?;
        }
        found.newest = found.newest.max(stream.newest);
        found.records += records;
        streams.insert(id, stream);
    }
    Ok(streams)
}

/// The good length that a closed stream carries in its name.
fn closed_at(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.split_once('-')?.1.parse().ok()
}

/// Whether a file has the name of this stream, closed or not.
fn is_named(path: &Path, stream: StreamId) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("");
    name.split_once('-').map_or(name, |(id, _)| id) == stream.to_string()
}

fn survey_stream(path: PathBuf, content: &[u8]) -> Result<Option<(StreamId, Stream, u64)>, OpenError> {
    let id = match record::read_header(content) {
        Header::Sound { stream } if is_named(&path, stream) => stream,
        Header::Sound { stream } => return Err(OpenError::Copied { path, stream }),
        Header::Torn => return Ok(None),
        Header::Damaged => return Err(OpenError::Damaged { path, offset: 0 }),
        Header::Newer { version } => return Err(OpenError::Newer { path, version }),
    };
    let (mut at, mut newest, mut records) = (HEADER_BYTES, UnixMillis(0), 0);
    while let Some((record, bytes)) = record::decode(&content[at..]) {
        newest = newest.max(record.at());
        at += bytes;
        records += 1;
    }
    let offset = u64::try_from(at).unwrap_or(u64::MAX);
    if at < content.len() && record::holds_a_record(&content[at + 1..]) {
        return Err(OpenError::Damaged { path, offset });
    }
    Ok(Some((id, Stream { path, length: offset, sealed: true, newest }, records)))
}

/// What can be said of a stream that nobody writes to.
#[derive(Debug)]
pub enum Verdict {
    /// Every record is whole.
    Sound,
    /// Its end is torn off; a start cuts at this byte.
    Torn {
        /// Where the sound part ends.
        offset: u64,
    },
    /// Sound records follow behind damage.
    Damaged {
        /// Where the damage begins.
        offset: u64,
    },
    /// It lies under another name than its own: a copy.
    Copied,
    /// A later release wrote it.
    Newer {
        /// Its format.
        version: u16,
    },
    /// The disk refused.
    Unreadable {
        /// Why.
        why: io::Error,
    },
}

/// A stream that was looked at.
#[derive(Debug)]
pub struct Inspected {
    /// Its file.
    pub path: PathBuf,
    /// The file's length.
    pub bytes: u64,
    /// Sound records from its beginning.
    pub records: u64,
    /// What can be said of it.
    pub verdict: Verdict,
}

/// Looks at every stream and changes nothing. A daemon that is running may be in the middle of a
/// write, which then looks like a torn end.
///
/// # Errors
/// When the directory cannot be read.
pub fn inspect(directory: &Path, disk: &dyn Disk) -> io::Result<Vec<Inspected>> {
    let mut files = disk.list(directory)?;
    files.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "hcj"));
    files.sort();
    Ok(files.into_iter().map(|(path, bytes)| inspect_stream(path, bytes, disk)).collect())
}

fn inspect_stream(path: PathBuf, bytes: u64, disk: &dyn Disk) -> Inspected {
    let good = closed_at(&path).map_or(bytes, |closed| closed.min(bytes));
    let mut content = Vec::new();
    if let Err(why) = disk.read(&path, 0, usize::try_from(good).unwrap_or(usize::MAX), &mut content) {
        return Inspected { path, bytes, records: 0, verdict: Verdict::Unreadable { why } };
    }
    let (records, verdict) = match survey_stream(path.clone(), &content) {
        Ok(Some((_, stream, records))) if stream.length < good => {
            (records, Verdict::Torn { offset: stream.length })
        }
        Ok(Some((_, _, records))) => (records, Verdict::Sound),
        Ok(None) => (0, Verdict::Torn { offset: 0 }),
        Err(OpenError::Damaged { offset, .. }) => (sound_records(&content), Verdict::Damaged { offset }),
        Err(OpenError::Newer { version, .. }) => (0, Verdict::Newer { version }),
        Err(OpenError::Copied { .. }) => (sound_records(&content), Verdict::Copied),
        Err(OpenError::Read { source, .. }) => (0, Verdict::Unreadable { why: source }),
    };
    Inspected { path, bytes, records, verdict }
}

fn sound_records(content: &[u8]) -> u64 {
    let mut rest = content.get(HEADER_BYTES..).unwrap_or(&[]);
    let mut records = 0;
    while let Some((_, bytes)) = record::decode(rest) {
        records += 1;
        rest = &rest[bytes..];
    }
    records
}

/// A part of a stream to be read: from an offset to a length.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The stream.
    pub id: StreamId,
    /// Where it lies.
    pub stream: Stream,
    /// The first byte to read; anything before the first record is skipped.
    pub from: u64,
    /// Where to stop.
    pub to: u64,
}

struct Cursor {
    reading: Reading,
    /// The offset of `buffer[0]` in the stream.
    base: u64,
    buffer: Vec<u8>,
    place: usize,
}

impl Cursor {
    fn offset(&self) -> u64 {
        self.base + u64::try_from(self.place).unwrap_or(0)
    }

    /// Makes sure that a whole record lies at the place, and says where it stands in time; behind all when
    /// none is left.
    fn order(&mut self, journal: &Journal) -> io::Result<u64> {
        if self.offset() >= self.reading.to {
            return Ok(u64::MAX);
        }
        let left = usize::try_from(self.reading.to - self.offset()).unwrap_or(usize::MAX);
        if self.buffer.len() - self.place < RECORD_BYTES_MAX.min(left) {
            self.base = self.offset();
            self.buffer.drain(..self.place);
            self.place = 0;
            let next = self.base + u64::try_from(self.buffer.len()).unwrap_or(0);
            let wanted = CHUNK_BYTES.min(left - self.buffer.len());
            journal.read(&self.reading.stream, next, wanted, &mut self.buffer)?;
        }
        record::peek_order(&self.buffer[self.place..]).ok_or_else(|| self.damage())
    }

    fn damage(&self) -> io::Error {
        let path = self.reading.stream.path.display();
        let text = format!("the journal {path} is damaged at byte {}", self.offset());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

/// Walks through several streams, always taking the record that was made first, and hands each with
/// its stream and the offset behind it to `take`.
///
/// # Errors
/// When a stream cannot be read, a record in it is not sound, or `take` says so.
pub fn merge<E: From<io::Error>>(
    journal: &Journal,
    readings: Vec<Reading>,
    mut take: impl FnMut(&Record<'_>, StreamId, u64) -> Result<(), E>,
) -> Result<(), E> {
    let header = u64::try_from(HEADER_BYTES).unwrap_or(0);
    let cursor =
        |reading: Reading| Cursor { base: reading.from.max(header), buffer: Vec::new(), place: 0, reading };
    let mut cursors: Vec<Cursor> = readings.into_iter().map(cursor).collect();
    let mut orders = Vec::with_capacity(cursors.len());
    for cursor in &mut cursors {
        orders.push(cursor.order(journal)?);
    }
    loop {
        let Some((n, order)) = orders.iter().enumerate().min_by_key(|(_, order)| **order) else {
            return Ok(());
        };
        if *order == u64::MAX {
            return Ok(());
        }
        let cursor = &mut cursors[n];
        let Some((record, bytes)) = record::decode(&cursor.buffer[cursor.place..]) else {
            return Err(cursor.damage().into());
        };
        let behind = cursor.offset() + u64::try_from(bytes).unwrap_or(0);
        take(&record, cursor.reading.id, behind)?;
        cursor.place += bytes;
        orders[n] = cursor.order(journal)?;
    }
}
