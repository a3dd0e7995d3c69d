//! Collective operations on tensors.

use std::mem::size_of;

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Storage, Tensor, WithDType};

use super::Ranks;

/// The size at which a bucket of tensors is sent: that of PyTorch's `DistributedDataParallel`.
const BUCKET: usize = 25 << 20;

impl Ranks {
    /// Returns the sums of tensors over all ranks, which have tensors of the same shapes. Every rank gets the same bits.
    ///
    /// Tensors are sent together, in buckets of up to 25 MiB, as each operation has a latency. They go through the memory of the host; those
    /// of 16 bits are added in f32.
    ///
    /// # Errors
    /// [`Error::DType`] unless they are floats of 16 bits or more;
    /// as [`Communicator::all_reduce_f32`](crate::Communicator::all_reduce_f32).
    #[doc(alias = "all_reduce")]
    pub fn sum(&self, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
        for tensor in tensors {
            check::float("tensors", tensor)?;
        }
        if self.size() == 1 {
            return Ok(tensors.to_vec());
        }
        let mut sums = Vec::with_capacity(tensors.len());
        let mut rest = tensors;
        while let Some(first) = rest.first() {
            let wide = wide(first.dtype());
            let mut bytes = 0;
            let fits = |tensor: &&Tensor| {
                bytes += tensor.elem_count() * wide.size_in_bytes();
                self::wide(tensor.dtype()) == wide && bytes <= BUCKET
            };
            // A tensor that is larger than a bucket goes alone.
            let count = rest.iter().take_while(fits).count().max(1);
            let (bucket, others) = rest.split_at(count);
            match wide {
                DType::F64 => self.sum_bucket(bucket, &mut sums, |values: &mut [f64]| {
                    self.communicator.all_reduce_f64(values)
                })?,
                _ => self.sum_bucket(bucket, &mut sums, |values: &mut [f32]| {
                    self.communicator.all_reduce_f32(values)
                })?,
            }
            rest = others;
        }
        Ok(sums)
    }

    fn sum_bucket<T: WithDType>(
        &self,
        bucket: &[Tensor],
        sums: &mut Vec<Tensor>,
        all_reduce: impl Fn(&mut [T]) -> Result<()>,
    ) -> Result<()> {
        let total = bucket.iter().map(Tensor::elem_count).sum();
        let mut values: Vec<T> = Vec::with_capacity(total);
        for tensor in bucket {
            append(&mut values, tensor)?;
        }
        self.counted(values.len() * size_of::<T>(), || all_reduce(&mut values))?;
        let count = values.len();
        let flat = Tensor::from_vec(values, count, &Device::Cpu)?;
        let mut place = 0;
        for tensor in bucket {
            let sum = flat.narrow(0, place, tensor.elem_count())?;
            place += tensor.elem_count();
            let sum = sum.reshape(tensor.shape())?.to_dtype(tensor.dtype())?;
            sums.push(sum.to_device(tensor.device())?);
        }
        Ok(())
    }

    /// Returns rank 0's tensor on every rank, bit for bit. Other ranks give one like it, whose values don't matter.
    ///
    /// # Errors
    /// As [`Communicator::broadcast`](crate::Communicator::broadcast).
    pub fn broadcast(&self, tensor: &Tensor) -> Result<Tensor> {
        if self.size() == 1 {
            return Ok(tensor.clone());
        }
        let mut bytes = to_bytes(tensor)?;
        self.counted(bytes.len(), || self.communicator.broadcast(&mut bytes))?;
        match self.is_root() {
            true => Ok(tensor.clone()),
            false => from_bytes(&bytes, tensor, tensor.dims()),
        }
    }

    /// Returns the rows of all ranks' tensors `(rows, ...)`, those of rank 0 first. The number of rows may differ, and be 0.
    ///
    /// Every rank holds the result: collect large sets piece by piece, or let each rank write its own file.
    ///
    /// # Errors
    /// [`Error::Shape`] for a scalar; [`Error::Range`] if the shapes of the rows or the dtypes differ;
    /// as [`Communicator::all_gather`](crate::Communicator::all_gather).
    #[doc(alias = "all_gather")]
    pub fn gather_rows(&self, tensor: &Tensor) -> Result<Tensor> {
        let kind = match tensor.dims() {
            [] => Err(Error::shape("tensor", tensor.dims(), "(rows, ...)")),
            [_, row @ ..] => Ok(format!("{:?} of shape (rows, {row:?})", tensor.dtype())),
        };
        let kind = self.agree(kind)?;
        self.require_same("tensor", &[("rows".to_string(), kind)].into())?;
        if self.size() == 1 {
            return Ok(tensor.clone());
        }
        let bytes = self.all_gather(&to_bytes(tensor)?)?.concat();
        let mut dims = tensor.dims().to_vec();
        let row: usize = dims[1..].iter().product::<usize>() * tensor.dtype().size_in_bytes();
        dims[0] = match row {
            0 => 0,
            row => bytes.len() / row,
        };
        from_bytes(&bytes, tensor, &dims)
    }
}

/// The dtype in which tensors are added.
fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// Adds the values of a tensor to a list.
fn append<T: WithDType>(values: &mut Vec<T>, tensor: &Tensor) -> Result<()> {
    let (storage, layout) = tensor.storage_and_layout();
    if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets())
        && tensor.dtype() == T::DTYPE
    {
        values.extend_from_slice(&cpu.as_slice::<T>()?[start..end]);
        return Ok(());
    }
    drop(storage);
    values.extend(tensor.flatten_all()?.to_dtype(T::DTYPE)?.to_vec1::<T>()?);
    Ok(())
}

/// The values in row-major order.
fn to_bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    // A copy where it is no contiguous one: the view's own method panics where copying fails.
    let tensor = tensor.contiguous()?;
    Ok(safetensors::View::data(&tensor).into_owned())
}

/// A tensor of these bytes, of the dtype and on the device of another.
fn from_bytes(bytes: &[u8], like: &Tensor, dims: &[usize]) -> Result<Tensor> {
    Ok(Tensor::from_raw_buffer(
        bytes,
        like.dtype(),
        dims,
        like.device(),
    )?)
}
