//! One short run of every rule and grid.

use advect::prelude::*;

use crate::{CPU, check, elements};

/// The denoiser of standard normal data on `x = α x1 + σ x0` with α² + σ² = 1 would be α x; a constant share of x needs no
/// more than a product.
fn share(_: &Time, x: &Tensor) -> Result<Tensor> {
    Ok(x.affine(0.5, 0.125)?)
}

fn samples(sampler: impl Sampler, schedule: &dyn Schedule) -> Vec<f64> {
    let model = Model::new(field_fn(share), Prediction::Data, schedule);
    let source = NoiseSource::new(Key::from_seed(7), &[1], DType::F64, &CPU).unwrap();
    elements(&source.sample(&sampler, &model, 5..7).unwrap())
}

#[test]
fn rules() {
    let vp = VariancePreserving::default();
    let grid = || GivenTimes::new(&[0.05, 0.3, 0.6, 0.9]).unwrap();
    let g = ForwardDiffusion::new(1.0).unwrap();
    let dpm = |order| DpmSolver::order(order).unwrap();
    let heun = Solver::new(Heun, Fixed::steps(3).unwrap());
    let flow = ProbabilityFlow::new(heun).within(0.05, 0.9).unwrap();
    let corrected = PredictorCorrector::new(ReverseSde::new(g), 1, 0.1).unwrap();
    let rows: [(&str, Vec<f64>, &[f64]); 21] = [
        (
            "DDPM",
            samples(Ancestral::new().on(grid()), &vp),
            &[-0.2013801530612462, 0.36300797604553026],
        ),
        (
            "DDPM, β",
            samples(Ancestral::new().variance(Variance::Forward).on(grid()), &vp),
            &[0.04003059924181246, 1.2374485411931444],
        ),
        (
            "DDIM",
            samples(Ddim::new().on(grid()), &vp),
            &[0.15138318433350248, 0.3693892433923687],
        ),
        (
            "DDIM, η",
            samples(Ddim::new().eta(0.5).unwrap().on(grid()), &vp),
            &[-0.321444773609303, 0.32355711513549545],
        ),
        (
            "EDM, Euler",
            samples(Edm::euler().on(grid()), &vp),
            &[0.15138318433350248, 0.3693892433923687],
        ),
        (
            "EDM, Heun",
            samples(Edm::heun().on(grid()), &vp),
            &[0.25919537914661955, 0.3993760596863567],
        ),
        (
            "EDM, churn",
            samples(Edm::heun().churn(0.5).unwrap().on(grid()), &vp),
            &[0.046808696822996765, 0.5168567537344018],
        ),
        (
            "DPM-Solver++ 1",
            samples(dpm(1).on(grid()), &vp),
            &[0.1513831843335025, 0.3693892433923687],
        ),
        (
            "DPM-Solver++ 2M",
            samples(dpm(2).on(grid()), &vp),
            &[0.16161408654707074, 0.38470265890482624],
        ),
        (
            "DPM-Solver++ 3M",
            samples(dpm(3).on(grid()), &vp),
            &[0.1726975821717052, 0.4003162693001469],
        ),
        (
            "customary 3M",
            samples(DpmSolver::customary_third_order().on(grid()), &vp),
            &[0.17089071681199275, 0.3978092057676344],
        ),
        (
            "SDE-DPM-Solver++",
            samples(dpm(3).stochastic(1.0).unwrap().on(grid()), &vp),
            &[-0.054198981712651764, 0.17402081246053963],
        ),
        (
            "UniPC 1",
            samples(UniPc::order(1).unwrap().on(grid()), &vp),
            &[0.15307594255129336, 0.3719259655377694],
        ),
        (
            "UniPC 3",
            samples(UniPc::order(3).unwrap().on(grid()), &vp),
            &[0.1744718650966465, 0.4029179718432279],
        ),
        (
            "PLMS",
            samples(Plms.on(grid()), &vp),
            &[0.17147121011677605, 0.4000839535591568],
        ),
        (
            "reverse SDE",
            samples(ReverseSde::new(g).on(grid()), &vp),
            &[-0.47719713718457624, -0.7883108178388316],
        ),
        (
            "by Heun",
            samples(ReverseSde::new(g).method(SdeMethod::Heun).on(grid()), &vp),
            &[0.5484084495166582, 0.8732888414016355],
        ),
        (
            "by SRA1",
            samples(ReverseSde::new(g).method(SdeMethod::Sra1).on(grid()), &vp),
            &[-0.45307591305574, 0.05270758682231702],
        ),
        (
            "Langevin",
            samples(AnnealedLangevin::new(2, 1e-3).unwrap().on(grid()), &vp),
            &[-12.185284046004238, 17.576087660818356],
        ),
        (
            "corrected",
            samples(corrected.on(grid()), &vp),
            &[-3.8768941745959853, 0.04593184218598285],
        ),
        (
            "flow",
            samples(flow, &vp),
            &[0.1934607683934169, 0.3056659719551212],
        ),
    ];
    check(&rows);
}

#[test]
fn grids() {
    let vp = VariancePreserving::default();
    let ddpm = DiscreteDiffusion::default();
    let by_sigma = GivenSigmas::new(&[10.0, 1.0, 0.1]).unwrap();
    let times = |grid: &dyn Grid, schedule: &dyn Schedule| -> Vec<f64> {
        grid.levels(schedule)
            .unwrap()
            .iter()
            .map(|level| level.time)
            .collect()
    };
    check(&[
        (
            "time",
            times(&UniformTime::new(3).unwrap(), &vp),
            &[0.0, 0.3333333333333333, 0.6666666666666666, 1.0],
        ),
        (
            "log-SNR",
            times(&UniformLogSnr::new(3).unwrap(), &vp),
            &[
                0.06648885675929617,
                0.8827883254550718,
                0.9999601580246086,
                1.0,
            ],
        ),
        (
            "Karras",
            times(&Karras::new(3).unwrap(), &vp),
            &[
                0.06648885675929617,
                0.5576176874412264,
                0.9999601580246086,
                1.0,
            ],
        ),
        (
            "shifted",
            times(&Shifted::new(3, 3.0).unwrap(), &CondOt::default()),
            &[0.0, 0.14285714285714285, 0.4, 1.0],
        ),
        (
            "leading",
            times(&Respaced::leading(1000, 3).unwrap(), &ddpm),
            &[0.33299999999999996, 0.6659999999999999, 0.999, 1.0],
        ),
        (
            "trailing",
            times(&Respaced::trailing(1000, 3).unwrap(), &ddpm),
            &[0.0, 0.33299999999999996, 0.667, 1.0],
        ),
        (
            "quadratic",
            times(&Respaced::quadratic(1000, 3).unwrap(), &ddpm),
            &[0.19899999999999995, 0.7989999999999999, 0.999, 1.0],
        ),
        (
            "σ",
            times(&by_sigma, &vp),
            &[0.3239550414148358, 0.7410397375672033, 0.9730050516252081],
        ),
    ]);
}
