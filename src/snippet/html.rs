//! The html block: semantic, inheriting the page's fonts and colours, without a style or script of its own.
//!
//! Each number stands in a `data-headcount` element, so the script keeps it fresh; the row of people
//! online is a polite live region that is read as a whole. Class names are there for a page's own
//! stylesheet. `?frame` wraps the block in a document that takes its looks from `snippet.css`.

use super::Format;
use super::escape::push_markup;
use super::line::{Line, lines};
use super::odometer::push_wheels;
use super::view::{Row, Theme, View};
use crate::words::Numbers;

pub(super) static FORMAT: Format = Format {
    extension: "html",
    content_type: "text/html; charset=utf-8",
    policy: "default-src 'none'; style-src 'self'; frame-ancestors *",
    slow: false,
    needs: None,
    counts: |view| view.frame,
    render,
};

fn render(numbers: &Numbers, view: &View) -> Vec<u8> {
    let mut html = Html(Vec::with_capacity(2_048));
    if view.frame {
        html.document(numbers, view);
    } else {
        html.block(numbers, view);
    }
    html.0
}

/// The block to paste: the default rows with empty places for the numbers.
pub(super) fn spans(view: &View) -> String {
    let mut html = Html(Vec::with_capacity(256));
    html.raw("<p data-headcount-block hidden>");
    for (at, row) in view.rows.iter().enumerate() {
        html.raw(if at > 0 { "<br>\n" } else { "" });
        html.text(view.language.label(*row, view.theme, view.total)).text(view.language.colon);
        html.raw("<span data-headcount=\"").text(row.as_str()).raw("\"></span>");
        let unit = view.language.unit(*row, view.total);
        html.raw(if unit.is_empty() { "" } else { view.language.before_unit }).text(unit);
    }
    html.raw("</p>");
    String::from_utf8(html.0).expect("is made of whole strings")
}

/// A buffer that tells markup from text: text is always escaped.
struct Html(Vec<u8>);

