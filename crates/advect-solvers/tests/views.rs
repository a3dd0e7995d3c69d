//! States that are views, and of 16 bits.

use std::sync::Arc;

use advect_core::testing::{assert_close, device};
use advect_core::{Field, Generator, Jvp, Key, Result, Time, system_fn};
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::divergence::{
    Divergence, Exact, Flow, HutchPlusPlus, Hutchinson, Probe, Transposed,
};
use advect_solvers::sde::{
    Additive, BrownianPath, Diagonal, EulerMaruyama, General, Interpretation, Milstein,
    MilsteinDerivativeFree, Scalar, Sra1, StratonovichHeun,
};
use advect_solvers::stepper::{Dopri5, Rk4, Stepper, Tsit5};
use advect_solvers::{Event, Save, Solver};
use candle_core::{DType, Tensor, Var};

/// `f(t, x) = cos t sin x − x/4`, elementwise.
#[derive(Debug, Clone, Copy)]
struct Wave;

impl Field for Wave {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let wave = t.coefficient(f64::cos)?.times(&x.sin()?)?;
        Ok((wave - (x * 0.25)?)?)
    }
}

impl Jvp for Wave {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let slope = (t.coefficient(f64::cos)?.times(&x.cos()?)? - 0.25)?;
        Ok((self.at(t, x)?, (slope * dx)?))
    }
}

fn normal(shape: &[usize], seed: u64, dtype: DType) -> Tensor {
    let mut rng = Generator::from_seed(seed);
    let x = rng.normal(shape, DType::F64, device()).unwrap();
    x.to_dtype(dtype).unwrap()
}

/// Views of every kind, of shape (4, 3).
fn views(dtype: DType) -> Vec<(&'static str, Tensor)> {
    let at = |shape: &[usize]| normal(shape, 1, dtype);
    vec![
        ("transposed", at(&[3, 4]).t().unwrap()),
        ("narrowed rows", at(&[9, 3]).narrow(0, 2, 4).unwrap()),
        ("narrowed columns", at(&[4, 7]).narrow(1, 3, 3).unwrap()),
        ("broadcast rows", at(&[1, 3]).broadcast_as((4, 3)).unwrap()),
        (
            "broadcast columns",
            at(&[4, 1]).broadcast_as((4, 3)).unwrap(),
        ),
        ("of one number", at(&[1, 1]).broadcast_as((4, 3)).unwrap()),
        (
            "a slice of three",
            at(&[4, 2, 3]).narrow(1, 1, 1).unwrap().squeeze(1).unwrap(),
        ),
    ]
}

fn solver() -> Solver<Dopri5, Adaptive> {
    Solver::new(Dopri5, Adaptive::new(1e-2, 1e-2).unwrap())
}

fn fixed<S>(stepper: S) -> Solver<S, Fixed> {
    Solver::new(stepper, Fixed::steps(4).unwrap())
}

type Run = Box<dyn Fn(&Tensor) -> Result<Vec<Tensor>>>;

