//! Boltzmann machines against sums over all states, finite differences and scikit-learn.

use advect_classics::boltzmann::{
    AnnealedImportanceSampling, BinaryUnits, BoltzmannMachine, GaussianUnits, Gibbs, MarkovKernel,
    RestrictedBoltzmannMachine, VisibleUnits,
};
use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Energy, Generator, Time};
use candle_core::{DType, Tensor, Var};

use crate::common::{Machine, assert_means, binary, gaussian, normal, scalar, states, vector};

fn full(units: usize) -> BoltzmannMachine {
    BoltzmannMachine::new(normal(&[units, units], 0.8, 11), normal(&[units], 0.5, 12)).unwrap()
}

#[test]
fn the_energy_is_the_double_sum() {
    let machine = full(4);
    let (w, b) = (
        vector(&machine.interactions().unwrap()),
        vector(&normal(&[4], 0.5, 12)),
    );
    let x = states(4);
    let energies = vector(&machine.energy(&x).unwrap());
    for (x, energy) in x.to_vec2::<f64>().unwrap().iter().zip(energies) {
        let pairs = (0..4).flat_map(|i| (0..i).map(move |j| (i, j)));
        let pairs: f64 = pairs.map(|(i, j)| w[4 * i + j] * x[i] * x[j]).sum();
        let single: f64 = x.iter().zip(&b).map(|(x, b)| x * b).sum();
        assert!((energy + pairs + single).abs() < 1e-13);
    }
}

/// Energies of machines of 16 bits are sums in f32.
#[test]
fn sums_of_16_bits_are_in_32() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::BF16, device()).unwrap();
    let units = BinaryUnits::new(zeros(&[3])).unwrap();
    let wide = RestrictedBoltzmannMachine::new(units, zeros(&[500, 3]), zeros(&[500])).unwrap();
    let x = zeros(&[2, 3]);
    for energy in vector(&wide.free_energy(&x).unwrap()) {
        assert!(
            (energy / (-500.0 * 2f64.ln()) - 1.0).abs() < 5e-3,
            "{energy}"
        );
    }
    let units = BinaryUnits::new(zeros(&[3])).unwrap();
    let small = RestrictedBoltzmannMachine::new(units, zeros(&[4, 3]), zeros(&[4])).unwrap();
    let log_partition = small.log_partition().unwrap();
    assert!((scalar(&log_partition) - 7.0 * 2f64.ln()).abs() < 0.02);
    let likelihood = vector(&small.log_likelihood(&x, &log_partition).unwrap());
    assert!(
        (likelihood[0] + 3.0 * 2f64.ln()).abs() < 0.02,
        "{likelihood:?}"
    );
    let sampling = AnnealedImportanceSampling::new(10, 4).unwrap();
    let estimate = sampling
        .log_partition(&small, &mut Generator::from_seed(0))
        .unwrap();
    assert!((estimate.log_mean() - 7.0 * 2f64.ln()).abs() < 0.1);
    let full = BoltzmannMachine::new(zeros(&[3, 3]), zeros(&[3])).unwrap();
    assert_eq!(full.energy(&x).unwrap().dtype(), DType::F32);
    assert!((scalar(&full.log_partition().unwrap()) - 3.0 * 2f64.ln()).abs() < 0.02);
}

