//! Logs of JSON objects, one a line.

use super::{Contents, Format, Row, begins_as};

/// An object for each row, whose first entry is the step.
pub(super) struct JsonLines;

const START: &str = "{\"step\":";

impl Format for JsonLines {
    fn begin(&self) -> Vec<u8> {
        Vec::new()
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Contents, String> {
        let (mut records, mut end) = (Vec::new(), 0);
        for (i, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            let wrong = || format!("line {} is not that of a log of a run", i + 1);
            if !line.ends_with(b"\n") {
                match begins_as(line, START.as_bytes()) {
                    true => break,
                    false => return Err(wrong()),
                }
            }
            end += line.len();
            let step = (line.strip_prefix(START.as_bytes()))
                .and_then(|rest| rest.split(|b| matches!(b, b',' | b'}')).next())
                .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            records.push((step.ok_or_else(wrong)?, end));
        }
        Ok(Contents { begin: 0, records })
    }

    fn encode(&self, row: &Row) -> Vec<u8> {
        let mut line = format!("{START}{}", row.step);
        for (name, value) in &row.values {
            line += &match value.is_finite() {
                true => format!(",\"{name}\":{value:?}"),
                false => format!(",\"{name}\":null"),
            };
        }
        line += "}\n";
        line.into_bytes()
    }
}
