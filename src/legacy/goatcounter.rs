//! `GoatCounter`: its CSV export of pageviews, versions 1 and 2, gzipped or not.
//!
//! The first line names the columns, with the version before the first name: `2Path,Title,Event,…`.
//! A row is a view, unless `Event` is true or `Bot` is not 0. `Session` names who viewed for some hours, so
//! the first row of a session is a visit, on its day and of its page; rows without a session (it is
//! empty or 0) are visits where `FirstVisit` says so. `Date` is RFC 3339. (Source: `export.go`, later
//! `exportcsv.go`.)

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};

use csv_core::ReadRecordResult;

use super::{Days, LegacyError, Setting, System, Totals};
use crate::words::Tally;

pub(super) static SYSTEM: System = System {
    name: "goatcounter",
    about: "GoatCounter: its CSV export (.csv or .csv.gz); pageviews become views, sessions visits, with days \
            and pages",
    read,
};

/// Longer than any row: a path, a title and a referrer have at most 2 KiB each there.
const ROW_BYTES_MAX: usize = 64 << 10;
/// More than any version has.
const COLUMNS_MAX: usize = 64;
/// 16 bytes each, and as much again for the table.
const SESSIONS_MAX: usize = 20_000_000;

const WANTED: LegacyError =
    LegacyError::NotOf { wanted: "CSV export of GoatCounter: its first line begins with 2Path,Title,Event" };

fn read(input: &mut dyn Read, setting: &Setting<'_>) -> Result<Totals, LegacyError> {
    let mut table = Table::new(input);
    let Some(()) = table.next()? else { return Err(WANTED) };
    let columns = Columns::of(&table)?;
    let mut export = Export::new(setting);
    while table.next()?.is_some() {
        export.take(&table, &columns)?;
    }
    Ok(export.finish())
}

/// The places of the columns that are looked at.
struct Columns {
    count: usize,
    path: usize,
    event: usize,
    session: usize,
    bot: usize,
    first_visit: usize,
    date: usize,
}

impl Columns {
    fn of(header: &Table<'_>) -> Result<Columns, LegacyError> {
        let first = header.field(0);
        let version = first.trim_start_matches('\u{feff}').strip_suffix("Path").ok_or(WANTED)?;
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
            return Err(WANTED);
        }
        if !["1", "2"].contains(&version) {
            let found = version.chars().take(16).collect();
            return Err(LegacyError::Version { found, known: "versions 1 and 2" });
        }
        let place = |name: &str| (0..header.len()).find(|place| header.field(*place) == name).ok_or(WANTED);
        Ok(Columns {
            count: header.len(),
            path: 0,
            event: place("Event")?,
            session: place("Session")?,
            bot: place("Bot")?,
            first_visit: place("FirstVisit")?,
            date: place("Date")?,
        })
    }
}

/// What was found so far.
struct Export<'a> {
    setting: &'a Setting<'a>,
    days: Days<'a>,
    totals: Totals,
    sessions: HashSet<u64>,
    events: u64,
    bots: u64,
    no_page: u64,
}

impl<'a> Export<'a> {
    fn new(setting: &'a Setting<'a>) -> Export<'a> {
        Export {
            setting,
            days: Days::new(setting),
            totals: Totals::default(),
            sessions: HashSet::new(),
            events: 0,
            bots: 0,
            no_page: 0,
        }
    }

    fn take(&mut self, row: &Table<'_>, columns: &Columns) -> Result<(), LegacyError> {
        if row.len() != columns.count {
            return Err(row.wrong(format!("{} fields, not {}", row.len(), columns.count)));
        }
        let date = row.field(columns.date);
        let at: jiff::Timestamp =
            date.parse().map_err(|_| row.wrong(format!("\"{}\" is no date", cut(&date))))?;
        if is_true(&row.field(columns.event)) {
            self.events += 1;
            return Ok(());
        }
        if row.field(columns.bot) != "0" {
            self.bots += 1;
            return Ok(());
        }
        let is_visit = self.is_visit(&row.field(columns.session), &row.field(columns.first_visit))?;
        let tally = Tally { views: 1, visits: u64::from(is_visit) };
        self.totals.add(self.days.of(at.as_second()), tally);
        let path = row.field(columns.path);
        self.no_page += u64::from(!self.totals.add_page(&path, self.setting, tally));
        Ok(())
    }

    fn is_visit(&mut self, session: &str, first_visit: &str) -> Result<bool, LegacyError> {
        if session.bytes().all(|b| b == b'0' || b == b'-') {
            return Ok(is_true(first_visit));
        }
        if self.sessions.len() >= SESSIONS_MAX {
            return Err(LegacyError::TooMany { max: SESSIONS_MAX, what: "sessions" });
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(session.as_bytes());
        Ok(self.sessions.insert(hasher.finish()))
    }

    fn finish(self) -> Totals {
        let mut totals = self.totals;
        totals.note(self.events, "events are no views and were not taken");
        totals.note(self.bots, "views of robots were not taken");
        totals.note(self.no_page, "views have a path that is no page; they count for the site alone");
        totals.note(self.days.absurd, "views have no possible date; they count for the total alone");
        totals
    }
}

/// Whether a field says yes, in the words of either database that may be behind it.
fn is_true(field: &str) -> bool {
    ["true", "1", "t"].contains(&field)
}

fn cut(text: &str) -> String {
    text.escape_debug().take(40).collect()
}

/// A table of commas, one row at a time in bounded memory.
struct Table<'a> {
    input: &'a mut dyn Read,
    reader: csv_core::Reader,
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    row: Vec<u8>,
    ends: [usize; COLUMNS_MAX],
    fields: usize,
    line: u64,
}

