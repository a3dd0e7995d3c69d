//! Hamiltonian Monte Carlo on densities that are known: moments, orders, masses, acceptances.

use advect_core::testing::device;
use advect_core::{Error, Generator, Result, shape};
use advect_samplers::diagnostics::{CorrelatedMean, split_r_hat};
use advect_samplers::hamiltonian::{HamiltonianMonteCarlo, MassAdaptation, MassMatrix, WarmUp};
use advect_samplers::langevin::{Differentiated, LogDensity};
use advect_solvers::symplectic::Yoshida4;
use candle_core::{DType, Tensor};

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::zeros(dims, DType::F64, device()).unwrap()
}

/// `N(0, diag(scales²))`.
fn gaussian(scales: &[f64]) -> impl LogDensity {
    let scales = Tensor::new(scales, device()).unwrap();
    Differentiated(move |x: &Tensor| {
        let x = x.broadcast_div(&scales.to_dtype(x.dtype())?)?;
        Ok((shape::sum_squares_per_sample(&x)? * -0.5)?)
    })
}

/// `e^(−x⁴)`.
fn quartic() -> impl LogDensity {
    Differentiated(|x: &Tensor| Ok(x.sqr()?.sqr()?.sum(1)?.neg()?))
}

/// N(0, Σ) with Σ = [[1, ρ s], [ρ s, s²]], s = 3 and ρ = 0.95.
const COVARIANCE: [[f64; 2]; 2] = [[1.0, 2.85], [2.85, 9.0]];

fn correlated() -> impl LogDensity {
    let [[a, b], [_, c]] = COVARIANCE;
    let determinant = a * c - b * b;
    Differentiated(move |x: &Tensor| {
        let [u, v] = [0, 1].map(|k| x.narrow(1, k, 1).unwrap().squeeze(1).unwrap());
        let form = (((u.sqr()? * c)? + (v.sqr()? * a)?)? - ((u * v)? * (2.0 * b))?)?;
        Ok((form * (-0.5 / determinant))?)
    })
}

/// A mean over chains lies within 4 errors of what it should be.
#[track_caller]
fn assert_mean(series: &Tensor, expected: f64) {
    let mean = CorrelatedMean::new(series).unwrap();
    let (value, error) = (mean.mean(), mean.standard_error());
    assert!(
        (value - expected).abs() < 4.0 * error,
        "{value} ± {error}, expected {expected}"
    );
}

#[test]
fn correlated_gaussians_have_their_moments() {
    let mut rng = Generator::from_seed(1);
    for masses in [
        MassAdaptation::Fixed,
        MassAdaptation::Diagonal,
        MassAdaptation::Dense,
    ] {
        let sampler = HamiltonianMonteCarlo::new(0.2, 8).unwrap();
        let sampler = sampler.jitter(0.2).unwrap();
        let density = correlated();
        let warm = WarmUp::new(100).unwrap().masses(masses);
        let warm = warm.run(&sampler, &density, &zeros(&[20, 2]), &mut rng);
        let warm = warm.unwrap();
        let chains = warm.sampler.run(&density, &warm.x, 400, &mut rng).unwrap();
        let part = |k| chains.states.narrow(2, k, 1).unwrap().squeeze(2).unwrap();
        for (i, row) in COVARIANCE.iter().enumerate() {
            assert_mean(&part(i), 0.0);
            for (j, covariance) in row.iter().enumerate().take(i + 1) {
                assert_mean(&(part(i) * part(j)).unwrap(), *covariance);
            }
            assert!(split_r_hat(&part(i)).unwrap() < 1.1);
        }
        // With the covariance as masses the motion is that of N(0, I).
        let size = warm.sampler.step_size();
        let expected = match masses {
            MassAdaptation::Fixed => 0.2..0.6,
            MassAdaptation::Diagonal => 0.2..0.7,
            MassAdaptation::Dense => 0.8..2.0,
        };
        assert!(expected.contains(&size), "{masses:?}: {size}");
    }
}

/// Long steps, of which many are rejected: `⟨x²⟩ = Γ(3/4)/Γ(1/4)`, `⟨x⁴⟩ = 1/4`, and the distribution function.
#[test]
fn rejections_make_the_law_exact() {
    let mut rng = Generator::from_seed(2);
    let sampler = HamiltonianMonteCarlo::new(0.75, 2).unwrap();
    let start = zeros(&[300, 1]);
    let chains = sampler.run(&quartic(), &start, 320, &mut rng).unwrap();
    assert!(chains.acceptance < 0.85, "{}", chains.acceptance);
    let x = chains
        .states
        .narrow(0, 20, 300)
        .unwrap()
        .squeeze(2)
        .unwrap();
    assert_mean(&x.sqr().unwrap(), 0.337_989_120_033_6);
    assert_mean(&x.sqr().unwrap().sqr().unwrap(), 0.25);
    // p(|x| < ½) = P(1/4, 1/16), a regularised incomplete gamma function.
    let inside = x.abs().unwrap().lt(0.5).unwrap().to_dtype(DType::F64);
    assert_mean(&inside.unwrap(), 0.544_853_9);
}

