//! The sources of kernels, and what NVRTC makes of them.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDevice, WrapErr};
use candle_core::{DType, Error, Result};

/// The definitions that every source begins with.
const PRELUDE: &str = include_str!("prelude.cu");

/// Kernels that are compiled together.
pub(super) struct Family {
    pub(super) name: &'static str,
    /// Sources that follow each other.
    pub(super) sources: &'static [&'static str],
}

/// The name of an element type in those of kernels, the type itself, and that of its arithmetic.
pub(super) fn element(dtype: DType) -> Result<[&'static str; 3]> {
    match dtype {
        DType::F32 => Ok(["f32", "float", "float"]),
        DType::F64 => Ok(["f64", "double", "double"]),
        DType::F16 => Ok(["f16", "f16", "float"]),
        DType::BF16 => Ok(["bf16", "bf16", "float"]),
        other => Err(Error::UnsupportedDTypeForOp(other, "a kernel for CUDA").bt()),
    }
}

/// The type of arithmetic and sums.
pub(super) fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// What has been compiled: by the family, the element type and the architecture.
type Compiled = HashMap<(&'static str, &'static str, (i32, i32)), &'static str>;

static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

impl Family {
    /// The source for an element type.
    fn source(&self, dtype: DType) -> Result<String> {
        let [suffix, element, real] = element(dtype)?;
        let parts = std::iter::once(&PRELUDE).chain(self.sources);
        let types =
            format!("#define ELEMENT {element}\n#define REAL {real}\n#define SUFFIX _{suffix}\n");
        Ok(types + &parts.copied().collect::<String>())
    }

    /// What NVRTC makes of it for an architecture: a program in PTX.
    pub(super) fn compiled(&self, dtype: DType, (major, minor): (i32, i32)) -> Result<String> {
        let options = CompileOptions {
            options: vec![format!("--gpu-architecture=compute_{major}{minor}")],
            ..CompileOptions::default()
        };
        let ptx = compile_ptx_with_opts(self.source(dtype)?, options).w()?;
        Ok(ptx.to_src())
    }

    /// The program for a device, compiled once.
    pub(super) fn ptx(&self, dtype: DType, device: &CudaDevice) -> Result<&'static str> {
        let stream = device.cuda_stream();
        let architecture = stream.context().compute_capability().w()?;
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.name, element(dtype)?[0], architecture);
        if let Some(ptx) = compiled.get(&key) {
            return Ok(ptx);
        }
        let ptx = self.compiled(dtype, architecture)?;
        // A few programs, kept until the end.
        let ptx: &'static str = Box::leak(ptx.into_boxed_str());
        compiled.insert(key, ptx);
        Ok(ptx)
    }
}
