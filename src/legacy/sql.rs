//! Rows of a few tables out of a dump, as mysqldump, phpMyAdmin and their kin write it.
//!
//! This is no SQL: it knows `CREATE TABLE` for the names of columns, `INSERT` and `REPLACE … VALUES` for
//! rows, and passes over every other statement. It holds one row at a time. A value that is longer
//! than any counter's is read over, and an error only if a wanted table has it.

use std::collections::HashMap;
use std::io::{self, Read};

use super::{COUNT_MAX, LegacyError};

/// Longer than any value of a counter's table.
const VALUE_BYTES_MAX: usize = 1_024;
/// More than any counter's table has.
const COLUMNS_MAX: usize = 64;
/// More counters than one dump can sensibly hold.
const TABLES_MAX: usize = 256;
const BUFFER_BYTES: usize = 64 << 10;

/// Words that begin a part of a table's definition that is no column.
const NO_COLUMNS: [&str; 9] =
    ["PRIMARY", "UNIQUE", "KEY", "INDEX", "CONSTRAINT", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"];

/// One row of a wanted table.
pub(super) struct Row<'a> {
    /// The table's name, without that of its database.
    pub(super) table: &'a str,
    columns: &'a [String],
    values: &'a [Option<String>],
    line: u64,
}

impl Row<'_> {
    /// Whether the table has such a column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// The text of a column; empty for NULL and for a column that is not there.
    pub(super) fn text(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| self.values.get(place)?.as_deref()).unwrap_or("")
    }

    /// The number of a column.
    pub(super) fn number(&self, column: &str) -> Result<u64, LegacyError> {
        self.text(column).parse().map_err(|_| self.wrong(column, "which is no count"))
    }

    /// The number of a column that counts, within its bound.
    pub(super) fn count(&self, column: &str) -> Result<u64, LegacyError> {
        let count = self.number(column)?;
        if count > COUNT_MAX {
            return Err(self.wrong(column, &format!("and no counter has counted more than {COUNT_MAX}")));
        }
        Ok(count)
    }

    fn wrong(&self, column: &str, what: &str) -> LegacyError {
        let given: String = self.text(column).escape_debug().take(32).collect();
        let what = format!("{column} of {} is \"{given}\", {what}", self.table);
        LegacyError::Line { line: self.line, what }
    }
}

