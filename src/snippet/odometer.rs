//! The counter on digit wheels, as an image that stands alone and as markup for a page.
//!
//! A wheel is a dark drum with a light digit. When the image is first shown each digit comes to rest from
//! a little above its place, the last one first: at no moment does a wheel show another digit than its
//! own. Where motion is unwanted, and in programs that know no animations, it simply stands there.
//! Colours are attributes, the style block adds motion and dark colours.
//!
//! Digits stand in the order in which numbers are written in every language: from left to right. Where
//! text runs the other way, labels and wheels are set from the right edge, as on the card of `svg.rs`.

use super::escape::push_markup;
use super::line::Line;
use super::svg::{Edge, FONTS, Svg, text_px};
use super::view::{Row, View};
use crate::words::Numbers;

/// Motion and the dark colours, by the class of what they change. With the longest delay the motion is
/// over after 0.8 s.
const STYLE: &str = "<style>.roll{animation:roll .5s cubic-bezier(.3,1.4,.5,1) backwards}\
@keyframes roll{from{transform:translateY(-8px)}}\
@media (prefers-reduced-motion:reduce){.roll{animation:none}}\
@media (prefers-color-scheme:dark){.card{fill:#1c1b19;stroke:#3a3732}.label,.unit,.gap{fill:#b3ada1}\
.dot{fill:#4fd1a5}.rim{stroke:#6b655b}.drum{stop-color:#26231f}.crest{stop-color:#4b463e}}</style>\n";

/// The roundness of a drum: its colour from top to bottom, and the shade that lies over its digits.
const DRUM: &str = "<linearGradient id=\"drum\" x2=\"0\" y2=\"1\">\
<stop class=\"drum\" offset=\"0\" stop-color=\"#191816\"/>\
<stop class=\"crest\" offset=\".46\" stop-color=\"#403c36\"/>\
<stop class=\"drum\" offset=\"1\" stop-color=\"#191816\"/></linearGradient>\n\
<linearGradient id=\"shade\" x2=\"0\" y2=\"1\">\
<stop offset=\"0\" stop-opacity=\".72\"/><stop offset=\".26\" stop-opacity=\"0\"/>\
<stop offset=\".74\" stop-opacity=\"0\"/><stop offset=\"1\" stop-opacity=\".72\"/></linearGradient>\n";

const PAD_X_PX: u32 = 16;
const PAD_Y_PX: u32 = 13;
/// A label, its wheels, and the room below them.
const ROW_PX: u32 = 63;
const LABEL_BASELINE_PX: u32 = 12;
const WHEELS_TOP_PX: u32 = 20;
const WHEEL_WIDTH_PX: u32 = 21;
const WHEEL_HEIGHT_PX: u32 = 30;
const WHEEL_GAP_PX: u32 = 2;
/// What stands between groups of digits.
const SEPARATOR_PX: u32 = 6;
const UNIT_GAP_PX: u32 = 8;
/// How much later than its neighbour on the right a wheel comes to rest, and the latest of all.
const DELAY_MS: u32 = 30;
const DELAY_MS_MAX: u32 = 300;

/// The counter as an image.
pub(super) fn card(numbers: &Numbers, view: &View, lines: &[Line]) -> Vec<u8> {
    let width_px = lines.iter().map(line_px).max().unwrap_or(0) + 2 * PAD_X_PX;
    let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let height_px = count.saturating_mul(ROW_PX) + 2 * PAD_Y_PX - (ROW_PX - WHEELS_TOP_PX - WHEEL_HEIGHT_PX);
    let mut svg = Svg(Vec::with_capacity(8_192));
    svg.root(width_px, height_px, "t d", view).words(numbers, view, lines).raw(STYLE).raw(DRUM);
    svg.raw("<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"").px(width_px - 1).raw("\" height=\"");
    svg.px(height_px - 1)
        .raw("\" rx=\"9\" fill=\"#fffdf9\" stroke=\"#ded8cc\"/>\n<g font-family=\"")
        .raw(FONTS);
    svg.raw("\" font-size=\"14\">\n");
    for (at, line) in (0_u32..).zip(lines) {
        row(&mut svg, line, PAD_Y_PX + at * ROW_PX, width_px);
    }
    svg.raw("</g>\n</svg>\n");
    svg.0
}

