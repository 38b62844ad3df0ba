//! Where a log that is being counted stands.

use std::collections::VecDeque;

use super::cover::Cover;
use super::order::LATE_MS;
use super::source::{FirstLine, Line, hash_of, without_return};
use crate::beacon::log::LogError;
use crate::store::ImportLog;
use crate::words::UnixMillis;

/// Where the present log stands.
pub(super) struct Place {
    pub(super) file: String,
    pub(super) log: ImportLog,
    pub(super) first: Option<FirstLine>,
    /// Where it stood when it was opened.
    pub(super) known: (u64, UnixMillis),
    /// Not all of what is known was read again.
    pub(super) is_behind: bool,
    /// Where it stands in the store.
    pub(super) stored: (u64, UnixMillis),
    /// How many parts of it are left out in the store.
    pub(super) left_out_before: usize,
    pub(super) cover: Cover,
    pub(super) line: u64,
    pub(super) last: Vec<u8>,
    /// What the view before said; 0 when there was none near.
    pub(super) said_before: u32,
    pub(super) read: u64,
    /// Lines that were read when the last batch was handed in.
    pub(super) read_before: u64,
    pub(super) parsed: u64,
    pub(super) first_error: Option<LogError>,
    pub(super) checkpoints: VecDeque<Checkpoint>,
}

/// A place in a log.
pub(super) struct Checkpoint {
    pub(super) from: u64,
    pub(super) line: u64,
    /// The latest moment of all lines before it.
    pub(super) newest_before: UnixMillis,
}

impl Place {
    pub(super) fn new(file: String, log: ImportLog, cover: Cover) -> Place {
        let known = (log.position, log.counted_at);
        let (line, left_out_before) = (log.replay_line, log.left_out.len());
        Place {
            file,
            log,
            first: None,
            known,
            is_behind: known.0 > 0,
            stored: known,
            left_out_before,
            cover,
            line,
            last: Vec::new(),
            said_before: 0,
            read: 0,
            read_before: 0,
            parsed: 0,
            first_error: None,
            checkpoints: VecDeque::new(),
        }
    }

    /// What a view is known by in other logs, by what it says: that, and what the view before it said.
    pub(super) fn view(&mut self, said: u32) -> u64 {
        let before = std::mem::replace(&mut self.said_before, said);
        u64::from(said) << 32 | u64::from(before)
    }

    /// Whether a new line of a moment is the first one once more, further back than lines come late.
    pub(super) fn begins_again(&self, line: &Line<'_>, at: UnixMillis) -> bool {
        let Some(first) = self.first.filter(|first| first.at == at) else { return false };
        let newest = self.log.span.map_or(at, |span| span.to);
        let is_back = newest.since(at) > LATE_MS && line.from > first.from && line.from >= self.known.0;
        is_back && hash_of(without_return(line.bytes)) == first.hash
    }

    /// The part of a line that was counted when it was the last one and had no end yet, if it is the same line.
    pub(super) fn torn<'l>(&self, line: &Line<'l>) -> Option<&'l [u8]> {
        let part = self.known.0.checked_sub(line.from).and_then(|bytes| usize::try_from(bytes).ok())?;
        line.bytes.get(..part).filter(|part| hash_of(part) == self.log.tail)
    }

    /// A line is dealt with.
    pub(super) fn pass(&mut self, line: &Line<'_>) {
        self.line += 1;
        self.read += 1;
        self.log.position = self.log.position.max(line.to);
        self.last.clear();
        self.last.extend_from_slice(line.bytes);
    }
}
