//! The lines of a log: plain, gzip or zstd, told by their first bytes and not by a name, from a file or from
//! standard input.
//!
//! A compressed file is unpacked twice: once to see whether it is whole, then to be read. Its checksum stands at
//! its end, and no bounded memory could hold all lines back until then.
//!
//! Positions are those of the uncompressed text, so a log and its compressed copy have the same. A line longer
//! than [`LINE_BYTES_MAX`] is passed over and never held. The reader can look at the beginning without
//! consuming it, because a log is known by its first lines.

use std::cell::Cell;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use memchr::memchr;
use siphasher::sip::SipHasher24;

use crate::beacon::log::{self, LINE_BYTES_MAX, LogLine};
use crate::words::UnixMillis;

/// The lines that a log is known by: enough to tell logs apart that begin with the same lookings-in of one
/// monitor, and few enough to keep.
pub const HEAD_LINES: usize = 64;
/// Beyond this the beginning is not looked at.
const HEAD_BYTES: usize = 64 << 10;
/// Room for the longest line and a good read behind it.
const BUFFER_BYTES: usize = 4 * LINE_BYTES_MAX;
/// How much of a compressed file is looked at between two looks at its progress.
const TICK_BYTES: u64 = 4 << 20;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// One line, without its line break.
pub(super) struct Line<'a> {
    /// Its bytes; none of a line that is too long.
    pub(super) bytes: &'a [u8],
    /// Whether it was too long.
    pub(super) is_too_long: bool,
    /// Where it begins.
    pub(super) from: u64,
    /// Where the next one begins.
    pub(super) to: u64,
}

/// The first line of a log that has a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstLine {
    pub(super) at: UnixMillis,
    /// Where it begins.
    pub(super) from: u64,
    /// By [`hash_of`], whatever its end is.
    pub(super) hash: u64,
}

/// How far a file is read, for a progress bar.
#[derive(Clone, Debug)]
pub struct Progress {
    read: Rc<Cell<u64>>,
    /// Bytes of the file, compressed as they are; 0 when nobody knows.
    pub bytes: u64,
}

impl Progress {
    /// Bytes of the file that were read.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.get()
    }
}

/// A log that is being read.
pub(super) struct Source {
    read: Box<dyn Read>,
    /// The same file, where one can go to a place in it.
    plain: Option<File>,
    /// The same file, where it is compressed and can be read once more.
    packed: Option<File>,
    buffer: Vec<u8>,
    /// What of the buffer is not consumed yet.
    start: usize,
    end: usize,
    /// Where `start` stands in the text.
    position: u64,
    /// Whether the present line is too long already, and where it began.
    overlong_from: Option<u64>,
    /// Whether the end of what can be read ends a line too.
    pub(super) end_is_line_end: bool,
    /// A compressed file that broke off, in its own words.
    pub(super) broken: Option<String>,
    pub(super) progress: Progress,
}

struct Counted<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.read.set(self.read.get() + u64::try_from(bytes).unwrap_or(0));
        Ok(bytes)
    }
}