/// The width of what a line needs: its label, or its wheels with what counts behind them.
fn line_px(line: &Line) -> u32 {
    let dot = if line.row == Row::Online { text_px("00") } else { 0 };
    let unit = if line.unit.is_empty() { 0 } else { UNIT_GAP_PX + text_px(line.unit) };
    // Where a label decides, no gap takes up what the estimate got wrong.
    let label = (text_px(line.label) + dot) * 6 / 5;
    label.max(wheels_px(&line.number) + unit)
}

fn wheels_px(number: &str) -> u32 {
    let width = |c: char| if c.is_ascii_digit() { WHEEL_WIDTH_PX } else { SEPARATOR_PX } + WHEEL_GAP_PX;
    number.chars().map(width).sum::<u32>().saturating_sub(WHEEL_GAP_PX)
}

fn row(svg: &mut Svg, line: &Line, top_px: u32, width_px: u32) {
    let is_rtl = line.language.is_rtl();
    label(svg, line, top_px + LABEL_BASELINE_PX, width_px);
    let wheels_px = wheels_px(&line.number);
    let mut left_px = if is_rtl { width_px - PAD_X_PX - wheels_px } else { PAD_X_PX };
    if !line.unit.is_empty() {
        let edge = if is_rtl {
            Edge::right(left_px - UNIT_GAP_PX)
        } else {
            Edge::left(left_px + wheels_px + UNIT_GAP_PX)
        };
        svg.raw("<text class=\"unit\"").at(edge, top_px + WHEELS_TOP_PX + 22);
        svg.raw(" fill=\"#5f5a51\">").text(line.unit).raw("</text>\n");
    }
    let count = u32::try_from(line.number.chars().count()).unwrap_or(0);
    for (at, c) in (1_u32..).zip(line.number.chars()) {
        if let Some(digit) = c.to_digit(10) {
            wheel(svg, digit, left_px, top_px + WHEELS_TOP_PX, count.saturating_sub(at));
            left_px += WHEEL_WIDTH_PX + WHEEL_GAP_PX;
        } else {
            separator(svg, c, left_px, top_px + WHEELS_TOP_PX);
            left_px += SEPARATOR_PX + WHEEL_GAP_PX;
        }
    }
}

/// The label over the wheels; the dot of the people online stands behind it.
fn label(svg: &mut Svg, line: &Line, baseline_px: u32, width_px: u32) {
    let is_rtl = line.language.is_rtl();
    let edge = if is_rtl { Edge::right(width_px - PAD_X_PX) } else { Edge::left(PAD_X_PX) };
    svg.raw("<text class=\"label\"").at(edge, baseline_px).raw(" fill=\"#5f5a51\">");
    match (line.row == Row::Online, is_rtl) {
        (true, true) => svg.dot().raw("<tspan dy=\"-4\"> ").text(line.label).raw("</tspan>"),
        (true, false) => svg.text(line.label).raw(" ").dot(),
        (false, _) => svg.text(line.label),
    };
    svg.raw("</text>\n");
}

/// A wheel that shows `digit`, `place` places from the last one.
fn wheel(svg: &mut Svg, digit: u32, left_px: u32, top_px: u32, place: u32) {
    svg.raw("<svg x=\"").px(left_px).raw("\" y=\"").px(top_px).raw("\" width=\"").px(WHEEL_WIDTH_PX);
    svg.raw("\" height=\"").px(WHEEL_HEIGHT_PX);
    svg.raw("\"><rect width=\"21\" height=\"30\" rx=\"4\" fill=\"url(#drum)\"/>");
    svg.raw("<text class=\"roll\" style=\"animation-delay:").px(DELAY_MS_MAX.min(place * DELAY_MS));
    svg.raw("ms\" x=\"10.5\" y=\"22.5\" font-size=\"21\" font-weight=\"600\" fill=\"#fbf7ee\"");
    svg.raw(" text-anchor=\"middle\">").px(digit).raw("</text>");
    svg.raw("<rect width=\"21\" height=\"30\" rx=\"4\" fill=\"url(#shade)\"/>");
    svg.raw("<rect class=\"rim\" x=\".5\" y=\".5\" width=\"20\" height=\"29\" rx=\"3.5\" fill=\"none\" ");
    svg.raw("stroke=\"#191816\"/></svg>\n");
}

/// What parts two groups of digits, if anything is seen of it.
fn separator(svg: &mut Svg, c: char, left_px: u32, top_px: u32) {
    if c.is_whitespace() {
        return;
    }
    svg.raw("<text class=\"gap\" x=\"").px(left_px + SEPARATOR_PX / 2).raw("\" y=\"").px(top_px + 26);
    svg.raw("\" font-size=\"16\" text-anchor=\"middle\" fill=\"#8a8479\">").text(c.encode_utf8(&mut [0; 4]));
    svg.raw("</text>\n");
}

