//! Numbers that observers record with a run.

use std::cell::RefCell;
use std::collections::BTreeMap;

use advect_core::{Error, Result};
use advect_nn::State;
use candle_core::{DType, Device, Tensor};

use super::Trainer;

/// The last value of each number, with its step.
#[derive(Debug, Clone, Default)]
pub(super) struct Records(RefCell<BTreeMap<String, (usize, f64)>>);

impl Records {
    pub(super) fn get(&self, name: &str) -> Option<(usize, f64)> {
        self.0.borrow().get(name).copied()
    }

    pub(super) fn insert(&self, name: &str, step: usize, value: f64) {
        self.0.borrow_mut().insert(name.to_string(), (step, value));
    }

    /// The records as tensors, each `[step, value]`.
    pub(super) fn state(&self) -> Result<State> {
        let records = self.0.borrow();
        let tensor = |(name, (step, value)): (&String, &(usize, f64))| {
            let tensor = Tensor::new(&[*step as f64, *value], &Device::Cpu)?;
            Ok((name.clone(), tensor))
        };
        records.iter().map(tensor).collect()
    }

    /// The records in lines, each `step value name`, where the value is given by its bits.
    pub(super) fn lines(&self) -> String {
        let records = self.0.borrow();
        let line = |(name, (step, value)): (&String, &(usize, f64))| {
            format!("{step} {} {name}\n", value.to_bits())
        };
        records.iter().map(line).collect()
    }

    /// Records of such lines. `None` if one can't be read.
    pub(super) fn from_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let record = |line: &str| {
            let mut parts = line.splitn(3, ' ');
            let (step, bits, name) = (parts.next()?, parts.next()?, parts.next()?);
            let value = f64::from_bits(bits.parse().ok()?);
            Some((name.to_string(), (step.parse().ok()?, value)))
        };
        let records: Option<BTreeMap<_, _>> = lines.map(record).collect();
        Some(Records(RefCell::new(records?)))
    }

    pub(super) fn from_state(state: &State) -> Result<Self> {
        let mut records = BTreeMap::new();
        for (name, tensor) in state {
            let argument = || format!("record \"{name}\"");
            if tensor.dtype() != DType::F64 {
                return Err(Error::dtype(argument(), tensor.dtype(), "f64"));
            }
            let &[2] = tensor.dims() else {
                return Err(Error::shape(argument(), tensor.dims(), "(2,)"));
            };
            let values = tensor.to_vec1::<f64>()?;
            let step = values[0];
            if step < 0.0 || step.fract() != 0.0 {
                return Err(Error::range(argument(), step, "the number of a step"));
            }
            records.insert(name.clone(), (step as usize, values[1]));
        }
        Ok(Records(RefCell::new(records)))
    }
}

impl<O> Trainer<O> {
    /// Records a number under a name, with the number of steps made. Records are a part of checkpoints, and
    /// [`MetricLog`](crate::observer::MetricLog) writes them.
    ///
    /// Observers keep what they have to remember there, such as the best score so far, so that a run that resumes
    /// goes on from it. A later record of the same name replaces the one before.
    ///
    /// ```
    /// use advect_core::{Generator, Key, observer_fn};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::{AdamW, AdamWConfig, Trainer};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    /// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    /// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
    /// let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
    /// let mut largest = observer_fn(|trainer: &Trainer| {
    ///     let norm = trainer.report().gradient_norm;
    ///     match trainer.recorded("largest gradient") {
    ///         Some((_, before)) if before >= norm => Ok(()),
    ///         _ => trainer.record("largest gradient", norm),
    ///     }
    /// });
    /// trainer.run(10, loss, &mut largest)?;
    /// assert_eq!(trainer.recorded("largest gradient").map(|(step, _)| step), Some(1));
    /// assert!(trainer.record("a,b", 1.0).is_err() && trainer.record("x", f64::NAN).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] unless the number is finite, and for a name that is empty, has commas, quotes, backslashes or control
    /// characters, or is that of a number in each step's report.
    pub fn record(&self, name: &str, value: f64) -> Result<()> {
        check_name(name)?;
        if !value.is_finite() {
            return Err(Error::range(name.to_string(), value, "a finite number"));
        }
        self.records.insert(name, self.report().step, value);
        Ok(())
    }

    /// Returns the last number recorded under a name, with its step.
    pub fn recorded(&self, name: &str) -> Option<(usize, f64)> {
        self.records.get(name)
    }

    /// The last number recorded under each name, with its step.
    pub(crate) fn all_recorded(&self) -> Vec<(String, (usize, f64))> {
        let records = self.records.0.borrow();
        let each = records.iter().map(|(name, last)| (name.clone(), *last));
        each.collect()
    }
}

/// Refuses names that can't be recorded.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_bad = |c: char| matches!(c, ',' | '"' | '\\') || c.is_control();
    if name.is_empty() || name.contains(is_bad) {
        let accepted = "a name without commas, quotes, backslashes and control characters";
        return Err(Error::range("name", format!("\"{name}\""), accepted));
    }
    if ["step", "loss", "gradient_norm", "learning_rate"].contains(&name) {
        let accepted = "another name than that of a number in each step's report";
        return Err(Error::range("name", format!("\"{name}\""), accepted));
    }
    Ok(())
}
