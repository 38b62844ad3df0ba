//! The counter as an image that stands alone: a small card, legible on any page, light or dark.
//!
//! It brings its own background, because an image cannot know the page behind it. Colours stand in
//! presentation attributes, so a policy that blocks the style block costs the dark colours alone. Labels
//! are set from the start edge and numbers from the end edge: fonts differ between readers, and the
//! gap between the two takes up what the estimate of the text's width got wrong.
//!
//! Where text runs from right to left, the edges change places by hand: some renderers know neither
//! `direction` nor that it turns `text-anchor` around. A test of the languages sees to it that their
//! words read the same without it.

use super::escape::{push_markup, push_number};
use super::line::{Line, lines};
use super::view::{Row, Theme, View};
use super::{Format, odometer};
use crate::words::Numbers;

pub(super) static FORMAT: Format = Format {
    extension: "svg",
    content_type: "image/svg+xml",
    policy: "default-src 'none'; style-src 'unsafe-inline'",
    slow: false,
    needs: None,
    counts: |_| true,
    render,
};

/// The dark colours, by the class of what they colour.
const STYLE: &str = "<style>@media (prefers-color-scheme:dark){\
.card{fill:#1c1b19;stroke:#3a3732}.rule{stroke:#3a3732}.label,.unit{fill:#b3ada1}\
.number,.caption{fill:#f4f1ea}.dot{fill:#4fd1a5}}</style>\n";

/// The fonts that systems bring along, first those made for their own screens.
pub(super) const FONTS: &str =
    "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Ubuntu,Cantarell,sans-serif";

const FONT_PX: u32 = 14;
/// From the edges of the card to the text.
const PAD_X_PX: u32 = 16;
const PAD_Y_PX: u32 = 11;
/// Between the longest label and the longest number: also the room for fonts wider than estimated.
const GAP_PX: u32 = 26;
/// Of the part above the rows of a table.
const CAPTION_PX: u32 = 38;
/// From the middle of a row down to the baseline of its text.
const BASELINE_PX: u32 = 5;
/// Before the number of people online: a bullet, since fonts for Latin have one, and so its size does not
/// depend on the language.
const DOT: &str = "\u{2022}";

pub(super) fn render(numbers: &Numbers, view: &View) -> Vec<u8> {
    let lines = lines(numbers, view);
    if view.theme == Theme::Odometer {
        return odometer::card(numbers, view, &lines);
    }
    let card = Card::around(&lines, view);
    let mut svg = Svg(Vec::with_capacity(3_072));
    svg.open(&card, numbers, view, &lines);
    if view.theme == Theme::Table {
        svg.caption(&card, view);
    }
    for (at, line) in (0_u32..).zip(&lines) {
        svg.row(&card, line, card.first_row_px + at * card.row_px);
        let ruled = view.theme == Theme::Table && at > 0;
        if ruled {
            svg.rule(&card, card.first_row_px + at * card.row_px);
        }
    }
    svg.raw("</g>\n</svg>\n");
    svg.0
}

/// The measures of a card.
struct Card {
    width_px: u32,
    height_px: u32,
    row_px: u32,
    first_row_px: u32,
    /// Where labels begin and numbers end.
    start: Edge,
    end: Edge,
}

/// An edge that texts are set from.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    px: u32,
    /// The `text-anchor` of what is set from it.
    anchor: &'static str,
}

impl Edge {
    /// What begins here runs to the right.
    pub(super) fn left(px: u32) -> Edge {
        Edge { px, anchor: "start" }
    }

    /// What ends here comes from the left.
    pub(super) fn right(px: u32) -> Edge {
        Edge { px, anchor: "end" }
    }
}

impl Card {
    fn around(lines: &[Line], view: &View) -> Card {
        let labels = lines.iter().map(|line| text_px(line.label)).max().unwrap_or(0);
        let values = lines.iter().map(|line| text_px(&line.number) + text_px(line.unit)).max().unwrap_or(0);
        let (row_px, top_px) = match view.theme {
            Theme::Table => (29, CAPTION_PX),
            Theme::Plain | Theme::Odometer => (25, PAD_Y_PX),
        };
        // The dot and the blanks around it are as wide as two digits.
        let dot = text_px("00");
        let wanted = labels + GAP_PX + dot + values;
        // A caption is bold, and no gap takes up what the estimate got wrong.
        let caption = match view.theme {
            Theme::Plain | Theme::Odometer => 0,
            Theme::Table => text_px(view.language.caption(view.total)) * 6 / 5,
        };
        let width_px = wanted.max(caption) + 2 * PAD_X_PX;
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let bottom_px = if view.theme == Theme::Table { 6 } else { PAD_Y_PX };
        let (left, right) = (Edge::left(PAD_X_PX), Edge::right(width_px - PAD_X_PX));
        let (start, end) = if view.language.is_rtl() { (right, left) } else { (left, right) };
        let height_px = top_px + count.saturating_mul(row_px) + bottom_px;
        Card { width_px, height_px, row_px, first_row_px: top_px, start, end }
    }
}

