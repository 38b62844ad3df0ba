//! Names of JavaScript functions that a page may have its numbers handed to.
//!
//! What passes here is written into a script as it is, so it can be nothing but a name: identifiers of
//! ASCII letters, digits, `_` and `$`, joined by single dots. Reserved words are refused in every place,
//! since none of them names a function, and old browsers stumble over them behind a dot too.

/// Names that frameworks make up have some forty characters.
const CALLBACK_BYTES_MAX: usize = 128;

/// What is allowed, in words.
pub(super) const ALLOWED: &str = "the name of a JavaScript function, such as show or site.show: at most 128 \
                                  of a-z, A-Z, 0-9, _, $ and dots between names, and no reserved word";

/// The words that ECMA-262 reserves or once reserved, the names of its constants, and the two names that
/// strict code may not give to anything.
const RESERVED: &str = "abstract arguments await boolean break byte case catch char class const continue \
    debugger default delete do double else enum eval export extends false final finally float for function goto \
    if implements import in instanceof int interface let long native new null package private protected public \
    return short static super switch synchronized this throw throws transient true try typeof undefined var \
    void volatile while with yield";

/// Whether `name` may be called by a script that holds it as it is.
pub(super) fn is_callback(name: &str) -> bool {
    name.len() <= CALLBACK_BYTES_MAX && name.split('.').all(is_name)
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'$');
    begins
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$')
        && !RESERVED.split(' ').any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_of_names_may_be_called() {
        for good in
            ["show", "_", "$", "a1", "site.show", "$.fn.count", "jQuery19105_1700000000000", "Ca_$e.X9"]
        {
            assert!(is_callback(good), "{good}");
        }
        assert!(is_callback(&"x".repeat(CALLBACK_BYTES_MAX)));
    }

    #[test]
    fn whatever_is_more_than_a_name_is_refused() {
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "1a",
            "a-b",
            "a b",
            " a",
            "a\n",
            "a(",
            "alert(1)//",
            "a;b",
            "a[0]",
            "a=1",
            "a,b",
            "a+b",
            "`a`",
            "\"a\"",
            "'a'",
            "<a>",
            "a/**/",
            "a\u{2028}",
            "\u{fe00}",
            "hiển_thị",
            "ａ",
            "\\u0061",
            "this",
            "this.a",
            "a.this",
            "function",
            "new",
            "true",
            "null",
            "eval",
            "undefined",
            "a.constructor-",
        ] {
            assert!(!is_callback(bad), "{bad:?}");
        }
        assert!(!is_callback(&"x".repeat(CALLBACK_BYTES_MAX + 1)));
    }

    proptest::proptest! {
        #[test]
        fn what_passes_is_made_of_letters_digits_and_dots_alone(name in ".{0,40}|[a-z.$_0-9<>()\"';/ ]{0,12}") {
            if is_callback(&name) {
                let sound = |b: u8| b.is_ascii_alphanumeric() || b"_$.".contains(&b);
                proptest::prop_assert!(name.bytes().all(sound) && !name.is_empty());
            }
        }
    }
}