/// Hands every row of the tables that are `wanted` to `take`.
pub(super) fn rows(
    input: &mut dyn Read,
    wanted: fn(&str) -> bool,
    take: &mut dyn FnMut(&Row<'_>) -> Result<(), LegacyError>,
) -> Result<(), LegacyError> {
    let mut reader = Reader { lexer: Lexer::new(input), wanted, columns: HashMap::new() };
    while let Some(token) = reader.lexer.next()? {
        match token {
            Token::Punctuation(b';') => {}
            Token::Word if reader.lexer.is("CREATE") => reader.create()?,
            Token::Word if reader.lexer.is("INSERT") || reader.lexer.is("REPLACE") => reader.insert(take)?,
            Token::Word | Token::Punctuation(b'(') => reader.lexer.skip_statement()?,
            _ => {
                return Err(LegacyError::NotOf {
                    wanted: "SQL dump: a statement does not begin with a word",
                });
            }
        }
    }
    if reader.lexer.begins_as_dump && !reader.lexer.ends_as_dump {
        return Err(LegacyError::CutShort { within: "a dump that says at its end that it is complete" });
    }
    Ok(())
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    wanted: fn(&str) -> bool,
    columns: HashMap<String, Vec<String>>,
}

impl Reader<'_> {
    /// Behind `CREATE`: remembers the columns of a wanted table.
    fn create(&mut self) -> Result<(), LegacyError> {
        let is_table = self.lexer.need()? == Token::Word && self.lexer.is("TABLE");
        if !is_table {
            return self.lexer.skip_statement();
        }
        let mut token = self.lexer.need()?;
        while token == Token::Word && ["IF", "NOT", "EXISTS"].iter().any(|word| self.lexer.is(word)) {
            token = self.lexer.need()?;
        }
        let (table, token) = self.name(token)?;
        if !(self.wanted)(&table) || token != Token::Punctuation(b'(') {
            return self.lexer.skip_rest(token);
        }
        let columns = self.definitions()?;
        if self.columns.len() >= TABLES_MAX {
            return Err(LegacyError::TooMany { max: TABLES_MAX, what: "counters" });
        }
        self.columns.insert(table, columns);
        self.lexer.skip_statement()
    }

    /// The first names of the definitions up to the closing bracket.
    fn definitions(&mut self) -> Result<Vec<String>, LegacyError> {
        let mut columns = Vec::new();
        let (mut depth, mut is_first) = (1_u32, true);
        while depth > 0 {
            let token = self.lexer.need()?;
            let is_plain = token == Token::Word && !NO_COLUMNS.iter().any(|word| self.lexer.is(word));
            if is_first && (token == Token::Name || is_plain) && columns.len() < COLUMNS_MAX {
                columns.push(self.lexer.text());
            }
            is_first = token == Token::Punctuation(b',') && depth == 1;
            match token {
                Token::Punctuation(b'(') => depth += 1,
                Token::Punctuation(b')') => depth -= 1,
                _ => {}
            }
        }
        Ok(columns)
    }

    /// Behind `INSERT`: hands out the rows of a wanted table.
    fn insert(
        &mut self,
        take: &mut dyn FnMut(&Row<'_>) -> Result<(), LegacyError>,
    ) -> Result<(), LegacyError> {
        while !(self.lexer.need()? == Token::Word && self.lexer.is("INTO")) {}
        let token = self.lexer.need()?;
        let (table, mut token) = self.name(token)?;
        if !(self.wanted)(&table) {
            return self.lexer.skip_rest(token);
        }
        let mut columns = self.columns.get(&table).cloned();
        if token == Token::Punctuation(b'(') {
            columns = Some(self.definitions()?);
            token = self.lexer.need()?;
        }
        if !(token == Token::Word && (self.lexer.is("VALUES") || self.lexer.is("VALUE"))) {
            return Err(self.lexer.wrong("VALUES is missing"));
        }
        let line = self.lexer.line;
        let Some(columns) = columns else { return Err(LegacyError::NoColumns { line, table }) };
        loop {
            if self.lexer.need()? != Token::Punctuation(b'(') {
                return Err(self.lexer.wrong("a row does not begin with a bracket"));
            }
            let values = self.values()?;
            if values.len() != columns.len() {
                let (found, wanted) = (values.len(), columns.len());
                return Err(self.lexer.wrong(&format!("a row of {table} has {found} values, not {wanted}")));
            }
            take(&Row { table: &table, columns: &columns, values: &values, line: self.lexer.line })?;
            match self.lexer.need()? {
                Token::Punctuation(b',') => {}
                token => return self.lexer.skip_rest(token),
            }
        }
    }

    /// The values up to the closing bracket.
    fn values(&mut self) -> Result<Vec<Option<String>>, LegacyError> {
        let mut values = Vec::new();
        loop {
            let mut token = self.lexer.need()?;
            // The name of a character set may stand before a text.
            if token == Token::Word && self.lexer.text.first() == Some(&b'_') {
                token = self.lexer.need()?;
            }
            let value = match token {
                Token::Text | Token::Number => Some(self.lexer.text()),
                Token::Word if self.lexer.is("NULL") || self.lexer.is("DEFAULT") => None,
                _ => return Err(self.lexer.wrong("a value is not written out")),
            };
            if self.lexer.is_long || values.len() >= COLUMNS_MAX {
                return Err(self.lexer.wrong("a row is longer than any of a counter"));
            }
            values.push(value);
            match self.lexer.need()? {
                Token::Punctuation(b',') => {}
                Token::Punctuation(b')') => return Ok(values),
                _ => return Err(self.lexer.wrong("a comma or a bracket is missing behind a value")),
            }
        }
    }

    /// The name of a table that begins with `token`, without that of its database, and the token behind.
    fn name(&mut self, mut token: Token) -> Result<(String, Token), LegacyError> {
        loop {
            if !matches!(token, Token::Word | Token::Name | Token::Text) {
                return Err(self.lexer.wrong("the name of a table is missing"));
            }
            let name = self.lexer.text();
            token = self.lexer.need()?;
            if token != Token::Punctuation(b'.') {
                return Ok((name, token));
            }
            token = self.lexer.need()?;
        }
    }
}

/// A piece of a statement; its text, if it has one, is in the lexer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Word,
    /// In backquotes.
    Name,
    /// In quotes.
    Text,
    Number,
    Punctuation(u8),
}

