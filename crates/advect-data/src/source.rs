//! A reader that takes no more of a file than its header announces.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use advect_core::{Error, Result, file};
use flate2::read::MultiGzDecoder;

/// The most dimensions that an array of a file may have, as in NumPy.
pub(crate) const RANK: usize = 64;
/// Bytes that are read at a time: memory grows as data come, not as a header promises them.
const PIECE: usize = 1 << 16;

/// The contents of a file or of an entry of an archive, read from the beginning.
pub(crate) struct Source<R> {
    reader: R,
    /// The number of bytes that are left, where it is known.
    left: Option<u64>,
}

impl Source<Box<dyn Read>> {
    /// A regular file, unpacked on the way if it is gzipped, whatever the name says.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| Error::file(path, e);
        let file = file::open(path)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut reader = BufReader::with_capacity(PIECE, file);
        let packed = reader
            .fill_buf()
            .map_err(failed)?
            .starts_with(&[0x1f, 0x8b]);
        Ok(match packed {
            true => Source::new(Box::new(MultiGzDecoder::new(reader)), None),
            false => Source::new(Box::new(reader), Some(length)),
        })
    }
}

impl<R: Read> Source<R> {
    /// A reader of `left` bytes, if their number is known.
    pub(crate) fn new(reader: R, left: Option<u64>) -> Self {
        Source { reader, left }
    }

    /// Fills the buffer as far as there are bytes. Returns their number.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        self.left = self.left.map(|left| left.saturating_sub(filled as u64));
        Ok(filled)
    }

    /// The next bytes of a header, a few thousand at most.
    pub(crate) fn header(&mut self, count: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; count];
        match self.fill(&mut bytes)? == count {
            true => Ok(bytes),
            false => Err("it ends within its header".into()),
        }
    }

    /// All that is left: numbers of `SIZE` bytes, as many as `shape` has elements. `asks` begins the part of the message
    /// that says what the header asks for.
    pub(crate) fn numbers<const SIZE: usize, T>(
        &mut self,
        shape: &[usize],
        asks: impl Display,
        number: impl Fn([u8; SIZE]) -> T,
    ) -> Result<Vec<T>, String> {
        // Sizes of 0 count as 1 at first, so that those beside them are looked at, too.
        let most = (shape.iter()).try_fold(SIZE, |n, size| n.checked_mul((*size).max(1)));
        let asked = most.map(|_| SIZE * shape.iter().product::<usize>());
        let wrong = |given: String| {
            let asked = asked.map_or("more than can be counted".into(), |n| n.to_string());
            format!("it has {given} bytes of data, {asks} for {asked}")
        };
        let given = || {
            self.left
                .map_or("another number of".into(), |left| left.to_string())
        };
        let asked = asked.ok_or_else(|| wrong(given()))?;
        if self.left.is_some_and(|left| left != asked as u64) {
            return Err(wrong(given()));
        }
        let mut numbers = Vec::new();
        let mut buffer = [0; PIECE];
        let mut read = 0;
        while read < asked {
            let piece = &mut buffer[..PIECE.min(asked - read)];
            let filled = self.fill(piece)?;
            read += filled;
            if filled < piece.len() {
                return Err(wrong(format!("only {read}")));
            }
            let (piece, _) = piece.as_chunks::<SIZE>();
            (numbers.try_reserve(piece.len())).map_err(|e| e.to_string())?;
            numbers.extend(piece.iter().map(|bytes| number(*bytes)));
        }
        // The end is reached too where it is empty: archives check their sums there.
        match self.fill(&mut buffer[..1])? {
            0 => Ok(numbers),
            _ => Err(wrong(format!("more than {asked}"))),
        }
    }
}

/// Checks that a shape has at most [`RANK`] dimensions.
pub(crate) fn check_rank(rank: usize) -> Result<(), String> {
    match rank <= RANK {
        true => Ok(()),
        false => Err(format!("it has {rank} dimensions; expected at most {RANK}")),
    }
}