impl Source {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> io::Result<Source> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        if metadata.is_file() { Source::of_file(file, metadata.len()) } else { Source::of_stream(file, 0) }
    }

    /// Reads a regular file from its beginning, wherever its handle stands.
    pub(super) fn of_file(mut file: File, bytes: u64) -> io::Result<Source> {
        let mut magic = [0; 4];
        file.rewind()?;
        let found = read_up_to(&mut file, &mut magic)?;
        file.rewind()?;
        if magic[..found].starts_with(GZIP) || magic[..found].starts_with(ZSTD) {
            let packed = file.try_clone()?;
            let mut source = Source::of_stream(file, bytes)?;
            source.packed = Some(packed);
            return Ok(source);
        }
        let read = Rc::new(Cell::new(0));
        let counted = Counted { inner: file.try_clone()?, read: Rc::clone(&read) };
        Ok(Source::new(Box::new(counted), Some(file), Progress { read, bytes }))
    }

    /// Reads whatever comes, to its end.
    pub(super) fn of_stream(stream: impl Read + 'static, bytes: u64) -> io::Result<Source> {
        let read = Rc::new(Cell::new(0));
        let mut counted = Counted { inner: stream, read: Rc::clone(&read) };
        let mut magic = [0; 4];
        let found = read_up_to(&mut counted, &mut magic)?;
        let whole = io::Cursor::new(magic[..found].to_vec()).chain(counted);
        let is_packed = magic.starts_with(GZIP) || magic.starts_with(ZSTD);
        let text = if is_packed { unpacked(whole, magic)? } else { Box::new(whole) };
        let mut source = Source::new(text, None, Progress { read, bytes });
        source.end_is_line_end = true;
        Ok(source)
    }

    fn new(read: Box<dyn Read>, plain: Option<File>, progress: Progress) -> Source {
        Source {
            read,
            plain,
            packed: None,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            position: 0,
            overlong_from: None,
            end_is_line_end: false,
            broken: None,
            progress,
        }
    }

    /// Unpacks a compressed file to its end, keeping nothing, so that its checksums are seen before a line is
    /// believed: behind a damaged byte a decoder gives wrong text for long until it notices. Returns what is
    /// wrong with it, in the decoder's words. What cannot be read twice, as a pipe, is not looked at.
    pub(super) fn damage(&mut self, tick: &mut dyn FnMut(&Progress)) -> io::Result<Option<String>> {
        let Some(file) = &mut self.packed else { return Ok(None) };
        let (stands_at, mut magic) = (file.stream_position()?, [0; 4]);
        file.rewind()?;
        read_up_to(file, &mut magic)?;
        file.rewind()?;
        let progress = Progress { read: Rc::new(Cell::new(0)), bytes: self.progress.bytes };
        let counted = Counted { inner: file.try_clone()?, read: Rc::clone(&progress.read) };
        let mut text = unpacked(counted, magic)?;
        let (mut room, mut told) = (vec![0; BUFFER_BYTES], 0);
        let damage = loop {
            match text.read(&mut room) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_of_decoder(&error) => break Some(error.to_string()),
                Err(error) => return Err(error),
            }
            if progress.read() - told >= TICK_BYTES {
                told = progress.read();
                tick(&progress);
            }
        };
        drop(text);
        file.seek(SeekFrom::Start(stands_at))?;
        Ok(damage)
    }

    /// The name of the log: hashes of its text up to the end of its first line, its second, and so on, for
    /// at most [`HEAD_LINES`] of them; and the first line that has a moment. To be asked before anything was consumed.
    pub(super) fn head(&mut self) -> io::Result<(Vec<u64>, Option<FirstLine>)> {
        while self.end < HEAD_BYTES && self.fill()? > 0 {}
        let text = &self.buffer[..self.end];
        let is_all = self.end < HEAD_BYTES && self.end_is_line_end;
        let head = head_of(text, is_all);
        Ok((head, first_of(text)))
    }

    /// The file, where one can go to a place in it.
    pub(super) fn plain(&self) -> Option<&File> {
        self.plain.as_ref()
    }

    /// [`Source::head`] of a plain file, wherever it is read; nothing of others.
    pub(super) fn head_now(&self) -> io::Result<Vec<u64>> {
        let Some(file) = &self.plain else { return Ok(Vec::new()) };
        let mut text = vec![0; HEAD_BYTES];
        let mut filled = 0;
        while filled < text.len() {
            match file.read_at(&mut text[filled..], u64::try_from(filled).unwrap_or(0))? {
                0 => break,
                bytes => filled += bytes,
            }
        }
        Ok(head_of(&text[..filled], false))
    }

    /// Goes to a place that a line begins at. Returns whether the text reaches there.
    pub(super) fn go_to(&mut self, place: u64) -> io::Result<bool> {
        if let Some(file) = &mut self.plain {
            if file.metadata()?.len() < place {
                return Ok(false);
            }
            file.seek(SeekFrom::Start(place))?;
            self.progress.read.set(place);
            (self.start, self.end, self.position, self.overlong_from) = (0, 0, place, None);
            return Ok(true);
        }
        while self.position < place {
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
                if self.fill()? == 0 {
                    return Ok(false);
                }
            }
            let left = usize::try_from(place - self.position).unwrap_or(usize::MAX);
            self.consume(left.min(self.end - self.start));
        }
        Ok(true)
    }

    /// The next line; `None` when there is no whole one now.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut looked_at = 0;
        loop {
            let unseen = &self.buffer[self.start + looked_at..self.end];
            if let Some(found) = memchr(b'\n', unseen) {
                return Ok(Some(self.line(looked_at + found, 1)));
            }
            looked_at = self.end - self.start;
            if looked_at > LINE_BYTES_MAX {
                self.overlong_from.get_or_insert(self.position);
                self.consume(looked_at);
                looked_at = 0;
            }
            if self.fill()? == 0 {
                let is_something = looked_at > 0 || self.overlong_from.is_some();
                let ends = self.end_is_line_end && self.broken.is_none() && is_something;
                return Ok(ends.then(|| self.line(looked_at, 0)));
            }
        }
    }

    /// Whether the beginning that was looked at holds no end of a line.
    pub(super) fn begins_overlong(&self) -> bool {
        self.end >= HEAD_BYTES
    }

    /// Whether text without an end is left over.
    pub(super) fn has_unfinished(&self) -> bool {
        self.start < self.end || self.overlong_from.is_some()
    }

    fn line(&mut self, bytes: usize, line_break: usize) -> Line<'_> {
        let (overlong_from, start, from) = (self.overlong_from.take(), self.start, self.position);
        self.consume(bytes + line_break);
        let is_too_long = overlong_from.is_some() || bytes > LINE_BYTES_MAX;
        let shown = if is_too_long { 0 } else { bytes };
        Line {
            bytes: &self.buffer[start..start + shown],
            is_too_long,
            from: overlong_from.unwrap_or(from),
            to: self.position,
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.position += u64::try_from(bytes).unwrap_or(0);
    }

    /// Reads more behind what is there. A compressed file that breaks off ends there.
    fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() || self.start == self.end {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.broken.is_some() {
            return Ok(0);
        }
        let read = match self.read.read(&mut self.buffer[self.end..]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.fill(),
            Err(error) if self.plain.is_none() && is_of_decoder(&error) => {
                self.broken = Some(error.to_string());
                0
            }
            Err(error) => return Err(error),
        };
        self.end += read;
        Ok(read)
    }
}

