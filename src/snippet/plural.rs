//! Plurals: which form of a phrase goes with a number.
//!
//! The rules are those for cardinal numbers in Unicode CLDR (`supplemental/plurals.xml`), reduced to
//! whole numbers: there `n` and `i` are the number itself, `v` and `e` are 0. Each function names its
//! rule. Languages with the same rule share a function.

/// A plural category of CLDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plural {
    Zero,
    One,
    Two,
    Few,
    Many,
    Other,
}

/// How a language sorts numbers into categories.
pub(super) type Rule = fn(u64) -> Plural;

/// A phrase around a number, whose place is `{}`.
#[derive(Debug)]
pub(super) struct Phrase {
    /// The form of every category that has none of its own.
    pub(super) other: &'static str,
    /// Categories with a form of their own.
    pub(super) own: &'static [(Plural, &'static str)],
}

impl Phrase {
    /// A phrase that is the same for every number.
    pub(super) const fn invariant(form: &'static str) -> Phrase {
        Phrase { other: form, own: &[] }
    }

    /// The phrase with `number` in its place, in the form that `rule` asks for.
    pub(super) fn with(&self, number: u64, rule: Rule) -> String {
        let plural = rule(number);
        let own = self.own.iter().find(|(category, _)| *category == plural);
        own.map_or(self.other, |(_, form)| form).replace("{}", &number.to_string())
    }
}

/// No categories: vi, zh, ja, ko, th, id.
pub(super) fn uniform(_: u64) -> Plural {
    Plural::Other
}

/// `one: i = 1 and v = 0`: en, de.
pub(super) fn germanic(n: u64) -> Plural {
    if n == 1 { Plural::One } else { Plural::Other }
}

/// `one: n = 1`, `many: e = 0 and i != 0 and i % 1000000 = 0 and v = 0`: es, pt-PT.
pub(super) fn iberian(n: u64) -> Plural {
    match n {
        1 => Plural::One,
        n if is_millions(n) => Plural::Many,
        _ => Plural::Other,
    }
}

/// `one: i = 0,1`, `many: e = 0 and i != 0 and i % 1000000 = 0 and v = 0`: fr, pt.
pub(super) fn french(n: u64) -> Plural {
    match n {
        0 | 1 => Plural::One,
        n if is_millions(n) => Plural::Many,
        _ => Plural::Other,
    }
}

/// `one: i % 10 = 1 and i % 100 != 11`, `few: i % 10 = 2..4 and i % 100 != 12..14`, and `many` for all
/// other whole numbers: ru.
pub(super) fn russian(n: u64) -> Plural {
    match (n % 10, n % 100) {
        (1, hundredth) if hundredth != 11 => Plural::One,
        (2..=4, hundredth) if !(12..=14).contains(&hundredth) => Plural::Few,
        _ => Plural::Many,
    }
}

/// `zero: n = 0`, `one: n = 1`, `two: n = 2`, `few: n % 100 = 3..10`, `many: n % 100 = 11..99`: ar.
pub(super) fn arabic(n: u64) -> Plural {
    match (n, n % 100) {
        (0, _) => Plural::Zero,
        (1, _) => Plural::One,
        (2, _) => Plural::Two,
        (_, 3..=10) => Plural::Few,
        (_, 11..=99) => Plural::Many,
        _ => Plural::Other,
    }
}

fn is_millions(n: u64) -> bool {
    n != 0 && n.is_multiple_of(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::Plural::{Few, Many, One, Other, Two, Zero};
    use super::*;

    /// What `Intl.PluralRules` of a browser with the CLDR of its day says of these numbers.
    #[test]
    fn numbers_fall_into_the_categories_of_cldr() {
        let numbers = [0, 1, 2, 3, 5, 11, 21, 22, 100, 101, 1_000_000];
        let one_only = [Other, One, Other, Other, Other, Other, Other, Other, Other, Other, Other];
        let cases: [(&str, Rule, [Plural; 11]); 6] = [
            ("vi zh ja ko th id", uniform, [Other; 11]),
            ("en de", germanic, one_only),
            ("es pt-PT", iberian, [Other, One, Other, Other, Other, Other, Other, Other, Other, Other, Many]),
            ("fr pt", french, [One, One, Other, Other, Other, Other, Other, Other, Other, Other, Many]),
            ("ru", russian, [Many, One, Few, Few, Many, Many, One, Few, Many, One, Many]),
            ("ar", arabic, [Zero, One, Two, Few, Few, Many, Many, Many, Other, Other, Other]),
        ];
        for (languages, rule, expected) in cases {
            assert_eq!(numbers.map(rule), expected, "{languages}");
        }
    }

    #[test]
    fn the_teens_are_no_ones_and_no_fews_in_russian() {
        for n in [11, 12, 13, 14, 111, 112, 1_014] {
            assert_eq!(russian(n), Many, "{n}");
        }
        assert_eq!([31, 1_021, 33, 124].map(russian), [One, One, Few, Few]);
    }

    #[test]
    fn arabic_looks_at_the_last_two_digits_from_three_on() {
        assert_eq!([102, 103, 110, 111, 199, 200].map(arabic), [Other, Few, Few, Many, Many, Other]);
    }

    #[test]
    fn a_phrase_without_a_form_of_its_own_takes_the_common_one() {
        let phrase = Phrase { other: "{} minutes", own: &[(One, "a minute")] };
        assert_eq!(phrase.with(1, germanic), "a minute");
        assert_eq!(phrase.with(60, germanic), "60 minutes");
    }
}
