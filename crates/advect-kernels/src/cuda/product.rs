//! Products of matrices by cuBLAS.

use std::ffi::c_void;

use candle_core::cuda_backend::cudarc::cublas::{result, sys};
use candle_core::cuda_backend::{WrapErr, gemm_reduced_precision_f32};
use candle_core::{DType, Error, Result, Storage, Tensor};

use super::launch::{misplaced, read, write};
use super::source::wide;
use super::{Fresh, device_of};

/// The matrices of a batch, which lie at equal distances in memory, the first of them from an element on.
#[derive(Clone, Copy)]
pub(super) struct Matrices<M> {
    pub(super) memory: M,
    pub(super) first: usize,
    pub(super) distance: usize,
    /// The distance between neighbouring rows, or columns if they lie column by column.
    pub(super) stride: usize,
    /// Whether they lie column by column.
    pub(super) transposed: bool,
}

impl<M> Matrices<M> {
    /// The transposed matrices.
    pub(super) fn flipped(self) -> Self {
        let transposed = !self.transposed;
        Matrices { transposed, ..self }
    }

    /// The matrices from one on, without the rows before one.
    pub(super) fn from(self, matrix: usize, row: usize) -> Self {
        let step = if self.transposed { 1 } else { self.stride };
        let first = self.first + matrix * self.distance + row * step;
        Matrices { first, ..self }
    }
}

/// The sizes of products: so many of a matrix `(rows, inner)` and one `(inner, columns)`.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) count: usize,
    pub(super) rows: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
}

/// Writes the products of matrices, times a factor. Sums are in the type of arithmetic; the products may be in it, too.
pub(super) fn products(
    sizes: Sizes,
    factor: f64,
    a: Matrices<&Tensor>,
    b: Matrices<&Tensor>,
    out: Matrices<&mut Fresh>,
) -> Result<()> {
    combine(sizes, [factor, 0.0], a, b, out)
}

/// Adds the products of matrices, times a factor, to what is there.
pub(super) fn add_products(
    sizes: Sizes,
    factor: f64,
    a: Matrices<&Tensor>,
    b: Matrices<&Tensor>,
    out: Matrices<&mut Fresh>,
) -> Result<()> {
    combine(sizes, [factor, 1.0], a, b, out)
}

/// Writes the products of matrices, times the first factor, and what is there, times the second; where that is 0 it isn't read.
fn combine(
    sizes: Sizes,
    factors: [f64; 2],
    a: Matrices<&Tensor>,
    b: Matrices<&Tensor>,
    out: Matrices<&mut Fresh>,
) -> Result<()> {
    if out.transposed {
        // (a b)ᵀ = bᵀ aᵀ.
        let sizes = Sizes {
            rows: sizes.columns,
            columns: sizes.rows,
            ..sizes
        };
        return combine(sizes, factors, b.flipped(), a.flipped(), out.flipped());
    }
    let device = device_of(a.memory)?;
    let (stream, blas) = (device.cuda_stream(), device.cublas_handle());
    let dtype = a.memory.dtype();
    let (of_factors, of_out) = (data_type(dtype)?, data_type(out.memory.dtype())?);
    let short = factors.map(|x| x as f32);
    let [alpha, beta] = match wide(dtype) {
        DType::F64 => factors.each_ref().map(pointer),
        _ => short.each_ref().map(pointer),
    };
    let compute = match dtype {
        DType::F64 => sys::cublasComputeType_t::CUBLAS_COMPUTE_64F,
        DType::F32 if gemm_reduced_precision_f32() => {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32
        }
        _ => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
    };
    let (a_lock, a_layout) = a.memory.storage_and_layout();
    let (b_lock, b_layout) = b.memory.storage_and_layout();
    let (Storage::Cuda(a_storage), Storage::Cuda(b_storage)) = (&*a_lock, &*b_lock) else {
        return Err(misplaced());
    };
    let (a_address, _a) = read(a_storage, a_layout.start_offset() + a.first, &stream)?;
    let (b_address, _b) = read(b_storage, b_layout.start_offset() + b.first, &stream)?;
    let (c_address, _c) = write(&mut out.memory.storage, out.first, &stream)?;
    let side = |n: usize| {
        i32::try_from(n).map_err(|_| Error::Msg(format!("matrices with a side of {n}")).bt())
    };
    let operation = |transposed| match transposed {
        true => sys::cublasOperation_t::CUBLAS_OP_T,
        false => sys::cublasOperation_t::CUBLAS_OP_N,
    };
    let (rows, inner, columns) = (side(sizes.rows)?, side(sizes.inner)?, side(sizes.columns)?);
    // By default cuBLAS may add parts of a long sum in the type of the products.
    let mode = sys::cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
    // SAFETY: the handle is that of the device, which is borrowed.
    unsafe { sys::cublasSetMathMode(*blas.handle(), mode) }
        .result()
        .w()?;
    // For cuBLAS, matrices lie column by column: what it sees are the transposed ones.
    // SAFETY: the pointers are valid until what follows in the stream, and the functions of this module give sizes and places that are
    // within the memory.
    unsafe {
        result::gemm_strided_batched_ex(
            *blas.handle(),
            operation(b.transposed),
            operation(a.transposed),
            columns,
            rows,
            inner,
            alpha,
            b_address as *const c_void,
            of_factors,
            side(b.stride)?,
            b.distance as i64,
            a_address as *const c_void,
            of_factors,
            side(a.stride)?,
            a.distance as i64,
            beta,
            c_address as *mut c_void,
            of_out,
            side(out.stride)?,
            out.distance as i64,
            side(sizes.count)?,
            compute,
            // (Not that of tensor cores, which allows f32 to be rounded to 16 bits before.)
            sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
        )
    }
    .w()
}

