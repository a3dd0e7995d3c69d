//! Every rule over a few steps, on states of a network.

use advect::prelude::*;

use crate::place::{Place, stir};
use crate::report::Report;

/// One of each.
fn samplers() -> Result<Vec<(&'static str, Box<dyn Sampler>)>> {
    let grid = || UniformLogSnr::new(5).unwrap();
    let open = || UniformTime::within(5, 0.1, 0.95).unwrap();
    let g = ForwardDiffusion::new(1.0)?;
    let heun = Solver::new(Heun, Fixed::steps(4)?);
    let corrected = PredictorCorrector::new(ReverseSde::new(g), 1, 0.1)?;
    let sde = |method| ReverseSde::new(g).method(method).on(open());
    Ok(vec![
        ("DDPM", Box::new(Ancestral::new().on(grid()))),
        (
            "DDPM, β",
            Box::new(Ancestral::new().variance(Variance::Forward).on(grid())),
        ),
        ("DDIM", Box::new(Ddim::new().on(grid()))),
        ("DDIM, η", Box::new(Ddim::new().eta(0.5)?.on(grid()))),
        ("EDM, Euler", Box::new(Edm::euler().on(grid()))),
        (
            "EDM, Heun with churn",
            Box::new(Edm::heun().churn(2.0)?.on(Karras::new(5)?)),
        ),
        ("DPM-Solver++ 1", Box::new(DpmSolver::order(1)?.on(grid()))),
        ("DPM-Solver++ 2M", Box::new(DpmSolver::order(2)?.on(grid()))),
        ("DPM-Solver++ 3M", Box::new(DpmSolver::order(3)?.on(grid()))),
        (
            "customary 3M",
            Box::new(DpmSolver::customary_third_order().on(grid())),
        ),
        (
            "SDE-DPM-Solver++",
            Box::new(DpmSolver::order(3)?.stochastic(1.0)?.on(grid())),
        ),
        ("UniPC 3", Box::new(UniPc::order(3)?.on(grid()))),
        ("PLMS", Box::new(Plms.on(grid()))),
        ("reverse SDE", Box::new(sde(SdeMethod::EulerMaruyama))),
        ("reverse SDE, Heun", Box::new(sde(SdeMethod::Heun))),
        ("reverse SDE, SRA1", Box::new(sde(SdeMethod::Sra1))),
        (
            "Langevin",
            Box::new(AnnealedLangevin::new(2, 1e-5)?.on(grid())),
        ),
        ("predictor-corrector", Box::new(corrected.on(open()))),
        (
            "denoised",
            Box::new(ReverseSde::new(g).on(open()).last_step(LastStep::Denoise)),
        ),
        (
            "probability flow",
            Box::new(ProbabilityFlow::new(heun).within(0.05, 0.95)?),
        ),
    ])
}

fn network(place: &Place) -> Result<Mlp> {
    let store = place.store();
    let net = Mlp::config(2)
        .hidden(&[16, 16])
        .classes(3)
        .build(&store.builder())?;
    stir(&store, place)?;
    net.on(&store.frozen())
}

fn source(place: &Place) -> Result<NoiseSource> {
    NoiseSource::new(Key::from_seed(7), &[2], place.dtype, &place.device)
}

#[test]
fn rules() -> Result<()> {
    let mut report = Report::new();
    for (name, sampler) in samplers()? {
        for prediction in [Prediction::V, Prediction::Noise] {
            report.same(&format!("{name}, {prediction:?}"), 1e-4, |place| {
                let net = network(place)?;
                let model = Model::new(&net, prediction, &Cosine);
                Ok(vec![source(place)?.sample(&sampler, &model, 5..37)?])
            });
        }
        // 16 bits: that it runs, and ends somewhere finite.
        report.holds(&format!("{name} in bf16"), |_| {
            let place = Place::tested(DType::BF16);
            let net = network(&place)?;
            let model = Model::new(&net, Prediction::V, &Cosine);
            let x = source(&place)?.sample(&sampler, &model, 0..8)?;
            Ok(x.dtype() == DType::BF16 && x.device().same_device(&place.device))
        });
    }
    report.finish();
    Ok(())
}

#[test]
fn around_rules() {
    let mut report = Report::new();
    report.same("guided", 1e-4, |place| {
        let (net, labels) = (network(place)?, place.labels(3, 9)?);
        let guided = Guided::new(&net, &labels, 2.0)?;
        let model = Model::new(&guided, Prediction::V, &Cosine);
        let ddim = Ddim::new().on(UniformLogSnr::new(5)?);
        Ok(vec![source(place)?.sample(&ddim, &model, 0..9)?])
    });
    report.same("inpainting", 1e-4, |place| {
        let net = network(place)?;
        let model = Model::new(&net, Prediction::V, &Cosine);
        let known = place.normal(3, &[9, 2])?;
        let mask = place.put(&Tensor::new(&[[1f32, 0.0]], &crate::place::CPU)?)?;
        let mask = mask.broadcast_as((9, 2))?.contiguous()?;
        let rule = Inpaint::new(Ddim::new(), &known, &mask)?.resampling(2)?;
        Ok(vec![source(place)?.sample(
            &rule.on(UniformLogSnr::new(5)?),
            &model,
            0..9,
        )?])
    });
    for (name, dynamic) in [("static threshold", false), ("dynamic threshold", true)] {
        report.same(name, 1e-4, |place| {
            let net = network(place)?;
            let ddim = Ddim::new().on(UniformLogSnr::new(5)?);
            let source = source(place)?;
            Ok(vec![match dynamic {
                false => {
                    let field = Thresholded::new(&net, StaticThreshold::new(0.5)?);
                    source.sample(&ddim, &Model::new(&field, Prediction::Data, &Cosine), 0..9)?
                }
                true => {
                    let field = Thresholded::new(&net, DynamicThreshold::new(0.8)?);
                    source.sample(&ddim, &Model::new(&field, Prediction::Data, &Cosine), 0..9)?
                }
            }])
        });
    }
    report.same("inverted", 1e-4, |place| {
        let net = network(place)?;
        let model = Model::new(&net, Prediction::V, &Cosine);
        let ddim = Ddim::new().on(GivenTimes::new(&[0.1, 0.3, 0.6, 0.9])?);
        let mut run = Run::new(&model, Key::from_seed(0)).any_start();
        Ok(vec![ddim.invert(&mut run, &place.normal(4, &[6, 2])?)?])
    });
    report.finish();
}
