//! The two element types that there are kernels for, in candle's storage.

use advect_core::{Error, Result};
use advect_kernels::Kernels;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType};

/// f32 or f64.
pub(crate) trait Float: Kernels {
    const DTYPE: DType;

    /// Returns the elements of a storage of this type.
    fn slice(storage: &CpuStorage) -> Result<&[Self]>;
    fn slice_mut(storage: &mut CpuStorage) -> Result<&mut [Self]>;
    fn storage(values: Vec<Self>) -> CpuStorage;
}

macro_rules! float {
    ($type:ident, $variant:ident) => {
        impl Float for $type {
            const DTYPE: DType = DType::$variant;

            #[inline]
            fn slice(storage: &CpuStorage) -> Result<&[Self]> {
                match storage {
                    CpuStorage::$variant(values) => Ok(values),
                    other => Err(Error::dtype("x", other.dtype(), stringify!($type))),
                }
            }

            fn slice_mut(storage: &mut CpuStorage) -> Result<&mut [Self]> {
                match storage {
                    CpuStorage::$variant(values) => Ok(values),
                    other => Err(Error::dtype("x", other.dtype(), stringify!($type))),
                }
            }

            fn storage(values: Vec<Self>) -> CpuStorage {
                CpuStorage::$variant(values)
            }
        }
    };
}

float!(f32, F32);
float!(f64, F64);