impl<'a> Table<'a> {
    fn new(input: &'a mut dyn Read) -> Table<'a> {
        Table {
            input,
            reader: csv_core::Reader::new(),
            buffer: vec![0; ROW_BYTES_MAX],
            at: 0,
            filled: 0,
            row: vec![0; ROW_BYTES_MAX],
            ends: [0; COLUMNS_MAX],
            fields: 0,
            line: 1,
        }
    }

    /// Reads the next row; none at the end of the file.
    fn next(&mut self) -> Result<Option<()>, LegacyError> {
        let (mut written, mut ended) = (0, 0);
        self.line = self.reader.line();
        loop {
            if self.at >= self.filled {
                self.at = 0;
                self.filled = self.fill()?;
            }
            let (input, row) = (&self.buffer[self.at..self.filled], &mut self.row[written..]);
            let is_end = input.is_empty();
            let (result, bytes, more, ends) = self.reader.read_record(input, row, &mut self.ends[ended..]);
            self.at += bytes;
            written += more;
            ended += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record if is_end => {
                    // Every row of an export ends with its line.
                    return Err(LegacyError::CutShort { within: "a row" });
                }
                ReadRecordResult::Record => {
                    self.fields = ended;
                    return Ok(Some(()));
                }
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(self.wrong("the row is longer than any of GoatCounter".to_owned()));
                }
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        loop {
            match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// How many fields the row has.
    fn len(&self) -> usize {
        self.fields
    }

    /// A field of the row; empty behind its end.
    fn field(&self, place: usize) -> std::borrow::Cow<'_, str> {
        let ends = &self.ends[..self.fields];
        let begin = place.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let bytes = ends.get(place).and_then(|end| self.row.get(begin..*end)).unwrap_or_default();
        String::from_utf8_lossy(bytes)
    }

    fn wrong(&self, what: String) -> LegacyError {
        LegacyError::Line { line: self.line, what }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{days, pages, read};
    use super::*;

    const HEADER: &str = "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,\
                          Screen size,Location,FirstVisit,Date\n";

    fn row(path: &str, session: &str, date: &str) -> String {
        format!("{path},T,false,,Firefox 140,Linux,{session},0,,,\"1920,1080,1\",VN,false,{date}\n")
    }

    #[test]
    fn the_sample_gives_views_visits_days_and_pages() {
        let totals = read(&SYSTEM, include_bytes!("../../tests/data/goatcounter.csv")).expect("is an export");
        assert_eq!(totals.total, Tally { views: 6, visits: 4 });
        let expected = [("2026-11-20", 3, 2), ("2026-11-21", 2, 1), ("2026-11-22", 1, 1)];
        assert_eq!(days(&totals), expected.map(|(day, views, visits)| (day.to_owned(), views, visits)));
        assert_eq!(pages(&totals), [("/", 3, 2), ("/tin-tức", 2, 1)]);
        assert_eq!(totals.undated(), Tally::default());
        assert_eq!(
            totals.notes,
            [
                "1 events are no views and were not taken",
                "2 views of robots were not taken",
                "1 views have a path that is no page; they count for the site alone"
            ]
        );
    }

    #[test]
    fn a_session_is_one_visit_on_the_day_that_it_began() {
        let text =
            [HEADER, &row("/a", "ab", "2026-11-20T16:59:59Z"), &row("/b", "ab", "2026-11-20T17:00:00Z")];
        let totals = read(&SYSTEM, text.concat().as_bytes()).expect("is an export");
        assert_eq!(days(&totals), [("2026-11-20".to_owned(), 1, 1), ("2026-11-21".to_owned(), 1, 0)]);
        assert_eq!(pages(&totals), [("/a", 1, 1), ("/b", 1, 0)]);
    }

    #[test]
    fn the_first_version_is_read_by_the_names_of_its_columns() {
        let text = "1Path,Title,Event,Bot,Session,FirstVisit,Referrer,Referrer scheme,Browser,Screen size,Location,Date\n\
                    /,Home,false,0,00000000-0000-0000-0000-000000000000,true,,,x,,VN,2020-03-01T00:00:00Z\n";
        let totals = read(&SYSTEM, text.as_bytes()).expect("is an export");
        assert_eq!(totals.total, Tally { views: 1, visits: 1 });
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = row("/", "ab", "2026-11-20T00:00:00Z");
        for (text, words) in [
            (
                "3Path,Title,Event\n".to_owned(),
                "is of version 3 of its format, and this headcount reads versions 1 and 2",
            ),
            ("Path,Title\n".to_owned(), "is no CSV export of GoatCounter"),
            ("2Path,Title\n".to_owned(), "is no CSV export of GoatCounter"),
            (format!("{HEADER}{good}/,x\n"), "line 3: 2 fields, not 14"),
            (
                format!("{HEADER}{}", good.replace("2026-11-20T", "yesterday ")),
                "line 2: \"yesterday 00:00:00Z\" is no date",
            ),
            (format!("{HEADER}{good}/,\"x"), "is cut short: it ends within a row"),
            (format!("{HEADER}{}", good.trim_end()), "is cut short: it ends within a row"),
            (
                format!("{HEADER}/,{},", "x".repeat(70_000)),
                "line 2: the row is longer than any of GoatCounter",
            ),
            (format!("{HEADER}{}", ",".repeat(100)), "line 2: the row is longer than any of GoatCounter"),
        ] {
            let error = read(&SYSTEM, text.as_bytes()).expect_err("must be refused");
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
