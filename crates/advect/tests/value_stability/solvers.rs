//! One short run of every stepper.

use advect::prelude::*;
use advect::solvers::controller::Controller;
use advect::solvers::sde::{Additive, Diagonal, Interpretation, MilsteinDerivativeFree, Scalar};
use advect::solvers::stepper::*;

use crate::{CPU, check, elements};

/// `x' = t − x²`, by sums and products alone.
fn riccati(t: &Time, x: &Tensor) -> Result<Tensor> {
    let Time::Shared(t) = t else {
        let t = t.tensor(x)?.unsqueeze(1)?;
        return Ok(t.broadcast_sub(&x.sqr()?)?);
    };
    Ok(x.sqr()?.affine(-1.0, *t)?)
}

fn start() -> Tensor {
    Tensor::new(&[[1.0f64, 0.25]], &CPU).unwrap()
}

fn end<S: Stepper, C: Controller<S>>(stepper: S, controller: C) -> Vec<f64> {
    let solver = Solver::new(stepper, controller);
    elements(
        &solver
            .solve(&field_fn(riccati), &start(), 0.0, 1.0)
            .unwrap()
            .end()
            .unwrap(),
    )
}

#[test]
fn fixed_steps() {
    let steps = || Fixed::steps(3).unwrap();
    check(&[
        (
            "Euler",
            end(Euler, steps()),
            &[0.7197073616826704, 0.5102669602940493],
        ),
        (
            "midpoint",
            end(Midpoint, steps()),
            &[0.8589874588949136, 0.6118490631018625],
        ),
        (
            "Heun",
            end(Heun, steps()),
            &[0.8548031637471775, 0.6091591948498044],
        ),
        (
            "Ralston",
            end(Ralston, steps()),
            &[0.8575838497607087, 0.6109535097443363],
        ),
        (
            "RK4",
            end(Rk4, steps()),
            &[0.8335425264081253, 0.6032438186336526],
        ),
        (
            "RK4, 3/8",
            end(Rk4ThreeEighths, steps()),
            &[0.833439222644549, 0.6033106836936646],
        ),
        (
            "Bosh3",
            end(Bosh3, steps()),
            &[0.8299005667530933, 0.602641098880089],
        ),
        (
            "Dopri5",
            end(Dopri5, steps()),
            &[0.8334644298907267, 0.6032693835585424],
        ),
        (
            "Dopri5, Shampine",
            end(Dopri5Shampine, steps()),
            &[0.8334644298907267, 0.6032693835585424],
        ),
        (
            "Tsit5",
            end(Tsit5, steps()),
            &[0.8334151552406313, 0.6032683687514341],
        ),
        (
            "Dopri8",
            end(Dopri8, steps()),
            &[0.8333833951320022, 0.6032660871920585],
        ),
    ]);
}

#[test]
fn adaptive_steps() {
    let adaptive = || Adaptive::new(1e-4, 1e-6).unwrap();
    let pid = adaptive().gains(0.4, 0.3, 0.1).unwrap();
    let each = Solver::new(Dopri5, adaptive())
        .integration(&field_fn(riccati), &start(), 0.0, 1.0)
        .each_sample()
        .run()
        .unwrap();
    let back = Solver::new(Dopri5, adaptive())
        .solve(&field_fn(riccati), &start(), 1.0, 0.5)
        .unwrap();
    check(&[
        (
            "Bosh3",
            end(Bosh3, adaptive()),
            &[0.8332960066956688, 0.6032483360830931],
        ),
        (
            "Dopri5",
            end(Dopri5, adaptive()),
            &[0.8334968180213718, 0.6032695950404968],
        ),
        (
            "Dopri5 by PID",
            end(Dopri5, pid),
            &[0.8333976369800484, 0.6032672159066979],
        ),
        (
            "Tsit5",
            end(Tsit5, adaptive()),
            &[0.8336917685563219, 0.6032823624003079],
        ),
        (
            "Dopri8",
            end(Dopri8, adaptive()),
            &[0.8333847457348791, 0.6032662068712387],
        ),
        (
            "Adams of adaptive order",
            end(AdaptiveAdams::new(), Adaptive::new(1e-6, 1e-6).unwrap()),
            &[0.8333834153581339, 0.6032660889850204],
        ),
        (
            "a clock each",
            elements(&each.end().unwrap()),
            &[0.8334968180213718, 0.6032695950404968],
        ),
        (
            "backwards",
            elements(&back.end().unwrap()),
            &[1.1829550300070732, -0.11814758736912245],
        ),
    ]);
}

#[test]
fn stochastic_steps() {
    let x0 = start();
    let path = || BrownianPath::new(Key::from_seed(7), &x0, 0.0, 1.0).unwrap();
    let half = field_fn(|_, x| Ok(x.affine(0.5, 0.1)?));
    let constant = |t: f64| 0.5 + t;
    let steps = || Fixed::steps(3).unwrap();
    let (ito, stratonovich) = (Interpretation::Ito, Interpretation::Stratonovich);
    let one = Tensor::zeros(1, DType::F64, &CPU).unwrap();
    let common = BrownianPath::new(Key::from_seed(7), &one, 0.0, 1.0).unwrap();
    let free = MilsteinDerivativeFree::new(Scalar(half), common, stratonovich);
    let additive = Sra1::new(Additive(constant), path().areas());
    check(&[
        (
            "Euler–Maruyama",
            end(EulerMaruyama::new(Diagonal(half), path()), steps()),
            &[0.3650281607765901, 0.7397323750218867],
        ),
        (
            "Heun",
            end(StratonovichHeun::new(Diagonal(half), path()), steps()),
            &[0.6575113148383576, 0.8973169132108476],
        ),
        (
            "Milstein",
            end(
                MilsteinDerivativeFree::new(Diagonal(half), path(), ito),
                steps(),
            ),
            &[0.42434198128455175, 0.7293546510000215],
        ),
        (
            "Milstein, scalar",
            end(free, steps()),
            &[0.4611718934166377, 0.36025336058169755],
        ),
        (
            "SRA1",
            end(additive, steps()),
            &[-0.10429198127232064, 0.5306148859020573],
        ),
    ]);
}
