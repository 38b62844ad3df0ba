//! How our words are written into columns, and read from them.
//!
//! A day is `YYYY-MM-DD`, a stream 16 hex digits, a moment milliseconds since the epoch. A column
//! that does not hold such a word is an error of the file, never a default.

use std::error::Error;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use super::Sequence;
use super::reason::Reason;
use crate::details::Dimension;
use crate::words::{Day, Figure, PagePath, SiteId, StreamId, UnixMillis};

fn unreadable(error: impl Error + Send + Sync + 'static) -> FromSqlError {
    FromSqlError::Other(Box::new(error))
}

impl ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Day> {
        value.as_str()?.parse().map_err(unreadable)
    }
}

impl ToSql for StreamId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for StreamId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<StreamId> {
        u64::from_str_radix(value.as_str()?, 16).map(StreamId).map_err(unreadable)
    }
}

impl ToSql for SiteId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for SiteId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<SiteId> {
        SiteId::parse(value.as_str()?).map_err(unreadable)
    }
}

impl ToSql for PagePath {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for PagePath {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<PagePath> {
        value.as_str().map(PagePath::from_folded)
    }
}

impl ToSql for UnixMillis {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for UnixMillis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<UnixMillis> {
        u64::column_result(value).map(UnixMillis)
    }
}

impl ToSql for Sequence {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Sequence {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Sequence> {
        u64::column_result(value).map(Sequence)
    }
}

impl ToSql for Figure {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Figure {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Figure> {
        match value.as_str()? {
            "views" => Ok(Figure::Views),
            "visits" => Ok(Figure::Visits),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl ToSql for Dimension {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Dimension {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Dimension> {
        Dimension::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Reason {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Reason {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Reason> {
        Reason::parse(value.as_str()?).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn round_trip<T: ToSql + FromSql + PartialEq + std::fmt::Debug>(word: &T, written: &str) {
        let connection = Connection::open_in_memory().expect("memory");
        let read = connection
            .query_row("SELECT ?1, CAST(?1 AS TEXT)", [word], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("its own column");
        assert_eq!((word, written.to_owned()), (&read.0, read.1));
    }

    #[test]
    fn words_are_written_for_human_eyes_and_read_back() {
        round_trip(&"2026-11-22".parse::<Day>().expect("a date"), "2026-11-22");
        round_trip(&Day(0), "1970-01-01");
        round_trip(&StreamId(u64::MAX), "ffffffffffffffff");
        round_trip(&StreamId(10), "000000000000000a");
        round_trip(&SiteId::parse("vks.example.vn").expect("an id"), "vks.example.vn");
        round_trip(&PagePath::from_folded("/tin-tức"), "/tin-tức");
        round_trip(&UnixMillis(1_790_000_000_000), "1790000000000");
        round_trip(&Figure::Visits, "visits");
        round_trip(&Figure::Views, "views");
        round_trip(&Dimension::Campaign, "campaign");
        round_trip(&Reason::parse("chuyển từ máy cũ").expect("a reason"), "chuyển từ máy cũ");
    }

    #[test]
    fn columns_that_hold_something_else_are_errors() {
        let connection = Connection::open_in_memory().expect("memory");
        let read = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Day>(0));
        assert!(read("SELECT '2026-13-01'").is_err());
        assert!(read("SELECT NULL").is_err());
        assert!(read("SELECT 20").is_err());
        assert!(connection.query_row("SELECT 'hits'", [], |row| row.get::<_, Figure>(0)).is_err());
    }
}
