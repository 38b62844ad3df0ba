//! What a view tells for reports besides its page, and the names that reports know it by.
//!
//! Everything here is small, bounded and borrowed: it lies on the way of a beacon. The numbers and words
//! are kept in the journal, the database and in exports, so they are never changed and never used again
//! for something else; new ones are added behind the last. Nothing here says who somebody is.

use std::fmt;
use std::num::NonZeroU16;

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
/// [`Details::TAG_BYTES_MAX`]; `None` when nothing is left, it holds control characters, or says [`NONE`].
#[must_use]
pub fn tag(value: &str) -> Option<&str> {
    let value = value.trim();
    if value.chars().any(char::is_control) || value == NONE {
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

/// Names with numbers that never change. The first is what nothing was told about, the second what is
/// told and has no name here: a robot's idea of a browser, or the number of a newer release.
macro_rules! names {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $wire:literal, $text:literal;)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            /// Nothing was told.
            #[default]
            Unknown,
            /// One that has no name here.
            Other,
            $($(#[$note])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the wire numbers.
            pub const ALL: &'static [$name] = &[$name::Unknown, $name::Other, $($name::$variant),+];

            /// The name in the database, exports and reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $name::Unknown => NONE,
                    $name::Other => OTHER,
                    $($name::$variant => $text,)+
                }
            }

            /// The number in the journal.
            #[must_use]
            pub fn wire(self) -> u8 {
                match self {
                    $name::Unknown => 0,
                    $name::Other => 1,
                    $($name::$variant => $wire,)+
                }
            }

            /// What a number in the journal stands for; one that is not known here is another.
            #[must_use]
            pub fn from_wire(number: u8) -> $name {
                match number {
                    0 => $name::Unknown,
                    $($wire => $name::$variant,)+
                    _ => $name::Other,
                }
            }

            /// The name, if anything is known.
            #[must_use]
            pub fn known(self) -> Option<&'static str> {
                (self != $name::Unknown).then(|| self.as_str())
            }
        }
    };
}

/// What reports call the views and visits that told nothing of a dimension.
pub const NONE: &str = "(none)";
/// What reports call values that have no row of their own.
pub const OTHER: &str = "(other)";

names! {
    /// The program that shows the page, by its maker's name; an app that shows it within itself is one.
    Browser {
        /// Google's, and those that cannot be told from it, such as Brave.
        Chrome = 2, "Chrome";
        /// Apple's.
        Safari = 3, "Safari";
        /// Mozilla's.
        Firefox = 4, "Firefox";
        /// Microsoft's, old and new.
        Edge = 5, "Edge";
        /// Opera's own, and Opera GX.
        Opera = 6, "Opera";
        /// Opera's for small telephones.
        OperaMini = 7, "Opera Mini";
        /// Samsung's.
        Samsung = 8, "Samsung Internet";
        /// Cốc Cốc's.
        CocCoc = 9, "Cốc Cốc";
        /// Microsoft's of before.
        InternetExplorer = 10, "Internet Explorer";
        /// An Android app that does not say which.
        AndroidApp = 11, "Android app";
        /// An iOS app that does not say which.
        IosApp = 12, "iOS app";
        /// Within Zalo.
        Zalo = 13, "Zalo";
        /// Within Facebook or Messenger.
        Facebook = 14, "Facebook";
        /// Within Instagram.
        Instagram = 15, "Instagram";
        /// Within that of short films, by any of its names.
        TikTok = 16, "TikTok";
        /// Within LINE.
        Line = 17, "LINE";
        /// Within Tencent's messenger.
        WeChat = 18, "WeChat";
        /// Within the Google app.
        GoogleApp = 19, "Google app";
        /// Alibaba's.
        Uc = 20, "UC Browser";
        /// Yandex's.
        Yandex = 21, "Yandex Browser";
        /// Huawei's.
        Huawei = 22, "Huawei Browser";
        /// Xiaomi's.
        Miui = 23, "MIUI Browser";
        /// Vivaldi's, where it says so.
        Vivaldi = 24, "Vivaldi";
        /// That of the search engine, where it says so.
        DuckDuckGo = 25, "DuckDuckGo";
        /// Amazon's.
        Silk = 26, "Silk";
        /// Tencent's.
        Qq = 27, "QQ Browser";
        /// The one that came with Android before Chrome did.
        Android = 28, "Android Browser";
        /// NAVER's.
        Whale = 29, "Whale";
        /// OPPO's and realme's.
        HeyTap = 30, "HeyTap Browser";
        /// vivo's.
        Vivo = 31, "vivo Browser";
    }
}

