//! Classes of samples whose conditions are equal.

use std::collections::HashMap;

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor};

use super::Pairs;

/// A condition for each sample of a batch, and the name of the argument that it came as.
pub(super) type Named<'a> = (&'static str, &'a Tensor);

/// Which sources and targets have equal conditions. Classes are numbered in the order in which they appear.
#[derive(Debug)]
pub(super) struct Classes {
    /// The class of each source and of each target.
    pub(super) of_x0: Vec<usize>,
    pub(super) of_x1: Vec<usize>,
    /// The sources and the targets of each class, in their order.
    sources: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
}

impl Classes {
    /// The classes of labels `(batch,)` or contexts `(batch, ...)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a condition for each of `batch` samples on both sides, [`Error::DType`] for other
    /// dtypes than u8, u32, i64 and floats, or for labels beside contexts, [`Error::NonFinite`] for NaN or an infinity.
    pub(super) fn new(of_x0: Named<'_>, of_x1: Named<'_>, batch: usize) -> Result<Self> {
        let mut numbers = HashMap::new();
        let (of_x0, of_x1) = match std::ptr::eq(of_x0.1, of_x1.1) {
            true => {
                let of = classes(of_x0, batch, &mut numbers)?;
                (of.clone(), of)
            }
            false => {
                check::same_kind(of_x1.0, of_x1.1, of_x0.0, of_x0.1)?;
                let of = classes(of_x0, batch, &mut numbers)?;
                (of, classes(of_x1, batch, &mut numbers)?)
            }
        };
        let members = |of: &[usize]| {
            let mut members = vec![Vec::new(); numbers.len()];
            for (i, class) in of.iter().enumerate() {
                members[*class].push(i as u32);
            }
            members
        };
        Ok(Classes {
            sources: members(&of_x0),
            targets: members(&of_x1),
            of_x0,
            of_x1,
        })
    }

    /// The sources and targets of each class.
    fn parts(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        let parts = self.sources.iter().zip(&self.targets);
        parts.map(|(sources, targets)| (sources.as_slice(), targets.as_slice()))
    }

    /// Pairs within classes, first source with first target and so on; `None` where a class has more of one than of the
    /// other.
    pub(super) fn any_pairs(&self) -> Option<Vec<(usize, usize)>> {
        let mut pairs = Vec::with_capacity(self.of_x0.len());
        for (sources, targets) in self.parts() {
            if sources.len() != targets.len() {
                return None;
            }
            let sides = sources.iter().zip(targets);
            pairs.extend(sides.map(|(i, j)| (*i as usize, *j as usize)));
        }
        Some(pairs)
    }

    /// The pairs of each class by themselves. They take the places of the class's sources.
    ///
    /// # Errors
    /// The errors of the pairing; [`Error::Shape`] unless it makes as many pairs of a class as there are samples; [`Error::Range`]
    /// for a class that has not as many targets as sources.
    pub(super) fn pair_each(
        &self,
        x0: &Tensor,
        x1: &Tensor,
        mut pair: impl FnMut(&Tensor, &Tensor) -> Result<Pairs>,
    ) -> Result<Pairs> {
        if let Some((sources, targets)) = self.parts().find(|(s, t)| s.len() != t.len()) {
            let (n, m) = (sources.len(), targets.len());
            let given = format!("one with {n} sources and {m} targets");
            return Err(Error::range(
                "condition",
                given,
                "one with equal numbers of both",
            ));
        }
        if self.sources.len() == 1 {
            return pair(x0, x1);
        }
        let (x0, x1) = (x0.detach().contiguous()?, x1.detach().contiguous()?);
        let (mut source, mut target) = (vec![0; self.of_x0.len()], vec![0; self.of_x1.len()]);
        for (sources, targets) in self.parts() {
            let part =
                |x: &Tensor, members: &[u32]| x.index_select(&Tensor::new(members, x.device())?, 0);
            let pairs = pair(&part(&x0, sources)?, &part(&x1, targets)?)?;
            if pairs.len() != sources.len() {
                let accepted = format!("({},), a pair for each sample", sources.len());
                return Err(Error::shape("pairs", &[pairs.len()], accepted));
            }
            let sides = (pairs.source_indices().to_vec1::<u32>()?.into_iter())
                .zip(pairs.target_indices().to_vec1::<u32>()?);
            for (place, (i, j)) in sources.iter().zip(sides) {
                source[*place as usize] = sources[i as usize];
                target[*place as usize] = targets[j as usize];
            }
        }
        Pairs::from_indices(source, target, x0.device())
    }
}

