//! How wide a text is in the font of badges: Verdana, or `DejaVu Sans` where there is none.
//!
//! The two were drawn to the same measures. The tables hold the advance widths of `DejaVu Sans` 2.37 in
//! thousandths of the font's size, as its `hmtx` table gives them. Scripts that badges are rarely written
//! in get an estimate that is a little too wide rather than too narrow, and say that it is one.

/// The width of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    /// In thousandths of the font's size.
    pub(super) em_thousandths: u32,
    /// Every character was in the tables.
    pub(super) is_exact: bool,
}

/// The width of `text`.
pub(super) fn width(text: &str) -> Width {
    let mut width = Width { em_thousandths: 0, is_exact: true };
    for c in text.chars() {
        let (advance, is_exact) = match known(c) {
            Some(advance) => (advance, true),
            None => (estimated(c), false),
        };
        width.em_thousandths += u32::from(advance);
        width.is_exact &= is_exact;
    }
    width
}

fn known(c: char) -> Option<u16> {
    let code = u32::from(c);
    let at = |table: &[u16], first: u32| {
        let index = usize::try_from(code.checked_sub(first)?).ok()?;
        table.get(index).copied()
    };
    match c {
        ' '..='~' => at(&ASCII, 0x20),
        '\u{a0}'..='\u{17f}' => at(&LATIN, 0xa0),
        'Ơ' => Some(913),
        'ơ' => Some(611),
        'Ư' => Some(857),
        'ư' => Some(633),
        '\u{300}'..='\u{36f}' => Some(0),
        '\u{400}'..='\u{45f}' => at(&CYRILLIC, 0x400),
        '\u{1ea0}'..='\u{1ef9}' => at(&VIETNAMESE, 0x1ea0),
        '–' => Some(500),
        '—' | '…' => Some(1_000),
        '‘' | '’' => Some(317),
        '•' => Some(589),
        '\u{202f}' => Some(199),
        '€' => Some(636),
        _ => None,
    }
}

fn estimated(c: char) -> u16 {
    match c {
        // Marks above and below Hebrew, Arabic and Thai letters; what joins and what directs.
        '\u{591}'..='\u{5c7}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{e31}'
        | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{fe00}'..='\u{fe0f}' => 0,
        // The upright letters of Arabic are half as wide as those that lie.
        'ا' | 'أ' | 'إ' | 'آ' | 'ل' => 360,
        '\u{e00}'..='\u{e7f}' => 580,
        '\u{370}'..='\u{3ff}' | '\u{5d0}'..='\u{6ff}' => 640,
        // Chinese, Japanese and Korean are written in squares.
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff01}'..='\u{ff60}'
        | '\u{20000}'..='\u{3ffff}' => 1_000,
        '\u{1f000}'..='\u{1faff}' => 1_300,
        _ => 800,
    }
}

/// U+0020 to U+007E.
#[rustfmt::skip]
const ASCII: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775,
    752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390,
    337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// U+00A0 to U+017F: the letters of Western and Central Europe.
#[rustfmt::skip]
const LATIN: [u16; 224] = [
    318, 401, 636, 636, 636, 636, 337, 500, 500, 1000, 471, 612, 838, 361, 1000, 500, 500, 838, 401, 401,
    500, 636, 636, 318, 500, 401, 471, 612, 969, 969, 969, 531, 684, 684, 684, 684, 684, 684, 974, 698,
    632, 632, 632, 632, 295, 295, 295, 295, 775, 748, 787, 787, 787, 787, 787, 838, 787, 732, 732, 732,
    732, 611, 605, 630, 613, 613, 613, 613, 613, 613, 982, 550, 615, 615, 615, 615, 278, 278, 278, 278,
    612, 634, 612, 612, 612, 612, 612, 838, 612, 634, 634, 634, 634, 592, 635, 592, 684, 613, 684, 613,
    684, 613, 698, 550, 698, 550, 698, 550, 698, 550, 770, 635, 775, 635, 632, 615, 632, 615, 632, 615,
    632, 615, 632, 615, 775, 635, 775, 635, 775, 635, 775, 635, 752, 634, 916, 695, 295, 278, 295, 278,
    295, 278, 295, 278, 295, 278, 590, 556, 295, 278, 656, 579, 579, 557, 278, 557, 278, 557, 375, 557,
    342, 562, 284, 748, 634, 748, 634, 748, 634, 813, 748, 634, 787, 612, 787, 612, 787, 612, 1070, 1023,
    695, 411, 695, 411, 695, 411, 635, 521, 635, 521, 635, 521, 635, 521, 611, 392, 611, 392, 611, 392,
    732, 634, 732, 634, 732, 634, 732, 634, 732, 634, 732, 634, 989, 818, 611, 592, 611, 685, 525, 685,
    525, 685, 525, 352,
];

/// U+0400 to U+045F.
#[rustfmt::skip]
const CYRILLIC: [u16; 96] = [
    632, 632, 786, 610, 698, 635, 295, 295, 295, 1094, 1045, 786, 710, 748, 609, 752, 684, 686, 686, 610,
    781, 632, 1077, 641, 748, 748, 710, 752, 863, 752, 787, 752, 603, 698, 611, 609, 861, 685, 776, 686,
    1069, 1094, 833, 882, 686, 698, 1080, 695, 613, 617, 589, 525, 691, 615, 901, 532, 650, 650, 604, 639,
    754, 654, 612, 654, 635, 550, 583, 592, 855, 592, 681, 591, 915, 942, 707, 790, 589, 549, 842, 602,
    615, 615, 625, 525, 549, 521, 278, 278, 278, 902, 898, 652, 604, 650, 592, 654,
];

/// U+1EA0 to U+1EF9.
#[rustfmt::skip]
const VIETNAMESE: [u16; 90] = [
    684, 613, 684, 613, 684, 613, 684, 613, 684, 613, 684, 613, 684, 613, 684, 613, 684, 613, 684, 613,
    684, 613, 684, 613, 632, 615, 632, 615, 632, 615, 632, 615, 632, 615, 632, 615, 632, 615, 632, 615,
    295, 278, 295, 278, 787, 612, 787, 612, 787, 612, 787, 612, 787, 612, 787, 612, 787, 612, 913, 612,
    913, 612, 913, 612, 913, 612, 913, 612, 732, 634, 732, 634, 858, 634, 858, 634, 858, 634, 858, 634,
    858, 634, 611, 592, 611, 592, 611, 592, 611, 592,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        for (text, em_thousandths) in
            [("", 0), ("0", 636), ("visitors", 3_605), ("Số", 1_247), ("lượt", 1_915), ("онлайн", 3_822)]
        {
            assert_eq!(width(text), Width { em_thousandths, is_exact: true }, "{text}");
        }
    }

    #[test]
    fn other_scripts_are_estimated_and_say_so() {
        for (text, em_thousandths) in
            [("访问", 2_000), ("방문", 2_000), ("ผู้", 580), ("الآن", 1_720), ("👋", 1_300), ("\u{7f}", 800)]
        {
            assert_eq!(width(text), Width { em_thousandths, is_exact: false }, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_width(text in ".{0,80}") {
            proptest::prop_assert!(width(&text).em_thousandths <= 80 * 1_300);
        }
    }
}
