//! Escaping and numbers: the one place that makes text safe for html, xml and JSON.
//!
//! Everything appends to a buffer of the caller. Markup is escaped for text and for attributes in
//! double quotes alike. Characters that XML 1.0 forbids become U+FFFD, so an image always parses.

use super::grouping::Grouping;

/// Appends `text` to html or xml, safe between tags and inside double quotes.
pub(super) fn push_markup(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\t' | '\n' => push_char(out, c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => push_char(out, '\u{fffd}'),
            c => push_char(out, c),
        }
    }
}

/// Appends `text` as a JSON string, quotes included.
pub(super) fn push_json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let must_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |found, byte| found | must_escape(byte)) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let mut clean_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[clean_from..at]);
        clean_from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            control => out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                b'0' + (control >> 4),
                hex_digit(control & 15),
            ]),
        }
    }
    out.extend_from_slice(&text.as_bytes()[clean_from..]);
    out.push(b'"');
}

/// Appends `number` in decimal digits.
pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number` in groups of three digits, as `grouping` wants them.
pub(super) fn push_grouped(out: &mut Vec<u8>, number: u64, grouping: Grouping) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    let Some(separator) = grouping.separator(digits.len()) else {
        out.extend_from_slice(digits);
        return;
    };
    let mut utf8 = [0; 4];
    let separator = separator.encode_utf8(&mut utf8).as_bytes();
    let (head, groups) = digits.split_at((digits.len() - 1) % 3 + 1);
    out.extend_from_slice(head);
    for group in groups.chunks(3) {
        out.extend_from_slice(separator);
        out.extend_from_slice(group);
    }
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("only whole characters are written")
    }

    #[test]
    fn numbers_are_grouped_by_three_from_the_right() {
        for (number, expected) in [
            (0, "0"),
            (912, "912"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (1_333_796, "1,333,796"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(written(|out| push_grouped(out, number, Grouping::by(','))), expected);
        }
        assert_eq!(written(|out| push_grouped(out, 12_345, Grouping::NONE)), "12345");
        assert_eq!(written(|out| push_grouped(out, 12_345, Grouping::by('\u{202f}'))), "12\u{202f}345");
    }

    #[test]
    fn a_language_may_leave_four_digits_together() {
        for (number, expected) in
            [(999, "999"), (9_999, "9999"), (10_000, "10.000"), (1_000_000, "1.000.000")]
        {
            let written = written(|out| push_grouped(out, number, Grouping::from_five_digits('.')));
            assert_eq!(written, expected);
        }
    }

    #[test]
    fn markup_cannot_break_out_of_text_or_attribute() {
        let escaped = written(|out| push_markup(out, "<b a=\"1\" & 'é'>\u{0}\u{7f}"));
        assert_eq!(escaped, "&lt;b a=&quot;1&quot; &amp; 'é'&gt;\u{fffd}\u{fffd}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_survives_a_json_parser(text in ".*", control in "[\u{0}-\u{1f}\"\\\\]{0,8}") {
            let text = format!("{text}{control}{text}");
            let json = written(|out| push_json(out, &text));
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&json).expect("is JSON"), text);
        }
    }
}
