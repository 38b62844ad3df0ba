//! Form data: the parameters of a beacon, found in query and body, then decoded one by one.
//!
//! Unknown parameters are passed over undecoded. A value without escapes stays borrowed. Every decoded
//! value is bounded, UTF-8 and free of control characters.

use std::borrow::Cow;

use super::BeaconError;
use super::bytes::Bytes;

/// The parameters that are known, by their place in [`Form`].
const NAMES: [&str; 7] = ["s", "u", "r", "k", "w", "i", "d"];
/// What stands for something else in a value.
const ESCAPES: Bytes = Bytes::of(b"%+");

/// The known parameters of one request, still encoded.
#[derive(Debug, Default)]
pub(super) struct Form<'a> {
    values: [Option<&'a [u8]>; NAMES.len()],
}

impl<'a> Form<'a> {
    /// Takes the parameters of a query; a parameter without `=` is an empty one.
    pub(super) fn read_query(&mut self, query: &'a str) -> Result<(), BeaconError> {
        for pair in pairs(query.as_bytes()) {
            let (name, value) = name_and_value(pair).unwrap_or((pair, b""));
            self.take(name, value)?;
        }
        Ok(())
    }

    /// Takes the parameters of a body, which must be form data whatever its content type says.
    pub(super) fn read_body(&mut self, body: &'a [u8]) -> Result<(), BeaconError> {
        // What no form encoder leaves bare, and what JSON, XML and multipart bodies cannot do without.
        let foreign = |b: u8| b <= b' ' || matches!(b, b'"' | b'<' | b'>' | b'{' | b'}' | 0x7f);
        if holds(body, foreign) {
            return Err(BeaconError::Body);
        }
        if !body.is_ascii() && str::from_utf8(body).is_err() {
            return Err(BeaconError::Body);
        }
        for pair in pairs(body).filter(|pair| !pair.is_empty()) {
            let (name, value) = name_and_value(pair).ok_or(BeaconError::Body)?;
            self.take(name, value)?;
        }
        Ok(())
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), BeaconError> {
        let Some(place) = place_of(name) else { return Ok(()) };
        if self.values[place].replace(value).is_some() {
            return Err(BeaconError::Duplicate { field: NAMES[place] });
        }
        Ok(())
    }

    /// The value of a parameter, decoded; `None` when it was not given.
    pub(super) fn text(
        &self,
        field: &'static str,
        bytes_max: usize,
    ) -> Result<Option<Cow<'a, str>>, BeaconError> {
        let Some(raw) = place_of(field.as_bytes()).and_then(|place| self.values[place]) else {
            return Ok(None);
        };
        let plain = ESCAPES.run_up_to(raw);
        let text = if plain == raw.len() {
            str::from_utf8(raw).ok().map(Cow::Borrowed)
        } else {
            let bytes = unescaped(raw, plain).ok_or(BeaconError::Escape { field })?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        };
        let text = text.ok_or(BeaconError::Encoding { field })?;
        if text.len() > bytes_max {
            return Err(BeaconError::TooLong { field, bytes_max });
        }
        if has_control(&text) {
            return Err(BeaconError::Control { field });
        }
        Ok(Some(text))
    }
}

/// Decodes `+` and percent escapes leniently: a `%` that begins no escape stands for itself.
pub(super) fn push_form_decoded(raw: &str, bytes: &mut Vec<u8>) {
    for (index, piece) in raw.split('+').enumerate() {
        if index > 0 {
            bytes.push(b' ');
        }
        bytes.extend(percent_encoding::percent_decode_str(piece));
    }
}

/// One value, decoded as leniently; `None` when it is not UTF-8.
pub(super) fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    push_form_decoded(raw, &mut bytes);
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn place_of(name: &[u8]) -> Option<usize> {
    match name {
        b"s" => Some(0),
        b"u" => Some(1),
        b"r" => Some(2),
        b"k" => Some(3),
        b"w" => Some(4),
        b"i" => Some(5),
        b"d" => Some(6),
        _ => None,
    }
}

/// What stands between the `&`s.
fn pairs(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr(b'&', text) else { return rest.take() };
        rest = Some(&text[end + 1..]);
        Some(&text[..end])
    })
}

