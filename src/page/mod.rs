//! The welcome page, the script, and the few files that they need.
//!
//! All of it is compiled in and served as is; nothing here needs more than the policy
//! `default-src 'self'`, and nothing is fetched from elsewhere. The page is made of parts that the
//! caller has rendered: this room does not know how numbers are written, nor who asks.

mod welcome;

pub use welcome::{POLICY, Reachability, Welcome, welcome};

/// A file that is served as it was compiled in.
#[derive(Debug)]
pub struct Asset {
    /// Where it is found, below the daemon's own path.
    pub path: &'static str,
    /// The reply's `Content-Type`.
    pub content_type: &'static str,
    /// The whole file.
    pub bytes: &'static [u8],
}

/// Every file that is served as is.
pub static ASSETS: [Asset; 6] = [
    Asset {
        path: "/headcount.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("headcount.js"),
    },
    Asset {
        path: "/odometer.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("odometer.js"),
    },
    Asset {
        path: "/welcome.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("welcome.css"),
    },
    Asset {
        path: "/snippet.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("snippet.css"),
    },
    Asset { path: "/favicon.svg", content_type: "image/svg+xml", bytes: include_bytes!("favicon.svg") },
    Asset {
        path: "/robots.txt",
        content_type: "text/plain; charset=utf-8",
        bytes: include_bytes!("robots.txt"),
    },
];

/// The file at `path`, if it is one of ours.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What the script may weigh on its way, so that nobody hesitates to paste it.
    const SCRIPT_GZIP_BYTES_MAX: usize = 1_023;

    fn script() -> &'static str {
        let script = asset("/headcount.js").expect("is served");
        std::str::from_utf8(script.bytes).expect("is text")
    }

    #[test]
    fn the_script_stays_under_a_kibibyte_gzipped() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(script().as_bytes()).expect("memory takes it");
        let bytes = gzip.finish().expect("memory takes it").len();
        assert!(bytes <= SCRIPT_GZIP_BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn the_script_is_ascii_and_es5() {
        assert!(script().is_ascii());
        for newer in
            ["=>", "`", "let ", "const ", "class ", "...", "async ", "await ", "?.", "??", "**", "fetch("]
        {
            assert!(!script().contains(newer), "{newer}");
        }
    }

    #[test]
    fn the_script_needs_neither_eval_nor_inline_code() {
        for banned in ["eval(", "Function(", ".style", "javascript:", "createElement", "withCredentials"] {
            assert!(!script().contains(banned), "{banned}");
        }
    }

    #[test]
    fn the_script_of_the_wheels_is_old_ascii_without_inline_code_too() {
        let script = asset("/odometer.js").expect("is served");
        let script = std::str::from_utf8(script.bytes).expect("is text");
        assert!(script.is_ascii());
        for banned in ["=>", "`", "let ", "const ", "innerHTML", ".style", "eval("] {
            assert!(!script.contains(banned), "{banned}");
        }
    }

    #[test]
    fn the_script_and_its_readable_side_speak_of_the_same_things() {
        let source = include_str!("headcount.src.js");
        let words = script().split('"').skip(1).step_by(2);
        for word in words.filter(|word| word.len() > 3) {
            assert!(source.contains(word), "{word} is in headcount.js alone: make it anew");
        }
    }

    #[test]
    fn stylesheets_load_nothing() {
        for asset in ASSETS.iter().filter(|asset| asset.content_type.starts_with("text/css")) {
            let css = std::str::from_utf8(asset.bytes).expect("is text");
            assert!(!css.contains("url(") && !css.contains("@import"), "{}", asset.path);
        }
    }

    #[test]
    fn search_engines_are_asked_to_stay_out() {
        let robots = asset("/robots.txt").expect("is served");
        assert_eq!(robots.bytes, b"User-agent: *\nDisallow: /\n");
    }
}
