//! The sources of kernels, and what NVRTC makes of them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, sys::CUresult,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, Ptx, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDevice, CudaError, WrapErr};
use candle_core::{DType, Error, Result};

/// The definitions that every source begins with.
const PRELUDE: &str = include_str!("prelude.cu");

/// Kernels that are compiled together.
pub(super) struct Family {
    pub(super) name: &'static str,
    /// Whether `a * b + c` may be rounded once. Where it may not, results of such terms have the bits that the CPU's have.
    pub(super) fused: bool,
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

/// What there is already, by names, the element type and the number of the GPU. All devices that candle opens on a GPU have one context.
#[derive(Default)]
struct Loaded {
    /// What has been compiled, for an architecture.
    programs: HashMap<(&'static str, DType, (i32, i32)), Ptx>,
    /// The kernels of families.
    modules: HashMap<(&'static str, DType, usize), Arc<CudaModule>>,
    /// Those that have been asked for.
    kernels: HashMap<(&'static str, DType, usize), CudaFunction>,
}

static LOADED: LazyLock<RwLock<Loaded>> = LazyLock::new(RwLock::default);

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
    pub(super) fn compiled(&self, dtype: DType, (major, minor): (i32, i32)) -> Result<Ptx> {
        let options = CompileOptions {
            options: vec![format!("--gpu-architecture=compute_{major}{minor}")],
            fmad: Some(self.fused),
            ..CompileOptions::default()
        };
        compile_ptx_with_opts(self.source(dtype)?, options).map_err(|error| {
            let message = format!(
                "NVRTC does not compile kernels ({}) for a GPU of compute capability {major}.{minor}; a newer GPU needs the libraries of a newer CUDA: {error}",
                self.name
            );
            Error::Msg(message).bt()
        })
    }

    /// A kernel for a device, compiled and loaded when it is first asked for. No two families have kernels of one name.
    pub(super) fn kernel(
        &self,
        name: &'static str,
        dtype: DType,
        device: &CudaDevice,
    ) -> Result<CudaFunction> {
        let stream = device.cuda_stream();
        let key = (name, dtype, stream.context().ordinal());
        let loaded = LOADED.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = loaded.kernels.get(&key) {
            return Ok(kernel.clone());
        }
        drop(loaded);
        let mut loaded = LOADED.write().unwrap_or_else(PoisonError::into_inner);
        let module = self.module(dtype, stream.context(), &mut loaded)?;
        let [suffix, ..] = element(dtype)?;
        let kernel = module.load_function(&format!("{name}_{suffix}")).w()?;
        loaded.kernels.insert(key, kernel.clone());
        Ok(kernel)
    }

    /// All its kernels for a GPU.
    fn module(
        &self,
        dtype: DType,
        context: &Arc<CudaContext>,
        loaded: &mut Loaded,
    ) -> Result<Arc<CudaModule>> {
        let here = (self.name, dtype, context.ordinal());
        if let Some(module) = loaded.modules.get(&here) {
            return Ok(module.clone());
        }
        let architecture = context.compute_capability().w()?;
        let compiled = (self.name, dtype, architecture);
        let program = match loaded.programs.get(&compiled) {
            Some(program) => program.clone(),
            None => {
                let program = self.compiled(dtype, architecture)?;
                loaded.programs.insert(compiled, program.clone());
                program
            }
        };
        let module = context.load_module(program).map_err(|error| {
            if error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                return CudaError::from(error).into();
            }
            let message = format!(
                "the driver does not load kernels ({}) that NVRTC compiled; it has to be as new as CUDA's libraries: {error}",
                self.name
            );
            Error::Msg(message).bt()
        })?;
        loaded.modules.insert(here, module.clone());
        Ok(module)
    }
}
