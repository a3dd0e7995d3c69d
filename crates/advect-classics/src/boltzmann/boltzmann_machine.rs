//! Fully visible Boltzmann machines (Ackley, Hinton and Sejnowski 1985).

use advect_core::{Energy, Error, Generator, Result, Time, check, shape};
use advect_nn::Builder;
use advect_ops::{Activation, Dual, Value, linear};
use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use rand_distr::StandardUniform;

use super::enumeration::{blocks, log_sum_exp, states};
use super::units::check_binary;
use super::{as_rows, check_bias};

/// A fully visible Boltzmann machine, `p(x) ∝ e^(−E(x))` with `E(x) = −½ xᵀWx − b·x`, for units of 0 and 1, a symmetric W and a zero diagonal: the
/// pairwise binary law, or Ising model, of given means and correlations.
///
/// W is the symmetric part of its parameter, without the diagonal. States are `(batch, ...)` of as many numbers per sample as there are units.
///
/// ```
/// use advect_classics::boltzmann::BoltzmannMachine;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two units that would both be on.
/// let weight = Tensor::new(&[[0f64, 3f64.ln()], [3f64.ln(), 0.0]], &Device::Cpu)?;
/// let machine = BoltzmannMachine::new(weight, Tensor::zeros(2, candle_core::DType::F64, &Device::Cpu)?)?;
/// assert!((machine.log_partition()?.to_scalar::<f64>()? - 6f64.ln()).abs() < 1e-14); // 1 + 1 + 1 + 3
/// let (means, products) = machine.moments()?;
/// assert!((means.to_vec1::<f64>()?[0] - 4.0 / 6.0).abs() < 1e-14);
/// assert!((products.to_vec2::<f64>()?[0][1] - 3.0 / 6.0).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Ising model")]
#[doc(alias = "Hopfield")]
#[derive(Debug, Clone)]
pub struct BoltzmannMachine {
    weight: Tensor,
    bias: Tensor,
}

