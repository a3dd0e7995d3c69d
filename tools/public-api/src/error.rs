//! What can go wrong.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why there is no listing.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file or a folder can't be read or written.
    File {
        /// The file or the folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not Rust.
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: syn::Error,
    },
    /// A module is declared, and none of the files that may hold it is there.
    Module {
        /// The module's path, such as `advect_core::check`.
        module: String,
        /// The files that were looked for.
        tried: Vec<PathBuf>,
    },
    /// An item of a kind that can't be listed, so that a listing without it would be wrong.
    Kind {
        /// The path of the module that the item is in.
        module: String,
        /// The beginning of the item.
        item: String,
    },
}

/// A result whose error is an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Says which file an error of the system is about.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Error::File { path, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Syntax { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Module { module, tried } => {
                write!(f, "{module} is in none of {tried:?}")
            }
            Error::Kind { module, item } => {
                write!(f, "{module} has an item of an unknown kind: {item}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::File { source, .. } => Some(source),
            Error::Syntax { source, .. } => Some(source),
            Error::Module { .. } | Error::Kind { .. } => None,
        }
    }
}