/// The class of each sample, by the numbers that conditions have already, or the next ones.
pub(super) fn classes(
    (argument, condition): Named<'_>,
    batch: usize,
    numbers: &mut HashMap<Vec<u64>, usize>,
) -> Result<Vec<usize>> {
    if check::batch(argument, condition)? != batch {
        let accepted = format!("({batch}, ...), a condition for each sample");
        return Err(Error::shape(argument, condition.dims(), accepted));
    }
    let words: Vec<u64> = match condition.dtype() {
        DType::U8 | DType::U32 | DType::I64 => {
            let labels = condition.flatten_all()?.to_dtype(DType::I64)?;
            let words = labels.to_vec1::<i64>()?.into_iter();
            words.map(i64::cast_unsigned).collect()
        }
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
            check::finite(argument, condition)?;
            let context = condition.flatten_all()?.to_dtype(DType::F64)?;
            // −0 is 0.
            let word = |x: f64| (x + 0.0).to_bits();
            context.to_vec1::<f64>()?.into_iter().map(word).collect()
        }
        other => return Err(Error::dtype(argument, other, "u8, u32, i64 or a float")),
    };
    let rows = words.chunks_exact(words.len() / batch);
    let class = |row: &[u64]| {
        let next = numbers.len();
        *numbers.entry(row.to_vec()).or_insert(next)
    };
    Ok(rows.map(class).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn of(condition: &Tensor, batch: usize) -> Result<Vec<usize>> {
        classes(("condition", condition), batch, &mut HashMap::new())
    }

    #[test]
    fn equal_conditions_are_a_class() {
        let labels = Tensor::new(&[7i64, -3, 7, 0], &Device::Cpu).unwrap();
        assert_eq!(of(&labels, 4).unwrap(), [0, 1, 0, 2]);
        let context = [[0.0f32, 1.0], [0.0, 2.0], [-0.0, 1.0]];
        let context = Tensor::new(&context, &Device::Cpu).unwrap();
        assert_eq!(of(&context, 3).unwrap(), [0, 1, 0]);
        // A view: each row is a column there.
        assert_eq!(of(&context.t().unwrap(), 2).unwrap(), [0, 1]);
    }

    #[test]
    fn two_batches_share_their_classes() {
        let a = Tensor::new(&[5u32, 5, 8], &Device::Cpu).unwrap();
        let b = Tensor::new(&[8u32, 5, 5], &Device::Cpu).unwrap();
        let classes = Classes::new(("a", &a), ("b", &b), 3).unwrap();
        assert_eq!(
            (classes.of_x0.as_slice(), classes.of_x1.as_slice()),
            (&[0, 0, 1][..], &[1, 0, 0][..])
        );
        assert_eq!(classes.any_pairs().unwrap(), [(0, 1), (1, 2), (2, 0)]);
        let other = Tensor::new(&[8u32, 8, 5], &Device::Cpu).unwrap();
        let classes = Classes::new(("a", &a), ("b", &other), 3).unwrap();
        assert!(classes.any_pairs().is_none());
        let x = Tensor::zeros((3, 1), DType::F32, &Device::Cpu).unwrap();
        let error = classes
            .pair_each(&x, &x, |_, _| unreachable!())
            .unwrap_err();
        assert!(matches!(error, Error::Range { .. }), "{error}");
    }

    #[test]
    fn conditions_that_do_not_fit_are_refused() {
        let labels = Tensor::new(&[1u32, 2], &Device::Cpu).unwrap();
        assert!(matches!(of(&labels, 3), Err(Error::Shape { .. })));
        let scalar = Tensor::new(1u32, &Device::Cpu).unwrap();
        assert!(matches!(of(&scalar, 1), Err(Error::Shape { .. })));
        let context = Tensor::new(&[0f32, f32::NAN], &Device::Cpu).unwrap();
        assert!(matches!(of(&context, 2), Err(Error::NonFinite { .. })));
        let error = Classes::new(("a", &labels), ("b", &context), 2).unwrap_err();
        assert!(matches!(error, Error::DType { .. }), "{error}");
    }
}
