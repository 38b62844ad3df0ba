//! What a view tells for reports besides its page, and the names that reports know it by.
//!
//! Everything here is small, bounded and borrowed: it lies on the way of a beacon. The numbers and words
//! are kept in the journal, the database and in exports, so they are never changed and never used again
//! for something else; new ones are added behind the last. Nothing here says who somebody is.

mod letters;
mod names;

use std::fmt;

pub use self::letters::{Country, Language};
pub use self::names::{Browser, Device, Screen, System};

/// What a view tells for reports. The default tells nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details<'a> {
    /// What the reader looks through and where they are.
    pub traits: Traits,
    /// The host of the page that linked here: lower case, without `www.`, at most
    /// [`Details::REFERRER_BYTES_MAX`] bytes; never one of the site's own.
    pub referrer: Option<&'a str>,
    /// `utm_campaign`, at most [`Details::TAG_BYTES_MAX`] bytes, never empty.
    pub campaign: Option<&'a str>,
    /// `utm_source`, bounded alike.
    pub source: Option<&'a str>,
    /// `utm_medium`, bounded alike.
    pub medium: Option<&'a str>,
}

impl Details<'_> {
    /// The longest name that the domain name system knows.
    pub const REFERRER_BYTES_MAX: usize = 253;
    /// Names of campaigns are chosen by people to be read.
    pub const TAG_BYTES_MAX: usize = 100;
}

/// A referrer's host as it is kept: without `www.`; `None` when nothing is left or it is too long.
/// The host must be in lower case.
#[must_use]
pub fn referrer(host: &str) -> Option<&str> {
    let name = host.strip_prefix("www.").unwrap_or(host);
    (!name.is_empty() && name.len() <= Details::REFERRER_BYTES_MAX).then_some(name)
}

/// A campaign's tag as it is kept: without spaces around it, cut at the last whole character within
/// [`Details::TAG_BYTES_MAX`]; `None` when nothing is left, it holds control characters, or says that there is none, in our
/// word or in that of others.
#[must_use]
pub fn tag(value: &str) -> Option<&str> {
    let value = value.trim();
    if value.chars().any(char::is_control) || [NONE, "(none)"].contains(&value) {
        return None;
    }
    let cut = value[..value.floor_char_boundary(Details::TAG_BYTES_MAX)].trim_end();
    (!cut.is_empty()).then_some(cut)
}

/// The few small things about a view that need no text. Eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// By the user agent.
    pub browser: Browser,
    /// By the user agent.
    pub system: System,
    /// By the user agent.
    pub device: Device,
    /// By the screen's width.
    pub screen: Screen,
    /// The reader's first choice of language.
    pub language: Option<Language>,
    /// Where the client's address is registered, or what a proxy said.
    pub country: Option<Country>,
}

impl Traits {
    /// All of them in one number, which is a quick key to count by.
    #[must_use]
    pub fn packed(self) -> u64 {
        let [language, country] =
            [self.language.map_or(0, Language::wire), self.country.map_or(0, Country::wire)];
        let [l0, l1] = language.to_le_bytes();
        let [c0, c1] = country.to_le_bytes();
        let small = [self.browser.wire(), self.system.wire(), self.device.wire(), self.screen.wire()];
        let [browser, system, device, screen] = small;
        u64::from_le_bytes([browser, system, device, screen, l0, l1, c0, c1])
    }

    /// What [`Traits::packed`] made a number of.
    #[must_use]
    pub fn from_packed(packed: u64) -> Traits {
        let [browser, system, device, screen, l0, l1, c0, c1] = packed.to_le_bytes();
        Traits {
            browser: Browser::from_wire(browser),
            system: System::from_wire(system),
            device: Device::from_wire(device),
            screen: Screen::from_wire(screen),
            language: Language::from_wire(u16::from_le_bytes([l0, l1])),
            country: Country::from_wire(u16::from_le_bytes([c0, c1])),
        }
    }

