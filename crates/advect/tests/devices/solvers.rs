//! Differential equations, ordinary and stochastic, their gradients, and likelihoods.

use std::sync::Arc;

use advect::candle::Var;
use advect::prelude::*;
use advect::solvers::controller::Controller;
use advect::solvers::divergence::Probe;
use advect::solvers::exponential::{Etdrk4, Rates};
use advect::solvers::reversible::{Doubled, ReversibleHeun};
use advect::solvers::sde::{
    Additive, Diagonal, ExponentialEulerMaruyama, General, Interpretation, MilsteinDerivativeFree,
    MilsteinGeneral, Sra3, Sriw1,
};
use advect::solvers::stepper::*;
use advect::solvers::symplectic::{Leapfrog, Separable, Yoshida4, Yoshida6};

use crate::place::{Place, stir, weighted};
use crate::report::Report;

fn network(place: &Place) -> Result<(ParameterStore, Mlp)> {
    let store = place.store();
    let net = Mlp::config(2).hidden(&[16, 16]).build(&store.builder())?;
    stir(&store, place)?;
    Ok((store, net))
}

fn frozen(place: &Place) -> Result<Mlp> {
    let (store, net) = network(place)?;
    net.on(&store.frozen())
}

/// The end of a network's flow.
fn end<S: Stepper, C: Controller<S>>(place: &Place, solver: &Solver<S, C>) -> Result<Vec<Tensor>> {
    let net = frozen(place)?;
    Ok(vec![
        solver
            .solve(&net, &place.normal(1, &[32, 2])?, 0.0, 1.0)?
            .end()?,
    ])
}

#[test]
fn fixed_and_adaptive_steps() -> Result<()> {
    let mut report = Report::new();
    macro_rules! steppers {
        ($($stepper:ident),*) => {$(
            let solver = Solver::new($stepper, Fixed::steps(5)?);
            report.same(stringify!($stepper), 1e-5, |place| end(place, &solver));
        )*};
    }
    steppers!(
        Euler,
        Midpoint,
        Heun,
        Ralston,
        Rk4,
        Rk4ThreeEighths,
        Bosh3,
        Dopri5,
        Tsit5,
        Dopri8
    );
    macro_rules! adaptive {
        ($($stepper:ident),*) => {$(
            let solver = Solver::new($stepper, Adaptive::new(1e-4, 1e-4)?);
            // Step sizes hang on roundings, by less than the tolerance.
            report.same(concat!("adaptive ", stringify!($stepper)), 1e-4, |place| end(place, &solver));
            let coarse = Solver::new($stepper, Adaptive::new(2e-2, 2e-2)?);
            for (dtype, solver, tolerance) in [(DType::F64, &solver, 1e-10), (DType::BF16, &coarse, 0.1)] {
                let places = [Place::tested(dtype), Place::exact(dtype)];
                let name = format!("adaptive {} in {dtype:?}", stringify!($stepper));
                report.compare(&name, places, tolerance, |place| end(place, solver));
            }
        )*};
    }
    adaptive!(Bosh3, Dopri5, Tsit5, Dopri8);
    let adaptive = Adaptive::new(1e-4, 1e-4)?;
    report.same("a clock for each sample", 1e-4, |place| {
        let net = frozen(place)?;
        let solver = Solver::new(Dopri5, adaptive);
        Ok(vec![
            solver
                .integration(&net, &place.normal(1, &[32, 2])?, 0.0, 1.0)
                .each_sample()
                .run()?
                .end()?,
        ])
    });
    report.same("saved states", 1e-4, |place| {
        let net = frozen(place)?;
        let solver = Solver::new(Tsit5, adaptive);
        let x0 = place.normal(1, &[32, 2])?;
        let integration = solver.integration(&net, &x0, 0.0, 1.0);
        Ok(integration.save(Save::At(vec![0.2, 0.7])).run()?.states)
    });
    for order in [3, 8] {
        let adams = Adams::order(order)?;
        let solver = Solver::new(adams, Fixed::steps(20)?);
        report.same("Adams", 1e-5, |place| end(place, &solver));
    }
    report.same("an event, with a clock for each sample", 1e-4, |place| {
        let net = frozen(place)?;
        let half = Event::new(|t, _: &Tensor| Ok(t - 0.5));
        let solver = Solver::new(Dopri5, adaptive);
        let x0 = place.normal(1, &[32, 2])?;
        let samples = solver
            .integration(&net, &x0, 0.0, 1.0)
            .jumps(&[0.3])?
            .each_sample();
        Ok(vec![
            samples.apply(&half, |_, x| Ok((x * 0.5)?)).run()?.end()?,
        ])
    });
    macro_rules! pairs {
        ($($stepper:ident),*) => {$(
            report.same(stringify!($stepper), 1e-5, |place| {
                let velocity = field_fn(|_, p: &Tensor| Ok(p.clone()));
                let separable = Separable::new(velocity, frozen(place)?);
                let start = (place.normal(1, &[32, 2])?, place.normal(2, &[32, 2])?);
                let solver = Solver::new($stepper, Fixed::steps(5)?);
                let (q, p) = solver.solve(&separable, &start, 0.0, 1.0)?.end()?;
                Ok(vec![q, p])
            });
        )*};
    }
    pairs!(Leapfrog, Yoshida4, Yoshida6);
    report.same("ReversibleHeun", 1e-5, |place| {
        let x0 = place.normal(1, &[32, 2])?;
        let solver = Solver::new(ReversibleHeun, Fixed::steps(5)?);
        let doubled = Doubled(frozen(place)?);
        let (x, y) = solver.solve(&doubled, &(x0.clone(), x0), 0.0, 1.0)?.end()?;
        Ok(vec![x, y])
    });
    report.finish();
    Ok(())
}

