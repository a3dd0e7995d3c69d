//! What differed, all together.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use advect::prelude::*;

use crate::place::{CPU, Place, device};

/// The cases of a test.
pub(crate) struct Report {
    cases: usize,
    failures: Vec<String>,
    worst: (f64, String),
}

impl Report {
    pub(crate) fn new() -> Self {
        // Said before any case, where the device can't be had.
        let _ = device();
        Report {
            cases: 0,
            failures: Vec::new(),
            worst: (0.0, String::new()),
        }
    }

    /// Compares what a case computes at both places. A difference may be so large a part of the largest element that is expected,
    /// or of 1 where that is smaller than 1e-3.
    pub(crate) fn compare(
        &mut self,
        name: &str,
        [tested, expected]: [Place; 2],
        tolerance: f64,
        case: impl Fn(&Place) -> Result<Vec<Tensor>>,
    ) {
        self.cases += 1;
        let expected = match caught(|| case(&expected)) {
            Ok(tensors) => tensors,
            Err(error) => return self.fail(name, format!("on the CPU: {error}")),
        };
        let ours = match caught(|| case(&tested)) {
            Ok(tensors) => tensors,
            Err(error) => return self.fail(name, error),
        };
        if ours.len() != expected.len() {
            return self.fail(
                name,
                format!("{} values, not {}", ours.len(), expected.len()),
            );
        }
        for (i, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
            match difference(ours, expected, &tested) {
                Ok(far) => {
                    if far > self.worst.0 * tolerance {
                        self.worst = (far / tolerance, format!("{name}, value {i}, by {far:.1e}"));
                    }
                    // NaN is far, too.
                    if far.is_nan() || far > tolerance {
                        self.fail(
                            name,
                            format!("value {i} differs by {far:.2e}, not {tolerance:.0e}"),
                        );
                    }
                }
                Err(error) => self.fail(name, format!("value {i}: {error}")),
            }
        }
    }

    /// [`Report::compare`] in f32 on both.
    pub(crate) fn same(
        &mut self,
        name: &str,
        tolerance: f64,
        case: impl Fn(&Place) -> Result<Vec<Tensor>>,
    ) {
        let places = [Place::tested(DType::F32), Place::same_on_cpu(DType::F32)];
        self.compare(name, places, tolerance, case);
    }

    /// Whether something holds on the device.
    pub(crate) fn holds(&mut self, name: &str, case: impl Fn(&Place) -> Result<bool>) {
        self.cases += 1;
        match caught(|| case(&Place::tested(DType::F32))) {
            Ok(true) => {}
            Ok(false) => self.fail(name, "does not hold"),
            Err(error) => self.fail(name, error),
        }
    }

    fn fail(&mut self, name: &str, what: impl std::fmt::Display) {
        self.failures.push(format!("{name}: {what}"));
    }

    /// Fails if a case did.
    pub(crate) fn finish(self) {
        let count = self.failures.len();
        let device = device().location();
        eprintln!(
            "{} cases on {device:?}; the nearest to its bound: {:.2} of it, {}",
            self.cases, self.worst.0, self.worst.1
        );
        assert!(
            count == 0,
            "{count} differences:\n{}",
            self.failures.join("\n")
        );
    }
}

/// A case's values, or its error or panic in words.
fn caught<T>(case: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(case)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(first_lines(&error.to_string())),
        Err(panic) => Err(format!("panicked: {}", first_lines(&words(&*panic)))),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

/// Without candle's backtrace.
fn first_lines(text: &str) -> String {
    text.lines().take(3).collect::<Vec<_>>().join(" ")
}

/// How far a tensor is from another, relative to the largest element of that.
fn difference(
    ours: &Tensor,
    expected: &Tensor,
    tested: &Place,
) -> std::result::Result<f64, String> {
    let far = |ours: &Tensor| -> Result<f64> {
        let wide = |x: &Tensor| {
            x.detach()
                .to_device(&CPU)?
                .to_dtype(DType::F64)?
                .flatten_all()
        };
        let (ours, expected) = (
            wide(ours)?.to_vec1::<f64>()?,
            wide(expected)?.to_vec1::<f64>()?,
        );
        let size = expected.iter().fold(0f64, |size, x| size.max(x.abs()));
        let scale = if size < 1e-3 { 1.0 } else { size };
        let far = (ours.iter().zip(&expected))
            .map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() / scale })
            .fold(0f64, |far, d| if d.is_nan() { d } else { far.max(d) });
        Ok(far)
    };
    if ours.dims() != expected.dims() {
        return Err(format!("{:?}, not {:?}", ours.dims(), expected.dims()));
    }
    if !ours.device().same_device(&tested.device) && !ours.device().is_cpu() {
        return Err(format!("it is on {:?}", ours.device().location()));
    }
    far(ours).map_err(|error| first_lines(&error.to_string()))
}
