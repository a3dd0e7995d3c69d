//! The differences between a state and the variables that it should fill, and their likely cause.

use std::collections::{BTreeMap, BTreeSet};

use advect_core::Error;
use candle_core::{DType, Tensor, Var};

use crate::State;
use crate::store::listing::listed;
use crate::store::near_miss::nearest;

/// The number of dots of a name at which a prefix may end.
const DEPTH: usize = 8;

/// The number of missing names for which a near one is looked for.
const FEW: usize = 5;

/// The names that don't fit, by kind.
#[derive(Default)]
pub(crate) struct Misfit<'a> {
    /// Variables without a tensor.
    missing: Vec<&'a str>,
    /// Tensors without a variable.
    unknown: Vec<&'a str>,
    /// Tensors of another shape, with both shapes.
    shapes: Vec<(&'a str, &'a [usize], &'a [usize])>,
    /// Tensors of another dtype, with both dtypes.
    dtypes: Vec<(&'a str, DType, DType)>,
}

impl<'a> Misfit<'a> {
    pub(crate) fn new(variables: &'a BTreeMap<String, Var>, state: &'a State) -> Self {
        let mut misfit = Misfit::default();
        for (name, var) in variables {
            match state.get(name) {
                None => misfit.missing.push(name),
                Some(tensor) if tensor.dims() != var.dims() => {
                    misfit.shapes.push((name, tensor.dims(), var.dims()));
                }
                Some(tensor) if tensor.dtype() != var.dtype() => {
                    misfit.dtypes.push((name, tensor.dtype(), var.dtype()));
                }
                Some(_) => {}
            }
        }
        let unknown = state.keys().filter(|name| !variables.contains_key(*name));
        misfit.unknown.extend(unknown.map(String::as_str));
        misfit
    }

    /// The error that says what does not fit; none if all does.
    pub(crate) fn error(&self, variables: &BTreeMap<String, Var>, state: &State) -> Option<Error> {
        let (missing, unknown) = (&self.missing, &self.unknown);
        Some(
            match (
                &missing[..],
                &unknown[..],
                &self.shapes[..],
                &self.dtypes[..],
            ) {
                ([], [], [], []) => return None,
                ([name], [], [], []) => {
                    Error::range(name.to_string(), "no tensor", "one tensor of this name")
                }
                ([], [name], [], []) => {
                    Error::range(name.to_string(), "a tensor", "no tensor of this name")
                }
                ([], [], [(name, given, accepted)], []) => {
                    Error::shape(name.to_string(), given, format!("{accepted:?}"))
                }
                ([], [], [], [(name, given, accepted)]) => {
                    Error::dtype(name.to_string(), *given, format!("{accepted:?}"))
                }
                _ => {
                    let mut given = format!(
                        "a state with {} tensors that don't fit ({})",
                        missing.len() + unknown.len() + self.shapes.len() + self.dtypes.len(),
                        self.kinds().join("; ")
                    );
                    if let Some(pairs) = self.near_misses(variables, state) {
                        given = format!("{given}; perhaps {pairs}");
                    }
                    if let Some(cause) = self.cause(variables, state) {
                        given = format!("{given}: {cause}");
                    }
                    Error::range("state", given, "a state that fits")
                }
            },
        )
    }

    /// Each kind with the first of its names.
    fn kinds(&self) -> Vec<String> {
        let shape = |(name, given, accepted): &(&str, &[usize], &[usize])| {
            format!("{name} {given:?} in place of {accepted:?}")
        };
        let dtype = |(name, given, accepted): &(&str, DType, DType)| {
            format!("{name} {given:?} in place of {accepted:?}")
        };
        let shapes: Vec<String> = self.shapes.iter().map(shape).collect();
        let dtypes: Vec<String> = self.dtypes.iter().map(dtype).collect();
        let kinds = [
            ("missing", self.missing.len(), listed(&self.missing)),
            ("not known", self.unknown.len(), listed(&self.unknown)),
            ("of another shape", shapes.len(), listed(&shapes)),
            ("of another dtype", dtypes.len(), listed(&dtypes)),
        ];
        let kinds = kinds.into_iter().filter(|(_, count, _)| *count > 0);
        kinds
            .map(|(kind, count, list)| format!("{count} {kind}: {list}"))
            .collect()
    }

    /// Names that are not known and may stand for missing ones: of the same shape, and nearly the same. Where prefixes differ, the cause
    /// says so.
    fn near_misses(&self, variables: &BTreeMap<String, Var>, state: &State) -> Option<String> {
        let shape = |name: &str| state.get(name).map(Tensor::dims);
        let pair = |missing: &&str| {
            let wanted = variables.get(*missing).map(|var| var.dims());
            let alike = self.unknown.iter().filter(|name| shape(name) == wanted);
            let near = nearest(missing, alike.copied())?;
            Some(format!("{near} is {missing}"))
        };
        let pairs: Vec<String> = self.missing.iter().take(FEW).filter_map(pair).collect();
        (!pairs.is_empty()).then(|| pairs.join(", "))
    }

    /// The most likely cause.
    fn cause(&self, variables: &BTreeMap<String, Var>, state: &State) -> Option<String> {
        if state.is_empty() {
            return Some("it has no tensors".into());
        }
        if variables.is_empty() {
            return Some("there is nothing to fill: build the network first".into());
        }
        let (given, wanted): (BTreeSet<&str>, BTreeSet<&str>) = (
            state.keys().map(String::as_str).collect(),
            variables.keys().map(String::as_str).collect(),
        );
        if let Some((prefix, count)) = preceding(&given, &wanted) {
            return Some(match count == given.len() {
                true => format!(
                    "its names ({count} in all) begin with {prefix:?}, which Weights::without_prefix removes"
                ),
                false => format!(
                    "{prefix:?} begins {count} of its {} names: Weights::within({:?}) selects them",
                    given.len(),
                    prefix.trim_end_matches(['.', '/'])
                ),
            });
        }
        if let Some((prefix, count)) = preceding(&wanted, &given) {
            return Some(format!(
                "its names lack {prefix:?}, with which they would fit ({count} in all): build the network without it"
            ));
        }
        let same_names = self.missing.is_empty() && self.unknown.is_empty();
        let same_ranks = self.shapes.iter().all(|(_, a, b)| a.len() == b.len());
        match (same_names, self.shapes.is_empty()) {
            (true, true) => Some("it is of another dtype, which Weights::cast converts".into()),
            (true, false) if same_ranks => Some("it is of a network of another width".into()),
            (false, _) if self.unknown.len() == given.len() => {
                Some("it is of another network: no name fits".into())
            }
            (false, true) => {
                Some("it is of a network of another depth, or with other parts".into())
            }
            _ => None,
        }
    }
}

/// The prefix that names of one set have and names of another lack: the beginning, up to a dot or a slash, for which that
/// holds for the most names, and their number.
fn preceding<'a>(longer: &BTreeSet<&'a str>, shorter: &BTreeSet<&str>) -> Option<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in longer {
        for (at, _) in name.match_indices(['.', '/']).take(DEPTH) {
            let (prefix, rest) = name.split_at(at + 1);
            if shorter.contains(rest) {
                *counts.entry(prefix).or_default() += 1;
            }
        }
    }
    // More than fit as they are, or a repetition within a network would be taken for one.
    let fitting = longer.iter().filter(|name| shorter.contains(*name)).count();
    let best = counts.into_iter().max_by_key(|(_, count)| *count);
    best.filter(|(_, count)| *count > fitting)
}
