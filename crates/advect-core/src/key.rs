//! Keys, which name independent random streams.

use std::fmt::Write;

use chacha20::ChaCha8Rng;
use rand::SeedableRng;

use crate::{Error, Result};

/// The upper half of the 2⁶⁴ streams of a key makes its children, the lower half its numbers.
const CHILDREN: u64 = 1 << 63;
/// The last children are the roots of named keys and of keys split from generators.
const NAMES: u64 = CHILDREN - 1;
pub(crate) const SPLITS: u64 = CHILDREN - 2;

/// A 256-bit key for random numbers. Every random number of Advect is a function of a key and a position, so it does
/// not depend on what was drawn before, in which order, or by how many threads.
///
/// A key splits into independent keys ([`Key::child`]); the numbers come from the ChaCha8 stream
/// cipher under the key.
///
/// ```
/// use advect_core::Key;
/// let key = Key::from_seed(7);
/// assert_eq!(key, Key::from_seed(7));
/// assert_ne!(key.child(0), key.child(1));
/// assert_eq!(key.named("noise"), key.named("noise"));
/// ```
#[doc(alias = "PRNGKey")]
#[doc(alias = "seed")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// Creates a key from a seed.
    pub fn from_seed(seed: u64) -> Self {
        Key(ChaCha8Rng::seed_from_u64(seed).get_seed())
    }

    /// Returns the `index`-th child, for an index below 2⁶³ − 2: a key that is independent of this one, of its numbers
    /// and of its other children.
    #[doc(alias = "fold_in")]
    #[doc(alias = "split")]
    pub fn child(&self, index: u64) -> Self {
        let mut bytes = [0; 32];
        rand::Rng::fill_bytes(&mut self.rng(CHILDREN | index), &mut bytes);
        Key(bytes)
    }

    /// Returns the child with a name. A parameter's initial value is drawn from it, so that the value does not depend
    /// on the order in which parameters are created.
    pub fn named(&self, name: &str) -> Self {
        // Names hang below the last child, so that they don't meet the numbered ones. Each chunk of 7
        // bytes and its length make one index: no two names share a chain of indices.
        let names = self.child(NAMES);
        name.as_bytes().chunks(7).fold(names, |key, chunk| {
            let index = chunk
                .iter()
                .fold(chunk.len() as u64, |i, &b| (i << 8) | u64::from(b));
            key.child(index & (CHILDREN - 1))
        })
    }

    /// Returns the root of the keys that a generator splits off.
    pub(crate) fn splits(&self) -> Self {
        self.child(SPLITS)
    }

    /// Returns the key under which a generator goes on that has used all positions of this one.
    pub(crate) fn successor(&self) -> Self {
        self.splits().splits()
    }

    /// Returns the numbers at a position below 2⁶³, as a generator for the `rand` ecosystem.
    pub fn stream(&self, position: u64) -> ChaCha8Rng {
        self.rng(position & (CHILDREN - 1))
    }

    /// Returns the key as 64 hexadecimal digits, the form in which checkpoints store it.
    pub fn to_hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Parses a key that [`Key::to_hex`] wrote.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are 64 hexadecimal digits.
    pub fn from_hex(hex: &str) -> Result<Self> {
        let wrong = || Error::range("key", hex, "a string of 64 hexadecimal digits");
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, i) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&hex[i..i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Key(bytes))
    }

    /// Returns the bytes of the cipher's key.
    #[cfg(feature = "cuda")]
    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.0);
        rng.set_stream(stream);
        rng
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn children_and_names_differ() {
        let key = Key::from_seed(0);
        let mut seen: HashSet<Key> = (0..1000).map(|i| key.child(i)).collect();
        for name in [
            "",
            "a",
            "b",
            "ab",
            "layer.0.weight",
            "layer.0.bias",
            "layer.1.weight",
        ] {
            assert!(seen.insert(key.named(name)), "{name}");
        }
    }

    #[test]
    fn hex_goes_round() {
        let key = Key::from_seed(3).child(5);
        assert_eq!(Key::from_hex(&key.to_hex()).unwrap(), key);
        assert!(Key::from_hex("00").is_err());
        assert!(Key::from_hex(&"é".repeat(32)).is_err());
        assert!(Key::from_hex(&"x".repeat(64)).is_err());
        assert!(Key::from_hex(&"+f".repeat(32)).is_err());
    }
}