/// Returns `a b` for a of shape `(m, k)` and b of shape `(k, n)`, or as many of each: `(count, m, k)` and `(count, k, n)`. Each matrix
/// may be transposed by its strides.
///
/// # Errors
/// An error for shapes that don't fit, and for other strides.
pub fn product(a: &Tensor, b: &Tensor) -> Result<Fresh> {
    product_as(a.dtype(), a, b)
}

/// [`product`], in the elements' type or that of arithmetic.
pub(super) fn product_as(dtype: DType, a: &Tensor, b: &Tensor) -> Result<Fresh> {
    let ([batch @ .., rows, inner], [others @ .., height, columns]) = (a.dims(), b.dims()) else {
        return Err(misfit(a, b));
    };
    let (Some(left), Some(right)) = (matrices(a), matrices(b)) else {
        return Err(misfit(a, b));
    };
    if batch != others || inner != height {
        return Err(misfit(a, b));
    }
    let shape: Vec<usize> = batch.iter().chain([rows, columns]).copied().collect();
    let mut out = Fresh::new(device_of(a)?, dtype, shape)?;
    let sizes = Sizes {
        count: batch.iter().product(),
        rows: *rows,
        inner: *inner,
        columns: *columns,
    };
    let target = Matrices {
        memory: &mut out,
        first: 0,
        distance: rows * columns,
        stride: *columns,
        transposed: false,
    };
    products(sizes, 1.0, left, right, target)?;
    Ok(out)
}

/// One matrix or several, as they lie.
fn matrices(x: &Tensor) -> Option<Matrices<&Tensor>> {
    let (dims, strides) = (x.dims(), x.stride());
    let (&[.., rows, columns], &[.., down, across]) = (dims, strides) else {
        return None;
    };
    let (stride, transposed) = match (down, across) {
        (down, 1) if down == columns => (down, false),
        (1, across) if across == rows => (across, true),
        _ => return None,
    };
    let distance = match strides.len() {
        2 => 0,
        3 => strides[0],
        _ => return None,
    };
    Some(Matrices {
        memory: x,
        first: 0,
        distance,
        stride,
        transposed,
    })
}

fn misfit(a: &Tensor, b: &Tensor) -> Error {
    let [a, b] = [a, b].map(Tensor::layout);
    Error::Msg(format!("a product of {a:?} and {b:?}")).bt()
}

fn pointer<T>(x: &T) -> *const c_void {
    std::ptr::from_ref(x).cast()
}

/// The name of an element type for cuBLAS.
fn data_type(dtype: DType) -> Result<sys::cudaDataType> {
    match dtype {
        DType::F32 => Ok(sys::cudaDataType::CUDA_R_32F),
        DType::F64 => Ok(sys::cudaDataType::CUDA_R_64F),
        DType::F16 => Ok(sys::cudaDataType::CUDA_R_16F),
        DType::BF16 => Ok(sys::cudaDataType::CUDA_R_16BF),
        other => Err(Error::UnsupportedDTypeForOp(other, "a product by cuBLAS").bt()),
    }
}
