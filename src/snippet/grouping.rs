//! Groups of digits: how a language, or a site that knows better, parts the thousands of a number.

/// What stands between groups of three digits, and from which number on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grouping {
    separator: Option<char>,
    /// How many digits must stand before the first separator.
    head_digits_min: usize,
}

impl Grouping {
    /// Digits without anything between them.
    pub const NONE: Grouping = Grouping { separator: None, head_digits_min: 1 };

    /// `separator` in every number of four digits and more.
    #[must_use]
    pub const fn by(separator: char) -> Grouping {
        Grouping { separator: Some(separator), head_digits_min: 1 }
    }

    /// `separator` in numbers of five digits and more: 1234, but 12.345. CLDR calls it a
    /// `minimumGroupingDigits` of 2.
    #[must_use]
    pub const fn from_five_digits(separator: char) -> Grouping {
        Grouping { separator: Some(separator), head_digits_min: 2 }
    }

    /// What a site asks for: its first character in every number of four digits and more. Empty text
    /// asks for no groups, and so does a character that markup or JSON would have to escape.
    #[must_use]
    pub fn configured(text: &str) -> Grouping {
        let separator = text.chars().next().filter(|c| !c.is_control() && !"<>&\"\\".contains(*c));
        separator.map_or(Grouping::NONE, Grouping::by)
    }

    /// The separator for a number of so many digits, if it gets one.
    pub(super) fn separator(self, digits: usize) -> Option<char> {
        self.separator.filter(|_| digits >= 3 + self.head_digits_min)
    }
}
