//! Losses and their gradients in all parameters.

use std::sync::Arc;

use advect::candle::D;
use advect::core::normal::log_standard_normal;
use advect::objectives::dequantization::CouplingNoise;
use advect::objectives::distance::{AbsoluteError, Huber, SquaredNorm};
use advect::objectives::objective::{
    VariationalDequantization, interpolant_denoiser, interpolant_velocity, stable_diffusion_3,
};
use advect::paths::path::gamma::BrownianBridge;
use advect::paths::preconditioner::EdmPreconditioner;
use advect::prelude::*;
use advect::solvers::divergence::Probe;

use crate::place::{Place, stir};
use crate::report::Report;

/// A small network, and its store.
fn network(place: &Place) -> Result<(ParameterStore, Mlp)> {
    let store = place.store();
    let net = Mlp::config(2)
        .hidden(&[16, 16])
        .classes(3)
        .build(&store.builder())?;
    stir(&store, place)?;
    Ok((store, net))
}

/// Losses and the gradients of their mean.
fn trained(store: &ParameterStore, losses: &Tensor) -> Result<Vec<Tensor>> {
    let gradients = losses.mean_all()?.backward()?;
    let mut found = vec![losses.detach()];
    for (_, var) in store.parameters() {
        // Embeddings of classes take no part without labels.
        found.extend(gradients.get(&var).cloned());
    }
    Ok(found)
}

fn pairs(place: &Place) -> Result<(Tensor, Tensor, Generator)> {
    let (x0, x1) = (place.normal(1, &[16, 2])?, place.normal(2, &[16, 2])?);
    Ok((x0, (x1 * 0.5)?, Generator::from_seed(9)))
}

#[test]
fn regressions() -> Result<()> {
    let mut report = Report::new();
    let vp = VariancePreserving::default();
    let straight = || Affine::new(CondOt::default());
    let interpolant = || Interpolant::new(CondOt::default(), BrownianBridge::new(1.0).unwrap());
    let objectives: Vec<(&str, Box<dyn Objective>)> = vec![
        ("rectified flow", Box::new(rectified_flow())),
        (
            "flow matching",
            Box::new(flow_matching(ConstantSigma::new(0.1)?)),
        ),
        (
            "Schrödinger bridge",
            Box::new(flow_matching(SchrodingerBridge::new(0.5)?)),
        ),
        (
            "interpolant velocity",
            Box::new(interpolant_velocity(interpolant())),
        ),
        (
            "interpolant denoiser",
            Box::new(interpolant_denoiser(interpolant())),
        ),
        ("Stable Diffusion 3", Box::new(stable_diffusion_3())),
        ("DDPM", Box::new(ddpm(DiscreteDiffusion::default()))),
        ("score matching", Box::new(score_matching(vp))),
        ("NCSN", Box::new(ncsn(0.01, 10.0, 10)?)),
        ("score flow", Box::new(score_flow(vp, 1e-3, 1.0 - 1e-3)?)),
        ("coupled", Box::new(Coupled::new(ExactOt, rectified_flow()))),
        (
            "entropic",
            Box::new(Coupled::new(EntropicOt::new(0.5)?, rectified_flow())),
        ),
        (
            "pseudo-Huber",
            Box::new(flow_matching(straight()).distance(PseudoHuber::new(0.1)?)),
        ),
        (
            "Huber",
            Box::new(flow_matching(straight()).distance(Huber::new(0.5)?)),
        ),
        (
            "absolute",
            Box::new(flow_matching(straight()).distance(AbsoluteError)),
        ),
        (
            "norm",
            Box::new(flow_matching(straight()).distance(SquaredNorm)),
        ),
        (
            "logit-normal",
            Box::new(flow_matching(straight()).times(LogitNormal::new(0.0, 1.0)?)),
        ),
        (
            "min-SNR",
            Box::new(
                Regression::new(Affine::new(vp), Prediction::V)
                    .times(Stratified)
                    .weighting(MinSnr::new(vp, 5.0, Prediction::V)?),
            ),
        ),
    ];
    for (name, objective) in &objectives {
        report.same(name, 1e-4, |place| {
            let (store, net) = network(place)?;
            let (x0, x1, mut rng) = pairs(place)?;
            trained(&store, &objective.losses(&net, &x0, &x1, &mut rng)?)
        });
        report.same(&format!("{name}, given classes"), 1e-4, |place| {
            let (store, net) = network(place)?;
            let (x0, x1, mut rng) = pairs(place)?;
            let labels = place.labels(3, 16)?;
            trained(
                &store,
                &objective.losses(&net.given(&labels), &x0, &x1, &mut rng)?,
            )
        });
    }
    report.same("EDM", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (x0, x1, mut rng) = pairs(place)?;
        let (schedule, preconditioner) = (EdmSchedule::default(), EdmPreconditioner::new(0.5)?);
        let denoiser = Preconditioned::new(&net, &preconditioner, &schedule);
        trained(
            &store,
            &edm(schedule, 0.5)?.losses(&denoiser, &x0, &x1, &mut rng)?,
        )
    });
    report.same("conditional transport", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (x0, x1, mut rng) = pairs(place)?;
        let labels = place.labels(3, 16)?;
        let objective = Coupled::new(ConditionalOt::new(1.0)?, rectified_flow());
        trained(
            &store,
            &objective.losses(&net.given(&labels), &x0, &x1, &mut rng)?,
        )
    });
    report.finish();
    Ok(())
}

