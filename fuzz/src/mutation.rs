//! Changes of a file: of bits, bytes, lengths, numbers in texts, and pieces of other files.

use crate::random::Random;

/// The longest file.
pub const MOST: usize = 1 << 16;

/// Words that the formats know, and others that readers may trip over.
const WORDS: &[&str] = &[
    "'descr': '<f4'",
    "'<f8'",
    "'|u1'",
    "'|b1'",
    "'>i8'",
    "'shape': (",
    "'fortran_order': True",
    "(0,)",
    "()",
    "(1,",
    "18446744073709551615,",
    "4294967296,",
    "-1",
    "0",
    "1e308",
    "1e-320",
    "NaN",
    "inf",
    "-0.0",
    "null",
    "true",
    "[]",
    "{}",
    "[[",
    "{\"a\":{\"a\":",
    "\"dtype\":\"F32\"",
    "\"BF16\"",
    "\"F8_E4M3\"",
    "\"I64\"",
    "\"BOOL\"",
    "\"data_offsets\":[0,",
    "\"__metadata__\":{",
    "\"advect\":\"1 ",
    "\n",
    "\r\n",
    ",",
    ";",
    "\"",
    "\"\"",
    "\u{feff}",
    "NA",
    "?",
    "a,b,c\n",
    "PK\x01\x02",
    "PK\x03\x04",
    "PK\x05\x06",
    "IHDR",
    "IDAT",
    "IEND",
    "PLTE",
    "tRNS",
    "iCCP",
    "acTL",
    "fcTL",
    "ctorch._utils\n_rebuild_tensor_v2\n",
    "ccollections\nOrderedDict\n",
    "ctorch\nFloatStorage\n",
    "weight_map",
    "_class_name",
    "DDIMScheduler",
    "UNet2DModel",
    "AutoencoderKL",
    "num_train_timesteps",
    "trained_betas",
    "block_out_channels",
];
/// Bytes of Python's pickle, of markers of JPEG, and of packed data.
const BYTES: &[&[u8]] = &[
    b"\x80\x02",
    b"}q\x00",
    b"(",
    b"t",
    b"R",
    b"Q",
    b"u",
    b"s",
    b"b",
    b".",
    b"]",
    b"e",
    b"a",
    b"K\xff",
    b"M\xff\xff",
    b"J\xff\xff\xff\x7f",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"X\xff\xff\xff\xff",
    b"\x85",
    b"\x86",
    b"\x87",
    b"h\x00",
    b"j\xff\xff\xff\x7f",
    b"r\xff\xff\xff\xff",
    b"2",
    b"0",
    b"1",
    b"\x94",
    b"\xff\xd8\xff",
    b"\xff\xc0",
    b"\xff\xc2",
    b"\xff\xc4",
    b"\xff\xda",
    b"\xff\xdb",
    b"\xff\xdd",
    b"\x1f\x8b\x08",
    b"\x00\x00\x08\x03",
    b"\x00\x00\x08\xff",
    b"\x93NUMPY\x01\x00",
    b"\x93NUMPY\x02\x00",
];
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 47,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
    u64::MAX - 7,
];

/// One to seven changes of a file, with pieces of `other`.
pub fn mutate(file: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    // Half of the files have one change: they are read to the end more often.
    let count = match random.below(2) {
        0 => 1,
        _ => 2 + random.below(6),
    };
    for _ in 0..count {
        change(file, other, random);
        file.truncate(MOST);
    }
}

fn change(file: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if file.is_empty() {
        file.extend_from_slice(&other[..other.len().min(64)]);
        file.push(0);
    }
    // Half of the changes are near the beginning, where headers are.
    let place = |random: &mut Random, length: usize| match random.below(2) {
        0 => random.below(length),
        _ => random.below(length.min(160)),
    };
    let at = place(random, file.len());
    match random.below(13) {
        0 => file[at] ^= 1 << random.below(8),
        1 => file[at] = random.next() as u8,
        2 => file[at] = file[at].wrapping_add([1, 255, 16, 128][random.below(4)]),
        3 => {
            // A number of 1, 2, 4 or 8 bytes, of either order.
            let number = *random.of(NUMBERS);
            let size = 1 << random.below(4);
            let mut bytes = number.to_le_bytes()[..size].to_vec();
            if random.below(2) == 0 {
                bytes.reverse();
            }
            let end = (at + size).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
        }
        4 => file.truncate(at),
        5 => {
            let end = (at + 1 + random.below(64)).min(file.len());
            file.drain(at..end);
        }
        6 => {
            // A piece once more.
            let end = (at + 1 + random.below(64)).min(file.len());
            let piece = file[at..end].to_vec();
            let to = place(random, file.len());
            insert(file, to, &piece);
        }
        7 => {
            let piece: Vec<u8> = (0..1 + random.below(8))
                .map(|_| random.next() as u8)
                .collect();
            insert(file, at, &piece);
        }
        8 => insert(file, at, random.of(WORDS).as_bytes()),
        9 => insert(file, at, BYTES[random.below(BYTES.len())]),
        10 => {
            // A decimal number in a text becomes another.
            if let Some(start) = (at..file.len()).find(|&i| file[i].is_ascii_digit()) {
                let end = (start..file.len()).find(|&i| !file[i].is_ascii_digit());
                let number = random.of(NUMBERS).to_string();
                file.splice(start..end.unwrap_or(file.len()), number.bytes());
            }
        }
        11 if !other.is_empty() => {
            let from = random.below(other.len());
            let end = (from + 1 + random.below(256)).min(other.len());
            insert(file, at, &other[from..end]);
        }
        12 if !other.is_empty() => {
            // The rest is that of another file.
            file.truncate(at);
            file.extend_from_slice(&other[at.min(other.len() - 1)..]);
        }
        _ => {
            let byte = file[at];
            let count = random.below(512);
            insert(file, at, &vec![byte; count]);
        }
    }
}

fn insert(file: &mut Vec<u8>, at: usize, piece: &[u8]) {
    file.splice(at..at, piece.iter().copied());
}