names! {
    /// The operating system.
    System {
        /// Microsoft's.
        Windows = 2, "Windows";
        /// Apple's for computers; an iPad that asks for the desktop's page cannot be told from it.
        MacOs = 3, "macOS";
        /// Apple's for telephones.
        Ios = 4, "iOS";
        /// Apple's for tablets.
        IpadOs = 5, "iPadOS";
        /// Google's for telephones and tablets.
        Android = 6, "Android";
        /// Any Linux for computers.
        Linux = 7, "Linux";
        /// Google's for computers.
        ChromeOs = 8, "ChromeOS";
        /// Huawei's.
        HarmonyOs = 9, "HarmonyOS";
        /// Samsung's for television sets.
        Tizen = 10, "Tizen";
        /// LG's for television sets.
        WebOs = 11, "webOS";
        /// Sony's.
        PlayStation = 12, "PlayStation";
        /// Microsoft's console.
        Xbox = 13, "Xbox";
        /// Nintendo's.
        Nintendo = 14, "Nintendo";
        /// For telephones with keys.
        KaiOs = 15, "KaiOS";
        /// FreeBSD, OpenBSD, NetBSD and their kin.
        Bsd = 16, "BSD";
        /// Microsoft's for telephones.
        WindowsPhone = 17, "Windows Phone";
        /// Apple's for television sets.
        TvOs = 18, "tvOS";
    }
}

names! {
    /// What the reader holds or sits at.
    Device {
        /// A computer with a keyboard.
        Desktop = 2, "desktop";
        /// A telephone.
        Mobile = 3, "mobile";
        /// A tablet that says so.
        Tablet = 4, "tablet";
        /// A television set, or a box beside one.
        Tv = 5, "tv";
        /// A console.
        Console = 6, "console";
    }
}

names! {
    /// How wide the screen is, in CSS pixels; the classes are where layouts usually turn.
    Screen {
        /// 0 to 639: telephones held upright.
        Under640 = 2, "under 640";
        /// 640 to 1,023: telephones on their side, small tablets.
        From640 = 3, "640-1023";
        /// 1,024 to 1,439: tablets, small laptops.
        From1024 = 4, "1024-1439";
        /// 1,440 and more: large laptops, desktops.
        From1440 = 5, "1440 and more";
    }
}

impl Screen {
    /// The class of a width in CSS pixels; a browser that says 0 tells nothing.
    #[must_use]
    pub fn of_width(width: u16) -> Screen {
        match width {
            0 => Screen::Unknown,
            1..640 => Screen::Under640,
            640..1_024 => Screen::From640,
            1_024..1_440 => Screen::From1024,
            1_440.. => Screen::From1440,
        }
    }
}

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

/// An ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(NonZeroU16);

impl Country {
    /// Parses a code in either case. `XX`, with which proxies say that they do not know, and what is not
    /// two letters is none.
    #[must_use]
    pub fn parse(code: &[u8]) -> Option<Country> {
        let code = code.trim_ascii();
        let known = code.len() == 2 && !code.eq_ignore_ascii_case(b"xx");
        known.then(|| letters_wire(code).map(Country)).flatten()
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
        letters_len(number).filter(|len| *len == 2).map(|_| Country(number))
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
    fn numbers_and_names_belong_together() {
        let mut names = Vec::new();
        for (number, browser) in (0_u8..).zip(Browser::ALL) {
            assert_eq!((browser.wire(), Browser::from_wire(number)), (number, *browser));
            names.push(browser.as_str());
        }
        for (number, system) in (0_u8..).zip(System::ALL) {
            assert_eq!((system.wire(), System::from_wire(number)), (number, *system));
        }
        assert_eq!(Device::ALL.last().map(|device| device.wire()), Some(6));
        assert_eq!(Screen::ALL.last().map(|screen| screen.wire()), Some(5));
        assert_eq!((Browser::from_wire(255), Screen::from_wire(200)), (Browser::Other, Screen::Other));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "no name stands for two browsers");
    }

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
    fn countries_are_two_letters() {
        for (code, expected) in [("vn", Some("VN")), ("VN", Some("VN")), (" us ", Some("US"))] {
            let found = Country::parse(code.as_bytes());
            assert_eq!(found.map(|country| country.to_string()).as_deref(), expected);
            assert_eq!(found.and_then(|country| Country::from_wire(country.wire())), found);
        }
        for code in ["XX", "T1", "", "V", "VNM", "v\n"] {
            assert_eq!(Country::parse(code.as_bytes()), None, "{code}");
        }
    }

    #[test]
    fn screens_are_named_after_their_widths() {
        let cases = [(0, "(none)"), (1, "under 640"), (639, "under 640"), (640, "640-1023")];
        let more =
            [(1_023, "640-1023"), (1_024, "1024-1439"), (1_439, "1024-1439"), (1_440, "1440 and more")];
        for (width, name) in cases.into_iter().chain(more).chain([(u16::MAX, "1440 and more")]) {
            assert_eq!(Screen::of_width(width).as_str(), name, "{width}");
        }
    }

    #[test]
    fn tags_and_referrers_are_bounded() {
        assert_eq!(tag(" Tết 2027 "), Some("Tết 2027"));
        assert_eq!(tag("a\u{7}b"), None);
        assert_eq!(tag("  "), None);
        assert_eq!(tag("(none)"), None, "what reports call everything else");
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
        assert_eq!(Dimension::parse("(none)"), None);
    }
}
