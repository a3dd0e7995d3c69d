//! The error type of all Advect crates. A message names the argument, the value that was given and the values that are
//! accepted.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use candle_core::DType;
use thiserror::Error;

use crate::device_memory::is_full;

/// The result of every fallible function of Advect.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of Advect, with the argument's name, the value that was given and the values that are accepted.
///
/// Messages escape control characters, which may occur in names of files and in names within files, so that they don't
/// reach a terminal.
///
/// ```
/// use advect_core::Error;
/// let e = Error::range("sigma_min", 1.5, "a number in [0, 1)");
/// assert_eq!(e.to_string(), "sigma_min: got 1.5, expected a number in [0, 1)");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor has the wrong rank or the wrong size along some dimension.
    #[error(
        "{}: got shape {given:?}, expected {}",
        Plain(argument),
        Plain(accepted)
    )]
    Shape {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The shape that was given.
        given: Vec<usize>,
        /// The shapes that are accepted.
        accepted: String,
    },
    /// A tensor has the wrong element type.
    #[error(
        "{}: got dtype {given:?}, expected {}",
        Plain(argument),
        Plain(accepted)
    )]
    DType {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The dtype that was given.
        given: DType,
        /// The dtypes that are accepted.
        accepted: String,
    },
    /// A tensor is on another device than the tensors that it is used with.
    #[error("{argument}: got a tensor on {given}, expected one on {accepted}")]
    Device {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The device that was given.
        given: String,
        /// The device that is accepted.
        accepted: String,
    },
    /// A value is outside the accepted range.
    #[error(
        "{}: got {}, expected {}",
        Plain(argument),
        Plain(given),
        Plain(accepted)
    )]
    Range {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The value that was given.
        given: String,
        /// The values that are accepted.
        accepted: String,
    },
    /// A tensor holds NaN or an infinity.
    #[error("{argument}: got {value} at flat index {index}, expected finite values")]
    NonFinite {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The flat index of the first offending element, in row-major order.
        index: usize,
        /// The offending element.
        value: f64,
    },
    /// A batch has no elements.
    #[error("{argument}: got an empty batch, expected at least one element")]
    Empty {
        /// The argument's name.
        argument: Cow<'static, str>,
    },
    /// A derivative is not available, because no graph connects the value to the variable.
    #[error("{argument}: {reason}")]
    Detached {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The place where the graph ends, and the code to write instead.
        reason: String,
    },
    /// A computation ended before it reached its goal.
    #[error("stopped at {at}: {reason}")]
    Stopped {
        /// The place where it stopped: a time or a step.
        at: String,
        /// The reason why it stopped.
        reason: String,
    },
    /// A file could not be read, written or understood.
    #[error("{}: {}", Plain(&path.to_string_lossy().replace('\n', "\\n")), Plain(reason))]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The fault of the file.
        reason: String,
    },
    /// A device's memory is full. (Nothing is then computed on the CPU instead.) These need less of it:
    /// - a smaller batch, with gradients averaged over several of them; fewer samples at once
    /// - checkpointing, which computes values again in the backward pass instead of keeping them: `Recomputed` and the networks'
    ///   `checkpointing(true)`
    /// - parameters in bf16 or f16
    ///
    /// Other programs on the device have part of its memory, too.
    #[error("the device's memory is full: {advice}")]
    DeviceMemory {
        /// What needs less memory.
        advice: &'static str,
        /// The error of the allocation.
        source: candle_core::Error,
    },
    /// An error of the tensor library.
    #[error(transparent)]
    Candle(candle_core::Error),
}

/// A text with its control characters, but for ends of lines, escaped.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_bad = |c: char| c.is_control() && c != '\n';
        let mut rest = self.0;
        while let Some((at, bad)) = rest.char_indices().find(|(_, c)| is_bad(*c)) {
            write!(f, "{}{}", &rest[..at], bad.escape_default())?;
            rest = &rest[at + bad.len_utf8()..];
        }
        f.write_str(rest)
    }
}

impl Error {
    /// Creates an [`Error::Shape`] for `argument`.
    pub fn shape(
        argument: impl Into<Cow<'static, str>>,
        given: &[usize],
        accepted: impl Display,
    ) -> Self {
        Error::Shape {
            argument: argument.into(),
            given: given.to_vec(),
            accepted: accepted.to_string(),
        }
    }