/// All that takes a state (batch, dim).
fn runs() -> Vec<(&'static str, Run)> {
    let t = Time::Shared(0.3);
    let mut all: Vec<(&'static str, Run)> = vec![
        (
            "solve",
            Box::new(|x| Ok(vec![solver().solve(&Wave, x, 0.0, 1.0)?.end()?])),
        ),
        (
            "saves",
            Box::new(|x| {
                let times = vec![0.0, 0.2, 1.0];
                let at = solver()
                    .integration(&Wave, x, 0.0, 1.0)
                    .save(Save::At(times.clone()))
                    .run()?;
                let within = solver()
                    .integration(&Wave, x, 0.0, 1.0)
                    .save(Save::Interpolated(times))
                    .run()?;
                let dense = solver()
                    .integration(&Wave, x, 1.0, 0.0)
                    .save(Save::Dense)
                    .run()?
                    .at(0.4)?;
                Ok([at.states, within.states, vec![dense]].concat())
            }),
        ),
        (
            "a clock per sample",
            Box::new(|x| {
                let solver = Solver::new(Tsit5, Adaptive::new(1e-2, 1e-2)?);
                let solution = solver
                    .integration(&Wave, x, 0.0, 1.0)
                    .save(Save::At(vec![0.0, 0.5]))
                    .each_sample()
                    .run()?;
                Ok(vec![
                    solution.saved(0)?,
                    solution.saved(1)?,
                    solution.end()?,
                ])
            }),
        ),
        (
            "events",
            Box::new(|x| {
                let event = Event::new(|t, x: &Tensor| {
                    let sum = x.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
                    Ok(0.51 - t + 1e-9 * sum)
                });
                Ok(vec![
                    solver()
                        .integration(&Wave, x, 0.0, 1.0)
                        .until(&event)
                        .run()?
                        .last_state,
                ])
            }),
        ),
        (
            "pairs",
            Box::new(|x| {
                let field = system_fn(
                    |t: &Time, (a, b): &(Tensor, Tensor)| -> Result<(Tensor, Tensor)> {
                        Ok((Wave.at(t, b)?, Wave.at(t, a)?))
                    },
                );
                let (a, b) = solver()
                    .solve(&field, &(x.clone(), x.clone()), 0.0, 1.0)?
                    .end()?;
                Ok(vec![a, b])
            }),
        ),
    ];
    fn strategy(gradient: impl Adjoint, x: &Tensor) -> Result<Vec<Tensor>> {
        let x = Var::from_tensor(x)?;
        let solution = gradient.solve(&Arc::new(Wave), &[], x.as_tensor(), &[0.0, 0.4, 1.0])?;
        let gradients = solution.end()?.sqr()?.sum_all()?.backward()?;
        let plain = gradient.solve(&Arc::new(Wave), &[], &x.as_tensor().detach(), &[0.0, 1.0])?;
        Ok(vec![
            solution.end()?,
            gradients.get(&x).unwrap().clone(),
            plain.end()?,
        ])
    }
    all.push((
        "unrolled",
        Box::new(|x| strategy(Unrolled::new(fixed(Rk4)), x)),
    ));
    all.push((
        "checkpointed",
        Box::new(|x| strategy(Checkpointed::new(fixed(Rk4), 2)?, x)),
    ));
    all.push((
        "backsolve",
        Box::new(|x| strategy(Backsolve::new(fixed(Rk4)), x)),
    ));
    all.push((
        "divergences",
        Box::new(move |x| {
            let mut rng = Generator::from_seed(3);
            let signs = Hutchinson::new(Probe::Rademacher, 2, x, &mut rng)?;
            let normals = Hutchinson::new(Probe::Gaussian, 2, x, &mut rng)?;
            let plus = HutchPlusPlus::new(2, 2, x, &mut rng)?;
            let mut found = Vec::new();
            for way in [&Exact as &dyn Divergence, &signs, &normals, &plus] {
                for field in [&Wave as &dyn Jvp, &Transposed::new(&Wave)] {
                    let one = way.at(field, &t, x)?;
                    found.extend([one.value, one.divergence]);
                }
            }
            Ok(found)
        }),
    ));
    all.push((
        "flows",
        Box::new(|x| {
            let mut rng = Generator::from_seed(3);
            let plus = HutchPlusPlus::new(2, 1, x, &mut rng)?;
            let exact = Flow::new(Wave, Exact).transport(&solver(), x, 0.0, 1.0)?;
            let plus = Flow::new(Wave, plus).transport(&fixed(Rk4), x, 1.0, 0.0)?;
            let base = |x: &Tensor| Ok(x.sqr()?.sum(1)?);
            let density = Flow::new(Wave, Exact).log_density(&solver(), x, base)?;
            let flow = Arc::new(Flow::new(Wave, Exact));
            let moved = fixed(Rk4).solve(&flow, &flow.begin(x)?, 0.0, 1.0)?;
            let by = Unrolled::new(fixed(Rk4));
            let packed = flow.transport_by(&by, &[], x, 0.0, 1.0)?;
            Ok(vec![
                exact.x,
                exact.log_density_change,
                plus.x,
                density,
                moved.end()?.0,
                packed.x,
            ])
        }),
    ));
    all.push((
        "stochastic",
        Box::new(|x| {
            let path = |x: &Tensor| BrownianPath::new(Key::from_seed(5), x, 0.0, 1.0);
            let (p, noise) = (path(x)?, Diagonal(Wave));
            let one = path(&x.narrow(1, 0, 1)?.squeeze(1)?)?;
            let matrix = |_: &Time, x: &Tensor| Ok(Tensor::stack(&[x, x], 2)?);
            let two = path(&x.narrow(1, 0, 2)?)?;
            let additive = Additive(|t: f64| 1.0 + t);
            let steppers: Vec<Box<dyn Stepper>> = vec![
                Box::new(EulerMaruyama::new(noise, p.clone())),
                Box::new(EulerMaruyama::new(Scalar(Wave), one)),
                Box::new(EulerMaruyama::new(General(matrix), two)),
                Box::new(EulerMaruyama::new(additive, p.clone().by_sample(3))),
                Box::new(Milstein::new(noise, p.clone(), Interpretation::Ito)),
                Box::new(MilsteinDerivativeFree::new(
                    noise,
                    p.clone(),
                    Interpretation::Stratonovich,
                )),
                Box::new(StratonovichHeun::new(noise, p.clone())),
                Box::new(Sra1::new(additive, p)),
            ];
            let run = |stepper: &dyn Stepper| {
                let solver = fixed(stepper);
                let solution = solver
                    .integration(&Wave, x, 0.0, 1.0)
                    .save(Save::At(vec![0.3]))
                    .run()?;
                Ok([solution.states, vec![solution.last_state]].concat())
            };
            let all: Result<Vec<Vec<Tensor>>> = steppers.iter().map(|s| run(&**s)).collect();
            Ok(all?.concat())
        }),
    ));
    all
}

