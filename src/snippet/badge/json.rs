//! The badge as data, by the schema of Shields' endpoint badges (<https://shields.io/badges/endpoint-badge>):
//! their service fetches it and draws the badge in any of its own styles.

use super::super::escape::push_json;
use super::{Badge, Format, Style};
use crate::words::Numbers;

pub(super) static FORMAT: Format<Badge> = Format {
    extension: "json",
    content_type: "application/json; charset=utf-8",
    policy: "default-src 'none'",
    slow: false,
    needs: None,
    counts: |_| false,
    render,
};

fn render(numbers: &Numbers, badge: &Badge) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"schemaVersion\":1,\"label\":");
    push_json(&mut out, badge.label());
    out.extend_from_slice(b",\"message\":");
    push_json(&mut out, &badge.message(numbers));
    out.extend_from_slice(b",\"color\":");
    push_json(&mut out, &badge.colour.css());
    // What the service calls plastic is what badges first looked like. It keeps a badge for no less
    // than five minutes, so there is no use in asking for less.
    out.extend_from_slice(match badge.style {
        Style::Flat => b",\"style\":\"flat\",\"cacheSeconds\":300}\n",
        Style::Classic => b",\"style\":\"plastic\",\"cacheSeconds\":300}\n",
    });
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::tests::numbers;
    use super::super::tests::badge;
    use super::*;

    fn parsed(query: &[(&str, &str)]) -> Value {
        serde_json::from_slice(&render(&numbers(), &badge(query))).expect("is JSON")
    }

    #[test]
    fn it_has_the_keys_of_the_schema() {
        let expected = json!({
            "schemaVersion": 1, "label": "Số lượt truy cập", "message": "1,333,796", "color": "#0b7a5b",
            "style": "flat", "cacheSeconds": 300,
        });
        assert_eq!(parsed(&[]), expected);
        let classic = parsed(&[("style", "classic"), ("color", "red"), ("show", "online")]);
        assert_eq!((&classic["style"], &classic["color"]), (&json!("plastic"), &json!("#c93a35")));
        assert_eq!(classic["message"], "912");
    }

    #[test]
    fn a_label_is_a_string_whatever_it_holds() {
        let label = "\"},{\\</script>\u{2028}";
        assert_eq!(parsed(&[("label", label)])["label"], label);
    }
}
