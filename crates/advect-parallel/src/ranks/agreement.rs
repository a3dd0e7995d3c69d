//! Decisions that all ranks make together, so that none waits for a rank that has decided otherwise.

use std::collections::BTreeMap;

use advect_core::{Error, Result};

use super::Ranks;

/// The first byte of a message: what follows is data, or the text of an error.
const DATA: u8 = 0;
const ERROR: u8 = 1;

impl Ranks {
    /// Returns the value if no rank has an error, else an error on every rank: its own, if all have the same one, or else an
    /// [`Error::Stopped`] that names the first rank with an error.
    ///
    /// Call it where a step may fail on one rank alone, before the next collective call: the others would wait there.
    ///
    /// ```
    /// use advect_core::{Error, Result};
    /// use advect_parallel::{Ranks, Threads};
    /// # fn main() -> Result<()> {
    /// let program = |ranks: Ranks| ranks.agree(match ranks.rank() {
    ///     1 => Err(Error::range("x", -1, "a number above 0")),
    ///     rank => Ok(rank),
    /// });
    /// for result in Threads::new(2)?.run(program) {
    ///     assert_eq!(result.unwrap_err().to_string(), "stopped at rank 1 of 2: x: got -1, expected a number above 0");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of a rank; as [`Communicator::all_gather`](crate::Communicator::all_gather).
    pub fn agree<T>(&self, result: Result<T>) -> Result<T> {
        let (value, sent) = match result {
            Ok(value) => (Some(value), Ok(Vec::new())),
            Err(error) => (None, Err(error)),
        };
        self.gather_results(sent)?;
        value.ok_or_else(|| Error::stopped(format!("rank {}", self.rank()), "it has no value"))
    }

    /// Returns the bytes of all ranks, in their order, if none has an error; else the error that [`Ranks::agree`] gives.
    ///
    /// # Errors
    /// As [`Ranks::agree`].
    pub fn gather_results(&self, result: Result<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        if self.size() == 1 {
            return self.all_gather(&result?);
        }
        let message = match &result {
            Ok(bytes) => [&[DATA], &bytes[..]].concat(),
            Err(error) => [&[ERROR], error.to_string().as_bytes()].concat(),
        };
        let mut messages = self.all_gather(&message)?;
        let failed = |message: &Vec<u8>| message.first() != Some(&DATA);
        if let Some(rank) = messages.iter().position(failed) {
            let text = String::from_utf8_lossy(messages[rank].get(1..).unwrap_or_default());
            return Err(match result {
                // With its type.
                Err(error) if messages.iter().all(|other| *other == messages[rank]) => error,
                _ => Error::stopped(format!("rank {rank} of {}", self.size()), text),
            });
        }
        for message in &mut messages {
            message.remove(0);
        }
        Ok(messages)
    }

    /// Returns whether the condition holds on any rank.
    ///
    /// # Errors
    /// As [`Communicator::all_gather`](crate::Communicator::all_gather).
    pub fn any(&self, condition: bool) -> Result<bool> {
        let all = self.all_gather(&[u8::from(condition)])?;
        Ok(all.iter().any(|bytes| bytes.first() == Some(&1)))
    }

    /// Calls a function on rank 0, and returns its result there and `None` on other ranks. An error is one on every rank. Use it for what
    /// one process only may do, such as opening a folder of checkpoints.
    ///
    /// # Errors
    /// That of the function, as by [`Ranks::agree`].
    #[doc(alias = "rank_zero_only")]
    pub fn on_root<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        self.agree(match self.is_root() {
            true => f().map(Some),
            false => Ok(None),
        })
    }

    /// Checks that all ranks have the same entries, such as the settings of a run.
    ///
    /// ```
    /// use advect_parallel::{Ranks, Threads};
    /// # fn main() -> advect_core::Result<()> {
    /// let program = |ranks: Ranks| {
    ///     let batch = if ranks.rank() == 2 { "32" } else { "64" };
    ///     ranks.require_same("settings", &[("batch".into(), batch.into())].into())
    /// };
    /// for result in Threads::new(3)?.run(program) {
    ///     let expected = "settings: got batch = 32 on rank 2, expected batch = 64, as on rank 0";
    ///     assert_eq!(result.unwrap_err().to_string(), expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] on every rank, naming the first entry and the first rank that differ from rank 0;
    /// as [`Communicator::all_gather`](crate::Communicator::all_gather).
    pub fn require_same(
        &self,
        argument: &'static str,
        entries: &BTreeMap<String, String>,
    ) -> Result<()> {
        let ours = encode(entries);
        let mut all = self.all_gather(&ours)?;
        if all.iter().all(|other| *other == ours) {
            return Ok(());
        }
        let all: Vec<BTreeMap<String, String>> = all.drain(..).map(|text| decode(&text)).collect();
        let shown = |name: &String, value: Option<&String>| match value {
            Some(value) => format!("{name} = {value}"),
            None => format!("no {name}"),
        };
        for (rank, theirs) in all.iter().enumerate() {
            for name in all[0].keys().chain(theirs.keys()) {
                let (root, other) = (all[0].get(name), theirs.get(name));
                if root != other {
                    let given = format!("{} on rank {rank}", shown(name, other));
                    let accepted = format!("{}, as on rank 0", shown(name, root));
                    return Err(Error::range(argument, given, accepted));
                }
            }
        }
        Err(Error::range(
            argument,
            "entries that differ",
            "the same on all ranks",
        ))
    }
}

/// Each text with its length before it.
fn encode(entries: &BTreeMap<String, String>) -> Vec<u8> {
    let texts = entries.iter().flat_map(|(name, value)| [name, value]);
    texts.fold(Vec::new(), |mut bytes, text| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    })
}

fn decode(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut text = || {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    std::iter::from_fn(|| Some((text()?, text()?))).collect()
}
