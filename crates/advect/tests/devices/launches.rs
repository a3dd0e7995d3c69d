//! How many launches steps of several parameters take, by the emulated driver's account.

use std::process::Command;

use advect::candle_nn::Init;
use advect::prelude::*;

use crate::place::{Place, device};

/// Set where the test runs in a process of its own.
const WITHIN: &str = "ADVECT_TEST_OF_LAUNCHES";
const PARAMETERS: usize = 20;

/// A step of AdamW for many parameters, and one of their averages.
fn step() -> Result<()> {
    let place = Place::tested(DType::F32);
    let store = place.store();
    for k in 0..PARAMETERS {
        let shape = (k % 3 + 1, 5);
        (store.builder()).get_with_hints(shape, &format!("x{k}"), Init::Const(1.0))?;
    }
    let mut optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let ema = Ema::new(&store, 0.9)?;
    let squares = (store.vars().into_iter()).map(|x| Ok(x.sqr()?.sum_all()?));
    let squares = squares.collect::<Result<Vec<Tensor>>>()?;
    optimizer.backward_step(&Tensor::stack(&squares, 0)?.sum_all()?)?;
    ema.update(0)
}

#[test]
fn several_parameters_share_launches() {
    if device().is_cpu() {
        return;
    }
    if std::env::var(WITHIN).is_ok() {
        return step().unwrap();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "launches::several_parameters_share_launches";
    command.args(["--exact", name, "--nocapture"]);
    let traced = command.env(WITHIN, "1").env("EMULATED_CUDA_TRACE", "1");
    let output = traced.output().unwrap();
    assert!(output.status.success());
    let trace = String::from_utf8_lossy(&output.stderr).into_owned();
    // A GPU gives no account.
    if !trace.contains("emulated CUDA: ") {
        return;
    }
    let launches = |kernel: &str| {
        trace
            .matches(&format!("emulated CUDA: {kernel}_f32,"))
            .count()
    };
    assert_eq!(
        [launches("adamw"), launches("average")],
        [PARAMETERS.div_ceil(8); 2]
    );
}
