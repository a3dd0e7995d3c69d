//! The metadata of a checkpoint, as text.

use std::collections::BTreeMap;

use advect_core::{Generator, Key};

/// The version of the format that is written, and the only one that is read.
const VERSION: &str = "1";

/// The metadata besides the checksum.
pub(super) struct Header {
    pub(super) step: usize,
    pub(super) generator: Generator,
    pub(super) settings: BTreeMap<String, String>,
}

impl Header {
    /// `version step key position`, in this order.
    fn first_line(&self) -> String {
        let (key, position) = (self.generator.key().to_hex(), self.generator.position());
        format!("{VERSION} {} {key} {position}", self.step)
    }

    /// A line `name=value` for each setting, after a line break.
    fn other_lines(&self) -> String {
        let settings = self.settings.iter();
        settings
            .map(|(name, value)| format!("\n{}={}", escaped(name), escaped(value)))
            .collect()
    }

    /// A checksum of the header.
    pub(super) fn crc(&self) -> crc32fast::Hasher {
        let mut crc = crc32fast::Hasher::new();
        crc.update(self.first_line().as_bytes());
        crc.update(self.other_lines().as_bytes());
        crc
    }

    pub(super) fn encode(&self, checksum: u32) -> String {
        format!("{} {checksum:08x}{}", self.first_line(), self.other_lines())
    }

    /// What is said of a header of another version.
    pub(super) fn other_version(text: &str) -> Option<String> {
        let version = text.split([' ', '\n']).next().unwrap_or_default();
        (version != VERSION).then(|| format!("version {version}; expected version {VERSION}"))
    }

    pub(super) fn decode(text: &str) -> Result<(Self, u32), String> {
        let mut lines = text.split('\n');
        let fields: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let header = || {
            let [_, step, key, position, checksum] = fields[..] else {
                return None;
            };
            let key = Key::from_hex(key).ok()?;
            let setting = |line: &str| {
                let (name, value) = line.split_once('=')?;
                Some((original(name), original(value)))
            };
            let header = Header {
                step: step.parse().ok()?,
                generator: Generator::resume(key, position.parse().ok()?),
                settings: lines.map(setting).collect::<Option<_>>()?,
            };
            Some((header, u32::from_str_radix(checksum, 16).ok()?))
        };
        header().ok_or_else(|| format!("damaged: its header is \"{text}\""))
    }
}

/// A name or a value without line breaks and equals signs.
fn escaped(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\n', "%0A");
    text.replace('=', "%3D")
}

fn original(text: &str) -> String {
    let text = text.replace("%3D", "=").replace("%0A", "\n");
    text.replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_any_characters() {
        let pairs = [("a=b\n", "%0A=\n%"), ("", ""), ("%3D", "%25")];
        let header = Header {
            step: 3,
            generator: Generator::from_seed(1),
            settings: pairs.map(|(k, v)| (k.into(), v.into())).into(),
        };
        let (decoded, checksum) = Header::decode(&header.encode(7)).unwrap();
        assert_eq!((decoded.step, checksum), (3, 7));
        assert_eq!(decoded.settings, header.settings);
        assert_eq!(decoded.generator, header.generator);
    }
}
