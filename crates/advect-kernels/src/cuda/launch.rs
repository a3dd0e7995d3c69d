//! The launching of kernels.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, SyncOnDrop,
};
use candle_core::cuda_backend::{CudaDevice, CudaStorageSlice, WrapErr};
use candle_core::{CudaStorage, DType, Error, Result, Storage, Tensor};

use super::Fresh;
use super::source::{Family, wide};

/// The blocks of a launch, and the threads of each.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) blocks: [usize; 2],
    pub(super) threads: [usize; 2],
}

impl Grid {
    /// Blocks of threads along one dimension.
    pub(super) fn new(blocks: usize, threads: usize) -> Self {
        Grid {
            blocks: [blocks, 1],
            threads: [threads, 1],
        }
    }

    /// Threads for a loop over elements, which may make several turns.
    pub(super) fn over(elements: usize) -> Self {
        const THREADS: usize = 256;
        // More than any device runs at once.
        const MOST: usize = 1 << 14;
        Grid::new(elements.div_ceil(THREADS).clamp(1, MOST), THREADS)
    }

    /// The same for elements in lines. Threads take several side by side where a line can be divided so.
    pub(super) fn over_packs(elements: usize, line: usize) -> Self {
        // That of the sources.
        const PACK: usize = 4;
        Grid::over(match line.is_multiple_of(PACK) {
            true => elements / PACK,
            false => elements,
        })
    }

    /// Blocks of some columns of one row, or of several rows in turn.
    pub(super) fn over_rows(rows: usize, columns: usize) -> Self {
        let threads = columns.next_multiple_of(32).clamp(32, 256);
        let across = columns.div_ceil(4 * threads).clamp(1, 1 << 12);
        Grid {
            blocks: [rows.clamp(1, 1 << 20), across],
            threads: [threads, 1],
        }
    }
}