#[test]
fn gradients_of_the_exact_likelihood() {
    let data = Tensor::new(
        &[[1f64, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        device(),
    );
    let data = data.unwrap();
    let (weight, bias) = (normal(&[3, 3], 0.8, 1), normal(&[3], 0.5, 2));
    let mean = |w: &Tensor, b: &Tensor| -> advect_core::Result<Tensor> {
        let machine = BoltzmannMachine::new(w.clone(), b.clone())?;
        Ok(machine
            .log_likelihood(&data, &machine.log_partition()?)?
            .mean_all()?)
    };
    let (w, b) = (
        Var::from_tensor(&weight).unwrap(),
        Var::from_tensor(&bias).unwrap(),
    );
    let gradients = mean(&w, &b).unwrap().backward().unwrap();
    let of_w = gradient(|w| Ok(scalar(&mean(w, &bias)?)), &weight, 1e-3).unwrap();
    let of_b = gradient(|b| Ok(scalar(&mean(&weight, b)?)), &bias, 1e-3).unwrap();
    assert_close(gradients.get(&w).unwrap(), &of_w, 1e-9, 1e-10);
    assert_close(gradients.get(&b).unwrap(), &of_b, 1e-9, 1e-10);
    // ⟨x⟩_data − ⟨x⟩_model, and half of the same for products.
    let machine = BoltzmannMachine::new(weight, bias).unwrap();
    let (means, products) = machine.moments().unwrap();
    assert_close(&of_b, &(data.mean(0).unwrap() - means).unwrap(), 1e-8, 1e-9);
    let seen = (data.t().unwrap().matmul(&data).unwrap() / 3.0).unwrap();
    let off = Tensor::eye(3, DType::F64, device())
        .unwrap()
        .affine(-1.0, 1.0)
        .unwrap();
    assert_close(
        &of_w,
        &((seen - products).unwrap() * (off * 0.5).unwrap()).unwrap(),
        1e-8,
        1e-9,
    );
}

#[test]
fn sweeps_keep_the_moments() {
    let machine = full(5);
    let x = Tensor::zeros((4000, 5), DType::F64, device()).unwrap();
    let x = Gibbs
        .steps(&machine, &x, 40, &mut Generator::from_seed(3))
        .unwrap();
    let (means, products) = machine.moments().unwrap();
    assert_means(&x, &vector(&means));
    let pair = (x.narrow(1, 0, 1).unwrap() * x.narrow(1, 3, 1).unwrap()).unwrap();
    assert_means(&pair, &[vector(&products)[3]]);
}

/// `ln Σ_(v, h) e^(−E(v, h))` by all pairs of states.
fn brute_force(machine: &Machine<BinaryUnits>) -> f64 {
    let (v, h) = (states(5), states(4));
    let mut sum = 0.0;
    for k in 0..16 {
        let h = h.narrow(0, k, 1).unwrap().repeat((32, 1)).unwrap();
        let energies = vector(&machine.energy(&v, &h).unwrap());
        sum += energies.iter().map(|e| (-e).exp()).sum::<f64>();
    }
    sum.ln()
}

#[test]
fn free_energies_and_normalisers_are_sums() {
    let machine = binary(1.5);
    let log_z = machine.log_partition().unwrap();
    assert!((scalar(&log_z) - brute_force(&machine)).abs() < 1e-12);
    let p = machine
        .log_likelihood(&states(5), &log_z)
        .unwrap()
        .exp()
        .unwrap();
    assert!((vector(&p).iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn gradients_of_restricted_machines() {
    fn check<U: VisibleUnits>(
        data: &Tensor,
        parameters: [Tensor; 4],
        build: impl Fn(&[Tensor]) -> Machine<U>,
    ) {
        let value = |machine: Machine<U>| {
            let log_z = machine.log_partition().unwrap();
            machine
                .log_likelihood(data, &log_z)
                .unwrap()
                .mean_all()
                .unwrap()
        };
        let vars = parameters.each_ref().map(|p| Var::from_tensor(p).unwrap());
        let tensors = vars.each_ref().map(|v| v.as_tensor().clone());
        let gradients = value(build(&tensors)).backward().unwrap();
        for (k, var) in vars.iter().enumerate() {
            let Some(found) = gradients.get(var) else {
                continue;
            };
            let along = |x: &Tensor| {
                let mut changed = parameters.clone();
                changed[k] = x.clone();
                Ok(scalar(&value(build(&changed))))
            };
            let expected = gradient(along, &parameters[k], 1e-3).unwrap();
            assert_close(found, &expected, 1e-8, 1e-9);
        }
        assert!(vars[..3].iter().all(|var| gradients.get(var).is_some()));
    }
    let parameters = |visible, hidden| {
        let weight = normal(&[hidden, visible], 0.9, 2);
        [
            weight,
            normal(&[hidden], 0.5, 3),
            normal(&[visible], 0.5, 1),
            normal(&[visible], 0.4, 5),
        ]
    };
    let data = states(5).narrow(0, 9, 6).unwrap();
    check(&data, parameters(5, 4), |p| {
        Machine::new(
            BinaryUnits::new(p[2].clone()).unwrap(),
            p[0].clone(),
            p[1].clone(),
        )
        .unwrap()
    });
    check(&normal(&[6, 2], 1.0, 8), parameters(2, 3), |p| {
        let units = GaussianUnits::new(p[2].clone(), p[3].clone()).unwrap();
        Machine::new(units, p[0].clone(), p[1].clone()).unwrap()
    });
}

#[test]
fn free_energies_have_derivatives_along_directions() {
    let (machine, v) = (gaussian(), normal(&[4, 2], 1.0, 9));
    let dv = normal(&[4, 2], 1.0, 10);
    let (value, along) = machine.jvp(&Time::Shared(0.0), &v, 0.0, &dv).unwrap();
    assert_close(&value, &machine.free_energy(&v).unwrap(), 1e-14, 0.0);
    let at = |h: f64| {
        machine
            .free_energy(&(&v + (&dv * h).unwrap()).unwrap())
            .unwrap()
    };
    let slope = ((at(1e-5) - at(-1e-5)).unwrap() / 2e-5).unwrap();
    assert_close(&along, &slope, 1e-8, 1e-8);
}

/// A Gaussian machine is a mixture of Gaussians with a component for each hidden state: weights `∝ e^(c·h) e^(((b + Wh)² − b²)/2σ²)`, means `b + W h`.
#[test]
fn gaussian_machines_are_mixtures() {
    let machine = gaussian();
    let (b, log_variance) = (vector(&normal(&[2], 1.0, 4)), vector(&normal(&[2], 0.4, 5)));
    let (w, c) = (
        normal(&[3, 2], 1.0, 6).to_vec2::<f64>().unwrap(),
        vector(&normal(&[3], 0.5, 7)),
    );
    let variance: Vec<f64> = log_variance.iter().map(|v| v.exp()).collect();
    let v = [0.3, -0.8];
    let (mut density, mut total) = (0.0, 0.0);
    let (mut mean, mut square) = ([0.0; 2], [0.0; 2]);
    for k in 0..8usize {
        let on = |j: usize| f64::from(u8::from(k >> j & 1 == 1));
        let mut log_weight: f64 = (0..3).map(|j| c[j] * on(j)).sum();
        let mut normal = 1.0;
        let mut centre = [0.0; 2];
        (0..2).for_each(|i| {
            centre[i] = b[i] + (0..3).map(|j| w[j][i] * on(j)).sum::<f64>();
            log_weight += (centre[i].powi(2) - b[i].powi(2)) / (2.0 * variance[i]);
            let z = (v[i] - centre[i]).powi(2) / variance[i];
            normal *= (-0.5 * z).exp() / (2.0 * std::f64::consts::PI * variance[i]).sqrt();
        });
        let weight = log_weight.exp();
        total += weight;
        density += weight * normal;
        (0..2).for_each(|i| {
            mean[i] += weight * centre[i];
            square[i] += weight * (centre[i].powi(2) + variance[i]);
        });
    }
    let log_z = machine.log_partition().unwrap();
    let found = machine
        .log_likelihood(&Tensor::new(&[v], device()).unwrap(), &log_z)
        .unwrap();
    assert!((vector(&found)[0] - (density / total).ln()).abs() < 1e-12);
    // And block Gibbs keeps it.
    let start = normal(&[4000, 2], 1.0, 13);
    let x = Gibbs
        .steps(&machine, &start, 40, &mut Generator::from_seed(5))
        .unwrap();
    assert_means(&x, &mean.map(|m| m / total));
    assert_means(&x.sqr().unwrap(), &square.map(|s| s / total));
}

#[test]
fn annealed_importance_sampling_knows_its_error() {
    let mut rng = Generator::from_seed(0);
    let machine = binary(1.5);
    let exact = scalar(&machine.log_partition().unwrap());
    let coarse = AnnealedImportanceSampling::new(20, 200).unwrap();
    let fine = AnnealedImportanceSampling::new(300, 200).unwrap();
    let data = Gibbs.steps(&machine, &states(5), 20, &mut rng).unwrap();
    let estimates = [coarse.clone(), fine.clone(), fine.based_on(&data)].map(|ais| {
        let estimate = ais.log_partition(&machine, &mut rng).unwrap();
        let error = estimate.standard_error();
        assert!(
            (estimate.log_mean() - exact).abs() < 4.0 * error,
            "{} ± {error}",
            estimate.log_mean()
        );
        error
    });
    assert!(estimates[1] < 0.5 * estimates[0], "{estimates:?}");
    let machine = gaussian();
    let exact = scalar(&machine.log_partition().unwrap());
    let estimate = coarse.log_partition(&machine, &mut rng).unwrap();
    let error = estimate.standard_error();
    assert!(
        (estimate.log_mean() - exact).abs() < 4.0 * error,
        "{} ± {error}, {exact}",
        estimate.log_mean()
    );
}

/// Numbers of scikit-learn's `BernoulliRBM`: `golden/rbm_sklearn.py`.
#[test]
fn numbers_of_scikit_learn() {
    let text = include_str!("golden/rbm_sklearn.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    fn numbers(value: &serde_json::Value) -> Vec<f64> {
        match value {
            serde_json::Value::Array(parts) => parts.iter().flat_map(numbers).collect(),
            number => vec![number.as_f64().unwrap()],
        }
    }
    let tensor = |name: &str, dims: &[usize]| {
        Tensor::from_vec(numbers(&golden[name]), dims, device()).unwrap()
    };
    let units = BinaryUnits::new(tensor("visible_bias", &[5])).unwrap();
    let machine = Machine::new(
        units,
        tensor("weight", &[3, 5]),
        tensor("hidden_bias", &[3]),
    )
    .unwrap();
    let data = tensor("data", &[4, 5]);
    let close = |found: advect_core::Result<Tensor>, name: &str| {
        let found = found.unwrap();
        assert_close(&found, &tensor(name, found.dims()), 1e-12, 1e-13);
    };
    close(machine.free_energy(&data), "free_energy");
    close(machine.hidden_probabilities(&data), "hidden_probabilities");
    close(
        machine.pseudo_log_likelihood(&data),
        "pseudo_log_likelihood",
    );
}