    /// What is known, by dimension. A value that is not known is not there.
    pub fn values(self) -> impl Iterator<Item = (Dimension, Value)> {
        let small = [
            (Dimension::Browser, self.browser.known()),
            (Dimension::System, self.system.known()),
            (Dimension::Device, self.device.known()),
            (Dimension::Screen, self.screen.known()),
        ];
        let small = small.into_iter().filter_map(|(dimension, word)| Some((dimension, Value::Word(word?))));
        let language = self.language.map(|language| (Dimension::Language, Value::Language(language)));
        let country = self.country.map(|country| (Dimension::Country, Value::Country(country)));
        small.chain(language).chain(country)
    }
}

/// One of the [`Traits`], to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A name that never changes.
    Word(&'static str),
    /// A language.
    Language(Language),
    /// A country.
    Country(Country),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Word(word) => f.write_str(word),
            Value::Language(language) => language.fmt(f),
            Value::Country(country) => country.fmt(f),
        }
    }
}

/// What reports call the views and visits that told nothing of a dimension.
pub const NONE: &str = "(not told)";
/// What reports call values that have no row of their own.
pub const OTHER: &str = "(other)";

/// What views and visits of a day are told apart by, besides the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The host of the page that linked here.
    Referrer,
    /// The program.
    Browser,
    /// The operating system.
    System,
    /// The kind of device.
    Device,
    /// The screen's width.
    Screen,
    /// The reader's language.
    Language,
    /// The reader's country.
    Country,
    /// `utm_campaign`.
    Campaign,
    /// `utm_source`.
    Source,
    /// `utm_medium`.
    Medium,
}

impl Dimension {
    /// Every dimension, in the order in which reports show them.
    pub const ALL: [Dimension; 10] = [
        Dimension::Referrer,
        Dimension::Browser,
        Dimension::System,
        Dimension::Device,
        Dimension::Screen,
        Dimension::Language,
        Dimension::Country,
        Dimension::Campaign,
        Dimension::Source,
        Dimension::Medium,
    ];

    /// The name in the database, exports and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Dimension::Referrer => "referrer",
            Dimension::Browser => "browser",
            Dimension::System => "system",
            Dimension::Device => "device",
            Dimension::Screen => "screen",
            Dimension::Language => "language",
            Dimension::Country => "country",
            Dimension::Campaign => "campaign",
            Dimension::Source => "source",
            Dimension::Medium => "medium",
        }
    }

    /// The dimension of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Dimension> {
        Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_and_referrers_are_bounded() {
        assert_eq!(tag(" Tết 2027 "), Some("Tết 2027"));
        assert_eq!(tag("a\u{7}b"), None);
        assert_eq!(tag("  "), None);
        for nothing in ["(none)", "(not told)"] {
            assert_eq!(tag(nothing), None, "what reports call everything else");
        }
        let long = "ế".repeat(60);
        assert_eq!(tag(&long).map(str::len), Some(99), "cut before the character that does not fit");
        assert_eq!(referrer("www.google.com"), Some("google.com"));
        assert_eq!(referrer("www."), None);
        assert_eq!(referrer(&"a".repeat(254)), None);
    }

    proptest! {
        #[test]
        fn any_number_of_a_journal_reads_as_traits_that_are_written_the_same(packed: u64) {
            let traits = Traits::from_packed(packed);
            prop_assert_eq!(Traits::from_packed(traits.packed()), traits);
            for (_, value) in traits.values() {
                prop_assert!(!value.to_string().is_empty());
            }
        }
    }

    #[test]
    fn what_is_unknown_is_no_value() {
        assert_eq!(Traits::default().values().count(), 0);
        assert_eq!(size_of::<Traits>(), 8);
        let traits = Traits { language: Language::of_header(b"vi"), ..Traits::default() };
        let values: Vec<_> =
            traits.values().map(|(dimension, value)| (dimension, value.to_string())).collect();
        assert_eq!(values, [(Dimension::Language, "vi".to_owned())]);
    }

    #[test]
    fn dimensions_are_found_by_their_names() {
        for dimension in Dimension::ALL {
            assert_eq!(Dimension::parse(dimension.as_str()), Some(dimension));
        }
        assert_eq!(Dimension::parse(NONE), None);
    }
}
