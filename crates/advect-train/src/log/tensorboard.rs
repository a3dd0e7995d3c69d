//! Event files of TensorBoard: records of TFRecord, each a message `Event` of Protocol Buffers.
//!
//! A record is the length of its data (u64), a checksum of that (u32), the data, and a checksum of the data (u32), all
//! little-endian. The data are, by TensorBoard's `event.proto` and `summary.proto`:
//!
//! | message | field | number | type |
//! | --- | --- | --- | --- |
//! | `Event` | `wall_time` | 1 | double |
//! | | `step` | 2 | int64 |
//! | | `file_version` | 3 | string |
//! | | `summary` | 5 | `Summary` |
//! | `Summary` | `value` | 1 | repeated `Value` |
//! | `Value` | `tag` | 1 | string |
//! | | `simple_value` | 2 | float |

use std::time::{SystemTime, UNIX_EPOCH};

use super::crc32c::masked;
use super::{Contents, Format, Row, begins_as};

/// TensorBoard reads files with `tfevents` in their names.
pub(super) const NAME: &str = "events.out.tfevents.0.advect";

/// A record for each row.
pub(super) struct TensorBoard;

impl Format for TensorBoard {
    fn begin(&self) -> Vec<u8> {
        first(now())
    }

    fn read(&mut self, all: &[u8]) -> Result<Contents, String> {
        let (mut begin, mut records, mut at) = (0, Vec::new(), 0);
        while let Some(head) = all.get(at..at + 12) {
            let wrong = || format!("at byte {at} there is no record of TensorBoard's events");
            let (length, checksum) = head.split_at(8);
            if checksum != masked(length).to_le_bytes() {
                return Err(wrong());
            }
            let length = u64::from_le_bytes(length.try_into().map_err(|_| wrong())?);
            let length = usize::try_from(length).map_err(|_| wrong())?;
            let data = at + 12;
            let ends = (data.checked_add(length)).and_then(|end| Some((end, end.checked_add(4)?)));
            let (end, next) = ends.ok_or_else(wrong)?;
            let Some(checksum) = all.get(end..next) else {
                break;
            };
            if checksum != masked(&all[data..end]).to_le_bytes() {
                return Err(wrong());
            }
            match begin {
                0 => begin = next,
                _ => records.push((step(&all[data..end]).ok_or_else(wrong)?, next)),
            }
            at = next;
        }
        // The length of the first record and its checksum are the same in each log.
        if begin == 0 && !begins_as(all, &first(0.0)[..12]) {
            return Err("it does not begin as TensorBoard's events".to_string());
        }
        Ok(Contents { begin, records })
    }

    fn encode(&self, row: &Row) -> Vec<u8> {
        encoded(row, now())
    }
}

/// The time in seconds since 1970.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |time| time.as_secs_f64())
}

/// An event with its time.
fn at(time: f64) -> Vec<u8> {
    let mut event = vec![(1 << 3) | 1];
    event.extend(time.to_le_bytes());
    event
}

/// The first record of a file.
fn first(time: f64) -> Vec<u8> {
    let mut event = at(time);
    bytes(&mut event, 3, b"brain.Event:2");
    record(&event)
}

fn encoded(row: &Row, time: f64) -> Vec<u8> {
    let mut event = at(time);
    event.push(2 << 3);
    varint(&mut event, row.step as u64);
    let mut summary = Vec::new();
    for (name, value) in &row.values {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, name.as_bytes());
        entry.push((2 << 3) | 5);
        entry.extend((*value as f32).to_le_bytes());
        bytes(&mut summary, 1, &entry);
    }
    bytes(&mut event, 5, &summary);
    record(&event)
}

/// The step of an event that this module wrote.
fn step(event: &[u8]) -> Option<usize> {
    let rest = event.get(9..)?.strip_prefix(&[2 << 3])?;
    let mut step = 0u64;
    for (i, byte) in rest.iter().take(10).enumerate() {
        step |= u64::from(byte & 0x7f).checked_shl(7 * i as u32)?;
        if byte & 0x80 == 0 {
            return usize::try_from(step).ok();
        }
    }
    None
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// A field of bytes, with its length.
fn bytes(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    to.push((field << 3) | 2);
    varint(to, bytes.len() as u64);
    to.extend(bytes);
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked(data).to_le_bytes());
    record
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Records of TensorBoard 2.21's `RecordWriter`, for messages that protobuf wrote.
    const FIRST: &str =
        "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c";
    const ROW: &str = "33000000000000000ca7205609000000000000f83f10ac022a250a0b0a046c6f7373150000803e0a160a0f7661\
        6c69646174696f6e5f626573741582a8fbb70f30af26";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn records_are_those_of_tensorboard() {
        let values = [
            ("loss".to_string(), 0.25),
            ("validation_best".to_string(), -3e-5),
        ];
        let row = Row {
            step: 300,
            values: values.into(),
        };
        assert_eq!(hex(&first(1.5)), FIRST);
        assert_eq!(hex(&encoded(&row, 1.5)), ROW);
        let all = [first(1.5), encoded(&row, 1.5), encoded(&row, 2.5)].concat();
        let contents = TensorBoard.read(&all[..all.len() - 1]).unwrap();
        let (begin, end) = (FIRST.len() / 2, (FIRST.len() + ROW.len()) / 2);
        assert_eq!(
            (contents.begin, contents.records),
            (begin, vec![(300, end)])
        );
    }
}