impl BoltzmannMachine {
    /// Creates a machine from a weight `(units, units)`, of which the symmetric part without the diagonal is used, and biases `(units,)`.
    ///
    /// # Errors
    /// [`Error`] naming the one that does not fit.
    pub fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        check_bias("bias", &bias)?;
        let units = bias.dims()[0];
        if weight.dims() != [units, units] {
            let accepted = format!("({units}, {units}), to match the bias");
            return Err(Error::shape("weight", weight.dims(), accepted));
        }
        check::same_kind("weight", &weight, "bias", &bias)?;
        Ok(BoltzmannMachine { weight, bias })
    }

    /// Creates a machine with parameters `weight`, normal with standard deviation 0.01, and `bias`, 0.
    ///
    /// # Errors
    /// [`Error::Range`] for no units; errors of the builder.
    pub fn build(units: usize, builder: &Builder) -> Result<Self> {
        check::at_least_one("units", units)?;
        let small = Init::Randn {
            mean: 0.0,
            stdev: 0.01,
        };
        Self::new(
            builder.get_with_hints((units, units), "weight", small)?,
            builder.get_with_hints(units, "bias", candle_nn::init::ZERO)?,
        )
    }

    /// Returns the number of units.
    pub fn units(&self) -> usize {
        self.bias.dims()[0]
    }

    /// Returns W, symmetric with a zero diagonal, `(units, units)`.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn interactions(&self) -> Result<Tensor> {
        let eye = Tensor::eye(self.units(), self.weight.dtype(), self.weight.device())?;
        let half = eye.affine(-0.5, 0.5)?;
        Ok(((&self.weight + self.weight.t()?)? * half)?)
    }

    /// Returns the energy of each state, `(batch,)`.
    ///
    /// # Errors
    /// [`Error`] naming `x` unless it has a zero or a one for each unit.
    pub fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.energy_value(x)
    }

    fn energy_value<V: Value>(&self, x: &V) -> Result<V> {
        let x = as_rows("x", x, &self.bias)?;
        check_binary("x", x.primal())?;
        // −x·(½ W x + b)
        let weight = (self.interactions()? * 0.5)?;
        let field = linear(&x, &weight, Some(&self.bias), Activation::Identity)?;
        x.times(&field)?
            .map_linear(|e| Ok(shape::sum_per_sample(e)?.neg()?))
    }

    /// Returns `ln Z = ln Σ_x e^(−E(x))` over all states, a scalar that is differentiable by the parameters.
    ///
    /// # Errors
    /// [`Error::Range`] for more than 20 units.
    #[doc(alias = "partition function")]
    pub fn log_partition(&self) -> Result<Tensor> {
        let parts = blocks("units", self.units())?.into_iter().map(|numbers| {
            let x = states(numbers, self.units(), &self.bias)?;
            log_sum_exp(&self.energy(&x)?.neg()?)
        });
        let parts: Vec<Tensor> = parts.collect::<Result<_>>()?;
        log_sum_exp(&Tensor::stack(&parts, 0)?)
    }

    /// Returns `log p(x) = −E(x) − ln Z`, `(batch,)`, with ln Z from [`log_partition`](BoltzmannMachine::log_partition) or an estimate. Its gradient by the
    /// weight parameter is `½ (x xᵀ − ⟨x xᵀ⟩)` off the diagonal, and by the biases `x − ⟨x⟩`.
    ///
    /// # Errors
    /// As [`BoltzmannMachine::energy`]; [`Error::Shape`] unless ln Z is a scalar.
    pub fn log_likelihood(&self, x: &Tensor, log_partition: &Tensor) -> Result<Tensor> {
        super::log_likelihood(&self.energy(x)?, log_partition)
    }

    /// Returns the means `⟨x⟩`, `(units,)`, and the second moments `⟨x xᵀ⟩`, `(units, units)`, over all states.
    ///
    /// # Errors
    /// [`Error::Range`] for more than 20 units.
    pub fn moments(&self) -> Result<(Tensor, Tensor)> {
        let frozen = self.frozen();
        let log_partition = frozen.log_partition()?;
        let mut products = frozen.weight.zeros_like()?;
        for numbers in blocks("units", self.units())? {
            let x = states(numbers, self.units(), &self.bias)?;
            let p = frozen.log_likelihood(&x, &log_partition)?.exp()?;
            let weighted = x.broadcast_mul(&shape::column(&p, 2)?)?;
            products = (products + x.t()?.contiguous()?.matmul(&weighted)?)?;
        }
        // x² = x, so that the means are the diagonal.
        let eye = Tensor::eye(self.units(), products.dtype(), products.device())?;
        Ok(((&products * eye)?.sum(0)?, products))
    }

    /// Draws each unit in turn given all others, `p(x_i = 1 | ·) = σ(Σ_j W_ij x_j + b_i)`: one sweep of Gibbs sampling, on the host.
    ///
    /// # Errors
    /// As [`BoltzmannMachine::energy`].
    pub fn gibbs(&self, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let (n, rows) = (self.units(), as_rows("x", x, &self.bias)?);
        check_binary("x", &rows)?;
        let numbers =
            |x: &Tensor| shape::cast(&x.detach().flatten_all()?, DType::F64)?.to_vec1::<f64>();
        let (weight, bias) = (numbers(&self.interactions()?)?, numbers(&self.bias)?);
        let mut state = numbers(&rows)?;
        let uniform = rng.values(&StandardUniform, state.len())?;
        for (x, uniform) in state.chunks_mut(n).zip(uniform.chunks(n)) {
            for (i, bias) in bias.iter().enumerate() {
                let others = weight[i * n..(i + 1) * n].iter().zip(&*x);
                let field = bias + others.map(|(w, x)| w * x).sum::<f64>();
                x[i] = f64::from(u8::from(uniform[i] * (1.0 + (-field).exp()) < 1.0));
            }
        }
        let state = Tensor::from_vec(state, x.shape(), &Device::Cpu)?;
        Ok(state.to_dtype(x.dtype())?.to_device(x.device())?)
    }

    /// Returns the machine with parameters that are part of no graph.
    #[must_use]
    pub fn frozen(&self) -> Self {
        BoltzmannMachine {
            weight: self.weight.detach(),
            bias: self.bias.detach(),
        }
    }
}

impl Energy for BoltzmannMachine {
    /// Returns the energy, at any time.
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        self.energy(x)
    }

    fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.energy_value(&Dual::new(x.clone(), dx.clone())?)?
            .into_parts()
    }
}