fn name_and_value(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = pair.iter().position(|b| *b == b'=')?;
    Some((&pair[..end], &pair[end + 1..]))
}

/// Whether any byte is such a one. All are looked at, which goes by many at once.
fn holds(bytes: &[u8], such: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, b| found | such(*b))
}

/// Byte by byte from the first escape on, since addresses hold so many of them that leaping from one to the
/// next costs more.
fn unescaped(raw: &[u8], plain: usize) -> Option<Vec<u8>> {
    let mut bytes = raw.to_vec();
    let mut end = plain;
    let mut rest = raw[plain..].iter();
    while let Some(b) = rest.next() {
        bytes[end] = match b {
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            b'+' => b' ',
            b => *b,
        };
        end += 1;
    }
    bytes.truncate(end);
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn has_control(text: &str) -> bool {
    if holds(text.as_bytes(), |b| b.is_ascii_control()) {
        return true;
    }
    // The controls beyond ASCII are U+0080 to U+009F.
    !text.is_ascii() && text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, body: &str, field: &'static str) -> Result<Option<String>, BeaconError> {
        let mut form = Form::default();
        form.read_query(query)?;
        form.read_body(body.as_bytes())?;
        Ok(form.text(field, 16)?.map(Cow::into_owned))
    }

    #[test]
    fn names_stand_at_their_places() {
        for (place, name) in NAMES.iter().enumerate() {
            assert_eq!(place_of(name.as_bytes()), Some(place));
        }
    }

    #[test]
    fn values_are_decoded_wherever_they_stand() {
        let cases = [
            ("s=vks", "", "s", Some("vks")),
            ("", "s=vks", "s", Some("vks")),
            ("s=vks&u=%2Fa+b", "", "u", Some("/a b")),
            ("u=ti%E1%BA%BFng", "", "u", Some("tiếng")),
            ("u=a%2Bb", "", "u", Some("a+b")),
            ("u=a=b", "", "u", Some("a=b")),
            ("u", "", "u", Some("")),
            ("uu=1&x=%zz&=&&", "", "u", None),
            ("%75=1", "", "u", None),
            ("u=1234567890123456", "", "u", Some("1234567890123456")),
        ];
        for (query, body, field, expected) in cases {
            assert_eq!(check(query, body, field), Ok(expected.map(str::to_owned)), "{query} {body}");
        }
    }

    #[test]
    fn values_that_are_no_text_are_named() {
        let field = "u";
        let cases = [
            ("u=1&u=2", "", BeaconError::Duplicate { field }),
            ("u=1", "u=1", BeaconError::Duplicate { field }),
            ("u=%", "", BeaconError::Escape { field }),
            ("u=%4", "", BeaconError::Escape { field }),
            ("u=%4x", "", BeaconError::Escape { field }),
            ("u=%%41", "", BeaconError::Escape { field }),
            ("u=%+1", "", BeaconError::Escape { field }),
            ("u=%ế", "", BeaconError::Escape { field }),
            ("u=%FF", "", BeaconError::Encoding { field }),
            ("u=%ED%A0%80", "", BeaconError::Encoding { field }),
            ("u=%00", "", BeaconError::Control { field }),
            ("u=a%0Ab", "", BeaconError::Control { field }),
            ("u=a\nb", "", BeaconError::Control { field }),
            ("u=%7F", "", BeaconError::Control { field }),
            ("u=%C2%85", "", BeaconError::Control { field }),
            ("u=12345678901234567", "", BeaconError::TooLong { field, bytes_max: 16 }),
        ];
        for (query, body, expected) in cases {
            assert_eq!(check(query, body, field), Err(expected), "{query} {body}");
        }
    }

    #[test]
    fn bodies_that_are_no_form_data_are_refused() {
        let bodies: [&[u8]; 8] = [
            br#"{"s":"vks"}"#,
            br#"{"u":"/?a=b"}"#,
            b"vks",
            b"s=vks&u",
            b"s=vks\r\n",
            b"--x\r\nContent-Disposition: form-data; name=\"s\"\r\n\r\nvks",
            b"<s>vks</s>",
            b"s=\xff",
        ];
        for body in bodies {
            assert_eq!(Form::default().read_body(body), Err(BeaconError::Body), "{body:?}");
        }
        assert_eq!(Form::default().read_body(b""), Ok(()));
    }
}
