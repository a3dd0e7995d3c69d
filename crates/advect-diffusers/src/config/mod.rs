//! Configurations of diffusers: objects of JSON.

mod from_json;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use advect_core::{Error, Result, file};
use serde_json::{Map, Value};

pub use from_json::FromJson;

/// A configuration of diffusers: the keys of a `config.json` or `scheduler_config.json` that have not been read yet.
///
/// Reading a key takes it out, and [`finish`](Config::finish) refuses what is left: a key that nobody read may change the numbers.
/// Keys that begin with an underscore (`_class_name`, `_diffusers_version`, …) say where the file comes from, and are never left.
///
/// ```
/// use advect_diffusers::Config;
/// # fn main() -> advect_core::Result<()> {
/// let text = r#"{"_class_name": "UNet2DModel", "in_channels": 3, "norm_eps": 1e-6, "act_fn": "silu", "sample_size": [16, 8]}"#;
/// let mut config = Config::parse("unet/config.json", text)?;
/// assert_eq!(config.class(), Some("UNet2DModel"));
/// assert_eq!(config.required::<usize>("in_channels")?, 3);
/// assert_eq!(config.required::<[usize; 2]>("sample_size")?, [16, 8]);
/// assert_eq!(config.optional("norm_eps", 1e-5)?, 1e-6);
/// // It is not there: its default.
/// assert_eq!(config.optional("norm_num_groups", Some(32usize))?, Some(32));
///
/// let error = config.only("act_fn", "gelu", "activations").unwrap_err().to_string();
/// assert_eq!(error, "unet/config.json: act_fn: got \"silu\", expected \"gelu\", as others are not supported: it changes activations");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "config.json")]
#[doc(alias = "ConfigMixin")]
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    path: PathBuf,
    class: Option<String>,
    values: Map<String, Value>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read or is no object of JSON.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let bytes = file::read(&path)?;
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Error::file(&path, "this is not JSON: it is not a text"))?;
        Config::parse(path, &text)
    }

    /// Reads a text. Messages name it by the path.
    ///
    /// # Errors
    /// [`Error::File`] if it is no object of JSON.
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Self> {
        let wrong = |reason: String| Error::file(&path, reason);
        let value = serde_json::from_str(&quoted(text));
        let value: Value = value.map_err(|e| wrong(format!("this is not JSON: {e}")))?;
        let Value::Object(mut values) = value else {
            let accepted = "expected an object of JSON, {\"key\": value, …}";
            return Err(wrong(format!("got {}, {accepted}", shown(&value))));
        };
        let class = values.remove("_class_name");
        let class = class.and_then(|class| class.as_str().map(str::to_string));
        values.retain(|key, _| !key.starts_with('_'));
        Ok(Config {
            path: path.as_ref().to_path_buf(),
            class,
            values,
        })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of the file's class, `_class_name`.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// Checks that the file's class, if it names one, is the given one.
    ///
    /// # Errors
    /// [`Error::File`] for another class.
    pub fn expect_class(&self, accepted: &str) -> Result<()> {
        match self.class() {
            Some(class) if class != accepted => {
                Err(self.wrong("_class_name", format!("{class:?}"), format!("{accepted:?}")))
            }
            _ => Ok(()),
        }
    }

    /// Returns the same keys for another class, as diffusers' `from_config` does: a scheduler of another class with the settings of a folder's
    /// own.
    #[doc(alias = "from_config")]
    pub fn of_class(self, class: impl Into<String>) -> Self {
        Config {
            class: Some(class.into()),
            ..self
        }
    }

    /// Returns `true` if the key is there, with this value, and has not been read.
    pub fn is(&self, key: &str, value: impl Into<Value>) -> bool {
        let value = value.into();
        self.values.get(key).is_some_and(|v| alike(v, &value))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::File`] if it is not there, or its value is of another type.
    pub fn required<T: FromJson>(&mut self, key: &str) -> Result<T> {
        match self.values.remove(key) {
            Some(value) => self.typed(key, &value),
            None => Err(self.wrong(key, "nothing", T::accepted())),
        }
    }

    /// Reads a key that has a default.
    ///
    /// # Errors
    /// [`Error::File`] if its value is of another type.
    pub fn optional<T: FromJson>(&mut self, key: &str, default: T) -> Result<T> {
        match self.values.remove(key) {
            Some(value) => self.typed(key, &value),
            None => Ok(default),
        }
    }

    /// Reads a key whose value is one of several texts, and returns the meaning of the text. The first is the default.
    ///
    /// ```
    /// use advect_diffusers::Config;
    /// # fn main() -> advect_core::Result<()> {
    /// let mut config = Config::parse("config.json", r#"{"timestep_spacing": "trailing"}"#)?;
    /// assert_eq!(config.choice("timestep_spacing", &[("leading", 0), ("trailing", 1)])?, 1);
    /// assert_eq!(config.choice("timestep_spacing", &[("leading", 0), ("trailing", 1)])?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] for another value.
    pub fn choice<T: Clone>(&mut self, key: &str, choices: &[(&str, T)]) -> Result<T> {
        let default = choices.first().map_or("", |(name, _)| name);
        let value = self.values.remove(key);
        let value = value.unwrap_or_else(|| default.into());
        let chosen = choices.iter().find(|(name, _)| value == *name);
        chosen.map(|(_, meaning)| meaning.clone()).ok_or_else(|| {
            let names: Vec<String> = choices
                .iter()
                .map(|(name, _)| format!("{name:?}"))
                .collect();
            self.wrong(key, shown(&value), names.join(" or "))
        })
    }

    /// Reads a key with a single supported value. `changes` says what the others would change.
    ///
    /// # Errors
    /// [`Error::File`] for another value.
    pub fn only(&mut self, key: &str, accepted: impl Into<Value>, changes: &str) -> Result<()> {
        let accepted = accepted.into();
        match self.values.remove(key) {
            Some(value) if !alike(&value, &accepted) => {
                let accepted = shown(&accepted);
                let accepted =
                    format!("{accepted}, as others are not supported: it changes {changes}");
                Err(self.wrong(key, shown(&value), accepted))
            }
            _ => Ok(()),
        }
    }

    /// Removes keys that have no effect on the result.
    pub fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.values.remove(*key);
        }
    }

    /// Refuses keys that have not been read.
    ///
    /// # Errors
    /// [`Error::File`] naming all of them.
    pub fn finish(self) -> Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        let left = self.values.iter();
        let left: Vec<String> = left.map(|(k, v)| format!("{k} = {}", shown(v))).collect();
        let class = self.class.as_deref().unwrap_or("this class");
        let reason = format!(
            "got {}: keys that are not known for {class}, and may change what it computes",
            left.join(", ")
        );
        Err(Error::file(&self.path, reason))
    }

    /// Creates the error of a key, with the given and the accepted values.
    pub fn wrong(&self, key: &str, given: impl Display, accepted: impl Display) -> Error {
        Error::file(&self.path, Error::range(key.to_string(), given, accepted))
    }

    /// Checks that each of some counts is from 1 to the most that is beside it.
    pub(crate) fn check_counts<const N: usize>(
        &self,
        counts: [(&'static str, usize, usize); N],
    ) -> Result<()> {
        let beyond = counts
            .into_iter()
            .find(|(_, count, most)| !(1..=*most).contains(count));
        match beyond {
            Some((key, count, most)) => {
                Err(self.wrong(key, count, format!("a count from 1 to {most}")))
            }
            None => Ok(()),
        }
    }

    /// The numbers of channels of a network's levels, from some number of levels to 16.
    pub(crate) fn widths(&mut self, default: &[usize], fewest: usize) -> Result<Vec<usize>> {
        let widths = self.optional("block_out_channels", default.to_vec())?;
        let fit = widths.iter().all(|width| (1..=1 << 20).contains(width));
        match fit && (fewest..=16).contains(&widths.len()) {
            true => Ok(widths),
            false => {
                let accepted = format!("{fewest} to 16 numbers of channels, at most {}", 1 << 20);
                Err(self.wrong("block_out_channels", format!("{widths:?}"), accepted))
            }
        }
    }

    fn typed<T: FromJson>(&self, key: &str, value: &Value) -> Result<T> {
        T::from_json(value).ok_or_else(|| self.wrong(key, shown(value), T::accepted()))
    }
}

/// Whether two values are the same; 1 and 1.0 are.
fn alike(a: &Value, b: &Value) -> bool {
    match (f64::from_json(a), f64::from_json(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A value as it is written, cut short.
fn shown(value: &Value) -> String {
    const LENGTH: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A text with quotes around the numbers of Python that JSON does not have: `-Infinity`, in diffusers' own files, and the like.
fn quoted(text: &str) -> String {
    let (mut out, mut rest, mut inside) = (String::with_capacity(text.len()), text, false);
    while let Some(c) = rest.chars().next() {
        let bare = ["-Infinity", "Infinity", "NaN"];
        let bare = bare.iter().find(|word| !inside && rest.starts_with(**word));
        let length = match (c, bare) {
            (_, Some(word)) => {
                out.push_str(&format!("{word:?}"));
                rest = &rest[word.len()..];
                continue;
            }
            ('\\', _) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            ('"', _) => {
                inside = !inside;
                1
            }
            (c, _) => c.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("config.json", text).unwrap()
    }

    #[test]
    fn errors_name_file_key_and_values() {
        let text = |result: Result<usize>| result.unwrap_err().to_string();
        assert_eq!(
            text(config("{}").required("in_channels")),
            "config.json: in_channels: got nothing, expected a whole number, not negative"
        );
        assert_eq!(
            text(config(r#"{"in_channels": -3}"#).required("in_channels")),
            "config.json: in_channels: got -3, expected a whole number, not negative"
        );
        let mut config = config(r#"{"_class_name": "A", "x": 1, "y": [2], "z": null}"#);
        config.ignore(&["z"]);
        assert_eq!(
            config.expect_class("B").unwrap_err().to_string(),
            "config.json: _class_name: got \"A\", expected \"B\""
        );
        assert_eq!(
            config.finish().unwrap_err().to_string(),
            "config.json: got x = 1, y = [2]: keys that are not known for A, and may change what it computes"
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[1]", "3", "{", "\u{feff}{}", "{\"a\": Inf}"] {
            assert!(
                matches!(Config::parse("a", text), Err(Error::File { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_of_python_are_read() {
        let text = r#"{"a": -Infinity, "b": "Infinity \" NaN", "c": [NaN, 1], "d": 1}"#;
        let mut config = config(text);
        assert_eq!(config.required::<f64>("a").unwrap(), f64::NEG_INFINITY);
        assert_eq!(config.required::<String>("b").unwrap(), "Infinity \" NaN");
        assert!(config.required::<Vec<f64>>("c").is_err());
        assert!(config.only("d", 1.0, "nothing").is_ok());
        assert!(config.finish().is_ok());
    }
}
