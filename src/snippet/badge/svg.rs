//! The badge as an image that stands alone: two fields with a text each, 20 pixels high.
//!
//! It brings its own background and, on dark pages, an edge, so it can be read anywhere. Where every
//! letter's width is known, `textLength` sets the text to it, so that a reader whose fonts are of another
//! width sees no text touch an edge.

use super::super::svg::Svg;
use super::width::width;
use super::{Badge, Format, Style};
use crate::words::Numbers;

pub(super) static FORMAT: Format<Badge> = Format {
    extension: "svg",
    content_type: "image/svg+xml",
    policy: "default-src 'none'; style-src 'unsafe-inline'",
    slow: false,
    needs: None,
    counts: |_| true,
    render,
};

const FONT_PX: u32 = 11;
const HEIGHT_PX: u32 = 20;
/// From the edges of a field to its text.
const PAD_PX: u32 = 7;
/// The ground of the label: white on it has a contrast of 7.5.
const LABEL_GROUND: &str = "#57534c";
/// Text on light colours.
const DARK_TEXT: &str = "#1f1d1a";

/// The edge is darker than a badge on light pages and lighter than it on dark ones.
const STYLE: &str =
    "<style>@media (prefers-color-scheme:dark){.edge{stroke:#fff;stroke-opacity:.22}}</style>\n";

/// The gloss of the classic style, from top to bottom.
const GLOSS: &str = "<linearGradient id=\"g\" x2=\"0\" y2=\"1\">\
                     <stop offset=\"0\" stop-color=\"#fff\" stop-opacity=\".42\"/>\
                     <stop offset=\".12\" stop-color=\"#fff\" stop-opacity=\".2\"/>\
                     <stop offset=\".88\" stop-opacity=\".14\"/>\
                     <stop offset=\"1\" stop-opacity=\".38\"/></linearGradient>\n";

/// One of the two fields.
struct Field<'a> {
    text: &'a str,
    ground: &'a str,
    ink: &'static str,
    left_px: u32,
    width_px: u32,
}

pub(super) fn render(numbers: &Numbers, badge: &Badge) -> Vec<u8> {
    let (label, message, colour) = (badge.label(), badge.message(numbers), badge.colour.css());
    let ink = if badge.colour.is_light() { DARK_TEXT } else { "#fff" };
    let mut fields = vec![
        Field { text: label, ground: LABEL_GROUND, ink: "#fff", left_px: 0, width_px: 0 },
        Field { text: &message, ground: &colour, ink, left_px: 0, width_px: 0 },
    ];
    fields.retain(|field| !field.text.is_empty());
    if badge.view.language.is_rtl() {
        fields.reverse();
    }
    let mut total_px = 0;
    for field in &mut fields {
        field.left_px = total_px;
        field.width_px = text_px(field.text) + 2 * PAD_PX;
        total_px += field.width_px;
    }
    let mut svg = Svg(Vec::with_capacity(2_048));
    open(&mut svg, badge, label, &message, total_px);
    for field in &fields {
        ground(&mut svg, field);
    }
    finish(&mut svg, badge, total_px);
    for field in &fields {
        words(&mut svg, field, badge.style);
    }
    svg.raw("</g>\n</svg>\n");
    svg.0
}

/// The width of a text in [`FONT_PX`], rounded up.
fn text_px(text: &str) -> u32 {
    (width(text).em_thousandths * FONT_PX).div_ceil(1_000)
}

/// Everything before the fields; they are cut to the round corners of the whole.
fn open(svg: &mut Svg, badge: &Badge, label: &str, message: &str, total_px: u32) {
    svg.root(total_px, HEIGHT_PX, "t", &badge.view).raw("<title id=\"t\">");
    if label.is_empty() {
        svg.text(message);
    } else {
        svg.text(&badge.view.language.sentence(label, message));
    }
    svg.raw("</title>\n").raw(STYLE);
    if badge.style == Style::Classic {
        svg.raw(GLOSS);
    }
    svg.raw("<clipPath id=\"c\"><rect width=\"").px(total_px).raw("\" height=\"").px(HEIGHT_PX);
    svg.raw("\" rx=\"4\"/></clipPath>\n<g clip-path=\"url(#c)\">\n");
}

fn ground(svg: &mut Svg, field: &Field<'_>) {
    svg.raw("<rect x=\"").px(field.left_px).raw("\" width=\"").px(field.width_px);
    svg.raw("\" height=\"").px(HEIGHT_PX).raw("\" fill=\"").text(field.ground).raw("\"/>\n");
}

