//! The colour of a badge: by name or as hexadecimal digits, and the text that can be read on it.

/// A colour without transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// What is allowed, in words.
pub(super) const ALLOWED: &str = "brightgreen, green, yellowgreen, yellow, orange, red, pink, purple, blue, \
                                  teal, grey, black, success, important, critical, informational, inactive, or \
                                  3 or 6 hexadecimal digits such as 0b7a5b";

/// The colour of a badge that asks for none: the green of the counter's own dot.
pub(super) const DEFAULT: Colour = Colour::of(0x0b, 0x7a, 0x5b);

/// The names that badge services have made common, each in a shade that text can be read on.
const NAMED: [(&str, Colour); 19] = [
    ("brightgreen", Colour::of(0x2f, 0xbf, 0x4f)),
    ("success", Colour::of(0x2f, 0xbf, 0x4f)),
    ("green", Colour::of(0x2e, 0x7d, 0x32)),
    ("yellowgreen", Colour::of(0x9d, 0xb8, 0x1c)),
    ("yellow", Colour::of(0xe3, 0xb3, 0x1a)),
    ("orange", Colour::of(0xf0, 0x87, 0x2c)),
    ("important", Colour::of(0xf0, 0x87, 0x2c)),
    ("red", Colour::of(0xc9, 0x3a, 0x35)),
    ("critical", Colour::of(0xc9, 0x3a, 0x35)),
    ("pink", Colour::of(0xc2, 0x3f, 0x83)),
    ("purple", Colour::of(0x7d, 0x4c, 0xb5)),
    ("blue", Colour::of(0x1f, 0x6f, 0xc4)),
    ("informational", Colour::of(0x1f, 0x6f, 0xc4)),
    ("teal", Colour::of(0x12, 0x77, 0x80)),
    ("grey", Colour::of(0x6f, 0x6a, 0x62)),
    ("gray", Colour::of(0x6f, 0x6a, 0x62)),
    ("inactive", Colour::of(0x6f, 0x6a, 0x62)),
    ("lightgrey", Colour::of(0x6f, 0x6a, 0x62)),
    ("black", Colour::of(0x1f, 0x1d, 0x1a)),
];

impl Colour {
    const fn of(red: u8, green: u8, blue: u8) -> Colour {
        Colour { red, green, blue }
    }

    /// A name of the table in any case, or 3 or 6 hexadecimal digits with or without `#` before them.
    pub(super) fn parse(raw: &str) -> Option<Colour> {
        let named = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(raw));
        named.map(|(_, colour)| *colour).or_else(|| hexadecimal(raw.strip_prefix('#').unwrap_or(raw)))
    }

    /// As it stands in CSS: `#` and six digits.
    pub(super) fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }

    /// Whether dark text can be read on it better than white.
    pub(super) fn is_light(self) -> bool {
        /// Where white and near-black have equal contrast by WCAG 2: sqrt(1.05 * 0.062) - 0.05.
        const EQUAL_CONTRAST: f32 = 0.205;
        self.luminance() > EQUAL_CONTRAST + ALLOWANCE
    }

    /// Relative luminance, 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f32 {
        let linear = |channel: u8| {
            let value = f32::from(channel) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// White is what eyes expect on a badge, so it is kept a little longer than the formula would have it.
const ALLOWANCE: f32 = 0.055;

fn hexadecimal(digits: &str) -> Option<Colour> {
    let mut nibbles = [0; 6];
    let length = digits.len();
    if !matches!(length, 3 | 6) {
        return None;
    }
    for (place, digit) in nibbles.iter_mut().zip(digits.chars()) {
        *place = u8::try_from(digit.to_digit(16)?).ok()?;
    }
    let pair = |at: usize| {
        let (high, low) =
            if length == 3 { (nibbles[at], nibbles[at]) } else { (nibbles[2 * at], nibbles[2 * at + 1]) };
        high << 4 | low
    };
    Some(Colour::of(pair(0), pair(1), pair(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_names_or_hexadecimal_digits() {
        for (raw, css) in [
            ("red", "#c93a35"),
            ("RED", "#c93a35"),
            ("0b7a5b", "#0b7a5b"),
            ("#0B7A5B", "#0b7a5b"),
            ("fa0", "#ffaa00"),
            ("#000", "#000000"),
        ] {
            assert_eq!(Colour::parse(raw).map(Colour::css).as_deref(), Some(css), "{raw}");
        }
        for bad in
            ["", "#", "ff", "ffff", "fffffff", "ggg", "##fff", "+ff", "f f", "red;", "url(#a)", "ééé", "١٢٣"]
        {
            assert_eq!(Colour::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_on_every_named_colour_has_a_contrast_of_three_and_more() {
        for (name, colour) in NAMED {
            let (text, ground) =
                if colour.is_light() { (0.012, colour.luminance()) } else { (1.0, colour.luminance()) };
            let (high, low) = if text > ground { (text, ground) } else { (ground, text) };
            let contrast = (high + 0.05) / (low + 0.05);
            assert!(contrast >= 3.8, "{name}: {contrast}");
        }
    }

    #[test]
    fn every_name_in_the_words_is_known() {
        let words = ALLOWED.split_once(", or").expect("names come first").0;
        assert!(words.split(", ").all(|name| Colour::parse(name).is_some()));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_given_only_six_digits_reach_the_image(raw in ".{0,12}|#?[0-9a-fA-F]{0,8}") {
            if let Some(colour) = Colour::parse(&raw) {
                let css = colour.css();
                proptest::prop_assert!(css.len() == 7 && css[1..].bytes().all(|b| b.is_ascii_hexdigit()));
            }
        }
    }
}