#[test]
fn stochastic_steps() -> Result<()> {
    let mut report = Report::new();
    /// A noise that depends on the state.
    struct Half;
    impl Field for Half {
        fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
            Ok(x.affine(0.5, 0.1)?)
        }
    }
    let path =
        |place: &Place| BrownianPath::new(Key::from_seed(7), &place.normal(1, &[32, 2])?, 0.0, 1.0);
    let steps = Fixed::steps(8)?;
    report.same("Euler–Maruyama", 1e-5, |place| {
        end(
            place,
            &Solver::new(
                EulerMaruyama::new(Diagonal(Half), path(place)?),
                steps.clone(),
            ),
        )
    });
    report.same("Stratonovich–Heun", 1e-5, |place| {
        end(
            place,
            &Solver::new(
                StratonovichHeun::new(Diagonal(Half), path(place)?),
                steps.clone(),
            ),
        )
    });
    report.same("Milstein", 1e-5, |place| {
        let stepper =
            MilsteinDerivativeFree::new(Diagonal(Half), path(place)?, Interpretation::Ito);
        end(place, &Solver::new(stepper, steps.clone()))
    });
    report.same("SRA1", 1e-5, |place| {
        let noise = Additive(|t: f64| 0.5 + t);
        end(
            place,
            &Solver::new(Sra1::new(noise, path(place)?.areas()), steps.clone()),
        )
    });
    report.same("SRA3", 1e-5, |place| {
        let stepper = Sra3::new(Additive(|t: f64| 0.5 + t), path(place)?);
        end(place, &Solver::new(stepper, steps.clone()))
    });
    report.same("SRIW1", 1e-5, |place| {
        let stepper = Sriw1::new(Diagonal(Half), path(place)?);
        end(place, &Solver::new(stepper, steps.clone()))
    });
    report.same("Milstein, general", 1e-5, |place| {
        let g = |_: &Time, x: &Tensor| -> Result<Tensor> {
            Ok(Tensor::stack(&[x.affine(0.5, 0.1)?, x.flip(&[1])?], 2)?)
        };
        let path = path(place)?.cells(8)?;
        let stepper = MilsteinGeneral::new(General(g), path, Interpretation::Ito);
        end(place, &Solver::new(stepper, steps.clone()))
    });
    let rates = Rates::uniform(2.0)?;
    report.same("exponential Euler–Maruyama", 1e-5, |place| {
        let (noise, path) = (Additive(|_| 0.5), path(place)?.cells(8)?);
        let stepper = ExponentialEulerMaruyama::new(rates.clone(), noise, path);
        end(place, &Solver::new(stepper, steps.clone()))
    });
    report.same("ETDRK4", 1e-5, |place| {
        end(
            place,
            &Solver::new(Etdrk4::new(rates.clone()), steps.clone()),
        )
    });
    report.finish();
    Ok(())
}

