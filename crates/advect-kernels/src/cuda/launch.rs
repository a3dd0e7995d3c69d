//! The launching of kernels.

use std::slice;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, SyncOnDrop,
};
use candle_core::cuda_backend::{CudaDevice, CudaStorageSlice, WrapErr};
use candle_core::{
    CpuStorage, CudaStorage, DType, Error, InplaceOp1, Layout, Result, Storage, Tensor,
};

use super::Fresh;
use super::pieces::TENSORS;
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
    /// A pointer to a contiguous tensor's first element, for a kernel that changes the elements.
    Change(&'a Tensor),
    /// No pointer.
    Nothing,
    /// A `size_t`.
    Size(usize),
    /// A number in the type of arithmetic.
    Real(f64),
    /// Arguments of one kind, at most [`TENSORS`] of them: an `Each` of `pieces.cu`, with no pointers and zeros in the end.
    Each(Vec<Argument<'a>>),
}

impl<'a> Argument<'a> {
    /// The arguments that it consists of, none of which is an `Each`.
    fn parts(&self) -> &[Argument<'a>] {
        match self {
            Argument::Each(parts) => parts,
            one => slice::from_ref(one),
        }
    }

    /// [`Argument::parts`], to be changed.
    fn parts_mut(&mut self) -> &mut [Argument<'a>] {
        match self {
            Argument::Each(parts) => parts,
            one => slice::from_mut(one),
        }
    }

    /// The device of what it points to.
    fn device(&self) -> Option<&CudaDevice> {
        match self {
            Argument::Read(x) | Argument::Change(x) => device_of(x).ok(),
            Argument::Again(x) => Some(x.device()),
            Argument::Write(x) => Some(x.device()),
            Argument::Each(parts) => parts.iter().find_map(Argument::device),
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

/// A number or an address.
enum Value {
    Word(u64),
    F32(f32),
    F64(f64),
}

/// The bits of an argument. The driver takes as many of them as the kernel's parameter has.
#[derive(Default)]
struct Bits([u64; TENSORS]);

impl Bits {
    /// Puts a value beside those before it, all of which are of its kind.
    fn put(&mut self, place: usize, value: &Value) {
        let (word, bits) = match value {
            Value::Word(x) => (place, *x),
            Value::F64(x) => (place, x.to_bits()),
            // Two in a word, the first in its lower half: all hosts of CUDA are little-endian.
            Value::F32(x) => (place / 2, u64::from(x.to_bits()) << (32 * (place % 2))),
        };
        if let Some(word) = self.0.get_mut(word) {
            *word |= bits;
        }
    }
}

/// Starts a kernel on the device of its arguments, whose parameters are of the kinds of the arguments in their order.
///
/// Tensors are locked for reading until it has been started, those that it changes, too. Locks for writing would order nothing: they would
/// be let go before the kernel runs, and a stream orders what it is given. But several of them, one taken after another, could wait for ever
/// for a thread that locks the same tensors for reading in another order.
///
/// One stream is that of a host thread on a device of `Device::new_cuda`, and that of all on one of `Device::new_cuda_with_stream`. Threads
/// with streams of their own synchronise before one uses what another has changed, as candle's operations ask of them.
pub(super) fn launch<'a>(
    family: &Family,
    kernel: &'static str,
    dtype: DType,
    grid: Grid,
    arguments: &mut [Argument<'a>],
) -> Result<()> {
    let device = arguments.iter().find_map(Argument::device).cloned();
    let Some(device) = device else {
        return Err(misplaced());
    };
    let function = family.kernel(kernel, dtype, &device)?;
    let stream = device.cuda_stream();
    if !stream.context().is_managing_stream_synchronization() {
        return start(&function, &stream, dtype, grid, arguments);
    }
    let parts = arguments.iter().flat_map(Argument::parts);
    let changed = parts.filter_map(|argument| match argument {
        Argument::Change(x) => Some(*x),
        _ => None,
    });
    let changed: Vec<&'a Tensor> = changed.collect();
    let in_turn = || (changed.iter()).try_for_each(|x| x.inplace_op1(&InTurn(&stream)));
    // After what other streams do now, and before what they do later.
    in_turn()?;
    start(&function, &stream, dtype, grid, arguments)?;
    in_turn()
}

/// Has a stream wait for what others have done with a tensor, and has them wait for what this one has done, in a context with several streams.
/// Their events of writing can't be had from a lock for reading.
struct InTurn<'a>(&'a CudaStream);

impl InplaceOp1 for InTurn<'_> {
    fn name(&self) -> &'static str {
        "advect-in-turn"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        Err(misplaced())
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        write(storage, 0, self.0).map(drop)
    }
}

/// Puts a kernel into a stream.
fn start(
    function: &CudaFunction,
    stream: &CudaStream,
    dtype: DType,
    grid: Grid,
    arguments: &mut [Argument<'_>],
) -> Result<()> {
    // Locked, and known to the stream, until the kernel has been started.
    let locks: Vec<_> = (arguments.iter().flat_map(Argument::parts))
        .map(|argument| match argument {
            Argument::Read(x) | Argument::Change(x) => Some(x.storage_and_layout()),
            _ => None,
        })
        .collect();
    let word = |(address, guard)| (Value::Word(address), Some(guard));
    let mut held = Vec::with_capacity(locks.len());
    let mut bits = Vec::with_capacity(arguments.len());
    let mut each_lock = locks.iter();
    for argument in arguments {
        let mut own = Bits::default();
        let parts = argument.parts_mut().iter_mut().zip(each_lock.by_ref());
        for (place, (argument, lock)) in parts.enumerate() {
            let (value, guard) = match (argument, lock) {
                (_, Some((storage, layout))) => {
                    let Storage::Cuda(storage) = &**storage else {
                        return Err(misplaced());
                    };
                    word(read(storage, layout.start_offset(), stream)?)
                }
                (Argument::Again(x), _) => word(read(&x.storage, 0, stream)?),
                (Argument::Write(x), _) => word(write(&mut x.storage, 0, stream)?),
                (Argument::Size(n), _) => (Value::Word(*n as u64), None),
                (Argument::Real(x), _) => match wide(dtype) {
                    DType::F64 => (Value::F64(*x), None),
                    _ => (Value::F32(*x as f32), None),
                },
                // Those to be read or changed have locks.
                (_, None) => (Value::Word(0), None),
            };
            own.put(place, &value);
            held.extend(guard);
        }
        bits.push(own.0);
    }
    let mut builder = stream.launch_builder(function);
    for argument in &bits {
        builder.arg(argument);
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
    // the memory. The pointers are valid until what follows in the stream: up to here tensors are locked and new memory is borrowed, so that
    // nothing is given back, and later that is done in the stream. Elements are memory of the device, which Rust has no references to.
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
            CudaStorageSlice::I64($slice) => $body,
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