/// The energy error of a trajectory is of the order of the method, and the part of the proposals that is rejected with it.
#[test]
fn acceptance_shows_the_order_of_the_method() {
    let density = quartic();
    let start = HamiltonianMonteCarlo::new(0.1, 10)
        .unwrap()
        .run(
            &density,
            &zeros(&[2000, 1]),
            10,
            &mut Generator::from_seed(3),
        )
        .unwrap();
    let start = start.states.get(9).unwrap();
    let rejected = |size: f64, fourth: bool| {
        let sampler = HamiltonianMonteCarlo::new(size, (1.2 / size).round() as usize).unwrap();
        let rng = &mut Generator::from_seed(4);
        let chains = match fourth {
            false => sampler.run(&density, &start, 1, rng),
            true => sampler.integrator(Yoshida4).run(&density, &start, 1, rng),
        };
        1.0 - chains.unwrap().acceptance
    };
    for (fourth, order) in [(false, 2.0), (true, 4.0)] {
        let measured = (rejected(0.1, fourth) / rejected(0.05, fourth)).log2();
        assert!((measured - order).abs() < 0.35, "{measured} for {order}");
    }
}

#[test]
fn warm_ups_reach_the_wanted_acceptance() {
    let scales: Vec<f64> = (0..20).map(|k| 10f64.powf(0.1 * f64::from(k))).collect();
    let density = gaussian(&scales);
    let mut rng = Generator::from_seed(5);
    for target in [0.65, 0.9] {
        let warm = WarmUp::new(200).unwrap().acceptance(target).unwrap();
        let sampler = HamiltonianMonteCarlo::new(1e-3, 1500).unwrap();
        let warm = warm.run(&sampler, &density, &zeros(&[30, 20]), &mut rng);
        let warm = warm.unwrap();
        let chains = warm.sampler.run(&density, &warm.x, 100, &mut rng).unwrap();
        let found = chains.acceptance;
        assert!((found - target).abs() < 0.04, "{found} for {target}");
        // Masses are the variances, and the length of a trajectory stays.
        let length = warm.sampler.step_size() * warm.sampler.steps() as f64;
        assert!((length - 1.5).abs() < 0.5 * warm.sampler.step_size() + 1e-9);
    }
}

/// A chain's draws don't depend on those beside it, though these diverge.
#[test]
fn divergent_chains_are_counted_and_disturb_no_other() {
    let density = quartic();
    let sampler = HamiltonianMonteCarlo::new(0.3, 5).unwrap();
    let run = |start: &[f64]| {
        let x = Tensor::new(start, device()).unwrap().unsqueeze(1).unwrap();
        sampler
            .run(&density, &x, 12, &mut Generator::from_seed(6))
            .unwrap()
    };
    let alone = run(&[0.5]);
    assert_eq!(alone.divergences, 0);
    let both = run(&[0.5, 1e3, 1e70]);
    assert_eq!(both.divergences, 24);
    let first = |x: &Tensor| x.get_on_dim(1, 0).unwrap().flatten_all().unwrap();
    let numbers = |x: &Tensor| first(x).to_vec1::<f64>().unwrap();
    assert_eq!(numbers(&alone.states), numbers(&both.states));
    let last = both.states.get_on_dim(1, 1).unwrap().flatten_all().unwrap();
    assert_eq!(last.to_vec1::<f64>().unwrap(), [1e3; 12]);
}

/// A chain that diverges is put back before it reaches places where the density fails.
#[test]
fn divergent_chains_are_not_followed() {
    let density = Differentiated(|x: &Tensor| {
        let far = x.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()? > 1e20;
        match far {
            true => Err(Error::range("x", "far away", "near")),
            false => Ok(x.sqr()?.sqr()?.sum(1)?.neg()?),
        }
    });
    let sampler = HamiltonianMonteCarlo::new(0.3, 5).unwrap();
    let x = Tensor::new(&[[1e3f64], [0.5]], device()).unwrap();
    let chains = sampler.run(&density, &x, 3, &mut Generator::from_seed(9));
    assert_eq!(chains.unwrap().divergences, 3);
}

