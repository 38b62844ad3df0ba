//! The counter on digit wheels, as an image that stands alone and as markup for a page.
//!
//! A wheel is a dark drum with light digits. When the image is first shown each wheel turns forward by
//! three digits to its own, the last one first; where motion is unwanted, and in programs that know no
//! animations, it simply stands there. Colours are attributes, the style block adds motion and dark colours.
//! Digits stand in the order in which numbers are written in every language: from left to right.

use super::line::Line;
use super::svg::{FONTS, Svg, text_px};
use super::view::{Row, View};
use crate::words::Numbers;

/// Motion and the dark colours, by the class of what they change.
const STYLE: &str = "<style>.turn{animation:turn 1.2s cubic-bezier(.2,.75,.25,1) backwards}\
@keyframes turn{from{transform:translateY(90px)}}\
@media (prefers-reduced-motion:reduce){.turn{animation:none}}\
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
/// Also the way from one digit to the next.
const WHEEL_HEIGHT_PX: u32 = 30;
const WHEEL_GAP_PX: u32 = 2;
/// What stands between groups of digits.
const SEPARATOR_PX: u32 = 6;
const UNIT_GAP_PX: u32 = 8;
/// Turning ends with a wheel's own digit, which these come before.
const DIGITS_BEFORE: u32 = 3;

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
        row(&mut svg, line, PAD_Y_PX + at * ROW_PX, width_px, view.language.direction == "rtl");
    }
    svg.raw("</g>\n</svg>\n");
    svg.0
}

/// The width of what a line needs: its label, or its wheels with what counts behind them.
fn line_px(line: &Line) -> u32 {
    let dot = if line.row == Row::Online { text_px("00") } else { 0 };
    let unit = if line.unit.is_empty() { 0 } else { UNIT_GAP_PX + text_px(line.unit) };
    (text_px(line.label) + dot).max(wheels_px(&line.number) + unit)
}

fn wheels_px(number: &str) -> u32 {
    let width = |c: char| if c.is_ascii_digit() { WHEEL_WIDTH_PX } else { SEPARATOR_PX } + WHEEL_GAP_PX;
    number.chars().map(width).sum::<u32>().saturating_sub(WHEEL_GAP_PX)
}

fn row(svg: &mut Svg, line: &Line, top_px: u32, width_px: u32, is_rtl: bool) {
    let label_px = if is_rtl { width_px - PAD_X_PX } else { PAD_X_PX };
    svg.raw("<text class=\"label\" x=\"").px(label_px).raw("\" y=\"").px(top_px + LABEL_BASELINE_PX);
    svg.raw("\" fill=\"#5f5a51\">").text(line.label);
    if line.row == Row::Online {
        svg.raw(" <tspan class=\"dot\" font-size=\"10\" dy=\"-1\" fill=\"#0b7a5b\">\u{25cf}</tspan>");
    }
    svg.raw("</text>\n");
    let wheels_px = wheels_px(&line.number);
    let mut left_px = if is_rtl { width_px - PAD_X_PX - wheels_px } else { PAD_X_PX };
    let unit_px = if is_rtl { left_px - UNIT_GAP_PX } else { left_px + wheels_px + UNIT_GAP_PX };
    let count = u32::try_from(line.number.len()).unwrap_or(0);
    for (at, c) in (0_u32..).zip(line.number.chars()) {
        if let Some(digit) = c.to_digit(10) {
            wheel(svg, digit, left_px, top_px + WHEELS_TOP_PX, count.saturating_sub(at));
            left_px += WHEEL_WIDTH_PX + WHEEL_GAP_PX;
        } else {
            separator(svg, c, left_px, top_px + WHEELS_TOP_PX);
            left_px += SEPARATOR_PX + WHEEL_GAP_PX;
        }
    }
    if !line.unit.is_empty() {
        svg.raw("<text class=\"unit\" x=\"").px(unit_px).raw("\" y=\"").px(top_px + WHEELS_TOP_PX + 22);
        svg.raw("\" fill=\"#5f5a51\">").text(line.unit).raw("</text>\n");
    }
}

/// A wheel that shows `digit`, `place` places from the right: those further left turn longer.
fn wheel(svg: &mut Svg, digit: u32, left_px: u32, top_px: u32, place: u32) {
    svg.raw("<svg x=\"").px(left_px).raw("\" y=\"").px(top_px).raw("\" width=\"").px(WHEEL_WIDTH_PX);
    svg.raw("\" height=\"")
        .px(WHEEL_HEIGHT_PX)
        .raw("\"><rect width=\"21\" height=\"30\" rx=\"4\" fill=\"url(#drum)\"/>");
    svg.raw("<g class=\"turn\" style=\"animation-delay:")
        .px(place * 50)
        .raw("ms\" font-size=\"21\" font-weight=\"600\"");
    svg.raw(" fill=\"#fbf7ee\" text-anchor=\"middle\">");
    for back in 0..=DIGITS_BEFORE {
        svg.raw("<text x=\"10.5\" y=\"").raw(if back > 0 { "-" } else { "" });
        let baseline_px = if back > 0 { back * WHEEL_HEIGHT_PX - 22 } else { 22 };
        svg.px(baseline_px).raw(".5\">").px((digit + 10 - back) % 10).raw("</text>");
    }
    svg.raw("</g><rect width=\"21\" height=\"30\" rx=\"4\" fill=\"url(#shade)\"/>");
    svg.raw("<rect class=\"rim\" x=\".5\" y=\".5\" width=\"20\" height=\"29\" rx=\"3.5\" fill=\"none\" stroke=\"#191816\"/></svg>\n");
}

fn separator(svg: &mut Svg, c: char, left_px: u32, top_px: u32) {
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
        super::escape::push_markup(out, c.encode_utf8(&mut [0; 4]));
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
    fn a_wheel_for_each_digit_ends_with_it_and_came_from_those_before() {
        let image = image(&[("rows", "online")]);
        assert_eq!(image.matches("class=\"turn\"").count(), 3);
        let digits = |digits: [u32; 4]| {
            let places = ["22.5", "-8.5", "-38.5", "-68.5"];
            let text = |(digit, y): (u32, &str)| format!("<text x=\"10.5\" y=\"{y}\">{digit}</text>");
            digits.into_iter().zip(places).map(text).collect::<String>()
        };
        for wheel in [[9, 8, 7, 6], [1, 0, 9, 8], [2, 1, 0, 9]] {
            assert!(image.contains(&digits(wheel)), "{wheel:?} in {image}");
        }
    }

    #[test]
    fn it_says_in_words_what_it_shows_and_stands_still_where_motion_is_unwanted() {
        let image = image(&[]);
        assert!(
            image.contains("Số lượt truy cập: 1,333,796 lượt; Số người online: 912 người (trong 5 phút qua)")
        );
        assert!(image.contains("prefers-reduced-motion:reduce){.turn{animation:none}}"));
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
