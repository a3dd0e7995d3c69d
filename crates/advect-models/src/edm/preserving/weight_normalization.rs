//! Forced weight normalisation (Karras et al. 2024, eq. 66).

use std::ops::ControlFlow;

use advect_core::{Error, Observer, Result};
use candle_core::Var;

use super::layer::Layer;
use super::normalize::normalized;

/// The weights of a network that are brought back to unit size after each step of training: those of each output are divided by
/// their root mean square. The network's values stay the same, as it computes with weights of unit length anyway. But steps
/// make weights longer, and the longer they are the less a step turns them; with this, the learning rate alone
/// says how far.
///
/// It is an [`Observer`] of any run, which normalises at each event: pass it to `Trainer::run`, before observers that save
/// the run. Averages of the parameters follow a step before that, as they do in EDM2. Call
/// [`normalize`](Self::normalize) once before the first step, and after each step of a loop of your own.
///
/// In 16 bits, an optimiser that moves a copy of the parameters in 32 bits does not see it: train in f32.
///
/// ```
/// use advect_core::{Field, Generator, Key, Time};
/// use advect_models::Edm2UNet;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let config = Edm2UNet::config(1, 4).channels(4).multipliers(&[1]).blocks(1).head_channels(4);
/// let net = config.build(&store.builder())?;
/// let (name, gain) = store.parameters().pop().unwrap();
/// assert_eq!(name, "out_gain");
/// gain.set(&gain.ones_like()?)?;
/// let x = Generator::from_seed(1).normal((1, 1, 4, 4), DType::F64, &Device::Cpu)?;
/// let before = net.at(&Time::Shared(0.0), &x)?;
/// let weight = store.vars().swap_remove(0);
/// weight.set(&(weight.as_tensor() * 3.0)?)?; // a step too far
/// net.weight_normalization()?.normalize()?;
/// assert!((weight.sqr()?.mean_all()?.to_scalar::<f64>()? - 1.0).abs() < 1e-3);
/// let change = (net.at(&Time::Shared(0.0), &x)? - before)?.abs()?.max_all()?;
/// assert!(change.to_scalar::<f64>()? < 1e-3);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "forced weight normalization")]
#[doc(alias = "project_to_sphere")]
#[derive(Debug, Clone)]
pub struct WeightNormalization {
    weights: Vec<Var>,
}

impl WeightNormalization {
    pub(super) fn of<'a>(layers: impl Iterator<Item = &'a Layer>) -> Result<Self> {
        let var = |layer: &Layer| match layer.weight().is_variable() {
            true => Ok(Var::from_tensor(layer.weight())?),
            false => {
                let accepted = "a network whose parameters are trained, built on store.builder()";
                Err(Error::range("network", "frozen parameters", accepted))
            }
        };
        let weights = layers.map(var).collect::<Result<_>>()?;
        Ok(WeightNormalization { weights })
    }

    /// Divides the weights of each output by their root mean square, and a little more: `w / (√(mean w²) + 10⁻⁴)`.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn normalize(&self) -> Result<()> {
        for weight in &self.weights {
            let rows = weight.as_detached_tensor().flatten_from(1)?;
            let rows = normalized(&rows, 1, 1.0)?;
            weight.set(&rows.reshape(weight.shape())?)?;
        }
        Ok(())
    }
}

impl<E: ?Sized> Observer<E> for WeightNormalization {
    fn observe(&mut self, _: &E) -> Result<ControlFlow<()>> {
        self.normalize()?;
        Ok(ControlFlow::Continue(()))
    }
}
