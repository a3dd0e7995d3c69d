//! Formulas by operations of candle, one after the other, on any device and outside of any graph.

use std::f64::consts::FRAC_PI_2;

use advect_core::Result;
use advect_kernels::program::Operation;
use candle_core::{DType, Device, Tensor};

use super::evaluate::Argument;
use super::formula::Formula;
use super::tape::Node;

/// The rows of the outputs. The tensors are of one dtype, and at least one has rows.
pub(super) fn values(formula: &Formula, arguments: &[Argument]) -> Result<Tensor> {
    let like = arguments.iter().find_map(Argument::tensor);
    let (dtype, device) = like.map_or((DType::F32, &Device::Cpu), |x| (x.dtype(), x.device()));
    let number = |x: f64| -> Result<Tensor> {
        Ok(Tensor::new(&[x], &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)?)
    };
    let mut rows = 1;
    let mut inputs = Vec::new();
    for (argument, &width) in arguments.iter().zip(formula.widths()) {
        if let Argument::Numbers(numbers) = argument {
            for &x in numbers {
                inputs.push(number(x)?);
            }
        }
        if let Argument::Rows(x) = argument {
            rows = x.dims()[0];
        }
        if let (Some(x), true) = (argument.tensor(), width > 0) {
            let columns = x.detach().reshape(((), width))?;
            for j in 0..width {
                inputs.push(columns.narrow(1, j, 1)?.flatten_all()?);
            }
        }
    }
    let mut values: Vec<Tensor> = Vec::with_capacity(formula.nodes().len());
    for node in formula.nodes() {
        let value = match *node {
            Node::Constant(bits) => number(f64::from_bits(bits))?,
            Node::Input(place) => inputs[place as usize].clone(),
            Node::Step(step) => apply(step.operation, step.arguments.map(|i| &values[i as usize]))?,
        };
        values.push(value);
    }
    let column = |&output: &u32| values[output as usize].broadcast_as(rows);
    let columns: candle_core::Result<Vec<Tensor>> = formula.outputs().iter().map(column).collect();
    Ok(Tensor::stack(&columns?, 1)?)
}

/// An operation of columns, of which some may be a single number. Those beyond its arguments have no meaning.
fn apply(operation: Operation, [a, b, c]: [&Tensor; 3]) -> Result<Tensor> {
    use Operation::*;
    Ok(match operation {
        Add => a.broadcast_add(b)?,
        Subtract => a.broadcast_sub(b)?,
        Multiply => a.broadcast_mul(b)?,
        Divide => a.broadcast_div(b)?,
        Negate => a.neg()?,
        Abs => a.abs()?,
        Sqrt => a.sqrt()?,
        Minimum => choose(&first(&a.broadcast_lt(b)?, a)?, a, b)?,
        Maximum => choose(&first(&a.broadcast_gt(b)?, a)?, a, b)?,
        Less => a.broadcast_lt(b)?.to_dtype(a.dtype())?,
        LessOrEqual => a.broadcast_le(b)?.to_dtype(a.dtype())?,
        Select => choose(&a.ne(0.0)?, b, c)?,
        Exp => a.exp()?,
        Tanh => a.tanh()?,
        Power => power(a, b)?,
        Ln => a.log()?,
        Ln1p => ln_1p(a)?,
        ExpM1 => exp_m1(a)?,
        Sin => a.sin()?,
        Cos => a.cos()?,
        Tan => (a.sin()? / a.cos()?)?,
        // Through 1 − x² = (1 − x) (1 + x), which is exact near ±1.
        Asin => atan(&(a / (a.affine(-1.0, 1.0)? * (a + 1.0)?)?.sqrt()?)?)?,
        Acos => (atan(&(a.affine(-1.0, 1.0)? / (a + 1.0)?)?.sqrt()?)? * 2.0)?,
        Atan => atan(a)?,
        Sinh => ((exp_m1(a)? - exp_m1(&a.neg()?)?)? * 0.5)?,
        Cosh => ((a.exp()? + a.neg()?.exp()?)? * 0.5)?,
    })
}

/// Whether the first number is chosen: where it compares so, or is NaN.
fn first(compares: &Tensor, a: &Tensor) -> Result<Tensor> {
    Ok(compares.broadcast_maximum(&a.ne(a)?)?)
}

