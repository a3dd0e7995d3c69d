//! Logs of comma-separated values (RFC 4180).

use advect_core::{Error, Result};

use super::{Contents, Format, Row, begins_as};

/// A header, and a line of numbers for each row.
pub(super) struct Csv {
    columns: Vec<String>,
}

impl Default for Csv {
    fn default() -> Self {
        let columns = ["step", "loss", "gradient_norm", "learning_rate"];
        Csv {
            columns: columns.map(str::to_string).into(),
        }
    }
}

impl Format for Csv {
    fn begin(&self) -> Vec<u8> {
        format!("{}\n", self.columns.join(",")).into_bytes()
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Contents, String> {
        let (mut begin, mut records, mut end) = (0, Vec::new(), 0);
        for (i, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            let wrong = || format!("line {} is not that of a log of a run", i + 1);
            let Some(line) = line.strip_suffix(b"\n") else {
                match i > 0 || begins_as(line, b"step,") {
                    true => break,
                    false => return Err(wrong()),
                }
            };
            end += line.len() + 1;
            let line = std::str::from_utf8(line).map_err(|_| wrong())?;
            let mut fields = line.split(',');
            let first = fields.next().unwrap_or_default();
            if i == 0 {
                if first != "step" {
                    return Err(wrong());
                }
                self.columns = line.split(',').map(str::to_string).collect();
                begin = end;
                continue;
            }
            let step = first.parse().map_err(|_| wrong())?;
            if fields.count() + 1 != self.columns.len() {
                return Err(wrong());
            }
            records.push((step, end));
        }
        Ok(Contents { begin, records })
    }

    fn widened(&self, row: &Row, bytes: &dyn Fn() -> Result<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        let names = row.values.iter().map(|(name, _)| name);
        let new: Vec<String> = names
            .filter(|name| !self.columns.contains(name))
            .cloned()
            .collect();
        if new.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8(bytes()?).map_err(|e| Error::range("log", e, "text"))?;
        let commas = ",".repeat(new.len());
        let columns = [&self.columns[..], &new].concat();
        let mut widened = Csv { columns }.begin();
        for line in text.lines().skip(1) {
            widened.extend(format!("{line}{commas}\n").into_bytes());
        }
        Ok(Some(widened))
    }

    fn encode(&self, row: &Row) -> Vec<u8> {
        let mut line = row.step.to_string();
        for column in self.columns.iter().skip(1) {
            line.push(',');
            if let Some((_, value)) = row.values.iter().find(|(name, _)| name == column) {
                line += &format!("{value:?}");
            }
        }
        line.push('\n');
        line.into_bytes()
    }
}
