//! The networks: values, derivatives, and gradients of every parameter.

use advect::candle::Var;
use advect::models::{FeedForward, TokenNorm, UNetConfig};
use advect::prelude::*;

use crate::place::{Place, stir, weighted};
use crate::report::Report;

/// Values with times shared and per sample, given and without conditions, derivatives, and gradients of the state and of all
/// parameters, of the value and of the derivative.
fn everything<N: Field + Jvp + Conditional + ConditionalJvp>(
    place: &Place,
    store: &ParameterStore,
    net: &N,
    shape: &[usize],
) -> Result<Vec<Tensor>> {
    stir(store, place)?;
    let x = Var::from_tensor(&place.normal(1, shape)?)?;
    let dx = place.normal(2, shape)?;
    let labels = place.labels(4, shape[0])?;
    let shared = Time::Shared(0.3);
    let times: Vec<f64> = (0..shape[0]).map(|i| 0.1 + 0.2 * i as f64).collect();
    let each = Time::per_sample(&times)?;
    let mut found = vec![net.at(&shared, &x)?.detach(), net.at(&each, &x)?.detach()];
    let value = net.at_given(&each, &x, &labels)?;
    let (primal, tangent) = net.jvp_given(&shared, &x, &labels, 0.6, &dx)?;
    found.extend([value.detach(), primal.detach(), tangent.detach()]);
    let directions = [dx, place.normal(3, shape)?];
    found.extend(
        net.jvp_each(&shared, &x, &directions)?
            .1
            .iter()
            .map(Tensor::detach),
    );
    for y in [value, tangent] {
        let gradients = weighted(place, &y)?.backward()?;
        found.push(gradients.get(&x).unwrap().clone());
        for (_, var) in store.parameters() {
            // The last bias is no part of a derivative.
            found.push(match gradients.get(&var) {
                Some(gradient) => gradient.clone(),
                None => var.zeros_like()?,
            });
        }
    }
    Ok(found)
}

fn check(report: &mut Report, name: &str, case: impl Fn(&Place) -> Result<Vec<Tensor>>) {
    for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-11)] {
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(&format!("{name} {dtype:?}"), places, tolerance, &case);
    }
}

#[test]
fn perceptrons() {
    let mut report = Report::new();
    for time in [
        TimeEmbedding::Identity,
        TimeEmbedding::Fourier { frequencies: 3 },
        TimeEmbedding::Sinusoidal { features: 8 },
    ] {
        check(&mut report, &format!("Mlp {time:?}"), |place| {
            let store = place.store();
            let config = Mlp::config(3).hidden(&[16, 8]).time(time).classes(3);
            let net = config.build(&store.builder())?;
            everything(place, &store, &net, &[5, 3])
        });
    }
    report.finish();
}

#[test]
fn transformers() {
    let mut report = Report::new();
    let config = |dim: &[usize]| {
        let config = DiffusionTransformer::config(dim, 2);
        config.width(24).depth(2).heads(2).classes(3)
    };
    let configs = [
        (config(&[2, 4, 6]), vec![3, 2, 4, 6]),
        (
            config(&[1, 8]).norm(TokenNorm::Rms).qk_norm(true),
            vec![2, 1, 8],
        ),
        (
            config(&[1, 2, 4, 2])
                .feed_forward(FeedForward::SwiGlu)
                .rotary(100.0),
            vec![1, 1, 2, 4, 2],
        ),
        (config(&[2, 4, 4]).checkpointing(true), vec![2, 2, 4, 4]),
    ];
    for (config, shape) in configs {
        check(
            &mut report,
            &format!("DiffusionTransformer {shape:?}"),
            |place| {
                let store = place.store();
                let net = config.build(&store.builder())?;
                everything(place, &store, &net, &shape)
            },
        );
    }
    report.finish();
}

fn small(dim: &[usize]) -> UNetConfig {
    let config = UNet::config(dim)
        .channels(8)
        .groups(4)
        .blocks(1)
        .multipliers(&[1.0, 2.0]);
    config
        .attention(&[dim[dim.len() - 1] / 2])
        .heads(2)
        .classes(3)
}

#[test]
fn u_nets() {
    let mut report = Report::new();
    let configs = [
        (small(&[2, 8, 8]), vec![3, 2, 8, 8]),
        (
            small(&[1, 8, 4]).scale_shift(true).resample_in_blocks(true),
            vec![2, 1, 8, 4],
        ),
        (small(&[3, 12]).scale_shift(true), vec![2, 3, 12]),
        (
            small(&[2, 8, 8]).head_channels(4).outputs(2),
            vec![1, 2, 8, 8],
        ),
    ];
    for (config, shape) in configs {
        check(&mut report, &format!("UNet {shape:?}"), |place| {
            let store = place.store();
            let net = config.build(&store.builder())?;
            everything(place, &store, &net, &shape)
        });
    }
    report.finish();
}

/// In 16 bits values alone: what is trained is wider.
#[test]
fn in_16_bits() {
    let mut report = Report::new();
    for (dtype, tolerance) in [(DType::BF16, 5e-2), (DType::F16, 1e-2)] {
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(
            &format!("UNet {dtype:?}"),
            places.clone(),
            tolerance,
            |place| {
                let store = place.store();
                let net = small(&[2, 8, 8]).build(&store.builder())?;
                stir(&store, place)?;
                Ok(vec![net.on(&store.frozen())?.at(
                    &Time::Shared(0.5),
                    &place.normal(1, &[2, 2, 8, 8])?,
                )?])
            },
        );
        report.compare(&format!("Mlp {dtype:?}"), places, tolerance, |place| {
            let store = place.store();
            let net = Mlp::config(3).hidden(&[16, 8]).build(&store.builder())?;
            stir(&store, place)?;
            Ok(vec![
                net.on(&store.frozen())?
                    .at(&Time::Shared(0.5), &place.normal(1, &[5, 3])?)?,
            ])
        });
    }
    report.finish();
}

#[test]
fn guidance_and_dropout() {
    let mut report = Report::new();
    report.same("guided", 1e-5, |place| {
        let store = place.store();
        let net = Mlp::config(3).classes(4).build(&store.builder())?;
        stir(&store, place)?;
        let (x, labels) = (place.normal(1, &[6, 3])?, place.labels(4, 6)?);
        let guided = Guided::new(&net, &labels, 2.5)?;
        let rescaled = Guided::new(&net, &labels, 2.5)?.rescaled(0.7)?;
        let t = Time::Shared(0.4);
        let mut rng = Generator::from_seed(0);
        let dropped = ConditionDropout::new(0.5)?.apply(&net, &x, &labels, &mut rng)?;
        Ok(vec![guided.at(&t, &x)?, rescaled.at(&t, &x)?, dropped])
    });
    report.same("dropout", 1e-4, |place| {
        let store = place.store();
        let net = small(&[2, 8, 8]).dropout(0.3).build(&store.builder())?;
        stir(&store, place)?;
        let net = net.dropping(Key::from_seed(5));
        Ok(vec![net.at(
            &Time::Shared(0.5),
            &place.normal(1, &[2, 2, 8, 8])?,
        )?])
    });
    report.finish();
}