struct Lexer<'a> {
    input: &'a mut dyn Read,
    buffer: Box<[u8]>,
    at: usize,
    filled: usize,
    line: u64,
    /// The text of the latest token, up to a bound.
    text: Vec<u8>,
    /// The latest token is longer than that.
    is_long: bool,
    begins_as_dump: bool,
    ends_as_dump: bool,
}

impl<'a> Lexer<'a> {
    fn new(input: &'a mut dyn Read) -> Lexer<'a> {
        Lexer {
            input,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            at: 0,
            filled: 0,
            line: 1,
            text: Vec::new(),
            is_long: false,
            begins_as_dump: false,
            ends_as_dump: false,
        }
    }

    /// The next token; none at the end of the file.
    fn next(&mut self) -> Result<Option<Token>, LegacyError> {
        self.text.clear();
        self.is_long = false;
        while let Some(byte) = self.byte()? {
            let token = match byte {
                b'#' => self.comment_line()?,
                b'-' if self.peek()? == Some(b'-') => self.comment_line()?,
                b'/' if self.peek()? == Some(b'*') => self.comment()?,
                b'\'' | b'"' => Some(self.quoted(byte, Token::Text)?),
                b'`' => Some(self.quoted(byte, Token::Name)?),
                b'-' | b'+' | b'0'..=b'9' => Some(self.run(byte, Token::Number)?),
                byte if is_wordly(byte) => Some(self.run(byte, Token::Word)?),
                byte if byte.is_ascii_whitespace() => None,
                byte => Some(Token::Punctuation(byte)),
            };
            if token.is_some() {
                return Ok(token);
            }
        }
        Ok(None)
    }

    /// The next token of a statement that has begun.
    fn need(&mut self) -> Result<Token, LegacyError> {
        self.next()?.ok_or(LegacyError::CutShort { within: "a statement" })
    }

    /// Whether the latest token is this word, in either case.
    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    fn wrong(&self, what: &str) -> LegacyError {
        LegacyError::Line { line: self.line, what: what.to_owned() }
    }

    /// Passes over what is left of a statement behind `token`.
    fn skip_rest(&mut self, token: Token) -> Result<(), LegacyError> {
        if token == Token::Punctuation(b';') { Ok(()) } else { self.skip_statement() }
    }

    fn skip_statement(&mut self) -> Result<(), LegacyError> {
        while self.need()? != Token::Punctuation(b';') {}
        Ok(())
    }

    /// To the end of the line. What it says may be that a dump begins, or that it is complete.
    fn comment_line(&mut self) -> Result<Option<Token>, LegacyError> {
        while let Some(byte) = self.byte()?.filter(|byte| *byte != b'\n') {
            self.keep(byte);
        }
        let says = |words: &[u8]| self.text.windows(words.len()).any(|window| window == words);
        self.begins_as_dump |= says(b" MySQL dump ") || says(b" MariaDB dump ");
        self.ends_as_dump |= says(b" Dump completed");
        self.text.clear();
        self.is_long = false;
        Ok(None)
    }

    fn comment(&mut self) -> Result<Option<Token>, LegacyError> {
        let mut before = 0;
        self.byte()?;
        loop {
            let byte = self.byte()?.ok_or(LegacyError::CutShort { within: "a comment" })?;
            if before == b'*' && byte == b'/' {
                return Ok(None);
            }
            before = byte;
        }
    }

    /// A text or a name, without its quotes and escapes.
    fn quoted(&mut self, quote: u8, token: Token) -> Result<Token, LegacyError> {
        let cut = LegacyError::CutShort { within: "a text" };
        loop {
            let Some(byte) = self.byte()? else { return Err(cut) };
            if byte == b'\\' && quote != b'`' {
                let Some(escaped) = self.byte()? else { return Err(cut) };
                self.keep(unescaped(escaped));
            } else if byte != quote {
                self.keep(byte);
            } else if self.peek()? == Some(quote) {
                self.byte()?;
                self.keep(quote);
            } else {
                return Ok(token);
            }
        }
    }

    /// A word or a number that begins with `first`.
    fn run(&mut self, first: u8, token: Token) -> Result<Token, LegacyError> {
        self.keep(first);
        while let Some(byte) =
            self.peek()?.filter(|b| is_wordly(*b) || (token == Token::Number && *b == b'.'))
        {
            self.keep(byte);
            self.byte()?;
        }
        Ok(token)
    }

    fn keep(&mut self, byte: u8) {
        if self.text.len() < VALUE_BYTES_MAX {
            self.text.push(byte);
        } else {
            self.is_long = true;
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, LegacyError> {
        let byte = self.peek()?;
        self.at += usize::from(byte.is_some());
        self.line += u64::from(byte == Some(b'\n'));
        Ok(byte)
    }

    fn peek(&mut self) -> Result<Option<u8>, LegacyError> {
        while self.at >= self.filled {
            (self.at, self.filled) = (0, 0);
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(bytes) => self.filled = bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.buffer.get(self.at).copied())
    }
}

fn is_wordly(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_$@".contains(&byte) || !byte.is_ascii()
}

/// What a backslash and this byte stand for, as `MySQL`'s manual lists it ("String Literals").
fn unescaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 26,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rows of tables that begin with `t`: `table|column=value,…`.
    fn read(dump: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        let mut bytes = dump.as_bytes();
        let wanted = |name: &str| name.starts_with('t');
        let done = rows(&mut bytes, wanted, &mut |row| {
            let cells = row.columns.iter().map(|column| format!("{column}={}", row.text(column)));
            found.push(format!("{}|{}", row.table, cells.collect::<Vec<_>>().join(",")));
            Ok(())
        });
        done.map(|()| found).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_found_however_a_dump_writes_them() {
        let dump = r#"
-- a comment; with a 'quote
# another "one
/*!40101 SET NAMES utf8 */;
SET @x = 'a;b';
CREATE TABLE IF NOT EXISTS `db`.`t1` (
  `id` int(10,2) NOT NULL DEFAULT '0' COMMENT 'a, (b',
  name varchar(5), PRIMARY KEY (`id`), KEY `k` (`name`)
) ENGINE=MyISAM;
insert ignore into t1 values (1,'it''s'),( -2 , "x\"y;" );
INSERT INTO `t1` VALUES (3,_utf8'\n\\''');
REPLACE INTO `other` VALUES (1,'(;'),(f(x));
INSERT INTO "db"."t2" (`a`, b) VALUE (NULL, 0x1F);
"#;
        let rows = read(dump).expect("is a dump");
        let expected = ["t1|id=1,name=it's", "t1|id=-2,name=x\"y;", "t1|id=3,name=\n\\'", "t2|a=,b=0x1F"];
        assert_eq!(rows, expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (dump, words) in [
            ("INSERT INTO t VALUES (1);", "line 1: the columns of t are not named; export it with"),
            ("INSERT INTO t (a)\nVALUES (1,2);", "line 2: a row of t has 2 values, not 1"),
            ("INSERT INTO t (a) VALUES (NOW());", "line 1: a value is not written out"),
            ("INSERT INTO t (a) SELECT 1;", "line 1: VALUES is missing"),
            ("INSERT INTO t (a) VALUES (1 2);", "line 1: a comma or a bracket is missing"),
            ("INSERT INTO t (a) VALUES (1), 2;", "line 1: a row does not begin with a bracket"),
            ("INSERT INTO t (a) VALUES (1)", "is cut short: it ends within a statement"),
            ("INSERT INTO t (a) VALUES (1),", "is cut short: it ends within a statement"),
            ("INSERT INTO t (a) VALUES ('1", "is cut short: it ends within a text"),
            ("<html>;", "is no SQL dump: a statement does not begin with a word"),
            ("/* x", "is cut short: it ends within a comment"),
            ("-- MySQL dump 10.13\nSET x=1;", "is cut short: it ends within a dump that says at its end"),
        ] {
            let error = read(dump).expect_err("must be refused");
            assert!(error.contains(words), "{dump}: {error}");
        }
        let long = format!("INSERT INTO t (a) VALUES ('{}');", "x".repeat(VALUE_BYTES_MAX + 1));
        assert!(read(&long).expect_err("must be refused").contains("longer than any of a counter"));
        assert_eq!(read(&long.replace("INTO t", "INTO other")), Ok(Vec::new()));
        assert_eq!(read("-- MariaDB dump 10.19\n-- Dump completed on 2026-01-01\n"), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_went_in(text in any::<String>()) {
            let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
            let rows = read(&format!("INSERT INTO t (a) VALUES ('{escaped}');"));
            prop_assert_eq!(rows, Ok(vec![format!("t|a={text}")]));
        }

        #[test]
        fn no_statement_makes_it_panic(dump in "(INSERT|INTO|CREATE|TABLE|VALUES|t|`|'|\"|\\(|\\)|,|;|1|--|/\\*|\\*/|#|\\\\|\n| ){0,40}") {
            read(&dump).ok();
        }
    }
}
