//! The data snippet as a script: it calls a function of the page with the numbers.
//!
//! For pages that cannot ask for JSON themselves: old browsers, old site builders. What it calls is
//! checked at the door. The JSON is written so that it is a JavaScript literal of any edition and can
//! never end a script element; the comment before it keeps old plug-ins from taking the name, which the
//! asker chose, for the beginning of a file of their own kind.

use super::view::View;
use super::{Format, Need, json};
use crate::words::Numbers;

pub(super) static FORMAT: Format = Format {
    extension: "js",
    content_type: "application/javascript; charset=utf-8",
    policy: "default-src 'none'",
    slow: false,
    needs: Some(Need {
        parameter: "callback",
        example: "?callback=show, where show is the function of your page that takes the numbers",
    }),
    counts: |_| true,
    render,
};

fn render(numbers: &Numbers, view: &View) -> Vec<u8> {
    let json = String::from_utf8((json::FORMAT.render)(numbers, view)).expect("is made of whole strings");
    let callback = view.callback.as_deref().unwrap_or_default();
    let literal = script_literal(json.trim_end());
    format!("/**/{callback}({literal});\n").into_bytes()
}

/// JSON as a JavaScript literal. Outside strings JSON holds none of these characters, and within them
/// an escape means the same.
fn script_literal(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, numbers_with_page, view};
    use super::*;
    use crate::words::{PageNumbers, PagePath};

    fn script(numbers: &Numbers) -> String {
        String::from_utf8(render(numbers, &view(&[("callback", "site.show")]))).expect("is text")
    }

    #[test]
    fn it_calls_the_function_with_what_the_data_snippet_says() {
        let script = script(&numbers_with_page());
        let json = script.strip_prefix("/**/site.show(").and_then(|rest| rest.strip_suffix(");\n"));
        let json: serde_json::Value = serde_json::from_str(json.expect("is one call")).expect("is JSON");
        assert_eq!(json["text"]["total"], "1,333,796");
        assert_eq!(json["page"]["path"], "/tin-tuc");
    }

    #[test]
    fn a_page_can_neither_end_the_script_nor_the_line() {
        let path = PagePath::from_folded("/</script><!--\u{2028}\u{2029}");
        let page = PageNumbers { path: path.clone(), views: 1, visits: 0, online: 1 };
        let script = script(&Numbers { page: Some(page), ..numbers() });
        assert!(!script.contains(['<', '\u{2028}', '\u{2029}']), "{script}");
        let json = script.trim_start_matches("/**/site.show(").trim_end_matches(");\n");
        let json: serde_json::Value = serde_json::from_str(json).expect("is JSON");
        assert_eq!(json["page"]["path"], path.as_str());
    }
}
