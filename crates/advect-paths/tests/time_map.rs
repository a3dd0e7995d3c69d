//! Networks behind maps of time: what they are told, their derivatives, and a schedule as guided-diffusion has it.

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, ConditionalJvp, Field, Jvp, Result, Time, field_fn, shape};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::preconditioner::{Preconditioned, Preconditioner, VpPreconditioner};
use advect_paths::schedule::{Cosine, DiscreteDiffusion, VariancePreserving};
use advect_paths::time_map::{
    DiscreteTimes, LinearTime, LogSnrTime, TimeFunction, TimeMap, TimeMapped,
};
use candle_core::Tensor;

/// `f(τ, x) = sin(τ/3) x² + c τ`, with its derivatives.
#[derive(Clone, Copy)]
struct Analytic;

fn column(t: &Time, x: &Tensor) -> Result<Tensor> {
    Ok(shape::column(&t.tensor(x)?, x.rank())?.broadcast_as(x.shape())?)
}

impl Conditional for Analytic {
    fn at_given(&self, t: &Time, x: &Tensor, c: &Tensor) -> Result<Tensor> {
        let t = column(t, x)?;
        Ok((((&t / 3.0)?.sin()? * x.sqr()?)? + (c * t)?)?)
    }
    fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.ones_like()?)
    }
}

impl ConditionalJvp for Analytic {
    fn jvp_given(
        &self,
        t: &Time,
        x: &Tensor,
        c: &Tensor,
        dt: f64,
        dx: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let third = (column(t, x)? / 3.0)?;
        let in_time = ((third.cos()? / 3.0)? * x.sqr()?)?;
        let in_time = ((in_time + c)? * dt)?;
        let in_state = ((third.sin()? * x)? * (dx * 2.0)?)?;
        Ok((self.at_given(t, x, c)?, (in_time + in_state)?))
    }
}

impl Field for Analytic {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.at_given(t, x, &self.no_condition(x)?)
    }
}

impl Jvp for Analytic {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.jvp_given(t, x, &self.no_condition(x)?, dt, dx)
    }
}

fn maps() -> Vec<(&'static str, Box<dyn TimeMap>)> {
    let table = [0.0, 1.0, 5.0, 20.0];
    vec![
        ("linear", Box::new(LinearTime::between(9.0, 0.0).unwrap())),
        ("steps", Box::new(DiscreteTimes::steps(10).unwrap())),
        ("table", Box::new(DiscreteTimes::new(&table).unwrap())),
        ("log-SNR", Box::new(LogSnrTime::new(Cosine))),
        (
            "c_noise",
            Box::new(LogSnrTime::c_noise(VariancePreserving::default())),
        ),
        ("function", Box::new(TimeFunction::new(f64::exp, f64::exp))),
    ]
}

fn tensor(rows: &[[f64; 2]]) -> Tensor {
    let values = rows.concat();
    Tensor::from_vec(values, (rows.len(), 2), device()).unwrap()
}

#[test]
fn derivatives_go_through_every_map() {
    let x = tensor(&[[0.3, -1.2], [2.0, 0.7], [-0.4, 0.1]]);
    let dx = tensor(&[[1.0, 0.5], [-0.3, 0.2], [0.0, 2.0]]);
    let context = tensor(&[[1.0, 2.0], [-3.0, 0.0], [0.5, 0.1]]);
    let (dt, h) = (0.7, 1e-4);
    for (name, map) in maps() {
        let net = TimeMapped::new(Analytic, &*map);
        let given = net.given(&context);
        for times in [vec![0.48], vec![0.21, 0.48, 0.88]] {
            let at = |shift: f64| match &times[..] {
                [one] => Time::Shared(one + shift * dt),
                many => {
                    let moved: Vec<f64> = many.iter().map(|t| t + shift * dt).collect();
                    Time::per_sample(&moved).unwrap()
                }
            };
            for field in [&net as &dyn Jvp, &given] {
                let moved = |shift: f64| {
                    let x = (&x + (&dx * shift).unwrap()).unwrap();
                    field.at(&at(shift), &x).unwrap()
                };
                let numeric = ((moved(h) - moved(-h)).unwrap() / (2.0 * h)).unwrap();
                let (value, along) = field.jvp(&at(0.0), &x, dt, &dx).unwrap();
                println!("{name}, {} times", times.len());
                assert_close(&value, &moved(0.0), 1e-14, 0.0);
                assert_close(&along, &numeric, 1e-5, 1e-5);
                let (_, each) = field
                    .jvp_each(&at(0.0), &x, std::slice::from_ref(&dx))
                    .unwrap();
                let (_, still) = field.jvp(&at(0.0), &x, 0.0, &dx).unwrap();
                assert_close(&each[0], &still, 1e-14, 0.0);
            }
        }
    }
}

