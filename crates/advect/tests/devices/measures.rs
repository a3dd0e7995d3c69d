//! Metrics, couplings, closed forms and data.

use advect::data::flip_horizontally;
use advect::data::toy::{Toy, TwoMoons};
use advect::metrics::{
    energy_distance, median_bandwidth, mmd2, nearest_neighbour_labels,
    nearest_neighbour_two_sample, path_energy, sliced_wasserstein2, straightness, transport_cost,
    wasserstein1, wasserstein2,
};
use advect::paths::closed_form::Covariance;
use advect::prelude::*;

use crate::place::Place;
use crate::report::Report;

fn clouds(place: &Place) -> Result<(Tensor, Tensor)> {
    Ok((
        place.normal(1, &[40, 3])?,
        (place.normal(2, &[40, 3])? + 0.5)?,
    ))
}

#[test]
fn metrics() {
    let mut report = Report::new();
    // On the host in f64, wherever the samples are.
    report.same("metrics", 1e-12, |place| {
        let (x, y) = clouds(place)?;
        let numbers = [
            wasserstein1(&x, &y)?,
            wasserstein2(&x, &y)?,
            sliced_wasserstein2(&x, &y, 20, &mut Generator::from_seed(1))?,
            energy_distance(&x, &y)?,
            mmd2(&x, &y, median_bandwidth(&x, &y)?)?,
            nearest_neighbour_two_sample(&x, &y)?,
            path_energy(&[0.0, 0.5, 1.0], &[x.clone(), y.clone(), x.clone()])?,
            straightness(&[0.0, 0.5, 1.0], &[x.clone(), y.clone(), x.clone()])?.mean,
            transport_cost(&x, &y, |way| way.iter().map(|w| w.abs()).sum())?.mean,
        ];
        let labels = nearest_neighbour_labels(&x, &y, &place.labels(3, 40)?, 3)?;
        let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
        Ok(vec![
            Tensor::new(&numbers, &Device::Cpu)?,
            Tensor::new(labels, &Device::Cpu)?,
        ])
    });
    report.finish();
}

#[test]
fn couplings() {
    let mut report = Report::new();
    let couplings: [(&str, Box<dyn Coupling>); 3] = [
        ("independent", Box::new(Independent)),
        ("exact", Box::new(ExactOt)),
        ("entropic", Box::new(EntropicOt::new(0.5).unwrap())),
    ];
    for (name, coupling) in &couplings {
        report.same(name, 0.0, |place| {
            let (x, y) = clouds(place)?;
            let pairs = coupling.pair(&x, &y, &mut Generator::from_seed(3))?;
            Ok(vec![pairs.source(&x)?, pairs.target(&y)?])
        });
    }
    report.finish();
}

#[test]
fn closed_forms_and_wrappers() {
    let mut report = Report::new();
    let vp = VariancePreserving::default();
    for prediction in [Prediction::Velocity, Prediction::Score, Prediction::Data] {
        report.same(&format!("closed forms, {prediction:?}"), 1e-6, |place| {
            let (x, data) = clouds(place)?;
            let t = Time::Shared(0.6);
            let means = place.normal(5, &[2, 3])?;
            let mixture =
                GaussianMixture::new(&[0.3, 0.7], &means, vec![Covariance::isotropic(0.5)?])?;
            let finite = FiniteData::new(&data)?;
            Ok(vec![
                mixture.field(prediction, &vp).at(&t, &x)?,
                finite.field(prediction, &vp).at(&t, &x)?,
                mixture.field(prediction, &vp).log_density(&t, &x)?,
            ])
        });
    }
    report.same("conversions", 1e-5, |place| {
        let (x, data) = clouds(place)?;
        let finite = FiniteData::new(&data)?;
        let noise = finite.field(Prediction::Noise, &vp);
        let velocity = Prediction::Noise.field(&noise, Prediction::Velocity, &vp);
        let straight = CondOt::default();
        let moved = Prediction::Noise.reschedule(&noise, &vp, &straight);
        let each = Time::per_sample(
            &(0..40)
                .map(|i| 0.1 + 0.02 * f64::from(i))
                .collect::<Vec<_>>(),
        )?;
        Ok(vec![
            velocity.at(&each, &x)?,
            moved.at(&Time::Shared(0.5), &x)?,
        ])
    });
    report.finish();
}

#[test]
fn data() {
    let mut report = Report::new();
    let places = || [Place::tested(DType::F32), Place::same_on_cpu(DType::F32)];
    report.compare("toy data and batches", places(), 0.0, |place| {
        let mut rng = Generator::from_seed(0);
        let moons = TwoMoons::default().sample(50, place.dtype, &place.device, &mut rng)?;
        let batches = Batches::new(50, 8, Key::from_seed(1))?;
        let [batch] = batches.at(3, [&moons])?;
        let images = place.normal(3, &[6, 1, 4, 4])?;
        Ok(vec![
            moons,
            batch,
            flip_horizontally(&images, 0.5, &mut rng)?,
        ])
    });
    report.compare("bytes", places(), 1e-6, |place| {
        let bytes: Vec<u8> = (0..96).map(|i| i * 2).collect();
        let bytes = Tensor::from_vec(bytes, (2, 3, 4, 4), &place.device)?;
        let normalization = Normalization::default();
        let x = normalization.apply(&bytes, place.dtype)?;
        Ok(vec![
            normalization.bytes(&x)?.to_dtype(DType::F32)?,
            normalization.invert(&x)?,
            x,
        ])
    });
    report.finish();
}