/// The first number where the condition is not 0, else the second one.
fn choose(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    let rows = [condition, yes, no].map(Tensor::elem_count);
    let rows = rows.into_iter().fold(1, usize::max);
    let (yes, no) = (yes.broadcast_as(rows)?, no.broadcast_as(rows)?);
    Ok(condition.broadcast_as(rows)?.where_cond(&yes, &no)?)
}

/// `e^x − 1`. Near 0 the rounding of `u = e^x` is made up for by `ln u` (Kahan; Higham, Accuracy and Stability of Numerical Algorithms,
/// section 1.14.1).
fn exp_m1(x: &Tensor) -> Result<Tensor> {
    let u = x.exp()?;
    let less = (&u - 1.0)?;
    let near = ((&less * x)? / u.log()?)?;
    let near = choose(&less.eq(0.0)?, x, &near)?;
    choose(&x.abs()?.gt(1.0)?, &less, &near)
}

/// `ln(1 + x)`, likewise.
fn ln_1p(x: &Tensor) -> Result<Tensor> {
    let u = (x + 1.0)?;
    let (less, logarithm) = ((&u - 1.0)?, u.log()?);
    let near = ((&logarithm * x)? / &less)?;
    let near = choose(&less.eq(0.0)?, x, &near)?;
    choose(&x.abs()?.gt(1.0)?, &logarithm, &near)
}

/// The arctangent: `arctan x = π/2 − arctan 1/x` above 1, three times `arctan x = 2 arctan(x / (1 + √(1 + x²)))`, and Taylor's series, of
/// which the first term that is left out is below `tan(π/32)^18 / 19 < 1e-19` of the sum.
fn atan(x: &Tensor) -> Result<Tensor> {
    let size = x.abs()?;
    let large = size.gt(1.0)?;
    let mut y = choose(&large, &size.recip()?, &size)?;
    for _ in 0..3 {
        y = (&y / ((y.sqr()? + 1.0)?.sqrt()? + 1.0)?)?;
    }
    let square = y.sqr()?;
    let mut sum = square.affine(0.0, 1.0 / 17.0)?;
    for k in (0..8).rev() {
        sum = (&sum * &square)?.affine(-1.0, 1.0 / f64::from(2 * k + 1))?;
    }
    let angle = ((y * sum)? * 8.0)?;
    let angle = choose(&large, &angle.affine(-1.0, FRAC_PI_2)?, &angle)?;
    choose(&x.lt(0.0)?, &angle.neg()?, &angle)
}

/// `a^b = e^(b ln a)`; for a below 0 and whole b, of either sign. The relative error is about `|b ln a|` units of the last place.
fn power(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let logarithm = a.log()?;
    let size = b.broadcast_mul(&a.abs()?.log()?)?.exp()?;
    let half = (b * 0.5)?;
    let is_odd = half.floor()?.ne(&half)?;
    let mirrored = choose(&is_odd, &size.neg()?, &size)?;
    let is_whole = b.floor()?.eq(b)?;
    // The logarithm is NaN there.
    let below = choose(&is_whole, &mirrored, &logarithm)?;
    let value = choose(&a.lt(0.0)?, &below, &size)?;
    choose(&b.eq(0.0)?, &b.ones_like()?, &value)
}

#[cfg(test)]
mod tests {
    use super::super::kernel;
    use super::*;

    const ALL: [Operation; 26] = {
        use Operation::*;
        [
            Add,
            Subtract,
            Multiply,
            Divide,
            Negate,
            Abs,
            Sqrt,
            Minimum,
            Maximum,
            Less,
            LessOrEqual,
            Select,
            Exp,
            Tanh,
            Power,
            Ln,
            Ln1p,
            ExpM1,
            Sin,
            Cos,
            Tan,
            Asin,
            Acos,
            Atan,
            Sinh,
            Cosh,
        ]
    };

    fn same(found: f64, expected: f64, tolerance: f64) -> bool {
        found == expected
            || (found.is_nan() && expected.is_nan())
            || (found - expected).abs() <= tolerance * expected.abs()
    }

