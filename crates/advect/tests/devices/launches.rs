//! How many launches and transfers something takes, by the emulated driver's account.

use std::process::Command;

use advect::candle::Var;
use advect::candle_nn::Init;
use advect::ops::{Convolution, backward, conv2d, gated_recurrence, log_softmax_at};
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

/// What the emulated driver says of the test of a name, which runs again in a process of its own, by a function. A GPU gives no account.
fn trace(name: &str, run: impl FnOnce() -> Result<()>) -> Option<String> {
    if device().is_cpu() {
        return None;
    }
    if std::env::var(WITHIN).is_ok() {
        run().unwrap();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("launches::{name}"), "--nocapture"]);
    let traced = command.env(WITHIN, "1").env("EMULATED_CUDA_TRACE", "1");
    let output = traced.output().unwrap();
    assert!(output.status.success());
    let trace = String::from_utf8_lossy(&output.stderr).into_owned();
    trace.contains("emulated CUDA: ").then_some(trace)
}

#[test]
fn several_parameters_share_launches() {
    let Some(trace) = trace("several_parameters_share_launches", step) else {
        return;
    };
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

#[test]
fn indices_stay_on_the_device() {
    let run = || {
        let place = Place::tested(DType::F32);
        let x = Var::from_tensor(&place.normal(0, &[4, 7])?)?;
        let y = log_softmax_at(x.as_tensor(), &place.labels(7, 4)?)?;
        backward(&y.sum_all()?)?;
        Ok(())
    };
    let Some(trace) = trace("indices_stay_on_the_device", run) else {
        return;
    };
    assert!(trace.contains("log_softmax_at_backward_f32,"));
    assert_eq!(trace.matches("transfer from the device").count(), 0);
}

#[test]
fn convolutions_of_single_pixels_copy_nothing() {
    let run = || {
        let place = Place::tested(DType::F32);
        let var = |seed, shape: &[usize]| {
            Ok::<Var, Error>(Var::from_tensor(&place.normal(seed, shape)?)?)
        };
        let (x, weight) = (var(0, &[2, 3, 4, 4])?, var(1, &[5, 3, 1, 1])?);
        let y = conv2d(x.as_tensor(), &weight, None, &Convolution::default())?;
        backward(&y.sum_all()?)?;
        Ok(())
    };
    let Some(trace) = trace("convolutions_of_single_pixels_copy_nothing", run) else {
        return;
    };
    let of_columns = ["unfold", "fold", "settle", "by_channels"];
    let launches = of_columns.map(|kernel| trace.matches(&format!(" {kernel}_f32,")).count());
    assert_eq!(launches, [0; 4], "{trace}");
}

#[test]
fn recurrences_copy_no_steps() {
    let run = || {
        let place = Place::tested(DType::F32);
        let var = |seed, shape: &[usize]| {
            Ok::<Var, Error>(Var::from_tensor(&place.normal(seed, shape)?)?)
        };
        let (a, h) = (var(0, &[2, 50, 12])?, var(1, &[2, 4])?);
        let (weight, bias) = (var(2, &[12, 4])?, var(3, &[12])?);
        let y = gated_recurrence(a.as_tensor(), h.as_tensor(), &weight, &bias)?;
        backward(&y.sum_all()?)?;
        Ok(())
    };
    let Some(trace) = trace("recurrences_copy_no_steps", run) else {
        return;
    };
    // One for each step each way, and few beside them.
    let all = trace.matches("emulated CUDA: ").count();
    let steps = trace.matches("emulated CUDA: recurrence").count();
    assert!(steps == 100 && all < 130, "{steps} of {all}");
}