#[test]
fn views_are_states_like_any_other() {
    for dtype in [DType::F64, DType::F32, DType::BF16, DType::F16] {
        for (view, x) in views(dtype) {
            assert_eq!(x.dims(), [4, 3]);
            let copy = x.force_contiguous().unwrap();
            for (name, run) in runs() {
                let what = format!("{name} of {view}, {dtype:?}");
                let a = run(&x).unwrap_or_else(|e| panic!("{what}: {e}"));
                let b = run(&copy).unwrap_or_else(|e| panic!("{what}, copied: {e}"));
                for (a, b) in a.iter().zip(&b) {
                    assert_eq!(a.dtype(), b.dtype());
                    assert_close(a, b, 0.0, 0.0);
                }
            }
        }
    }
}

/// In 16 bits everything runs, and gives what 64 bits give, to their digits.
#[test]
fn states_of_16_bits_are_solved() {
    let x = normal(&[4, 3], 1, DType::F64);
    for (dtype, tolerance) in [(DType::F16, 2e-2), (DType::BF16, 0.15), (DType::F32, 2e-3)] {
        // The same numbers in both.
        let narrow = x.to_dtype(dtype).unwrap();
        let wide = narrow.to_dtype(DType::F64).unwrap();
        for (name, run) in runs() {
            let found = run(&narrow).unwrap_or_else(|e| panic!("{name}, {dtype:?}: {e}"));
            for (a, b) in found.iter().zip(run(&wide).unwrap()) {
                let a = a.to_dtype(DType::F64).unwrap();
                let error = (a - &b).unwrap().abs().unwrap().flatten_all().unwrap();
                let error = error.max(0).unwrap().to_scalar::<f64>().unwrap();
                // A path adds up many parts.
                let parts = if name == "stochastic" { 4.0 } else { 1.0 };
                assert!(error < parts * tolerance, "{name}, {dtype:?}: {error}");
            }
        }
    }
}

/// Log-densities of 16-bit states are sums in f32: they do not stop at 256.
#[test]
fn densities_of_16_bits_have_the_digits_of_f32() {
    /// `f(x) = 3 x` in 200 dimensions: the divergence is 600.
    struct Stretch;
    impl Field for Stretch {
        fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
            Ok((x * 3.0)?)
        }
    }
    impl Jvp for Stretch {
        fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
            Ok((self.at(t, x)?, self.at(t, dx)?))
        }
    }
    for dtype in [DType::F16, DType::BF16] {
        let x = normal(&[2, 200], 1, dtype);
        let mut rng = Generator::from_seed(2);
        let plus = HutchPlusPlus::new(2, 1, &x, &mut rng).unwrap();
        for (way, error) in [
            (&Exact as &dyn Divergence, 1e-3),
            (&plus as &dyn Divergence, 6.0),
        ] {
            let found = way.at(&Stretch, &Time::Shared(0.0), &x).unwrap();
            assert_eq!(found.divergence.dtype(), DType::F32);
            for d in found.divergence.to_vec1::<f32>().unwrap() {
                assert!((d - 600.0).abs() < error, "{dtype:?}: {d}");
            }
        }
        let moved = Flow::new(Stretch, Exact)
            .transport(&fixed(Rk4), &x, 0.0, 0.1)
            .unwrap();
        assert_eq!(
            (moved.x.dtype(), moved.log_density_change.dtype()),
            (dtype, DType::F32)
        );
        for change in moved.log_density_change.to_vec1::<f32>().unwrap() {
            assert!((change + 60.0).abs() < 1e-3, "{change}");
        }
    }
}

/// A base density sees states in f32: 2 − 1/256 is no number of bf16.
#[test]
fn base_densities_of_16_bits_see_f32() {
    /// `f(x) = 1/256`.
    struct Shift;
    impl Field for Shift {
        fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
            Ok(x.affine(0.0, 1.0 / 256.0)?)
        }
    }
    impl Jvp for Shift {
        fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
            Ok((self.at(t, x)?, dx.zeros_like()?))
        }
    }
    let x = Tensor::new(&[[2f32]], device()).unwrap();
    let x = x.to_dtype(DType::BF16).unwrap();
    let base = |x: &Tensor| Ok(x.squeeze(1)?);
    let found = Flow::new(Shift, Exact).log_density(&fixed(Rk4), &x, base);
    let found = found.unwrap().to_vec1::<f32>().unwrap()[0];
    assert!((found - (2.0 - 1.0 / 256.0)).abs() < 1e-6, "{found}");
}