    /// Creates an [`Error::DType`] for `argument`.
    pub fn dtype(
        argument: impl Into<Cow<'static, str>>,
        given: DType,
        accepted: impl Display,
    ) -> Self {
        Error::DType {
            argument: argument.into(),
            given,
            accepted: accepted.to_string(),
        }
    }

    /// Creates an [`Error::Range`] for `argument`. A negative zero is shown as 0.
    pub fn range(
        argument: impl Into<Cow<'static, str>>,
        given: impl Display,
        accepted: impl Display,
    ) -> Self {
        let given = match given.to_string() {
            zero if zero == "-0" => "0".to_string(),
            given => given,
        };
        Error::Range {
            argument: argument.into(),
            given,
            accepted: accepted.to_string(),
        }
    }

    /// Creates an [`Error::File`] for `path`.
    pub fn file(path: impl AsRef<Path>, reason: impl Display) -> Self {
        Error::File {
            path: path.as_ref().to_path_buf(),
            reason: reason.to_string(),
        }
    }

    /// Creates an [`Error::DeviceMemory`] with the error of the allocation.
    pub fn device_memory(source: candle_core::Error) -> Self {
        Error::DeviceMemory {
            advice: "take a smaller batch or fewer samples at once, train with checkpointing, keep parameters in 16 bits, \
                     or end other programs on the device",
            source,
        }
    }

    /// Creates an [`Error::Detached`] for `argument`. The `reason` says where its graph ends and what to write instead.
    ///
    /// ```
    /// use advect_core::Error;
    /// let e = Error::detached("field", "its value is in no graph; compute it from x by operations that are tracked");
    /// assert!(e.to_string().starts_with("field: its value is in no graph"));
    /// ```
    pub fn detached(argument: impl Into<Cow<'static, str>>, reason: impl Display) -> Self {
        Error::Detached {
            argument: argument.into(),
            reason: reason.to_string(),
        }
    }

    /// Creates an [`Error::Stopped`] at a time or step.
    pub fn stopped(at: impl Display, reason: impl Display) -> Self {
        Error::Stopped {
            at: at.to_string(),
            reason: reason.to_string(),
        }
    }
}

/// Wraps an error of Advect in an error of candle, for code that implements candle's own traits.
impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(inner) => inner,
            other => candle_core::Error::WrappedContext {
                context: other.to_string(),
                wrapped: Box::new(other),
            },
        }
    }
}

/// Unwraps an error of Advect that candle carried. Those of candle for memory that is full become [`Error::DeviceMemory`], others
/// [`Error::Candle`].
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        let theirs = match error {
            candle_core::Error::WrappedContext { wrapped, context } => match wrapped.downcast() {
                Ok(ours) => return *ours,
                Err(wrapped) => candle_core::Error::WrappedContext { wrapped, context },
            },
            other => other,
        };
        match is_full(&theirs) {
            true => Error::device_memory(theirs),
            false => Error::Candle(theirs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_no_sign() {
        let text = |given: f64| Error::range("limit", given, "a number above 0").to_string();
        assert_eq!(text(-0.0), text(0.0));
        assert!(text(-0.5).starts_with("limit: got -0.5"));
    }

    #[test]
    fn errors_survive_a_way_through_candle() {
        let through = |e: Error| Error::from(candle_core::Error::from(e));
        let error = through(Error::range("sigma", -1.0, "a positive number"));
        assert!(matches!(error, Error::Range { argument, .. } if argument == "sigma"));
        let error = through(Error::Candle(candle_core::Error::Msg("theirs".into())));
        assert!(matches!(error, Error::Candle(candle_core::Error::Msg(_))));
    }

    #[test]
    fn control_characters_are_escaped() {
        let error = Error::file("a\x1b[2J\n.png", "tensor \"b\u{9b}\x07\":\nno");
        assert_eq!(
            error.to_string(),
            "a\\u{1b}[2J\\n.png: tensor \"b\\u{9b}\\u{7}\":\nno"
        );
        let error = Error::range("w\r".to_string(), "\x08", "é");
        assert_eq!(error.to_string(), "w\\r: got \\u{8}, expected é");
    }
}
