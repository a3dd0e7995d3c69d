//! Where a case is computed, and in which dtype.

pub(crate) use advect::core::testing::device;
use advect::prelude::*;

pub(crate) const CPU: Device = Device::Cpu;

/// A device, a dtype, and the dtype that inputs are rounded to before: so that a reference in a wider one sees the same
/// numbers.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) device: Device,
    pub(crate) dtype: DType,
    rounded: DType,
}

impl Place {
    /// The device under test.
    pub(crate) fn tested(dtype: DType) -> Self {
        let device = device().clone();
        let rounded = dtype;
        Place {
            device,
            dtype,
            rounded,
        }
    }

    /// The CPU in the same dtype.
    pub(crate) fn same_on_cpu(dtype: DType) -> Self {
        Place {
            device: CPU,
            ..Place::tested(dtype)
        }
    }

    /// The CPU in f64, of inputs in a dtype.
    pub(crate) fn exact(rounded: DType) -> Self {
        Place {
            device: CPU,
            dtype: DType::F64,
            rounded,
        }
    }

    /// The same on another device.
    #[cfg(feature = "cuda")]
    pub(crate) fn on(self, device: Device) -> Self {
        Place { device, ..self }
    }

    /// A tensor of the CPU, here.
    pub(crate) fn put(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.to_dtype(self.rounded)?.to_dtype(self.dtype)?;
        Ok(x.to_device(&self.device)?)
    }

    /// Standard normal numbers.
    pub(crate) fn normal(&self, seed: u64, shape: &[usize]) -> Result<Tensor> {
        self.put(&Generator::from_seed(seed).normal(shape, DType::F64, &CPU)?)
    }

    /// Labels below a count, one a sample.
    pub(crate) fn labels(&self, count: u32, batch: usize) -> Result<Tensor> {
        let labels: Vec<u32> = (0..batch as u32).map(|i| i * 7 % count).collect();
        Ok(Tensor::from_vec(labels, batch, &self.device)?)
    }

    /// A store of parameters, none of which is 0.
    pub(crate) fn store(&self) -> ParameterStore {
        ParameterStore::new(Key::from_seed(7), self.dtype, &self.device)
    }
}

/// Gives parameters values that no part of a network starts with: zeros would hide what stands before them.
pub(crate) fn stir(store: &ParameterStore, place: &Place) -> Result<()> {
    for (seed, (_, var)) in (100..).zip(store.parameters()) {
        let values = (place.normal(seed, var.dims())? * 0.2)?;
        var.set(&(var.as_tensor() + values)?.detach())?;
    }
    Ok(())
}

/// A number that depends on all elements, `Σ w y`, with weights that are the same on all devices.
pub(crate) fn weighted(place: &Place, y: &Tensor) -> Result<Tensor> {
    let weights = place.normal(99, y.dims())?.to_dtype(y.dtype())?;
    Ok((y * weights)?.sum_all()?)
}
