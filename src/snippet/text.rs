//! Plain text: one line for each row.

use super::Format;
use super::line::{Line, lines};
use super::view::View;
use crate::words::Numbers;

pub(super) static FORMAT: Format = Format {
    extension: "txt",
    content_type: "text/plain; charset=utf-8",
    policy: "default-src 'none'",
    slow: false,
    needs: None,
    counts: |_| false,
    render,
};

fn render(numbers: &Numbers, view: &View) -> Vec<u8> {
    let mut text = lines(numbers, view).iter().map(Line::sentence).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, view};
    use super::*;

    fn check(query: &[(&str, &str)], expected: &str) {
        assert_eq!(String::from_utf8(render(&numbers(), &view(query))).expect("is text"), expected);
    }

    #[test]
    fn lines_read_as_on_the_founding_site() {
        check(&[], "Số lượt truy cập: 1,333,796 lượt\nSố người online: 912 người\n");
    }

    #[test]
    fn a_language_without_units_leaves_no_blank_behind() {
        check(&[("lang", "en")], "Total visits: 1,333,796\nPeople online: 912\n");
    }

    #[test]
    fn a_page_that_was_not_named_has_no_line() {
        check(&[("rows", "page,today")], "Hôm nay: 1,804 lượt\n");
    }
}
