//! The device that tests run on.

use std::sync::LazyLock;

use candle_core::{Device, utils::cuda_is_available};

/// Returns the device that the environment variable `ADVECT_TEST_DEVICE` names: the CPU where it is unset, empty or
/// `cpu`, and a GPU where it is `cuda`, `cuda:1` and so on.
///
/// Each call returns the same device, so that tensors of one test are all on it.
///
/// ```
/// use advect_core::testing::device;
/// use candle_core::{DType, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros(3, DType::F32, device())?;
/// assert!(x.device().same_device(device()));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If the name is another one, if the program was built without the feature `cuda`, or if the GPU can't be had. It
/// never returns the CPU in a GPU's place, as tests would then pass that have not run there.
#[allow(clippy::panic)]
pub fn device() -> &'static Device {
    static DEVICE: LazyLock<Result<Device, String>> =
        LazyLock::new(|| named(&std::env::var("ADVECT_TEST_DEVICE").unwrap_or_default()));
    DEVICE.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// The device of a name.
fn named(name: &str) -> Result<Device, String> {
    let given = format!("ADVECT_TEST_DEVICE is {name:?}");
    let ordinal = match name {
        "" | "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        other => other.strip_prefix("cuda:").and_then(|n| n.parse().ok()),
    };
    let ordinal = ordinal.ok_or(format!("{given}: it may be cpu, cuda, cuda:1, …"))?;
    if !cuda_is_available() {
        return Err(format!("{given}: build with `--features cuda`"));
    }
    // One stream for all threads, on which tests run: by `new_cuda` each has its own, and nothing orders them.
    Device::new_cuda_with_stream(ordinal)
        .map_err(|error| format!("{given}, which can't be had: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_stands_for_no_other_device() {
        assert!(named("").unwrap().is_cpu() && named("cpu").unwrap().is_cpu());
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU"] {
            assert!(named(wrong).unwrap_err().contains("it may be cpu, cuda"));
        }
        if cuda_is_available() {
            // There may be a GPU, but not that many.
            assert!(named("cuda:100").unwrap_err().contains("can't be had"));
        } else {
            assert!(named("cuda").unwrap_err().contains("--features cuda"));
        }
    }
}