/// Gloss and edge over the grounds, and the beginning of the texts.
fn finish(svg: &mut Svg, badge: &Badge, total_px: u32) {
    if badge.style == Style::Classic {
        svg.raw("<rect width=\"").px(total_px).raw("\" height=\"").px(HEIGHT_PX);
        svg.raw("\" fill=\"url(#g)\"/>\n");
    }
    svg.raw("</g>\n<rect class=\"edge\" x=\".5\" y=\".5\" width=\"").px(total_px - 1);
    svg.raw("\" height=\"19\" rx=\"3.5\" fill=\"none\" stroke=\"#000\" stroke-opacity=\".12\"/>\n");
    svg.raw("<g font-family=\"Verdana,'DejaVu Sans',Geneva,'Noto Sans',sans-serif\" font-size=\"")
        .px(FONT_PX);
    svg.raw("\" text-anchor=\"middle\" text-rendering=\"geometricPrecision\">\n");
}

fn words(svg: &mut Svg, field: &Field<'_>, style: Style) {
    if style == Style::Classic {
        // The shadow lies on the side that the light does not come from; dark letters are lit from below.
        let shadow = if field.ink == DARK_TEXT { "#fff" } else { "#000" };
        letters(svg, field, 15, shadow, "\" fill-opacity=\".3");
    }
    letters(svg, field, 14, field.ink, "");
}

fn letters(svg: &mut Svg, field: &Field<'_>, baseline_px: u32, ink: &str, opacity: &str) {
    let doubled_px = 2 * field.left_px + field.width_px;
    svg.raw("<text x=\"").px(doubled_px / 2).raw(if doubled_px.is_multiple_of(2) { "" } else { ".5" });
    svg.raw("\" y=\"").px(baseline_px).raw("\" fill=\"").raw(ink).raw(opacity);
    if width(field.text).is_exact {
        svg.raw("\" textLength=\"").px(field.width_px - 2 * PAD_PX);
        svg.raw("\" lengthAdjust=\"spacingAndGlyphs");
    }
    svg.raw("\">").text(field.text).raw("</text>\n");
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{numbers, text_of};
    use super::super::tests::badge;
    use super::*;

    fn svg(query: &[(&str, &str)]) -> String {
        String::from_utf8(render(&numbers(), &badge(query))).expect("is text")
    }

    #[test]
    fn it_says_in_words_what_it_shows() {
        assert!(svg(&[]).contains("<title id=\"t\">Số lượt truy cập: 1,333,796</title>"));
        assert!(svg(&[("label", "")]).contains("<title id=\"t\">1,333,796</title>"));
        assert_eq!(text_of(&svg(&[("label", "here"), ("show", "online")])).matches("912").count(), 2);
    }

    #[test]
    fn it_is_as_wide_as_its_text() {
        let width = |query: &[(&str, &str)]| {
            let svg = svg(query);
            let rest = svg.split_once("width=\"").expect("has a width").1;
            rest.split('"').next().and_then(|px| px.parse::<u32>().ok()).expect("is a number")
        };
        // 3.605 em and 1.908 em of 11 pixels, and the four edges.
        assert_eq!(width(&[("label", "visitors"), ("show", "online")]), 40 + 21 + 28);
        assert_eq!(width(&[("label", ""), ("show", "online")]), 21 + 14);
    }

    #[test]
    fn where_text_runs_from_right_to_left_the_name_stands_on_the_right() {
        let svg = svg(&[("lang", "ar")]);
        let number = svg.find(">1,333,796</text>").expect("is there");
        assert!(number < svg.find(">إجمالي الزيارات</text>").expect("is there"));
        assert!(svg.contains("<title id=\"t\">إجمالي الزيارات: \u{2066}1,333,796\u{2069}</title>"));
        assert!(svg.contains(" direction=\"ltr\">"), "within a page of that direction too");
    }

    #[test]
    fn a_label_stays_text() {
        let svg = svg(&[("label", "</text><script>a&\"'\u{202e}")]);
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;a&amp;&quot;'"));
    }

    #[test]
    fn text_on_light_colours_is_dark() {
        assert!(svg(&[("color", "yellow")]).contains("fill=\"#1f1d1a\""));
        assert!(!svg(&[("color", "blue")]).contains("fill=\"#1f1d1a\""));
    }

    #[test]
    fn it_needs_nothing_from_outside() {
        for style in ["flat", "classic"] {
            let svg = svg(&[("style", style)]).replace("http://www.w3.org/2000/svg", "").replace("url(#", "");
            for banned in ["http", "url(", "<script", "@import", "href"] {
                assert!(!svg.contains(banned), "{banned}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_label_gives_an_image_that_parses(label in ".{0,64}") {
            let site = super::super::super::tests::site(crate::sites::LanguageChoice::Auto);
            if let Ok(badge) = Badge::parse([("label", label.as_str()), ("style", "classic")], &site, None) {
                let svg = String::from_utf8(render(&numbers(), &badge)).expect("is text");
                proptest::prop_assert!(resvg::usvg::roxmltree::Document::parse(&svg).is_ok(), "{}", svg);
            }
        }
    }
}