/// The width of a text in 14 pixels, rounded up; a little more than common fonts need.
pub(super) fn text_px(text: &str) -> u32 {
    let hundredths: u32 = text.chars().map(em_hundredths).sum();
    (hundredths * FONT_PX).div_ceil(100)
}

/// The width of a character in hundredths of the font's size. Vietnamese letters are as wide as the
/// letters under their marks; marks that are characters of their own take no room.
fn em_hundredths(c: char) -> u32 {
    match c {
        'i' | 'j' | 'l' | 'I' | 'í' | 'ì' | 'ỉ' | 'ĩ' | 'ị' | '.' | ',' | ':' | ';' | '\'' | '|' | ' '
        | '\u{a0}' | '\u{202f}' => 30,
        'f' | 't' | 'r' | '(' | ')' | '-' => 40,
        'm' | 'w' | 'M' | 'W' | 'ж' | 'м' | 'ф' | 'ш' | 'щ' | 'ы' | 'ю' => 92,
        'Ж' | 'М' | 'Ф' | 'Ш' | 'Щ' | 'Ы' | 'Ю' => 105,
        c if is_mark(c) => 0,
        '\u{1100}'.. if !('\u{1e00}'..='\u{20cf}').contains(&c) => 105,
        c if c.is_uppercase() => 70,
        _ => 59,
    }
}

/// Whether a character stands above or below another one: marks of Latin, Arabic and Thai letters.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}')
        || matches!(c, '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}')
}

/// A buffer that tells markup from text: text is always escaped.
pub(super) struct Svg(pub(super) Vec<u8>);

