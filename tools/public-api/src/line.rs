//! A line of a listing.

/// A line. Lines are in the order of the paths that they are about, so that what is inside an item comes after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    path: Vec<String>,
    rank: Rank,
    text: String,
}

/// What comes first among lines of the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Item,
    Implementation,
}

impl Line {
    /// The line of an item.
    pub(crate) fn new(path: &[String], text: String) -> Self {
        Line {
            path: path.to_vec(),
            rank: Rank::Item,
            text,
        }
    }

    /// A line that says more about the item of a path.
    pub(crate) fn about(path: &[String], text: String) -> Self {
        Line {
            rank: Rank::Implementation,
            ..Line::new(path, text)
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
