//! Values of a configuration.

use serde_json::Value;

/// A type of values that a [`Config`](super::Config) reads.
///
/// ```
/// use advect_diffusers::FromJson;
/// assert_eq!(usize::from_json(&3.into()), Some(3));
/// assert_eq!(Option::<usize>::from_json(&().into()), Some(None));
/// assert_eq!(Vec::<f64>::accepted(), "a list, each item a number");
/// ```
pub trait FromJson: Sized {
    /// Returns the values that are accepted, for messages.
    fn accepted() -> String;

    /// Returns the value, or `None` if it is of another type.
    fn from_json(value: &Value) -> Option<Self>;
}

impl FromJson for bool {
    fn accepted() -> String {
        "true or false".into()
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FromJson for usize {
    fn accepted() -> String {
        "a whole number, not negative".into()
    }

    fn from_json(value: &Value) -> Option<Self> {
        usize::try_from(value.as_u64()?).ok()
    }
}

impl FromJson for f64 {
    fn accepted() -> String {
        "a number".into()
    }

    fn from_json(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some("Infinity") => Some(f64::INFINITY),
            Some("-Infinity") => Some(f64::NEG_INFINITY),
            _ => value.as_f64(),
        }
    }
}

impl FromJson for String {
    fn accepted() -> String {
        "a text".into()
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_string)
    }
}

/// `null` is none.
impl<T: FromJson> FromJson for Option<T> {
    fn accepted() -> String {
        format!("{}, or null", T::accepted())
    }

    fn from_json(value: &Value) -> Option<Self> {
        match value.is_null() {
            true => Some(None),
            false => T::from_json(value).map(Some),
        }
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn accepted() -> String {
        format!("a list, each item {}", T::accepted())
    }

    fn from_json(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::from_json).collect()
    }
}

/// The height and the width of images: a list of the two, or one number for both.
impl FromJson for [usize; 2] {
    fn accepted() -> String {
        "a whole number, or a list of two".into()
    }

    fn from_json(value: &Value) -> Option<Self> {
        match usize::from_json(value) {
            Some(size) => Some([size, size]),
            None => Vec::from_json(value)?.try_into().ok(),
        }
    }
}
