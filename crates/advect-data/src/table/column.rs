//! References to columns.

use std::fmt;

/// A reference to a column of a table, by its name or by its number, counted from 0. Strings and numbers convert to it.
///
/// ```
/// use advect_data::Column;
/// assert_eq!(Column::from("mass"), Column::Name("mass".into()));
/// assert_eq!(Column::from(3), Column::Index(3));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Column {
    /// The column with a name.
    Name(String),
    /// The column with a number, counted from 0.
    Index(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.to_string())
    }
}

impl From<&String> for Column {
    fn from(name: &String) -> Self {
        Column::Name(name.clone())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Self {
        Column::Name(name)
    }
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Column::Index(index)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Name(name) => write!(f, "{name:?}"),
            Column::Index(index) => write!(f, "{index}"),
        }
    }
}

impl Column {
    /// The number of the column among `names`.
    pub(crate) fn find(&self, names: &[String]) -> Result<usize, String> {
        let listed = || {
            let first: Vec<&str> = names.iter().take(16).map(String::as_str).collect();
            format!("{} columns, {first:?}", names.len())
        };
        match self {
            Column::Index(index) if *index < names.len() => Ok(*index),
            Column::Index(index) => Err(format!("there is no column {index}: it has {}", listed())),
            Column::Name(name) => {
                let mut places = (0..names.len()).filter(|&i| names[i] == *name);
                match (places.next(), places.next()) {
                    (Some(place), None) => Ok(place),
                    (Some(_), Some(_)) => Err(format!(
                        "two columns have the name {name:?}: choose by number"
                    )),
                    _ => Err(format!("there is no column {name:?}: it has {}", listed())),
                }
            }
        }
    }
}
