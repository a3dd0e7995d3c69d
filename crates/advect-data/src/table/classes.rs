//! Conversion of words or integers to classes.

use std::collections::BTreeSet;

/// The number of each label's class, and the names of the classes, in the order of their integers or of their words.
pub(super) fn classes(labels: &[String], column: &str) -> Result<(Vec<u32>, Vec<String>), String> {
    let integers: Option<Vec<i64>> = labels.iter().map(|label| integer(label)).collect();
    match integers {
        Some(integers) => Ok(numbered(&integers)),
        None if labels.iter().all(|label| label.parse::<f64>().is_ok()) => {
            let other = labels.iter().find(|label| integer(label).is_none());
            let other: String = other.into_iter().flat_map(|l| l.chars()).take(40).collect();
            Err(format!(
                "the label {other:?} in column {column:?} is a number; expected integers or words"
            ))
        }
        None => Ok(numbered(labels)),
    }
}

/// The integer of a label, also one that is written as 3.0.
fn integer(label: &str) -> Option<i64> {
    if let Ok(integer) = label.parse() {
        return Some(integer);
    }
    let number: f64 = label.parse().ok()?;
    (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
}

/// Each value's place among the different values, and those as texts.
fn numbered<T: Ord + Clone + std::fmt::Display>(values: &[T]) -> (Vec<u32>, Vec<String>) {
    let sorted: Vec<&T> = values.iter().collect::<BTreeSet<_>>().into_iter().collect();
    let place = |value: &T| sorted.binary_search(&value).unwrap_or_default() as u32;
    let places = values.iter().map(place).collect();
    (
        places,
        sorted.iter().map(|value| value.to_string()).collect(),
    )
}
