//! Why a request is no beacon. A message names the parameter and what is wrong with it, never its value:
//! messages go into replies and logs, and values are the reader's.

use crate::words::NameError;

/// Why a request is no beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeaconError {
    /// A parameter that must be there is not.
    #[error("parameter `{field}` is missing")]
    Missing {
        /// The parameter.
        field: &'static str,
    },
    /// A parameter stands there more than once, in query and body taken together.
    #[error("parameter `{field}` is given twice")]
    Duplicate {
        /// The parameter.
        field: &'static str,
    },
    /// A `%` is not followed by two hexadecimal digits.
    #[error("parameter `{field}` holds a percent sign without two hexadecimal digits behind it")]
    Escape {
        /// The parameter.
        field: &'static str,
    },
    /// The decoded bytes are not text.
    #[error("parameter `{field}` is not UTF-8")]
    Encoding {
        /// The parameter.
        field: &'static str,
    },
    /// There is a control character in it: C0, DEL or C1.
    #[error("parameter `{field}` holds a control character")]
    Control {
        /// The parameter.
        field: &'static str,
    },
    /// More bytes than allowed.
    #[error("parameter `{field}` is longer than {bytes_max} bytes")]
    TooLong {
        /// The parameter.
        field: &'static str,
        /// The most bytes it may have.
        bytes_max: usize,
    },
    /// It does not have the form that it must have.
    #[error("parameter `{field}` must be {expected}")]
    Malformed {
        /// The parameter.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The site id is none.
    #[error("parameter `s` {0}")]
    Site(NameError),
    /// The page is too long once it is folded and escaped.
    #[error("parameter `u` names a page longer than {bytes_max} bytes")]
    PageTooLong {
        /// The most bytes a page may have.
        bytes_max: usize,
    },
    /// The body is something else than form data.
    #[error("the body is not form data (`name=value&name=value`)")]
    Body,
}

impl BeaconError {
    /// The parameter that was wrong, for a metric's label; `body` when it was none of them.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            BeaconError::Missing { field }
            | BeaconError::Duplicate { field }
            | BeaconError::Escape { field }
            | BeaconError::Encoding { field }
            | BeaconError::Control { field }
            | BeaconError::TooLong { field, .. }
            | BeaconError::Malformed { field, .. } => field,
            BeaconError::Site(_) => "s",
            BeaconError::PageTooLong { .. } => "u",
            BeaconError::Body => "body",
        }
    }
}