/// The wheels of a number as html, beside the number itself: empty elements that nobody sees or hears, until
/// a stylesheet shows them in its place. `odometer.js` turns them.
pub(super) fn push_wheels(out: &mut Vec<u8>, number: &str) {
    out.extend_from_slice(b"<span class=\"headcount-wheels\" dir=\"ltr\" aria-hidden=\"true\">");
    for c in number.chars() {
        let tag = if c.is_ascii_digit() { b'i' } else { b'b' };
        out.extend_from_slice(&[b'<', tag]);
        out.extend_from_slice(b" data-digit=\"");
        push_markup(out, c.encode_utf8(&mut [0; 4]));
        out.extend_from_slice(&[b'"', b'>', b'<', b'/', tag, b'>']);
    }
    out.extend_from_slice(b"</span>");
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, view};
    use super::*;
    use crate::snippet::svg;

    fn image(query: &[(&str, &str)]) -> String {
        let query = [&[("style", "odometer")], query].concat();
        String::from_utf8(svg::render(&numbers(), &view(&query))).expect("is text")
    }

    #[test]
    fn each_wheel_has_its_own_digit_and_no_other_at_any_moment() {
        let image = image(&[("rows", "total,online")]);
        let digits = image.split(" text-anchor=\"middle\">").skip(1).filter_map(|rest| rest.chars().next());
        assert_eq!(digits.collect::<String>(), "1333796912");
        assert!(image.contains("from{transform:translateY(-8px)}"), "a quarter of a wheel");
    }

    #[test]
    fn all_wheels_stand_still_after_less_than_a_second() {
        let most = Numbers { online: u32::MAX, ..numbers() };
        let image = String::from_utf8(svg::render(&most, &view(&[("style", "odometer")]))).expect("is text");
        let delays = image.split("animation-delay:").skip(1).filter_map(|rest| rest.split_once("ms"));
        let delays: Vec<u32> = delays.map(|(ms, _)| ms.parse().expect("is a number")).collect();
        assert_eq!((delays.iter().min(), delays.iter().max()), (Some(&0), Some(&DELAY_MS_MAX)));
        assert!(image.contains("animation:roll .5s"));
    }

    #[test]
    fn where_text_runs_from_right_to_left_labels_begin_at_the_right_and_digits_keep_their_order() {
        let image = image(&[("lang", "ar"), ("rows", "total")]);
        let lefts = image.split("<svg x=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        let lefts: Vec<u32> = lefts.map(|(px, _)| px.parse().expect("is a number")).collect();
        assert!(lefts.len() == 7 && lefts.is_sorted(), "{lefts:?}");
        let width = wheels_px("1,333,796") + 2 * PAD_X_PX;
        let label = format!("<text class=\"label\" x=\"{}\" y=\"25\" text-anchor=\"end\"", width - PAD_X_PX);
        assert!(image.contains(&label), "{image}");
    }

    #[test]
    fn digits_that_a_blank_parts_have_room_for_it_and_no_sign() {
        let image = image(&[("lang", "fr"), ("rows", "total")]);
        assert!(!image.contains("class=\"gap\""), "{image}");
        assert!(image.contains(&format!("width=\"{}\"", wheels_px("1,333,796") + 2 * PAD_X_PX)));
    }

    #[test]
    fn it_says_in_words_what_it_shows_and_stands_still_where_motion_is_unwanted() {
        let image = image(&[]);
        assert!(
            image.contains("Số lượt truy cập: 1,333,796 lượt; Số người online: 912 người (trong 5 phút qua)")
        );
        assert!(image.contains("prefers-reduced-motion:reduce){.roll{animation:none}}"));
    }

    #[test]
    fn it_needs_nothing_from_outside() {
        let image = image(&[]).replace("http://www.w3.org/2000/svg", "").replace("url(#", "");
        for banned in ["http", "url(", "<script", "@import", "href"] {
            assert!(!image.contains(banned), "{banned}");
        }
    }

    #[test]
    fn the_wheels_of_a_page_spell_the_number() {
        let mut out = Vec::new();
        push_wheels(&mut out, "1,3");
        let wheels = "<i data-digit=\"1\"></i><b data-digit=\",\"></b><i data-digit=\"3\"></i>";
        assert!(String::from_utf8(out).expect("is text").contains(wheels));
    }
}
