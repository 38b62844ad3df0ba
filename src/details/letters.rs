//! Languages and countries: two or three letters in a number.

use std::fmt;
use std::num::NonZeroU16;

/// Letters of five bits, the first in the lowest; 0 is no letter.
fn letters_wire(letters: &[u8]) -> Option<NonZeroU16> {
    let mut number = 0_u16;
    for letter in letters.iter().rev() {
        let letter = letter.to_ascii_lowercase();
        if !letter.is_ascii_lowercase() {
            return None;
        }
        number = number << 5 | u16::from(letter - b'a' + 1);
    }
    NonZeroU16::new(number)
}

/// What [`letters_wire`] made a number of, in lower case; trailing zeros where there is no letter.
fn letters(number: NonZeroU16) -> [u8; 3] {
    let five = |shift: u16| {
        let [bits, _] = (number.get() >> shift & 31).to_le_bytes();
        if bits == 0 { 0 } else { bits - 1 + b'a' }
    };
    [five(0), five(5), five(10)]
}

/// How many letters a number of the journal holds, if it holds letters from its beginning on.
fn letters_len(number: NonZeroU16) -> Option<usize> {
    let letters = letters(number);
    let len = letters.iter().take_while(|letter| **letter != 0).count();
    let sound = letters.iter().all(|letter| *letter == 0 || letter.is_ascii_lowercase());
    (sound && number.get() < 1 << 15 && letters[len..].iter().all(|letter| *letter == 0)).then_some(len)
}

/// The primary subtag of a BCP 47 language tag: 2 or 3 letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(NonZeroU16);

impl Language {
    /// The language of the first tag of an `Accept-Language` header; `None` for `*` and what is no tag.
    #[must_use]
    pub fn of_header(value: &[u8]) -> Option<Language> {
        let value = value.trim_ascii_start();
        let end = value.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(value.len());
        let (tag, behind) = value.split_at(end);
        let ends_well = matches!(behind, [] | [b'-' | b'_' | b',' | b';' | b' ', ..]);
        (ends_well && (2..=3).contains(&tag.len())).then(|| letters_wire(tag).map(Language)).flatten()
    }

    /// The number in the journal, never 0.
    #[must_use]
    pub fn wire(self) -> u16 {
        self.0.get()
    }

    /// The language behind a number of the journal, if it is one.
    #[must_use]
    pub fn from_wire(number: u16) -> Option<Language> {
        let number = NonZeroU16::new(number)?;
        letters_len(number).filter(|len| *len >= 2).map(|_| Language(number))
    }
}

impl fmt::Display for Language {
    /// In lower case: `vi`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_letters(self.0, f)
    }
}

/// Second letters of the codes of countries, by their first from A to Z: the 249 that ISO 3166-1 assigns
/// (as of 2026), and `XK` for Kosovo, which is left to users there and which all databases use.
const ASSIGNED: [&[u8]; 26] = [
    b"DEFGILMOQRSTUWXZ",
    b"ABDEFGHIJLMNOQRSTVWYZ",
    b"ACDFGHIKLMNORUVWXYZ",
    b"EJKMOZ",
    b"CEGHRST",
    b"IJKMOR",
    b"ABDEFGHILMNPQRSTUWY",
    b"KMNRTU",
    b"DELMNOQRST",
    b"EMOP",
    b"EGHIMNPRWYZ",
    b"ABCIKRSTUVY",
    b"ACDEFGHKLMNOPQRSTUVWXYZ",
    b"ACEFGILOPRUZ",
    b"M",
    b"AEFGHKLMNRSTWY",
    b"A",
    b"EOSUW",
    b"ABCDEGHIJKLMNORSTVXYZ",
    b"CDFGHJKLMNORTVWZ",
    b"AGMSYZ",
    b"ACEGINU",
    b"FS",
    b"K",
    b"ET",
    b"AMW",
];

/// Whether these two letters in upper case are assigned.
fn is_assigned([first, second]: [u8; 2]) -> bool {
    let row = first.checked_sub(b'A').and_then(|row| ASSIGNED.get(usize::from(row)));
    row.is_some_and(|row| row.contains(&second))
}

/// An ISO 3166-1 alpha-2 code that is assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(NonZeroU16);

impl Country {
    /// Parses a code in either case. Codes that are assigned to no country are none, such as those with which
    /// proxies say that they do not know (`XX`), that somebody comes from Tor (`T1`), or from somewhere in
    /// Europe (`EU`).
    #[must_use]
    pub fn parse(code: &[u8]) -> Option<Country> {
        let [first, second] = *code.trim_ascii() else { return None };
        let code = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        is_assigned(code).then(|| letters_wire(&code).map(Country)).flatten()
    }

    /// The number in the journal, never 0.
    #[must_use]
    pub fn wire(self) -> u16 {
        self.0.get()
    }

    /// The country behind a number of the journal, if it is one.
    #[must_use]
    pub fn from_wire(number: u16) -> Option<Country> {
        let number = NonZeroU16::new(number)?;
        letters_len(number).filter(|len| *len == 2)?;
        let [first, second, _] = letters(number);
        Country::parse(&[first, second])
    }
}

impl fmt::Display for Country {
    /// In upper case: `VN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut code = letters(self.0);
        code.make_ascii_uppercase();
        let code = code.get(..2).and_then(|code| str::from_utf8(code).ok());
        f.write_str(code.expect("made of two letters"))
    }
}

fn write_letters(number: NonZeroU16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let letters = letters(number);
    let len = letters_len(number).expect("made of letters");
    f.write_str(str::from_utf8(&letters[..len]).expect("made of letters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_of_a_header_counts() {
        let cases: [(&str, Option<&str>); 14] = [
            ("vi-VN,vi;q=0.9,en;q=0.8", Some("vi")),
            ("vi", Some("vi")),
            (" EN-us", Some("en")),
            ("zh_TW", Some("zh")),
            ("fil,en;q=0.5", Some("fil")),
            ("de;q=1", Some("de")),
            ("*", None),
            ("", None),
            ("v", None),
            ("viet", None),
            ("vi1", None),
            ("tiếng", None),
            ("i-klingon", None),
            ("en\u{1}", None),
        ];
        for (header, expected) in cases {
            let found = Language::of_header(header.as_bytes());
            assert_eq!(found.map(|language| language.to_string()).as_deref(), expected, "{header}");
            assert_eq!(found.and_then(|language| Language::from_wire(language.wire())), found);
        }
    }

    #[test]
    fn countries_are_those_of_the_standard() {
        for (code, expected) in [("vn", Some("VN")), ("VN", Some("VN")), (" us ", Some("US"))] {
            let found = Country::parse(code.as_bytes());
            assert_eq!(found.map(|country| country.to_string()).as_deref(), expected);
            assert_eq!(found.and_then(|country| Country::from_wire(country.wire())), found);
        }
        for code in [
            "XX", "T1", "EU", "UK", "ZZ", "AA", "QM", "AN", "SU", "AP", "", "V", "VNM", "v\n", "\u{1}A", "]A",
        ] {
            assert_eq!(Country::parse(code.as_bytes()), None, "{code}");
        }
        assert_eq!(ASSIGNED.iter().map(|row| row.len()).sum::<usize>(), 249 + 1);
        assert!(ASSIGNED.iter().all(|row| row.is_sorted() && row.iter().all(u8::is_ascii_uppercase)));
        let europe = letters_wire(b"EU").expect("letters").get();
        assert_eq!(Country::from_wire(europe), None, "of a journal of before");
    }
}
