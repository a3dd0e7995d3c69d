//! Boltzmann machines and normalizing flows: densities, and their gradients in all parameters.

use advect::classics::flow::{Affine, RationalQuadraticSpline};
use advect::prelude::*;

use crate::place::{Place, stir};
use crate::report::Report;

/// Losses and the gradients of their sum.
fn trained(store: &ParameterStore, losses: &Tensor) -> Result<Vec<Tensor>> {
    let gradients = losses.sum_all()?.backward()?;
    let mut found = vec![losses.detach()];
    for (_, var) in store.parameters() {
        // A parameter that the losses don't depend on has zeros, or nothing.
        let gradient = gradients.get(&var).cloned();
        found.push(gradient.map_or_else(|| var.zeros_like(), Ok)?);
    }
    Ok(found)
}

#[test]
fn machines() {
    let mut report = Report::new();
    let binary =
        |place: &Place| Ok::<_, Error>(place.normal(1, &[8, 6])?.ge(0.0)?.to_dtype(place.dtype)?);
    for dtype in [DType::F32, DType::F64] {
        let places = || [Place::tested(dtype), Place::exact(dtype)];
        report.compare("a Boltzmann machine", places(), 1e-5, |place| {
            let store = place.store();
            let machine = BoltzmannMachine::build(6, &store.builder())?;
            stir(&store, place)?;
            trained(
                &store,
                &machine.log_likelihood(&binary(place)?, &machine.log_partition()?)?,
            )
        });
        report.compare("binary units", places(), 1e-5, |place| {
            let store = place.store();
            let machine = RestrictedBoltzmannMachine::binary(6, 4, &store.builder())?;
            stir(&store, place)?;
            trained(
                &store,
                &machine.log_likelihood(&binary(place)?, &machine.log_partition()?)?,
            )
        });
        report.compare("Gaussian units", places(), 1e-5, |place| {
            let store = place.store();
            let machine = RestrictedBoltzmannMachine::gaussian(6, 4, &store.builder())?;
            stir(&store, place)?;
            let v = place.normal(1, &[8, 6])?;
            trained(
                &store,
                &machine.log_likelihood(&v, &machine.log_partition()?)?,
            )
        });
    }
    report.finish();
}

#[test]
fn flows() {
    let mut report = Report::new();
    for dtype in [DType::F32, DType::F64] {
        for inverse in [false, true] {
            let places = [Place::tested(dtype), Place::exact(dtype)];
            report.compare("layers", places, 1e-4, |place| {
                let store = place.store();
                let builder = store.builder();
                let net = |parameters: usize, name: &str| {
                    let config = Mlp::config(4).outputs(4 * parameters).hidden(&[8]);
                    config.time(TimeEmbedding::None).build(&builder.pp(name))
                };
                let made = |parameters: usize, name: &str| {
                    let (order, builder) = ([0, 1, 2, 3], builder.pp(name));
                    MaskedPerceptron::new(&order, 0, &[8], parameters, Activation::Tanh, &builder)
                };
                let mask = |parity| Mask::alternating(&[4], parity);
                let spline = RationalQuadraticSpline::new(4, 3.0)?;
                let layers: Vec<Box<dyn Bijection>> = vec![
                    Box::new(AffineCoupling::affine(mask(0)?, net(2, "affine")?)),
                    Box::new(SplineCoupling::spline(
                        mask(1)?,
                        net(11, "spline")?,
                        4,
                        3.0,
                    )?),
                    Box::new(Permutation::reversed(4)?),
                    Box::new(MaskedAutoregressive::new(
                        made(2, "maf")?,
                        Affine::default(),
                    )?),
                    Box::new(MaskedAutoregressive::new(made(11, "nsf")?, spline)?),
                    Box::new(InvertibleConvolution::new(4, Key::from_seed(0), &builder)?),
                    Box::new(ActNorm::new(4, &builder)?),
                ];
                stir(&store, place)?;
                let flow = NormalizingFlow::new(&[4], Composition::new(&[4], layers)?)?;
                let x = place.normal(1, &[8, 4])?;
                match inverse {
                    true => trained(&store, &flow.log_density(&x)?),
                    false => trained(&store, &flow.transform(&x)?.1),
                }
            });
        }
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare("a residual layer", places, 1e-4, |place| {
            let store = place.store();
            let layer = ResidualBlock::new(3, &[8], 0.8, &store.builder())?;
            stir(&store, place)?;
            trained(&store, &layer.forward(&place.normal(1, &[8, 3])?)?.1)
        });
    }
    report.finish();
}
