//! The splines of all elements in the CPU's memory.

use advect_core::{Error, Result, parallel};
use advect_ops::custom::{Kernel, Operation, View};
use candle_core::{Shape, Tensor, WithDType};

use super::RationalQuadraticSpline;
use super::curve::{Gradient, Shares};

/// y and the logarithms of slopes of x `(batch, n)` with parameters `(batch, 3 K − 1, n)`, or the inverse, `(2, batch, n)`.
pub(super) struct Spline {
    pub(super) of: RationalQuadraticSpline,
    pub(super) inverse: bool,
}

/// Nanoseconds for an element, about.
const TIME: usize = 250;

impl<T: WithDType> Kernel<T> for Spline {
    fn forward(&self, inputs: &[View<'_, T>]) -> Result<(Vec<T>, Shape)> {
        let (batch, count, n) = self.of.sizes(inputs[0].dims, inputs[1].dims)?;
        let mut both = vec![T::zero(); 2 * batch * n];
        let time = TIME * batch * n;
        let rows = parallel::piece(batch, 1, time);
        let (values, log_slopes) = both.split_at_mut(batch * n);
        let pieces = values
            .chunks_mut((rows * n).max(1))
            .zip(log_slopes.chunks_mut((rows * n).max(1)));
        parallel::each(
            pieces.enumerate().collect(),
            time,
            |(piece, (values, log_slopes))| {
                let mut shares = Shares::new(&self.of);
                for (k, (value, log_slope)) in values.iter_mut().zip(log_slopes).enumerate() {
                    let place = piece * rows * n + k;
                    let number = inputs[0].values[place].to_f64();
                    let first = place / n * count * n + place % n;
                    let raw = |p: usize| inputs[1].values[first + p * n].to_f64();
                    *value = inputs[0].values[place];
                    if number.abs() <= self.of.bound {
                        let bin = self.of.bin_of(number, &raw, &mut shares, self.inverse);
                        let (found, slope) = if self.inverse {
                            let part = bin.part_of_y(number);
                            (bin.x(part), -bin.log_slope(part))
                        } else {
                            let part = bin.part_of_x(number);
                            (bin.y(part), bin.log_slope(part))
                        };
                        (*value, *log_slope) = (T::from_f64(found), T::from_f64(slope));
                    }
                }
            },
        );
        Ok((both, (2, batch, n).into()))
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        gradient: &[T],
        _: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>> {
        let (batch, count, n) = self.of.sizes(inputs[0].dims, inputs[1].dims)?;
        let mut numbers = vec![T::zero(); batch * n];
        let mut parameters = vec![T::zero(); batch * count * n];
        let time = 2 * TIME * batch * n;
        let rows = parallel::piece(batch, 1, time);
        let pieces = numbers
            .chunks_mut((rows * n).max(1))
            .zip(parameters.chunks_mut((rows * count * n).max(1)));
        let (of_values, of_log_slopes) = gradient.split_at(batch * n);
        parallel::each(
            pieces.enumerate().collect(),
            time,
            |(piece, (numbers, parameters))| {
                let mut shares = Shares::new(&self.of);
                for (k, result) in numbers.iter_mut().enumerate() {
                    let place = piece * rows * n + k;
                    let number = inputs[0].values[place].to_f64();
                    let (value, log_slope) =
                        (of_values[place].to_f64(), of_log_slopes[place].to_f64());
                    if number.abs() <= self.of.bound {
                        let first = place / n * count * n + place % n;
                        let own = k / n * count * n + k % n;
                        let raw = |p: usize| inputs[1].values[first + p * n].to_f64();
                        let mut set = |p: usize, gradient: f64| {
                            parameters[own + p * n] = T::from_f64(gradient)
                        };
                        let bin = self.of.bin_of(number, &raw, &mut shares, self.inverse);
                        let part = match self.inverse {
                            true => bin.part_of_y(number),
                            false => bin.part_of_x(number),
                        };
                        let (mut values, mut log_slopes) = (value, log_slope);
                        if self.inverse {
                            // x(y, p) has dx = (dy − ∂y/∂p dp)/(dy/dx), and the logarithm is −ln dy/dx at x.
                            let [turn, slope] = bin.slopes(part);
                            log_slopes = -log_slope;
                            values = -(value + log_slopes * turn) / slope;
                        }
                        let to = Gradient {
                            values,
                            log_slopes,
                            parameters: &mut set,
                        };
                        let by_x = self.of.pass_on(&bin, part, &raw, &shares, to);
                        *result = T::from_f64(if self.inverse { -values } else { by_x });
                    } else {
                        *result = of_values[place];
                    }
                }
            },
        );
        Ok(vec![Some(numbers), Some(parameters)])
    }
}

impl Operation for Spline {
    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.of.composed(inputs[0], inputs[1], self.inverse)
    }

    fn tangent(&self, _: &[&Tensor], _: &[Option<&Tensor>]) -> Result<Tensor> {
        Err(Error::detached(
            "the spline",
            "derivatives along a direction are not computed; layers of flows take tensors",
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::LEAST;
    use super::*;
    use advect_core::Generator;
    use advect_core::testing::assert_close;
    use advect_ops::custom::apply;
    use candle_core::{DType, Device, Var};

    /// The kernel and the tensors, values and gradients, also outside of the bound.
    #[test]
    fn kernels_are_what_tensors_compose() {
        let of = RationalQuadraticSpline::new(5, 2.0).unwrap();
        let mut rng = Generator::from_seed(0);
        let mut normal = |dims: &[usize], scale: f64| {
            let numbers = rng.normal(dims, DType::F64, &Device::Cpu).unwrap();
            Var::from_tensor(&(numbers * scale).unwrap()).unwrap()
        };
        let (x, parameters) = (normal(&[40, 3], 1.5), normal(&[40, 14, 3], 2.0));
        let weights = normal(&[2, 40, 3], 1.0);
        for inverse in [false, true] {
            let composed = of.composed(&x, &parameters, inverse).unwrap();
            let found = apply(Spline { of, inverse }, &[x.as_tensor(), &parameters], &[]).unwrap();
            assert_close(&found, &composed, 1e-11, 1e-11);
            let gradients = |both: &Tensor| {
                let loss = (both * weights.as_tensor()).unwrap().sum_all().unwrap();
                loss.backward().unwrap()
            };
            let (found, expected) = (gradients(&found), gradients(&composed));
            for var in [&x, &parameters] {
                assert_close(
                    found.get(var).unwrap(),
                    expected.get(var).unwrap(),
                    1e-8,
                    1e-8,
                );
            }
        }
    }

    /// Bins of one size have their knots at equal distances, on the diagonal, with the slopes that are given there; ±B are the last of them, with slopes of 1, and
    /// beyond is the identity.
    #[test]
    fn knots_and_bounds() {
        let of = RationalQuadraticSpline::new(4, 2.0).unwrap();
        let raw = [-1.5f64, 0.3, 2.0];
        let beyond = 2f64.next_up();
        let x = [-beyond, -2.0, -1.0, 0.0, 1.0, 2.0, beyond];
        let parameters = [[0f64; 7]; 8].into_iter().chain(raw.map(|raw| [raw; 7]));
        let parameters: Vec<f64> = parameters.flatten().collect();
        let var = |values: &[f64], dims: &[usize]| {
            Var::from_tensor(&Tensor::from_slice(values, dims, &Device::Cpu).unwrap()).unwrap()
        };
        let (numbers, parameters) = (var(&x, &[1, 7]), var(&parameters, &[1, 11, 7]));
        let slope = |raw: f64| LEAST + raw.exp().ln_1p();
        let logs = raw.map(|raw| slope(raw).ln());
        let logs = [0.0, 0.0, logs[0], logs[1], logs[2], 0.0, 0.0];
        for inverse in [false, true] {
            let sign = if inverse { -1.0 } else { 1.0 };
            let arguments = [numbers.as_tensor(), parameters.as_tensor()];
            let both = apply(Spline { of, inverse }, &arguments, &[]).unwrap();
            let rows = both.reshape((2, 7)).unwrap().to_vec2::<f64>().unwrap();
            for i in 0..7 {
                assert!((rows[0][i] - x[i]).abs() < 1e-14, "{inverse} {i}: {rows:?}");
                assert!(
                    (rows[1][i] - sign * logs[i]).abs() < 1e-13,
                    "{inverse} {i}: {rows:?}"
                );
            }
            let of_values = both.get(0).unwrap().sum_all().unwrap().backward().unwrap();
            let of_logs = both.get(1).unwrap().sum_all().unwrap().backward().unwrap();
            let by_numbers = of_values.get(&numbers).unwrap().to_vec2::<f64>().unwrap();
            let by_slopes = |of: &candle_core::backprop::GradStore| {
                let all = of.get(&parameters).unwrap().narrow(1, 8, 3).unwrap();
                all.get(0).unwrap().to_vec2::<f64>().unwrap()
            };
            let (values, logarithms) = (by_slopes(&of_values), by_slopes(&of_logs));
            for i in 0..7 {
                let expected = (sign * logs[i]).exp();
                assert!((by_numbers[0][i] - expected).abs() < 1e-13, "{inverse} {i}");
                for (k, raw) in raw.into_iter().enumerate() {
                    // A knot does not move with slopes; the logarithm there knows its own alone.
                    let own = f64::from(u8::from(i == k + 2));
                    let expected = sign * own / ((1.0 + (-raw).exp()) * slope(raw));
                    assert!(values[k][i].abs() < 1e-14, "{inverse} {i} {k}");
                    assert!(
                        (logarithms[k][i] - expected).abs() < 1e-13,
                        "{inverse} {i} {k}"
                    );
                }
            }
        }
    }
}