/// The value of equations on numbers, the gradients of states and parameters, derivatives along a direction, Jacobians.
#[test]
fn equations_on_numbers() -> Result<()> {
    let mut report = Report::new();
    let recorded = system(|t, [x, y, z], [p, q]| {
        let bounded = (x.atan() + (y * 0.3).tanh().asin()) * (z * z).ln_1p();
        let chosen = x.lt(y).select(p * x.sin(), q * y.cos());
        [
            bounded - t,
            chosen + z.abs().powf(1.5),
            (x * p).exp_m1().min(y.sinh()) + q.powi(3),
        ]
    })?;
    let t = Time::Shared(0.4);
    report.same("a system", 1e-5, |place| {
        let x = Var::from_tensor(&place.normal(1, &[32, 3])?)?;
        let p = Var::from_tensor(&place.normal(2, &[2])?)?;
        let field = recorded.with(&p)?;
        let value = field.at(&t, x.as_tensor())?;
        let gradients = weighted(place, &value)?.backward()?;
        let (_, along) = field.jvp(&t, x.as_tensor(), 0.3, &place.normal(3, &[32, 3])?)?;
        let found = [&x, &p].map(|v| gradients.get(v).unwrap().clone());
        Ok([value, along, field.jacobian(&t, x.as_tensor())?]
            .map(|y| y.detach())
            .into_iter()
            .chain(found)
            .collect())
    });
    report.finish();
    Ok(())
}

/// The end of a flow, and the gradients of the start and of all parameters.
fn gradients(place: &Place, adjoint: &impl Adjoint) -> Result<Vec<Tensor>> {
    let (store, net) = network(place)?;
    let x0 = Var::from_tensor(&place.normal(1, &[16, 2])?)?;
    let solution = adjoint.solve(&Arc::new(net), &store.tensors(), &x0, &[0.0, 0.4, 1.0])?;
    let end = solution.end()?;
    let found = weighted(place, &end)?.backward()?;
    let vars = [x0].into_iter().chain(store.vars());
    let gradients = vars.map(|var| found.get(&var).unwrap().clone());
    Ok([end.detach()].into_iter().chain(gradients).collect())
}

#[test]
fn gradients_of_solutions() -> Result<()> {
    let mut report = Report::new();
    let fixed = Solver::new(Rk4, Fixed::steps(5)?);
    let adaptive = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    report.same("unrolled", 1e-4, |place| {
        gradients(place, &Unrolled::new(fixed.clone()))
    });
    report.same("checkpointed", 1e-4, |place| {
        gradients(place, &Checkpointed::new(fixed.clone(), 2)?)
    });
    report.same("by a second integration", 1e-3, |place| {
        gradients(place, &Backsolve::new(adaptive.clone()))
    });
    report.finish();
    Ok(())
}

#[test]
fn divergences_and_likelihoods() -> Result<()> {
    let mut report = Report::new();
    let t = Time::Shared(0.5);
    report.same("divergences", 1e-4, |place| {
        let net = network(place)?.1;
        let x = place.normal(1, &[16, 2])?;
        let mut rng = Generator::from_seed(3);
        let hutchinson = Hutchinson::new(Probe::Rademacher, 2, &x, &mut rng)?;
        let plus = HutchPlusPlus::new(1, 1, &x, &mut rng)?;
        Ok(vec![
            Exact.at(&net, &t, &x)?.divergence,
            hutchinson.at(&net, &t, &x)?.divergence,
            plus.at(&net, &t, &x)?.divergence,
        ])
    });
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    let schedule = CondOt::default();
    report.same("likelihood", 1e-4, |place| {
        let net = frozen(place)?;
        let x = place.normal(1, &[16, 2])?;
        let exact = Likelihood::new(Model::new(&net, Prediction::Velocity, &schedule));
        let estimated = exact.hutchinson(Probe::Rademacher, 2, Key::from_seed(4))?;
        let mut found = Vec::new();
        for likelihood in [exact, estimated] {
            let of_data = likelihood.log_density(&solver, &x)?;
            let of_noise = likelihood.sample(&solver, &x)?;
            found.extend([of_data.nats, of_data.x, of_noise.nats, of_noise.x]);
        }
        Ok(found)
    });
    report.same("bound of the likelihood", 1e-4, |place| {
        let net = frozen(place)?;
        let x = place.normal(1, &[16, 2])?;
        let model = Model::new(&net, Prediction::Velocity, &schedule);
        let bound = LikelihoodBound::new(model, Key::from_seed(4)).within(0.0, 0.99)?;
        Ok(vec![bound.log_density(&x)?.nats])
    });
    report.finish();
    Ok(())
}