/// The first bytes of a stream, whether they are those of a compressed file, and the rest.
pub(super) fn begun<R: Read>(mut stream: R) -> io::Result<(io::Cursor<Vec<u8>>, bool, R)> {
    let mut magic = [0; 4];
    let found = read_up_to(&mut stream, &mut magic)?;
    let begin = &magic[..found];
    let is_packed = begin.starts_with(GZIP) || begin.starts_with(ZSTD);
    Ok((io::Cursor::new(begin.to_vec()), is_packed, stream))
}

/// Text as it was before it was packed, by the first bytes of what it became.
fn unpacked(packed: impl Read + 'static, magic: [u8; 4]) -> io::Result<Box<dyn Read>> {
    Ok(if magic.starts_with(GZIP) {
        Box::new(Members::new(io::BufReader::with_capacity(BUFFER_BYTES, packed)))
    } else {
        Box::new(zstd::stream::read::Decoder::new(packed)?)
    })
}

/// The members of a gzip file one behind the other (RFC 1952, 2.2). Zeros behind the last one, as tapes and block
/// devices leave them, are no damage; anything else is.
struct Members<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(packed: R) -> Members<R> {
        Members { member: Some(GzDecoder::new(packed)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            match member.read(buffer) {
                Ok(0) if !buffer.is_empty() => {}
                done => {
                    self.member = Some(member);
                    return done;
                }
            }
            let mut rest = member.into_inner();
            if !is_at_end(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Whether nothing comes any more, or zeros alone.
fn is_at_end(rest: &mut impl BufRead) -> io::Result<bool> {
    let mut is_padded = false;
    loop {
        let found = rest.fill_buf()?;
        let zeros = found.iter().take_while(|byte| **byte == 0).count();
        match (found.is_empty(), zeros == found.len()) {
            (true, _) => return Ok(true),
            (false, true) => is_padded = true,
            (false, false) if is_padded || zeros > 0 => {
                let what = "there is something else behind its end";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            (false, false) => return Ok(false),
        }
        rest.consume(zeros);
    }
}

/// Whether the bytes are at fault, and not the disk.
fn is_of_decoder(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// See [`Source::head`]; `is_all` says that nothing follows, so that a first line without an end is one. A later
/// one names no log: it may have been half written when it was counted.
pub(super) fn head_of(text: &[u8], is_all: bool) -> Vec<u64> {
    let mut hasher = SipHasher24::new();
    let mut head = Vec::new();
    for line in text[..text.len().min(HEAD_BYTES)].split_inclusive(|b| *b == b'\n').take(HEAD_LINES) {
        let is_only = is_all && head.is_empty();
        let (content, is_whole) = line.strip_suffix(b"\n").map_or((line, is_only), |line| (line, true));
        if !is_whole {
            break;
        }
        hasher.write(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        hasher.write(content);
        head.push(hasher.finish());
    }
    head
}

fn first_of(text: &[u8]) -> Option<FirstLine> {
    let mut from = 0;
    for line in text.split(|b| *b == b'\n').take(HEAD_LINES) {
        if let Ok(LogLine { at, .. }) = log::parse(line) {
            return Some(FirstLine { at, from, hash: hash_of(without_return(line)) });
        }
        from += u64::try_from(line.len()).ok()? + 1;
    }
    None
}

/// A line as it is with either line end.
pub(super) fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What a line is known by where a log is gone on with.
pub(super) fn hash_of(line: &[u8]) -> u64 {
    SipHasher24::new().hash(line)
}

fn read_up_to(read: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const TEXT: &[u8] = b"one\ntwo\r\n\nfour\nunfinished";

    fn lines(source: &mut Source) -> Vec<(u64, u64, String)> {
        let mut all = Vec::new();
        while let Some(line) = source.next().expect("reads") {
            all.push((line.from, line.to, String::from_utf8_lossy(line.bytes).into_owned()));
        }
        all
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn file(bytes: &[u8]) -> Source {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("room");
        Source::of_file(file, u64::try_from(bytes.len()).expect("small")).expect("opens")
    }

    #[test]
    fn plain_gzip_and_zstd_have_the_same_lines_places_and_names() {
        let mut plain = file(TEXT);
        let (head, _) = plain.head().expect("reads");
        let expected = lines(&mut plain);
        assert_eq!(expected.len(), 4);
        assert_eq!(expected[1], (4, 9, "two\r".to_owned()));
        assert!(plain.has_unfinished());
        let halves = [gzip(&TEXT[..6]), gzip(&TEXT[6..])].concat();
        for packed in [gzip(TEXT), halves, zstd::encode_all(TEXT, 0).expect("memory")] {
            let mut source = file(&packed);
            assert_eq!(source.head().expect("reads").0[..4], head);
            let mut found = lines(&mut source);
            assert_eq!(found.pop(), Some((15, 25, "unfinished".to_owned())), "an archive is whole");
            assert_eq!(found, expected);
        }
        let mut stream = Source::of_stream(io::Cursor::new(TEXT), 0).expect("opens");
        assert!(stream.go_to(4).expect("reads"));
        assert_eq!(lines(&mut stream).len(), 4);
        assert!(!stream.go_to(26).expect("reads"));
    }

    #[test]
    fn a_growing_file_gives_its_lines_as_they_become_whole() {
        let mut written = tempfile::NamedTempFile::new().expect("a file");
        written.write_all(b"one\ntw").expect("room");
        let mut source = Source::open(written.path()).expect("opens");
        assert_eq!(lines(&mut source), [(0, 4, "one".to_owned())]);
        written.write_all(b"o\n").expect("room");
        assert_eq!(lines(&mut source), [(4, 8, "two".to_owned())]);
        assert!(!source.has_unfinished());
        assert!(source.go_to(4).expect("seeks") && !source.go_to(9).expect("seeks"));
        assert!(source.go_to(4).expect("seeks"));
        assert_eq!(lines(&mut source), [(4, 8, "two".to_owned())]);
    }

    #[test]
    fn an_endless_line_is_passed_over_without_being_held() {
        let mut text = b"one\n".to_vec();
        text.resize(10 << 20, b'x');
        text.extend_from_slice(b"\nthree\n");
        text.resize(text.len() + LINE_BYTES_MAX + 1, b'y');
        let mut source = Source::of_stream(io::Cursor::new(text), 0).expect("opens");
        source.next().expect("reads").expect("one");
        let long = source.next().expect("reads").expect("two");
        assert!(long.is_too_long && long.bytes.is_empty());
        assert_eq!((long.from, long.to), (4, (10 << 20) + 1));
        assert_eq!(source.next().expect("reads").expect("three").bytes, b"three");
        assert!(source.next().expect("reads").expect("four").is_too_long);
        assert!(source.next().expect("reads").is_none());
        assert_eq!(source.buffer.len(), BUFFER_BYTES);
    }

    #[test]
    fn an_archive_that_breaks_off_gives_its_whole_lines_and_says_so() {
        let text: Vec<u8> =
            (0..5_000).flat_map(|n| format!("line {n} {:x}\n", n * 7_919).into_bytes()).collect();
        for packed in [gzip(&text), zstd::encode_all(&text[..], 0).expect("memory")] {
            let mut source = file(&packed[..packed.len() / 2]);
            let found = lines(&mut source);
            assert!(source.broken.is_some() && found.len() < 5_000, "{}", found.len());
            assert!(found.iter().enumerate().all(|(n, line)| line.2 == format!("line {n} {:x}", n * 7_919)));
        }
    }

    #[test]
    fn zeros_behind_a_gzip_file_are_no_damage_and_anything_else_is() {
        let padded = |padding: &[u8]| [&gzip(TEXT)[..], padding].concat();
        let mut whole = file(&padded(&vec![0; 100_000]));
        assert_eq!((lines(&mut whole).len(), whole.broken.take()), (5, None));
        let mut twice = file(&[padded(&[]), gzip(b"\nlast\n")].concat());
        assert_eq!((lines(&mut twice).len(), twice.broken.take()), (6, None));
        for garbage in [&b"x"[..], &[0, 0, 1], &[0x1f, 0x8b]] {
            let mut source = file(&padded(garbage));
            assert!(source.damage(&mut |_| {}).expect("reads").is_some(), "{garbage:?}");
        }
    }

    #[test]
    fn a_log_keeps_its_name_while_it_grows_and_others_have_others() {
        let head = |text: &[u8]| head_of(text, false);
        assert_eq!(head(TEXT)[..1], head(b"one\n")[..]);
        assert_ne!(head(TEXT), head(b"one\ntwo\n\nfour\n"));
        assert!(head(b"unfinished").is_empty());
        assert_eq!(head(&b"same\n".repeat(100)).len(), HEAD_LINES);
    }
}