impl Svg {
    pub(super) fn raw(&mut self, markup: &str) -> &mut Svg {
        self.0.extend_from_slice(markup.as_bytes());
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Svg {
        push_markup(&mut self.0, text);
        self
    }

    pub(super) fn px(&mut self, px: u32) -> &mut Svg {
        push_number(&mut self.0, u64::from(px));
        self
    }

    /// The opening tag of an image of this size, named by the elements of these ids.
    pub(super) fn root(&mut self, width_px: u32, height_px: u32, named_by: &str, view: &View) -> &mut Svg {
        self.raw("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"").px(width_px);
        self.raw("\" height=\"").px(height_px).raw("\" viewBox=\"0 0 ").px(width_px);
        self.raw(" ").px(height_px).raw("\" role=\"img\" aria-labelledby=\"").raw(named_by).raw("\" lang=\"");
        self.text(view.language.tag).raw("\" direction=\"ltr\">\n")
    }

    /// What the image shows, in words.
    pub(super) fn words(&mut self, numbers: &Numbers, view: &View, lines: &[Line]) -> &mut Svg {
        self.raw("<title id=\"t\">").text(view.language.caption(view.total)).raw("</title>\n<desc id=\"d\">");
        for (at, line) in lines.iter().enumerate() {
            self.raw(if at > 0 { "; " } else { "" }).text(&line.sentence());
            if line.row == Row::Online {
                self.raw(" (").text(&view.language.window(numbers.online_window_seconds)).raw(")");
            }
        }
        self.raw("</desc>\n")
    }

    fn open(&mut self, card: &Card, numbers: &Numbers, view: &View, lines: &[Line]) {
        self.root(card.width_px, card.height_px, "t d", view).words(numbers, view, lines).raw(STYLE);
        self.raw("<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"").px(card.width_px - 1);
        self.raw("\" height=\"").px(card.height_px - 1);
        self.raw("\" rx=\"9\" fill=\"#fffdf9\" stroke=\"#ded8cc\"/>\n<g font-family=\"").raw(FONTS);
        self.raw("\" font-size=\"").px(FONT_PX).raw("\">\n");
    }

    fn caption(&mut self, card: &Card, view: &View) {
        self.raw("<text class=\"caption\"").at(card.start, 25);
        self.raw(" font-weight=\"600\" fill=\"#1f1d1a\">")
            .text(view.language.caption(view.total))
            .raw("</text>\n");
        self.rule(card, CAPTION_PX);
    }

    fn rule(&mut self, card: &Card, y: u32) {
        self.raw("<path class=\"rule\" d=\"M").px(PAD_X_PX).raw(" ").px(y).raw(".5H");
        self.px(card.width_px - PAD_X_PX).raw("\" stroke=\"#ece7dd\"/>\n");
    }

    fn row(&mut self, card: &Card, line: &Line, top_px: u32) {
        let y = top_px + card.row_px / 2 + BASELINE_PX;
        self.raw("<text class=\"label\"").at(card.start, y);
        self.raw(" fill=\"#5f5a51\">").text(line.label).raw("</text>");
        self.raw("<text").at(card.end, y).raw(">");
        // The dot stands before the number: on its right where text runs from right to left.
        let is_online = line.row == Row::Online;
        if is_online && !line.language.is_rtl() {
            self.dot().raw("<tspan dy=\"-4\"> </tspan>");
        }
        self.raw("<tspan class=\"number\" font-weight=\"600\" fill=\"#1f1d1a\">")
            .text(&line.number)
            .raw("</tspan>");
        if !line.unit.is_empty() {
            self.raw("<tspan class=\"unit\" fill=\"#5f5a51\">").raw(line.language.before_unit);
            self.text(line.unit).raw("</tspan>");
        }
        if is_online && line.language.is_rtl() {
            self.raw(" ").dot();
        }
        self.raw("</text>\n");
    }

    /// What marks the people online; what follows has to come up again by four pixels.
    pub(super) fn dot(&mut self) -> &mut Svg {
        self.raw("<tspan class=\"dot\" font-size=\"26\" dy=\"4\" fill=\"#0b7a5b\">").raw(DOT);
        self.raw("</tspan>")
    }

    /// The attributes of a text that is set from an edge.
    pub(super) fn at(&mut self, edge: Edge, y_px: u32) -> &mut Svg {
        self.raw(" x=\"").px(edge.px).raw("\" y=\"").px(y_px).raw("\" text-anchor=\"").raw(edge.anchor);
        self.raw("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, text_of, view};
    use super::*;

    fn svg(query: &[(&str, &str)]) -> String {
        String::from_utf8(render(&numbers(), &view(query))).expect("is text")
    }

    #[test]
    fn it_says_in_words_what_it_shows() {
        let svg = svg(&[]);
        assert!(svg.contains("<title id=\"t\">Thống kê truy cập</title>"));
        let lines = "Số lượt truy cập: 1,333,796 lượt; Số người online: 912 người (trong 5 phút qua)";
        assert!(svg.contains(&format!("<desc id=\"d\">{lines}</desc>")));
        assert!(text_of(&svg).contains("1,333,796 lượt"));
    }

    #[test]
    fn it_needs_nothing_from_outside() {
        for query in [&[][..], &[("style", "table")]] {
            let svg = svg(query).replace("http://www.w3.org/2000/svg", "");
            for banned in ["http", "url(", "<script", "@import", "href"] {
                assert!(!svg.contains(banned), "{banned}");
            }
        }
    }

    #[test]
    fn every_text_has_a_colour_even_without_the_style_block() {
        for (at, _) in svg(&[("style", "table")]).match_indices("<tspan class") {
            let svg = svg(&[("style", "table")]);
            let tag = &svg[at..at + svg[at..].find('>').expect("is closed")];
            assert!(tag.contains("fill=\"#"), "{tag}");
        }
    }

    #[test]
    fn letters_with_vietnamese_marks_are_as_wide_as_without() {
        assert_eq!(text_px("Số lượt truy cập"), text_px("So luot truy cap"));
        assert_eq!(text_px("nghỉ"), text_px("nghi"));
    }

    #[test]
    fn marks_of_other_scripts_take_no_room_and_full_width_letters_take_all_of_theirs() {
        assert_eq!(text_px("ผู้"), text_px("ผ"));
        assert_eq!(text_px("ثوانٍ"), text_px("ثوان"));
        assert!(text_px("访问统计") >= 4 * FONT_PX && text_px("방문 통계") >= 4 * FONT_PX);
    }

    #[test]
    fn words_from_right_to_left_begin_at_the_right_edge_and_numbers_end_at_the_left() {
        let svg = svg(&[("lang", "ar")]);
        let right =
            Card::around(&lines(&numbers(), &view(&[("lang", "ar")])), &view(&[("lang", "ar")])).start;
        assert_eq!(svg.matches("text-anchor=\"end\" fill=\"#5f5a51\">").count(), 2);
        assert!(svg.contains(&format!("<text class=\"label\" x=\"{}\"", right.px)));
        assert!(
            svg.contains("<text x=\"16\" y=\"53\" text-anchor=\"start\"><tspan class=\"number\""),
            "{svg}"
        );
        assert!(svg.contains(" direction=\"ltr\">"), "within a page of that direction too");
    }

    #[test]
    fn a_longer_number_makes_a_wider_card() {
        let small = Card::around(&lines(&numbers(), &view(&[])), &view(&[]));
        let more = Numbers { online: 1_000_000_000, ..numbers() };
        assert!(Card::around(&lines(&more, &view(&[])), &view(&[])).width_px > small.width_px);
    }
}
