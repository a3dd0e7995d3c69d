//! Collective operations on tensors.

use std::mem::size_of;

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Storage, Tensor, WithDType};

use super::Ranks;
use crate::DeviceCommunicator;

/// The size at which a bucket of tensors is sent: that of PyTorch's `DistributedDataParallel`.
const BUCKET: usize = 25 << 20;

impl Ranks {
    /// Returns the sums of tensors over all ranks, which have tensors of the same shapes. Every rank gets the same bits.
    ///
    /// Tensors are sent together, in buckets of up to 25 MiB, as each operation has a latency. Those of 16 bits are added in f32. They go
    /// through the memory of the host, unless the devices are [connected](Ranks::connect_devices).
    ///
    /// # Errors
    /// [`Error::DType`] unless they are floats of 16 bits or more;
    /// as [`Communicator::all_reduce_f32`](crate::Communicator::all_reduce_f32) and
    /// [`DeviceCommunicator::all_reduce`].
    #[doc(alias = "all_reduce")]
    pub fn sum(&self, tensors: &[Tensor]) -> Result<Vec<Tensor>> {
        for tensor in tensors {
            check::float("tensors", tensor)?;
        }
        if self.is_trivial() {
            return Ok(tensors.to_vec());
        }
        let mut sums = Vec::with_capacity(tensors.len());
        let mut rest = tensors;
        while let Some(first) = rest.first() {
            let way = self.way(first);
            let mut bytes = 0;
            let fits = |tensor: &&Tensor| {
                bytes += tensor.elem_count() * way.0.size_in_bytes();
                let is_near = !way.1 || tensor.device().same_device(first.device());
                self.way(tensor) == way && is_near && bytes <= BUCKET
            };
            // A tensor that is larger than a bucket goes alone.
            let count = rest.iter().take_while(fits).count().max(1);
            let (bucket, others) = rest.split_at(count);
            let flat = match (self.devices_for(first.device(), way.0), way.0) {
                (Some(devices), dtype) => self.sum_on_devices(devices, bucket, dtype)?,
                (None, DType::F64) => self.sum_on_hosts(bucket, |values: &mut [f64]| {
                    self.communicator.all_reduce_f64(values)
                })?,
                (None, _) => self.sum_on_hosts(bucket, |values: &mut [f32]| {
                    self.communicator.all_reduce_f32(values)
                })?,
            };
            cut(&flat, bucket, &mut sums)?;
            rest = others;
        }
        Ok(sums)
    }

    /// Whether there is nobody to send anything to, and nothing to send it by.
    fn is_trivial(&self) -> bool {
        self.size() == 1 && self.devices.get().is_none()
    }

    /// The devices' connection, if it takes these tensors.
    fn devices_for(&self, device: &Device, dtype: DType) -> Option<&dyn DeviceCommunicator> {
        let devices = self.devices.get().map(Box::as_ref);
        devices.filter(|devices| devices.takes(device, dtype))
    }

    /// The dtype in which a tensor is added, and whether that is by its device. A bucket has tensors of one way.
    fn way(&self, tensor: &Tensor) -> (DType, bool) {
        let dtype = wide(tensor.dtype());
        let is_there = self.devices_for(tensor.device(), dtype).is_some();
        (dtype, is_there)
    }

    /// The sum of a bucket as a vector on the host.
    fn sum_on_hosts<T: WithDType>(
        &self,
        bucket: &[Tensor],
        all_reduce: impl Fn(&mut [T]) -> Result<()>,
    ) -> Result<Tensor> {
        let total = bucket.iter().map(Tensor::elem_count).sum();
        let mut values: Vec<T> = Vec::with_capacity(total);
        for tensor in bucket {
            append(&mut values, tensor)?;
        }
        self.counted(values.len() * size_of::<T>(), || all_reduce(&mut values))?;
        let count = values.len();
        Ok(Tensor::from_vec(values, count, &Device::Cpu)?)
    }

    /// The sum of a bucket as a vector on its device.
    fn sum_on_devices(
        &self,
        devices: &dyn DeviceCommunicator,
        bucket: &[Tensor],
        dtype: DType,
    ) -> Result<Tensor> {
        let filled = bucket.iter().filter(|tensor| tensor.elem_count() > 0);
        let vectors = filled.map(|tensor| Ok(tensor.detach().flatten_all()?.to_dtype(dtype)?));
        let vectors = vectors.collect::<Result<Vec<Tensor>>>()?;
        let flat = match vectors.as_slice() {
            // Empty tensors alone, on all ranks.
            [] => return Ok(bucket[0].flatten_all()?),
            [vector] => vector.contiguous()?,
            _ => Tensor::cat(&vectors, 0)?,
        };
        let bytes = flat.elem_count() * dtype.size_in_bytes();
        self.counted(bytes, || devices.all_reduce(&flat))
    }

    /// Returns rank 0's tensor on every rank, bit for bit. Other ranks give one like it, whose values don't matter.
    ///
    /// # Errors
    /// As [`Communicator::broadcast`](crate::Communicator::broadcast) and [`DeviceCommunicator::broadcast`].
    pub fn broadcast(&self, tensor: &Tensor) -> Result<Tensor> {
        if self.is_trivial() {
            return Ok(tensor.clone());
        }
        let devices = self.devices_for(tensor.device(), tensor.dtype());
        if let Some(devices) = devices.filter(|_| tensor.elem_count() > 0) {
            let bytes = tensor.elem_count() * tensor.dtype().size_in_bytes();
            let tensor = tensor.detach().contiguous()?;
            return self.counted(bytes, || devices.broadcast(&tensor));
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

/// Cuts the sum of a bucket into tensors like those of the bucket.
fn cut(flat: &Tensor, bucket: &[Tensor], sums: &mut Vec<Tensor>) -> Result<()> {
    let mut place = 0;
    for tensor in bucket {
        if tensor.elem_count() == 0 {
            sums.push(tensor.clone());
            continue;
        }
        let sum = flat.narrow(0, place, tensor.elem_count())?;
        place += tensor.elem_count();
        let sum = sum.reshape(tensor.shape())?.to_dtype(tensor.dtype())?;
        sums.push(sum.to_device(tensor.device())?);
    }
    Ok(())
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