/// A density that is infinite somewhere has no chain there, where nothing else would ever be accepted.
#[test]
fn infinite_densities_are_not_accepted() {
    let poles = Differentiated(|x: &Tensor| {
        let normal = (shape::sum_squares_per_sample(x)? * -0.5)?;
        let beyond = x.flatten_all()?.gt(1.0)?;
        Ok(beyond.where_cond(&(&normal + f64::INFINITY)?, &normal)?)
    });
    let sampler = HamiltonianMonteCarlo::new(0.4, 3).unwrap();
    let chains = sampler
        .run(&poles, &zeros(&[20, 1]), 50, &mut Generator::from_seed(8))
        .unwrap();
    let largest = chains.states.max_all().unwrap().to_scalar::<f64>().unwrap();
    assert!(largest > 0.5 && largest <= 1.0, "{largest}");
    let densities = chains.log_density.flatten_all().unwrap();
    let densities = densities.to_vec1::<f64>().unwrap();
    assert!(densities.iter().all(|density| density.is_finite()));
    assert!(chains.divergences > 20 && chains.acceptance < 1.0);
    // All of them still move.
    let last = chains.states.narrow(0, 45, 5).unwrap();
    let first = last.narrow(0, 0, 1).unwrap();
    let moved = last.broadcast_sub(&first).unwrap().abs().unwrap();
    let moved = moved.max(0).unwrap().min_all().unwrap();
    assert!(moved.to_scalar::<f64>().unwrap() > 0.0);
}

#[test]
fn floats_of_32_bits_and_samples_of_any_shape() {
    let density = Differentiated(|x: &Tensor| Ok((shape::sum_squares_per_sample(x)? * -0.5)?));
    let x = Tensor::zeros((50, 2, 3), DType::F32, device()).unwrap();
    let variances = Tensor::full(2f32, (2, 3), device()).unwrap();
    let mass = MassMatrix::diagonal(&variances).unwrap();
    let sampler = HamiltonianMonteCarlo::new(0.4, 3)
        .unwrap()
        .mass_matrix(mass);
    let run = || {
        sampler
            .run(&density, &x, 40, &mut Generator::from_seed(7))
            .unwrap()
    };
    let chains = run();
    assert_eq!(chains.states.dims(), [40, 50, 2, 3]);
    assert_eq!(chains.states.dtype(), DType::F32);
    let square = chains.states.sqr().unwrap().narrow(0, 5, 35).unwrap();
    assert_mean(&square.reshape((35, 50, 6)).unwrap().mean(2).unwrap(), 1.0);
    let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(numbers(&chains.states), numbers(&run().states));
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_is_told() {
    let sampler = HamiltonianMonteCarlo::new(0.1, 3).unwrap();
    let mut rng = Generator::from_seed(8);
    let mut run = |sampler: &HamiltonianMonteCarlo, density: &dyn LogDensity, x: &Tensor| {
        message(sampler.run(density, x, 2, &mut rng))
    };
    assert!(message(HamiltonianMonteCarlo::new(0.0, 3)).starts_with("step_size: got 0"));
    assert!(message(HamiltonianMonteCarlo::new(0.1, 0)).starts_with("steps: got 0"));
    assert!(message(sampler.clone().jitter(1.0)).starts_with("jitter: got 1"));
    assert!(message(WarmUp::new(0)).starts_with("count: got 0"));
    assert!(message(WarmUp::new(5).and_then(|w| w.acceptance(1.0))).starts_with("target: got 1"));
    let nan = Differentiated(|x: &Tensor| Ok((x.sum(1)? * f64::NAN)?));
    assert!(run(&sampler, &nan, &zeros(&[2, 1])).starts_with("log_density: got NaN"));
    let wide = sampler
        .clone()
        .mass_matrix(MassMatrix::diagonal(&zeros(&[3]).affine(0.0, 1.0).unwrap()).unwrap());
    assert!(run(&wide, &quartic(), &zeros(&[2, 1])).starts_with("mass matrix: got shape [3]"));
    assert!(run(&sampler, &quartic(), &zeros(&[0, 1])).starts_with("x: got an empty batch"));
    let failing = Differentiated(|_: &Tensor| Err(Error::range("coupling", 0, "another")));
    assert!(run(&sampler, &failing, &zeros(&[2, 1])).starts_with("coupling"));
    assert!(message(MassMatrix::diagonal(&zeros(&[2]))).starts_with("variances: got 0"));
    assert!(message(MassMatrix::dense(&zeros(&[2, 3]))).starts_with("covariance: got shape"));
}
