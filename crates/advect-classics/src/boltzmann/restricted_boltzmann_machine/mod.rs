//! Restricted Boltzmann machines (Smolensky 1986; Hinton 2002; 2012, "A practical guide to training restricted Boltzmann machines").

mod density;
mod sampling;

use advect_core::{Error, Result, check};
use advect_nn::Builder;
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::Init;

use super::units::{BinaryUnits, GaussianUnits, VisibleUnits, check_binary};
use super::{as_rows, check_bias};

/// A restricted Boltzmann machine with visible units U and binary hidden units, `p(v, h) ∝ e^(−E(v, h))` with `E(v, h) = E₀(v) − s(v)·Wh −
/// c·h`; for binary units `−b·v − v·Wh − c·h`.
///
/// Summed over h it is the free energy `F(v) = E₀(v) − Σ_j ln(1 + e^(c_j + (Wᵀ s(v))_j))`, of which it is an [`Energy`](advect_core::Energy). Visible states are `(batch, ...)`
/// with as many numbers per sample as there are visible units; hidden ones are `(batch, hidden)`. The parameter `weight` is
/// Wᵀ, `(hidden, visible)`, as that of a linear layer.
///
/// ```
/// use advect_classics::boltzmann::RestrictedBoltzmannMachine;
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let machine = RestrictedBoltzmannMachine::binary(6, 3, &store.builder())?;
/// let v = Tensor::zeros((4, 6), DType::F64, &Device::Cpu)?;
/// // Without biases, F(0) = −3 ln 2.
/// assert!((machine.free_energy(&v)?.to_vec1::<f64>()?[0] + 3.0 * 2f64.ln()).abs() < 1e-14);
/// assert_eq!(machine.gibbs(&v, &mut Generator::from_seed(1))?.dims(), [4, 6]);
/// // Weights are small, so that all 2⁹ states are about equally likely.
/// assert!((machine.log_partition()?.to_scalar::<f64>()? - 9.0 * 2f64.ln()).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RBM")]
#[doc(alias = "BernoulliRBM")]
#[doc(alias = "harmonium")]
#[derive(Debug, Clone)]
pub struct RestrictedBoltzmannMachine<U = BinaryUnits> {
    units: U,
    weight: Tensor,
    hidden_bias: Tensor,
}

/// The parameters that both kinds have: weights and the biases of hidden units.
fn parameters(visible: usize, hidden: usize, builder: &Builder) -> Result<(Tensor, Tensor)> {
    check::at_least_one("visible", visible)?;
    check::at_least_one("hidden", hidden)?;
    let small = Init::Randn {
        mean: 0.0,
        stdev: 0.01,
    };
    Ok((
        builder.get_with_hints((hidden, visible), "weight", small)?,
        builder.get_with_hints(hidden, "hidden_bias", candle_nn::init::ZERO)?,
    ))
}

impl RestrictedBoltzmannMachine<BinaryUnits> {
    /// Creates a machine with binary visible units and parameters `weight` `(hidden, visible)`, normal with standard deviation 0.01 (Hinton 2012, section
    /// 8), `hidden_bias` and `visible_bias`, 0.
    ///
    /// # Errors
    /// [`Error::Range`] without visible or hidden units; errors of the builder.
    pub fn binary(visible: usize, hidden: usize, builder: &Builder) -> Result<Self> {
        let (weight, hidden_bias) = parameters(visible, hidden, builder)?;
        let bias = builder.get_with_hints(visible, "visible_bias", candle_nn::init::ZERO)?;
        Self::new(BinaryUnits::new(bias)?, weight, hidden_bias)
    }
}

impl RestrictedBoltzmannMachine<GaussianUnits> {
    /// Creates a machine with Gaussian visible units and parameters as [`binary`](RestrictedBoltzmannMachine::binary) has them, with `visible_mean` and
    /// `log_variance`, 0, in the place of biases.
    ///
    /// # Errors
    /// [`Error::Range`] without visible or hidden units; errors of the builder.
    #[doc(alias = "GRBM")]
    pub fn gaussian(visible: usize, hidden: usize, builder: &Builder) -> Result<Self> {
        let (weight, hidden_bias) = parameters(visible, hidden, builder)?;
        let zeros = |name| builder.get_with_hints(visible, name, candle_nn::init::ZERO);
        let units = GaussianUnits::new(zeros("visible_mean")?, zeros("log_variance")?)?;
        Self::new(units, weight, hidden_bias)
    }
}

impl<U: VisibleUnits> RestrictedBoltzmannMachine<U> {
    /// Creates a machine from its units, a weight `(hidden, visible)` and hidden biases `(hidden,)`.
    ///
    /// # Errors
    /// [`Error`] naming the one that does not fit.
    pub fn new(units: U, weight: Tensor, hidden_bias: Tensor) -> Result<Self> {
        check_bias("hidden_bias", &hidden_bias)?;
        let (visible, hidden) = (units.bias().dims()[0], hidden_bias.dims()[0]);
        if weight.dims() != [hidden, visible] {
            let accepted = format!("({hidden}, {visible}), (hidden, visible)");
            return Err(Error::shape("weight", weight.dims(), accepted));
        }
        check::same_kind("weight", &weight, "the visible bias", units.bias())?;
        check::same_kind("hidden_bias", &hidden_bias, "weight", &weight)?;
        Ok(RestrictedBoltzmannMachine {
            units,
            weight,
            hidden_bias,
        })
    }

    /// Returns the visible units.
    pub fn units(&self) -> &U {
        &self.units
    }

    /// Returns the weight, `(hidden, visible)`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Returns the biases of the hidden units, `(hidden,)`.
    pub fn hidden_bias(&self) -> &Tensor {
        &self.hidden_bias
    }

    /// Visible states as rows that are values of the units.
    fn rows<V: Value>(&self, v: &V) -> Result<V> {
        let rows = as_rows("v", v, self.units.bias())?;
        self.units.check("v", rows.primal())?;
        Ok(rows)
    }

    /// Hidden states, checked.
    fn check_hidden(&self, h: &Tensor) -> Result<()> {
        as_rows("h", h, &self.hidden_bias)?;
        check_binary("h", h)
    }

    /// Returns the machine at an inverse temperature β between independent visible units with the bias `base`, at 0, and itself, at 1:
    /// `E_β(v, h) = (1 − β) E_base(v) + β E(v, h)` and a constant (Salakhutdinov and Murray 2008, eq. 14 and 15).
    ///
    /// With binary units and a base of zeros it is the machine at the temperature 1/β, `E_β = β E`. The variances of Gaussian units stay as they are.
    ///
    /// # Errors
    /// [`Error::Range`] unless β is from 0 to 1; [`Error`] naming a base that is not like the visible bias.
    pub fn annealed(&self, base: &Tensor, beta: f64) -> Result<Self> {
        check::fraction("beta", beta)?;
        check::alike("base", base, "the visible bias", self.units.bias())?;
        let bias = ((base * (1.0 - beta))? + (self.units.bias() * beta)?)?;
        Ok(RestrictedBoltzmannMachine {
            units: self.units.with_bias(bias),
            weight: (&self.weight * beta)?,
            hidden_bias: (&self.hidden_bias * beta)?,
        })
    }

    /// Returns the machine with parameters that are part of no graph.
    #[must_use]
    pub fn frozen(&self) -> Self {
        RestrictedBoltzmannMachine {
            units: self.units.frozen(),
            weight: self.weight.detach(),
            hidden_bias: self.hidden_bias.detach(),
        }
    }
}