impl Html {
    fn raw(&mut self, markup: &str) -> &mut Html {
        self.0.extend_from_slice(markup.as_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Html {
        push_markup(&mut self.0, text);
        self
    }

    fn document(&mut self, numbers: &Numbers, view: &View) {
        self.raw("<!doctype html>\n<html").language(view).raw(">\n<head>\n<meta charset=\"utf-8\">\n");
        self.raw("<meta name=\"viewport\" content=\"width=device-width\">\n");
        self.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
        self.text(view.language.caption(view.total)).raw("</title>\n");
        // Relative, so that it is found under any path that a proxy puts before `/snippet/`.
        self.raw(
            "<link rel=\"stylesheet\" href=\"../snippet.css\">\n</head>\n<body class=\"headcount-frame\">\n",
        );
        self.block(numbers, view);
        self.raw("</body>\n</html>\n");
    }

    fn block(&mut self, numbers: &Numbers, view: &View) {
        let lines = lines(numbers, view);
        let window = view.language.window(numbers.online_window_seconds);
        match view.theme {
            Theme::Plain | Theme::Odometer => self.paragraph(view, &lines, &window),
            Theme::Table => self.table(view, &lines, &window),
        }
    }

    fn paragraph(&mut self, view: &View, lines: &[Line], window: &str) {
        let colon = view.language.colon.trim_end();
        let blank = &view.language.colon[colon.len()..];
        self.raw(match view.theme {
            Theme::Odometer => "<p class=\"headcount headcount-odometer\"",
            Theme::Plain | Theme::Table => "<p class=\"headcount\"",
        });
        self.language(view).raw(">");
        for (at, line) in lines.iter().enumerate() {
            self.raw(if at > 0 { "<br>\n" } else { "" });
            self.raw("<span class=\"headcount-row\"");
            if line.row == Row::Online {
                self.raw(" role=\"status\" aria-live=\"polite\" aria-atomic=\"true\"");
            }
            self.raw("><span class=\"headcount-label\">")
                .text(line.label)
                .text(colon)
                .raw("</span>")
                .raw(blank);
            self.number(line, window);
            if view.theme == Theme::Odometer {
                push_wheels(&mut self.0, &line.number);
            }
            self.unit(line).raw("</span>");
        }
        self.raw("</p>\n");
    }

    fn table(&mut self, view: &View, lines: &[Line], window: &str) {
        self.raw("<table class=\"headcount\"").language(view).raw(">\n<caption>");
        self.text(view.language.caption(view.total)).raw("</caption>\n<tbody>\n");
        for line in lines {
            // The whole row is the live region: a cell with another role would no longer be a cell.
            self.raw(match line.row {
                Row::Online => "<tr aria-live=\"polite\" aria-atomic=\"true\">",
                _ => "<tr>",
            });
            self.raw("<th scope=\"row\">").text(line.label).raw("</th><td>");
            self.number(line, window).unit(line).raw("</td></tr>\n");
        }
        self.raw("</tbody>\n</table>\n");
    }

    fn number(&mut self, line: &Line, window: &str) -> &mut Html {
        self.raw("<span class=\"headcount-number\" data-headcount=\"").text(line.row.as_str()).raw("\"");
        if line.row == Row::Online {
            self.raw(" title=\"").text(window).raw("\"");
        }
        // Whatever stands between its groups, a number is read from left to right.
        self.raw(if line.language.is_rtl() { " dir=\"ltr\">" } else { ">" });
        self.text(&line.number).raw("</span>")
    }

    fn unit(&mut self, line: &Line) -> &mut Html {
        if !line.unit.is_empty() {
            self.raw(line.language.before_unit)
                .raw("<span class=\"headcount-unit\">")
                .text(line.unit)
                .raw("</span>");
        }
        self
    }

    fn language(&mut self, view: &View) -> &mut Html {
        self.raw(" lang=\"").text(view.language.tag).raw("\" dir=\"").text(view.language.direction).raw("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, numbers_with_page, text_of, view};
    use super::*;

    fn html(query: &[(&str, &str)]) -> String {
        String::from_utf8(render(&numbers_with_page(), &view(query))).expect("is text")
    }

    #[test]
    fn the_default_block_reads_exactly_as_on_the_founding_site() {
        let html = String::from_utf8(render(&numbers(), &view(&[]))).expect("is text");
        assert_eq!(text_of(&html), "Số lượt truy cập: 1,333,796 lượt\nSố người online: 912 người\n");
        assert!(html.contains("<br>\n"));
    }

    #[test]
    fn nothing_needs_more_than_a_strict_policy_allows() {
        for query in [&[][..], &[("style", "table")], &[("style", "odometer")], &[("frame", "")]] {
            let html = html(query);
            for banned in ["<script", "<style", " style=", "onload=", "onclick=", "javascript:"] {
                assert!(!html.contains(banned), "{banned} in {html}");
            }
        }
    }

    #[test]
    fn every_number_can_be_refreshed_by_the_script() {
        let html = html(&[("rows", "online,total,page,peak_online,last_24_hours")]);
        for key in ["online", "total", "page", "peak_online", "last_24_hours"] {
            assert_eq!(html.matches(&format!("data-headcount=\"{key}\"")).count(), 1, "{key}");
        }
    }

    #[test]
    fn a_table_has_a_caption_and_a_header_for_each_row() {
        let html = html(&[("style", "table")]);
        assert!(html.contains("<caption>Thống kê truy cập</caption>"));
        assert_eq!(html.matches("<th scope=\"row\">").count(), 9);
        assert_eq!(html.matches("aria-live=\"polite\"").count(), 1);
    }

    #[test]
    fn wheels_stand_beside_the_number_unseen_and_unheard_until_a_stylesheet_shows_them() {
        let html = String::from_utf8(render(&numbers(), &view(&[("style", "odometer")]))).expect("is text");
        assert_eq!(text_of(&html), "Số lượt truy cập: 1,333,796 lượt\nSố người online: 912 người\n");
        let wheels = "data-headcount=\"total\">1,333,796</span><span class=\"headcount-wheels\" dir=\"ltr\" \
                      aria-hidden=\"true\"><i data-digit=\"1\"></i><b data-digit=\",\"></b>";
        assert!(html.contains(wheels), "{html}");
        assert_eq!(html.matches("<i ").count(), 7 + 3);
    }

    #[test]
    fn a_frame_is_a_whole_document_that_finds_its_stylesheet_under_any_path() {
        let html = html(&[("frame", ""), ("lang", "en")]);
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\" dir=\"ltr\">"));
        assert!(html.contains("href=\"../snippet.css\""));
    }

    #[test]
    fn the_block_to_paste_is_the_one_in_the_readme() {
        assert_eq!(
            spans(&view(&[])),
            "<p data-headcount-block hidden>\
             Số lượt truy cập: <span data-headcount=\"total\"></span> lượt<br>\n\
             Số người online: <span data-headcount=\"online\"></span> người</p>"
        );
    }
}
