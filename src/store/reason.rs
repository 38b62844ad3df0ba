//! Why a number is adjusted, in the words of whoever did it.

/// Why somebody adjusts: 1 to [`Reason::CHARACTERS_MAX`] characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// What is wrong with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Nothing but spaces.
    #[error("a reason is needed: it is kept beside the number")]
    Empty,
    /// A novel.
    #[error("a reason has at most {max} characters")]
    TooLong {
        /// The most characters it may have.
        max: usize,
    },
    /// A line break or worse.
    #[error("a reason is one line of text without control characters")]
    Control,
}

impl Reason {
    /// Room for a sentence and the address of a ticket; a list of adjustments stays readable.
    pub const CHARACTERS_MAX: usize = 500;

    /// Parses a reason; spaces around it are dropped.
    ///
    /// # Errors
    /// When nothing is left, it is too long, or it holds control characters.
    pub fn parse(raw: &str) -> Result<Reason, ReasonError> {
        let text = raw.trim_matches(' ');
        if text.chars().any(char::is_control) {
            return Err(ReasonError::Control);
        }
        if text.trim().is_empty() {
            return Err(ReasonError::Empty);
        }
        if text.chars().count() > Self::CHARACTERS_MAX {
            return Err(ReasonError::TooLong { max: Self::CHARACTERS_MAX });
        }
        Ok(Reason(text.to_owned()))
    }

    /// The reason as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        let longest = "ư".repeat(Reason::CHARACTERS_MAX);
        for good in ["x", longest.as_str(), "ticket 12: máy cũ"] {
            assert_eq!(Reason::parse(good).expect("a reason").as_str(), good);
        }
        assert_eq!(Reason::parse("  moved ").expect("a reason").as_str(), "moved");
        let too_long = format!("{longest}x");
        for (bad, why) in [
            ("", ReasonError::Empty),
            ("   ", ReasonError::Empty),
            ("\u{3000}", ReasonError::Empty),
            ("a\nb", ReasonError::Control),
            ("\u{1b}[2J", ReasonError::Control),
            ("moved\n", ReasonError::Control),
            (too_long.as_str(), ReasonError::TooLong { max: Reason::CHARACTERS_MAX }),
        ] {
            assert_eq!(Reason::parse(bad), Err(why), "{bad:?}");
        }
    }
}