#[test]
fn with_derivatives_and_integrations() {
    let mut report = Report::new();
    let t = Time::Shared(0.5);
    report.same("implicit score matching", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (x, ..) = pairs(place)?;
        trained(
            &store,
            &ImplicitScoreMatching::new(Exact).losses(&net, &t, &x)?,
        )
    });
    report.same("sliced score matching", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (x, _, mut rng) = pairs(place)?;
        let objective = SlicedScoreMatching::new(Probe::Gaussian, 2)?;
        trained(&store, &objective.losses(&net, &t, &x, &mut rng)?)
    });
    report.same("score and flow", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (x0, x1, mut rng) = pairs(place)?;
        let objective = ScoreAndFlow::new(SchrodingerBridge::new(1.0)?);
        let losses = objective.losses(&net, &net, &x0, &x1, &mut rng)?;
        trained(&store, &(losses.flow + losses.score)?)
    });
    report.same("variational bound", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (_, x1, mut rng) = pairs(place)?;
        let bound = VariationalBound::new(DiscreteDiffusion::linear(8, 1e-2, 0.5)?);
        trained(&store, &bound.terms(&net, &x1, &mut rng)?.total()?)
    });
    report.same("hybrid loss", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (x0, x1, mut rng) = pairs(place)?;
        let twice = field_fn(|t, x| Ok(Tensor::cat(&[net.at(t, x)?, net.at(t, x)?], 1)?));
        let objective = HybridLoss::new(DiscreteDiffusion::linear(8, 1e-2, 0.5)?);
        trained(&store, &objective.losses(&twice, &x0, &x1, &mut rng)?)
    });
    report.same("variational dequantization", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (_, x1, mut rng) = pairs(place)?;
        let layer = field_fn(|t, x| {
            let half = net.at(t, &x.narrow(1, 0, 2)?.contiguous()?)?;
            Ok(Tensor::cat(&[&half, &half], 1)?)
        });
        let noise = CouplingNoise::new(vec![layer]);
        let dequantization = VariationalDequantization::new(noise, 0.5)?;
        let density = |y: &Tensor, _: &mut Generator| Ok(log_standard_normal(y)?.neg()?);
        trained(&store, &dequantization.losses(&x1, density, &mut rng)?)
    });
    report.same("maximum likelihood", 1e-4, |place| {
        let (store, net) = network(place)?;
        let (_, x1, mut rng) = pairs(place)?;
        let solver = Solver::new(Rk4, Fixed::steps(4)?);
        let objective = MaximumLikelihood::new(Unrolled::new(solver))
            .kinetic(0.1)?
            .jacobian(0.1)?;
        let net = Arc::new(net);
        let losses =
            objective.losses(&net, &store.tensors(), &x1, log_standard_normal, &mut rng)?;
        trained(&store, &losses)
    });
    report.same("reduced along the last dimension", 1e-6, |place| {
        Ok(vec![place.normal(3, &[4, 5])?.sqr()?.sum(D::Minus1)?])
    });
    report.finish();
}
