//! Ranks that are threads, and one alone.

use advect_core::{Error, Result};
use advect_parallel::{Ranks, Threads};
use candle_core::{DType, Device, Tensor};

use crate::contract;

#[test]
fn the_contract_holds() {
    contract::check(Ranks::alone()).unwrap();
    for size in [1, 2, 3] {
        for result in Threads::new(size).unwrap().run(contract::check) {
            result.unwrap();
        }
    }
    assert!(Threads::new(0).is_err());
}

#[test]
fn sums_have_the_order_of_ranks() {
    let program = |ranks: Ranks| {
        let value = [1e8f32, 1.0, -1e8][ranks.rank()];
        let sum = ranks.sum(&[Tensor::new(value, &Device::Cpu)?])?;
        Ok(sum[0].to_scalar::<f32>()?)
    };
    let threads = Threads::new(3).unwrap();
    for _ in 0..20 {
        for sum in threads.run(program) {
            assert_eq!(sum.unwrap(), (1e8f32 + 1.0) - 1e8);
        }
    }
}

/// Nobody waits for a rank that has gone, whatever the way.
#[test]
fn ranks_that_end_are_errors_of_those_that_wait() {
    let run = |end: fn() -> Result<()>| {
        let program = move |ranks: Ranks| match ranks.rank() {
            1 => end(),
            _ => (0..100).try_for_each(|_| ranks.barrier()),
        };
        let results = Threads::new(3).unwrap().run(program);
        let error = results[0].as_ref().unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }));
        error.to_string()
    };
    let error = run(|| Err(Error::range("x", 0, "1")));
    assert!(
        error.ends_with("rank 1 has ended: x: got 0, expected 1"),
        "{error}"
    );
    let error = run(|| Ok(()));
    assert!(
        error.ends_with("rank 1 has ended: its program is done"),
        "{error}"
    );
    let error = run(|| panic!("on purpose"));
    assert!(error.ends_with("rank 1 has ended: it panicked"), "{error}");
}

#[test]
fn calls_that_do_not_match_are_refused() {
    let program = |ranks: Ranks| {
        let length = 2 + ranks.rank();
        ranks.sum(&[Tensor::zeros(length, DType::F32, &Device::Cpu)?])
    };
    for result in Threads::new(2).unwrap().run(program) {
        let error = result.unwrap_err().to_string();
        let expected =
            "rank 0 calls a sum of 2 values of f32, and rank 1 calls a sum of 3 values of f32";
        assert!(error.ends_with(expected), "{error}");
    }
}
