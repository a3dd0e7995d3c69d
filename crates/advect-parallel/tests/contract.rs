//! The contract of communicators, for threads, and for processes under `mpirun`.

use advect_core::{Error, Result};
use advect_parallel::{Ranks, Shard};
use candle_core::{DType, Device, Tensor};

/// Fails with a message where a condition doesn't hold.
fn hold(condition: bool, claim: &str) -> Result<()> {
    match condition {
        true => Ok(()),
        false => Err(Error::stopped(claim, "it does not hold")),
    }
}

/// Checks every collective operation by what it returns on this rank.
pub(crate) fn check(ranks: Ranks) -> Result<()> {
    let (rank, size) = (ranks.rank(), ranks.size());
    hold(rank < size && ranks.is_root() == (rank == 0), "ranks")?;
    hold(ranks.shard() == Shard::new(rank, size)?, "shards")?;

    let all = ranks.all_gather(&vec![rank as u8; 3 * rank])?;
    let expected: Vec<Vec<u8>> = (0..size).map(|r| vec![r as u8; 3 * r]).collect();
    hold(all == expected, "gathers of several lengths")?;
    ranks.barrier()?;

    sums(&ranks, &Device::Cpu)?;
    broadcasts(&ranks, &Device::Cpu)?;

    let device = Device::Cpu;
    let rows = Tensor::full(rank as i64, (rank, 2), &device)?;
    let gathered = ranks.gather_rows(&rows)?;
    let expected: Vec<i64> = (0..size).flat_map(|r| vec![r as i64; 2 * r]).collect();
    hold(
        gathered.flatten_all()?.to_vec1::<i64>()? == expected,
        "rows",
    )?;
    let misfit = ranks.gather_rows(&Tensor::zeros((1, rank + 1), DType::F32, &device)?);
    hold(misfit.is_err() == (size > 1), "rows of several shapes")?;

    hold(ranks.any(rank + 1 == size)? && !ranks.any(false)?, "any")?;
    let root = ranks.on_root(|| Ok(7))?;
    hold(root == ranks.is_root().then_some(7), "what the root has")?;
    let refused = ranks.on_root(|| Err::<(), _>(Error::range("x", 1, "2")));
    hold(refused.is_err(), "an error of the root is one of all")?;
    // The same on all keeps its type.
    let same = ranks.agree(Err::<(), _>(Error::range("x", 1, "2")));
    hold(
        matches!(same, Err(Error::Range { .. })),
        "the type of errors",
    )?;
    let entry = |value: usize| [("a".to_string(), value.to_string())].into();
    hold(ranks.require_same("x", &entry(3)).is_ok(), "the same")?;
    let differing = ranks.require_same("x", &entry(rank));
    hold(differing.is_err() == (size > 1), "what differs")?;
    ranks.agree(Ok(()))
}

/// Checks sums of tensors on a device.
pub(crate) fn sums(ranks: &Ranks, device: &Device) -> Result<()> {
    // Of several dtypes and shapes, one larger than a bucket, and in an order that cuts buckets.
    let (rank, size) = (ranks.rank(), ranks.size());
    let value = (rank + 1) as f64;
    let long = 7_000_000;
    let tensors = [
        Tensor::full(value as f32, (2, 3), device)?,
        Tensor::full(value, 5, device)?,
        Tensor::full(value as f32, long, device)?,
        Tensor::full(value, (), device)?,
        Tensor::full(half::f16::from_f64(value), (1, 2), device)?,
        Tensor::full(value as f32, 0, device)?,
    ];
    let sums = ranks.sum(&tensors)?;
    let expected = (size * (size + 1) / 2) as f64;
    hold(sums.len() == tensors.len(), "all sums")?;
    for (sum, tensor) in sums.iter().zip(&tensors) {
        hold(sum.dims() == tensor.dims(), "the shapes of sums")?;
        hold(sum.dtype() == tensor.dtype(), "the dtypes of sums")?;
        if sum.elem_count() == 0 {
            continue;
        }
        let values = sum.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        hold(values.iter().all(|&x| x == expected), "sums")?;
    }
    Ok(())
}

/// Checks copies of tensors on a device, of each dtype of the library.
pub(crate) fn broadcasts(ranks: &Ranks, device: &Device) -> Result<()> {
    let rank = ranks.rank();
    let mine = Tensor::new(
        &[-0f32, f32::from_bits(rank as u32 + 1), rank as f32],
        device,
    )?;
    let root = ranks.broadcast(&mine)?.to_vec1::<f32>()?;
    let bits: Vec<u32> = root.iter().map(|x| x.to_bits()).collect();
    hold(bits == [1 << 31, 1, 0], "broadcasts, bit by bit")?;
    // A view that begins in the middle, one with strides, and each dtype.
    let numbers = Tensor::arange(0u32, 6, device)?;
    let mine =
        (numbers.broadcast_add(&Tensor::new(&[10 * rank as u32], device)?)?).reshape((2, 3))?;
    for dtype in [
        DType::U8,
        DType::U32,
        DType::I64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
    ] {
        let mine = mine.to_dtype(dtype)?;
        let views = [mine.narrow(0, 1, 1)?, mine.t()?];
        let expected = [vec![3, 4, 5], vec![0, 3, 1, 4, 2, 5]];
        for (view, expected) in views.iter().zip(expected) {
            let root = ranks.broadcast(view)?;
            hold(
                root.dims() == view.dims() && root.dtype() == dtype,
                "the shapes and dtypes of broadcasts",
            )?;
            let values = root.flatten_all()?.to_dtype(DType::U32)?.to_vec1::<u32>()?;
            hold(values == expected, "broadcasts of views")?;
        }
    }
    Ok(())
}