/// An argument of a kernel.
pub(super) enum Argument<'a> {
    /// A pointer to a contiguous tensor's first element.
    Read(&'a Tensor),
    /// A pointer to new memory, read.
    Again(&'a Fresh),
    /// A pointer to new memory, written.
    Write(&'a mut Fresh),
    /// A pointer to memory that is changed, from an element on.
    Change(&'a mut CudaStorage, usize),
    /// No pointer.
    Nothing,
    /// A `size_t`.
    Size(usize),
    /// A number in the type of arithmetic.
    Real(f64),
}

impl Argument<'_> {
    /// The device of what it points to.
    fn device(&self) -> Option<&CudaDevice> {
        match self {
            Argument::Read(x) => device_of(x).ok(),
            Argument::Again(x) => Some(x.device()),
            Argument::Write(x) => Some(x.device()),
            Argument::Change(x, _) => Some(&x.device),
            Argument::Nothing | Argument::Size(_) | Argument::Real(_) => None,
        }
    }
}

/// The CUDA device that a tensor is on.
pub(super) fn device_of(x: &Tensor) -> Result<&CudaDevice> {
    x.device().as_cuda_device()
}

/// The error of a tensor that is elsewhere.
pub(super) fn misplaced() -> Error {
    Error::Msg("a kernel for CUDA got a tensor of another device".into()).bt()
}

/// The bits of an argument.
enum Bits {
    Word(u64),
    F32(f32),
    F64(f64),
}

/// Starts a kernel on the device of its arguments, whose parameters are of the kinds of the arguments in their order.
pub(super) fn launch(
    family: &Family,
    kernel: &'static str,
    dtype: DType,
    grid: Grid,
    arguments: &mut [Argument<'_>],
) -> Result<()> {
    let device = arguments.iter().find_map(Argument::device).cloned();
    let Some(device) = device else {
        return Err(misplaced());
    };
    let function = family.kernel(kernel, dtype, &device)?;
    let stream = device.cuda_stream();
    // Locked, and known to the stream, until the kernel has been started.
    let locks: Vec<_> = (arguments.iter())
        .map(|argument| match argument {
            Argument::Read(x) => Some(x.storage_and_layout()),
            _ => None,
        })
        .collect();
    let word = |(address, guard)| (Bits::Word(address), Some(guard));
    let mut held = Vec::with_capacity(arguments.len());
    let mut bits = Vec::with_capacity(arguments.len());
    for (argument, lock) in arguments.iter_mut().zip(&locks) {
        let (value, guard) = match (argument, lock) {
            (Argument::Read(_), Some((storage, layout))) => {
                let Storage::Cuda(storage) = &**storage else {
                    return Err(misplaced());
                };
                word(read(storage, layout.start_offset(), &stream)?)
            }
            (Argument::Again(x), _) => word(read(&x.storage, 0, &stream)?),
            (Argument::Write(x), _) => word(write(&mut x.storage, 0, &stream)?),
            (Argument::Change(x, first), _) => word(write(x, *first, &stream)?),
            (Argument::Read(_) | Argument::Nothing, _) => (Bits::Word(0), None),
            (Argument::Size(n), _) => (Bits::Word(*n as u64), None),
            (Argument::Real(x), _) => match wide(dtype) {
                DType::F64 => (Bits::F64(*x), None),
                _ => (Bits::F32(*x as f32), None),
            },
        };
        bits.push(value);
        held.extend(guard);
    }
    let mut builder = stream.launch_builder(&function);
    for argument in &bits {
        match argument {
            Bits::Word(x) => builder.arg(x),
            Bits::F32(x) => builder.arg(x),
            Bits::F64(x) => builder.arg(x),
        };
    }
    let side = |n: usize| {
        u32::try_from(n).map_err(|_| Error::Msg(format!("{n} blocks of a kernel for CUDA")).bt())
    };
    let config = LaunchConfig {
        grid_dim: (side(grid.blocks[0])?, side(grid.blocks[1])?, 1),
        block_dim: (side(grid.threads[0])?, side(grid.threads[1])?, 1),
        shared_mem_bytes: 0,
    };
    // SAFETY: the functions of this module pass each kernel the arguments that its source beside them names, with the sizes of
    // the memory; the pointers are valid until what follows in the stream.
    unsafe { builder.launch(config) }.w()?;
    Ok(())
}

/// An address, and what tells the stream of its use.
pub(super) type Pointer<'a> = (u64, SyncOnDrop<'a>);

/// Runs an expression with `$slice` as the memory of a storage, of floats or indices.
macro_rules! by_element {
    ($storage:expr, $slice:ident => $body:expr) => {
        match $storage {
            CudaStorageSlice::F32($slice) => $body,
            CudaStorageSlice::F64($slice) => $body,
            CudaStorageSlice::F16($slice) => $body,
            CudaStorageSlice::BF16($slice) => $body,
            CudaStorageSlice::U32($slice) => $body,
            _ => Err(Error::Msg("a kernel for CUDA got neither floats nor indices".into()).bt()),
        }
    };
}

/// The address of an element that is read.
pub(super) fn read<'a>(
    storage: &'a CudaStorage,
    first: usize,
    stream: &'a CudaStream,
) -> Result<Pointer<'a>> {
    let size = storage.dtype().size_in_bytes();
    let (address, guard) = by_element!(&storage.slice, slice => Ok(slice.device_ptr(stream)))?;
    Ok((address + (first * size) as u64, guard))
}

/// The address of an element that is written.
pub(super) fn write<'a>(
    storage: &'a mut CudaStorage,
    first: usize,
    stream: &'a CudaStream,
) -> Result<Pointer<'a>> {
    let size = storage.dtype().size_in_bytes();
    let (address, guard) =
        by_element!(&mut storage.slice, slice => Ok(slice.device_ptr_mut(stream)))?;
    Ok((address + (first * size) as u64, guard))
}
