//! Sums and copies by NCCL, for a machine with GPUs: one rank on the first, and one on each where there are two or more. `nccl stuck` waits for a
//! rank that never comes, and is to be aborted.
#![allow(clippy::unwrap_used, clippy::panic)]

mod contract;

use std::time::{Duration, Instant};

use advect_core::{Error, Result};
use advect_parallel::{Nccl, Ranks, Threads};
use candle_core::cuda_backend::cudarc::driver::CudaContext;
use candle_core::{DType, Device, Tensor};

fn main() -> Result<()> {
    let count = CudaContext::device_count();
    let gpus = count.map_err(|e| Error::stopped("the start", e))? as usize;
    match std::env::args().nth(1).as_deref() {
        None => {
            refusals()?;
            check(Ranks::alone())?;
            all_of(gpus, check)?;
        }
        Some("stuck") => all_of(gpus, stuck)?,
        Some(other) => return Err(Error::range("argument", other, "none, or stuck")),
    }
    println!("nccl: all holds on {gpus} GPUs");
    Ok(())
}

/// Runs a program on a rank for each GPU, where there are several.
fn all_of(gpus: usize, program: fn(Ranks) -> Result<()>) -> Result<()> {
    if gpus < 2 {
        println!("nccl: there is one GPU, so ranks don't meet");
        return Ok(());
    }
    let results = Threads::new(gpus)?.run(program);
    results.into_iter().collect()
}

/// What can't work is an error on all ranks, before NCCL hears of it.
fn refusals() -> Result<()> {
    let connect = |ranks: Ranks| Nccl::new().connect(&ranks, &Device::new_cuda(0)?);
    for result in Threads::new(2)?.run(connect) {
        let told = result.unwrap_err().to_string();
        assert!(told.contains("the same GPU on ranks 0 and 1"), "{told}");
    }
    let connect = |ranks: Ranks| match ranks.rank() {
        0 => Nccl::new().connect(&ranks, &Device::new_cuda(0)?),
        _ => Nccl::new().connect(&ranks, &Device::Cpu),
    };
    for result in Threads::new(2)?.run(connect) {
        let told = result.unwrap_err().to_string();
        assert!(told.contains("a device of CUDA"), "{told}");
    }
    Ok(())
}

/// The contract of sums and copies, sums of what the device has just computed, and times beside those through the hosts.
fn check(ranks: Ranks) -> Result<()> {
    let device = Device::new_cuda(ranks.rank())?;
    let values = Tensor::ones(16 << 20, DType::F32, &device)?;
    let timed = |ranks: &Ranks| {
        ranks.sum(std::slice::from_ref(&values))?;
        device.synchronize()?;
        let start = Instant::now();
        ranks.sum(std::slice::from_ref(&values))?;
        device.synchronize()?;
        Ok::<_, Error>(1e3 * start.elapsed().as_secs_f64())
    };
    let by_hosts = timed(&ranks)?;
    Nccl::new()
        .timeout(Duration::from_secs(60))?
        .connect(&ranks, &device)?;
    // Tensors of the CPU stay with the hosts.
    contract::check(ranks.clone())?;
    contract::sums(&ranks, &device)?;
    contract::broadcasts(&ranks, &device)?;

    // Kernels that are still at work: the sum has to be after them, and its use after the sum.
    let scale = (ranks.rank() + 1) as f64;
    let mut x = Tensor::ones((2048, 2048), DType::F32, &device)?;
    let identity = Tensor::eye(2048, DType::F32, &device)?;
    for _ in 0..20 {
        x = x.matmul(&identity)?;
    }
    let x = ranks.sum(&[x.affine(scale, 0.0)?])?.swap_remove(0);
    let ends = x.affine(2.0, 0.0)?.flatten_all()?;
    let ends = [
        ends.min(0)?.to_scalar::<f32>()?,
        ends.max(0)?.to_scalar::<f32>()?,
    ];
    let expected = (ranks.size() * (ranks.size() + 1)) as f32;
    assert_eq!(ends, [expected; 2]);

    let by_nccl = timed(&ranks)?;
    let (rank, size) = (ranks.rank(), ranks.size());
    println!(
        "nccl: rank {rank} of {size}: a sum of 64 MiB in {by_nccl:.2} ms, by the hosts {by_hosts:.2} ms"
    );
    ranks.barrier()
}

/// Rank 1 never makes the sum for which the others wait.
fn stuck(ranks: Ranks) -> Result<()> {
    let device = Device::new_cuda(ranks.rank())?;
    Nccl::new()
        .timeout(Duration::from_secs(5))?
        .connect(&ranks, &device)?;
    if ranks.rank() == 1 {
        std::thread::sleep(Duration::from_secs(60));
    }
    ranks
        .sum(&[Tensor::ones(8, DType::F32, &device)?])
        .map(drop)
}