    /// Each operation gives the number that it gives for plain numbers, those that are not finite among them.
    #[test]
    fn operations_are_those_of_numbers() {
        let mut numbers = vec![
            0.0, 1.0, -1.0, 2.0, -3.0, 0.5, 1e-20, -1e-9, 1e-5, 30.0, -700.0, 1e200,
        ];
        numbers.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        numbers.extend((1..60).map(|i| f64::from(i) * 0.0517 - 1.5));
        let pairs = || {
            numbers
                .iter()
                .flat_map(|&a| numbers.iter().map(move |&b| (a, b)))
        };
        let column = |f: &dyn Fn(f64, f64) -> f64| {
            let values: Vec<f64> = pairs().map(|(a, b)| f(a, b)).collect();
            Tensor::new(values, &Device::Cpu).unwrap()
        };
        let (a, b, c) = (column(&|a, _| a), column(&|_, b| b), column(&|a, b| a + b));
        for operation in ALL {
            let found = apply(operation, [&a, &b, &c])
                .unwrap()
                .to_vec1::<f64>()
                .unwrap();
            for ((x, y), found) in pairs().zip(found) {
                let expected = operation.of([x, y, x + y]);
                // Powers whose logarithm overflows differ, and those of 1.
                if operation == Operation::Power && (!x.is_finite() || !y.is_finite()) {
                    continue;
                }
                let tolerance = match operation {
                    Operation::Power => 1e-15 * (10.0 + (y * x.abs().ln()).abs()),
                    Operation::Exp | Operation::Cosh | Operation::Sinh => 1e-14,
                    // Near their zeros, candle's functions are those of the standard library.
                    _ => 4e-15,
                };
                assert!(
                    same(found, expected, tolerance),
                    "{operation:?} of {x} and {y}: {found} instead of {expected}"
                );
            }
            // A single number beside a column.
            let one = Tensor::new(&[0.3], &Device::Cpu).unwrap();
            for arguments in [[&one, &b, &c], [&a, &one, &c], [&a, &b, &one]] {
                let whole =
                    arguments.map(|x| x.broadcast_as(a.dims()).unwrap().contiguous().unwrap());
                let [x, y, z] = &whole;
                let expected = apply(operation, [x, y, z]).unwrap();
                let found = apply(operation, arguments)
                    .unwrap()
                    .broadcast_as(expected.dims())
                    .unwrap();
                let pairs = found
                    .to_vec1::<f64>()
                    .unwrap()
                    .into_iter()
                    .zip(expected.to_vec1().unwrap());
                assert!(
                    pairs
                        .into_iter()
                        .all(|(found, expected)| same(found, expected, 0.0)),
                    "{operation:?}"
                );
            }
        }
    }

    #[test]
    fn formulas_are_those_of_the_kernel() {
        let formula = Formula::record(vec![1, 2, 2, 1], |x| {
            vec![
                (x[0] * x[1]).sin() + x[3] * 2.0,
                x[2].lt(x[5]).select(x[4], x[2].tanh()),
                x[5],
                0.25.into(),
            ]
        });
        let formula = formula.unwrap();
        let normal = |rows: usize, width: usize| {
            let numbers = (0..rows * width).map(|i| (i as f64 * 1.7).sin());
            Tensor::from_iter(numbers, &Device::Cpu)
                .unwrap()
                .reshape((rows, width))
                .unwrap()
        };
        for dtype in [DType::F32, DType::F64] {
            let of = |x: Tensor| x.to_dtype(dtype).unwrap();
            let arguments = [
                Argument::Numbers(vec![0.7]),
                Argument::Rows(of(normal(9, 2))),
                Argument::Shared(of(normal(2, 1).flatten_all().unwrap())),
                Argument::Rows(of(normal(9, 1).flatten_all().unwrap())),
            ];
            let [found, expected] = [
                values(&formula, &arguments),
                kernel::values(&formula, &arguments),
            ]
            .map(Result::unwrap);
            assert_eq!((found.dims(), found.dtype()), (expected.dims(), dtype));
            let difference = (found - expected)
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap();
            let difference = difference
                .to_dtype(DType::F64)
                .unwrap()
                .to_scalar::<f64>()
                .unwrap();
            assert!(difference < if dtype == DType::F32 { 1e-6 } else { 1e-15 });
        }
    }
}