/// As guided-diffusion has it: tables by the index of the step, from 0 at the least noise.
#[test]
fn a_network_of_steps_is_asked_as_it_was_trained() {
    let steps = 1000;
    let betas: Vec<f64> = (0..steps)
        .map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0)
        .collect();
    let mut product = 1.0;
    let alphas_cumprod: Vec<f64> = betas
        .iter()
        .map(|beta| {
            product *= 1.0 - beta;
            product
        })
        .collect();
    // The noise of N(2, ¼) data at a step.
    let network = field_fn(|step, x| {
        let of_step = |step: f64| {
            assert_eq!(step, step.round(), "a step is an index");
            alphas_cumprod[step as usize]
        };
        let mean = step.coefficient(|step| 2.0 * of_step(step).sqrt())?;
        let factor = step.coefficient(|step| {
            let bar = of_step(step);
            (1.0 - bar).sqrt() / (0.25 * bar + 1.0 - bar)
        })?;
        factor.times(&(x - mean.times(&x.ones_like()?)?)?)
    });
    let law = Gaussian::new(
        &Tensor::new(&[2f64], device()).unwrap(),
        Covariance::isotropic(0.25).unwrap(),
    )
    .unwrap();
    let schedule = DiscreteDiffusion::default();
    let truth = law.field(Prediction::Noise, &schedule);
    let index = DiscreteTimes::steps(schedule.steps()).unwrap();
    let field = (&index).field(network);
    let x = Tensor::new(&[[0.3f64], [-1.0]], device()).unwrap();
    for k in 1..=1000 {
        let t = Time::Shared(schedule.time(k));
        let (found, expected) = (field.at(&t, &x), truth.at(&t, &x));
        assert_close(&found.unwrap(), &expected.unwrap(), 1e-10, 1e-10);
    }
    let both = Time::per_sample(&[0.0, schedule.time(1)]).unwrap();
    let (found, expected) = (field.at(&both, &x), truth.at(&both, &x));
    assert_close(&found.unwrap(), &expected.unwrap(), 1e-10, 1e-10);

    // And as a denoiser, by the preconditioner of networks that predict the noise.
    let preconditioner = VpPreconditioner::default().with_times(&index);
    let denoiser = Preconditioned::new(&network, &preconditioner, &schedule);
    let data = law.denoiser(&schedule);
    for k in [1, 17, 500, 1000] {
        let t = Time::Shared(schedule.time(k));
        let (found, expected) = (denoiser.at(&t, &x), data.at(&t, &x));
        assert_close(&found.unwrap(), &expected.unwrap(), 1e-8, 1e-8);
    }
}

#[test]
fn times_that_do_not_fit_are_refused() {
    let net = TimeMapped::new(Analytic, DiscreteTimes::steps(10).unwrap());
    let x = tensor(&[[0.3, -1.2], [2.0, 0.7]]);
    let error = net.at(&Time::per_sample(&[0.1; 3]).unwrap(), &x);
    assert!(error.unwrap_err().to_string().starts_with("t: got shape"));
    assert!(net.at(&Time::Shared(1.1), &x).is_err());
}
