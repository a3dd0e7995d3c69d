//! Lattice field theory: actions by loops over sites, the free field and small magnets in closed form, symmetries of networks.

use advect_classics::boltzmann::{Gibbs, MarkovKernel};
use advect_classics::flow::{
    AffineCoupling, Bijection, Composition, Mask, NormalizingFlow, importance_weights, reverse_kl,
};
use advect_classics::lattice::{
    Action, EquivariantVelocity, Ising, OddConvolution, Phi4, Wolff, free_propagator,
    magnetization, neighbour_correlation, onsager_energy, two_point_function,
};
use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Field, Generator, Jvp, Key, Result, Time};
use advect_nn::ParameterStore;
use advect_train::{Adam, AdamConfig, Trainer};
use candle_core::{DType, Tensor, Var};

use crate::common::{assert_means, message, normal, scalar, vector};
use crate::differences::{assert_gradients, spread};

fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), DType::F64, device())
}

fn ones(dims: &[usize]) -> Tensor {
    Tensor::ones(dims, DType::F64, device()).unwrap()
}

/// The next site of each site, row by row, in every dimension.
fn next_sites(extents: &[usize]) -> Vec<Vec<usize>> {
    let sites: usize = extents.iter().product();
    let mut stride = sites;
    extents
        .iter()
        .map(|&extent| {
            stride /= extent;
            (0..sites)
                .map(|s| match s / stride % extent + 1 == extent {
                    true => s - (extent - 1) * stride,
                    false => s + stride,
                })
                .collect()
        })
        .collect()
}

#[test]
fn actions_and_observables_are_sums_over_sites() {
    for extents in [&[5][..], &[4, 3], &[2, 3, 4]] {
        let theory = Phi4::new(extents, -0.7, 1.3).unwrap();
        let x = normal(&[&[2], extents].concat(), 1.0, 1);
        let (next, x_values) = (next_sites(extents), vector(&x));
        let sites = x_values.len() / 2;
        let (mut action, mut bonds) = ([0.0; 2], [0.0; 2]);
        for (k, row) in x_values.chunks(sites).enumerate() {
            for (s, v) in row.iter().enumerate() {
                action[k] += -0.7 * v * v + 1.3 * v.powi(4);
                for next in &next {
                    action[k] += (row[next[s]] - v).powi(2);
                    bonds[k] += row[next[s]] * v;
                }
            }
        }
        let expect = |found: Tensor, expected: [f64; 2]| {
            let expected = Tensor::new(&expected, device()).unwrap();
            assert_close(&found, &expected, 1e-12, 1e-12);
        };
        expect(theory.action(&x).unwrap(), action);
        let links = (sites * extents.len()) as f64;
        expect(neighbour_correlation(&x).unwrap(), bonds.map(|b| b / links));
        let two_point = two_point_function(&x).unwrap();
        let squares = magnetization(&x).unwrap().sqr().unwrap();
        let susceptibility = (squares * sites as f64).unwrap();
        assert_close(&two_point.sum(1).unwrap(), &susceptibility, 1e-12, 1e-12);
    }
    // C(1) on a lattice of 2 × 3, by hand: columns 5, 7, 9.
    let x = Tensor::new(&[[[1f64, 2.0, 3.0], [4.0, 5.0, 6.0]]], device()).unwrap();
    let expected = (35.0 + 63.0 + 45.0) / 6.0;
    assert!((vector(&two_point_function(&x).unwrap())[1] - expected).abs() < 1e-12);
}

/// The gradient of `S = φᵀ A φ` at a column of `½ A⁻¹` is 1 at the origin.
#[test]
fn the_free_propagator_inverts_the_free_action() {
    for extents in [&[5][..], &[4, 6], &[2, 3, 4]] {
        let propagator = free_propagator(extents, 0.3).unwrap();
        let x = Var::from_tensor(&propagator.unsqueeze(0).unwrap()).unwrap();
        let action = Phi4::new(extents, 0.3, 0.0).unwrap().action(&x).unwrap();
        let gradients = action.backward().unwrap();
        let gradient = vector(gradients.get(&x).unwrap());
        for (site, slope) in gradient.iter().enumerate() {
            let expected = f64::from(u8::from(site == 0));
            assert!((slope - expected).abs() < 1e-12, "{site}: {slope}");
        }
    }
}

/// `−(t + t^(N − 1))/(1 + t^N)` of a ring of N spins, with `t = tanh K`.
fn ring_energy(sites: i32, coupling: f64) -> f64 {
    let t = coupling.tanh();
    -(t + t.powi(sites - 1)) / (1.0 + t.powi(sites))
}

#[test]
fn hot_lattices_keep_their_digits() {
    for coupling in [1e-10f64, 1e-7, 0.9999e-4, 1.0001e-4] {
        let relative = onsager_energy(coupling).unwrap() / (-2.0 * coupling);
        let expected = 1.0 + 5.0 / 3.0 * coupling * coupling;
        let error = if coupling < 1e-4 { 1e-15 } else { 1e-7 };
        assert!((relative - expected).abs() < error, "{coupling} {relative}");
    }
}

#[test]
fn enumeration_gives_the_energy_of_rings() {
    // Of three neighbours two are alike, whatever the coupling.
    let frustrated = Ising::new(&[3], -400.0).unwrap().mean_energy().unwrap();
    assert!((frustrated - 1.0 / 3.0).abs() < 1e-13);
    for coupling in [0.4, -0.9] {
        let ring = Ising::new(&[6], coupling).unwrap().mean_energy().unwrap();
        assert!((ring - ring_energy(6, coupling)).abs() < 1e-13);
        // Two neighbours in each dimension that are one site: a ring of 4 with double bonds.
        let square = Ising::new(&[2, 2], coupling).unwrap();
        let expected = 2.0 * ring_energy(4, 2.0 * coupling);
        assert!((square.mean_energy().unwrap() - expected).abs() < 1e-13);
    }
}

/// 1500 chains, each after so many steps that it has forgotten its start.
#[test]
fn gibbs_and_wolff_sample_small_magnets() {
    let mut rng = Generator::from_seed(2);
    for (extents, coupling) in [(&[4, 4][..], 0.3), (&[4, 4], 0.44), (&[2, 2], 0.2)] {
        let model = Ising::new(extents, coupling).unwrap();
        let start = ones(&[&[1500], extents].concat());
        let exact = model.mean_energy().unwrap();
        for kernel in [&Gibbs as &dyn MarkovKernel<Ising>, &Wolff] {
            let spins = kernel.steps(&model, &start, 40, &mut rng).unwrap();
            let energy = model.energy(&spins).unwrap().unsqueeze(1).unwrap();
            assert_means(&energy, &[exact]);
        }
    }
    // Wolff turns all spins over as easily as none.
    let model = Ising::new(&[4, 4], 0.6).unwrap();
    let spins = Wolff
        .steps(&model, &ones(&[1500, 4, 4]), 40, &mut rng)
        .unwrap();
    let mean = magnetization(&spins).unwrap().unsqueeze(1).unwrap();
    assert_means(&mean, &[0.0]);
}

#[test]
fn large_magnets_have_the_energy_of_onsager() {
    let mut rng = Generator::from_seed(3);
    let model = Ising::new(&[24, 24], 0.35).unwrap();
    let start = ones(&[240, 24, 24]).to_dtype(DType::F32).unwrap();
    let spins = Gibbs.steps(&model, &start, 50, &mut rng).unwrap();
    let spins = Wolff.steps(&model, &spins, 10, &mut rng).unwrap();
    let energy = model.energy(&spins).unwrap().unsqueeze(1).unwrap();
    assert_means(&energy, &[onsager_energy(0.35).unwrap()]);
    // The small magnet is off: its boundaries are near.
    let small = Ising::new(&[4, 4], 0.35).unwrap().mean_energy().unwrap();
    assert!((small - onsager_energy(0.35).unwrap()).abs() > 0.05);
}

fn couplings(
    extents: &[usize],
    layers: usize,
    hidden: &[usize],
    store: &ParameterStore,
) -> Composition {
    let layer = |k: usize| -> Box<dyn Bijection> {
        let net = OddConvolution::new(hidden, 3, &store.builder().pp(k)).unwrap();
        let mask = Mask::alternating(extents, k).unwrap();
        Box::new(AffineCoupling::affine(mask, net))
    };
    Composition::new(extents, (0..layers).map(layer).collect()).unwrap()
}

#[test]
fn couplings_have_the_symmetries_of_a_checkerboard() {
    let store = store();
    let flow = couplings(&[4, 6], 2, &[3, 3], &store);
    spread(&store, 0.3);
    let x = normal(&[2, 4, 6], 1.0, 4);
    let (y, log_determinant) = flow.forward(&x).unwrap();
    assert!(scalar(&(&y - &x).unwrap().abs().unwrap().sum_all().unwrap()) > 1.0);
    let check = |map: &dyn Fn(&Tensor) -> Tensor| {
        let (mapped, same) = flow.forward(&map(&x)).unwrap();
        assert_close(&mapped, &map(&y), 1e-12, 1e-12);
        assert_close(&same, &log_determinant, 1e-12, 1e-12);
    };
    check(&|x| x.neg().unwrap());
    check(&|x| x.roll(2, 1).unwrap());
    check(&|x| x.roll(1, 1).unwrap().roll(-1, 2).unwrap());
    let (back, _) = flow.inverse(&y).unwrap();
    assert_close(&back, &x, 1e-12, 1e-12);
    let weights = normal(&[2, 4, 6], 1.0, 5);
    let loss = || -> Result<Tensor> {
        let (y, log_determinant) = flow.forward(&x)?;
        Ok(((y * &weights)?.sum_all()? + log_determinant.sum_all()?)?)
    };
    assert_gradients(&store, loss, 1e-7);
}

#[test]
fn velocities_have_the_symmetries_of_the_lattice_and_their_divergence() {
    let store = store();
    let velocity = EquivariantVelocity::new(&[4, 4], 3, 2, &store.builder()).unwrap();
    assert_eq!(velocity.orbits(), 6);
    spread(&store, 0.3);
    let (t, x) = (Time::Shared(0.3), normal(&[2, 4, 4], 1.0, 6));
    let (value, divergence) = velocity.with_divergence(&t, &x).unwrap();
    assert_close(&velocity.at(&t, &x).unwrap(), &value, 1e-14, 0.0);
    let maps: [fn(&Tensor) -> Tensor; 4] = [
        |x| x.neg().unwrap(),
        |x| x.roll(1, 1).unwrap().roll(3, 2).unwrap(),
        |x| x.t().unwrap().contiguous().unwrap(),
        |x| x.flip(&[2]).unwrap(),
    ];
    for map in maps {
        let (mapped, same) = velocity.with_divergence(&t, &map(&x)).unwrap();
        assert_close(&mapped, &map(&value), 1e-12, 1e-12);
        assert_close(&same, &divergence, 1e-12, 1e-12);
    }
    // The divergence is the sum of the slopes of each site by itself.
    let mut trace = vec![0.0; 2];
    for site in 0..16 {
        let mut unit = vec![0.0; 32];
        (unit[site], unit[16 + site]) = (1.0, 1.0);
        let unit = Tensor::from_vec(unit, (2, 4, 4), device()).unwrap();
        let along = vector(&velocity.jvp(&t, &x, 0.0, &unit).unwrap().1);
        trace[0] += along[site];
        trace[1] += along[16 + site];
    }
    let trace = Tensor::new(trace, device()).unwrap();
    assert_close(&divergence, &trace, 1e-12, 1e-12);
    // Derivatives along time and field together.
    let (dx, h) = (normal(&[2, 4, 4], 1.0, 7), 1e-5);
    let at = |s: f64| {
        let x = (&x + (&dx * s).unwrap()).unwrap();
        velocity.at(&Time::Shared(0.3 + 0.7 * s), &x).unwrap()
    };
    let difference = ((at(h) - at(-h)).unwrap() / (2.0 * h)).unwrap();
    let (_, along) = velocity.jvp(&t, &x, 0.7, &dx).unwrap();
    assert_close(&along, &difference, 1e-7, 1e-7);
    let weights = normal(&[2, 4, 4], 1.0, 8);
    let of = |x: &Tensor| -> Result<Tensor> {
        let (value, divergence) = velocity.with_divergence(&t, x)?;
        Ok(((value * &weights)?.sum_all()? + divergence.sum_all()?)?)
    };
    assert_gradients(&store, || of(&x), 1e-7);
    let var = Var::from_tensor(&x).unwrap();
    let gradients = of(&var).unwrap().backward().unwrap();
    let expected = gradient(|x| Ok(scalar(&of(x)?)), &x, 1e-3).unwrap();
    assert_close(gradients.get(&var).unwrap(), &expected, 1e-7, 1e-7);
}

/// The free field has `Z = π^(V/2)/√det(−Δ + m²)`, and a trained flow finds it.
#[test]
fn flows_find_the_partition_function_of_the_free_field() {
    let extents = [4, 4];
    let theory = Phi4::new(&extents, 0.6, 0.0).unwrap();
    let line = [0.0, 2.0, 4.0, 2.0];
    let modes = line.iter().flat_map(|a| line.map(|b| 0.6 + a + b));
    let exact = modes
        .map(|k| 0.5 * (std::f64::consts::PI / k).ln())
        .sum::<f64>();
    let store = store();
    let flow = NormalizingFlow::new(&extents, couplings(&extents, 4, &[4], &store)).unwrap();
    let target = |x: &Tensor| theory.log_density(x);
    let noise = |count: usize, rng: &mut Generator| flow.noise(count, DType::F64, device(), rng);
    let config = AdamConfig {
        learning_rate: 0.02,
        ..AdamConfig::default()
    };
    let optimizer = Adam::from_store(&store, config).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(9));
    let weights = || {
        let noise = noise(1000, &mut Generator::from_seed(10)).unwrap();
        importance_weights(&flow, target, &noise).unwrap().1
    };
    let before = weights().effective_sample_size();
    let loss = |_: usize, rng: &mut Generator| reverse_kl(&flow, target, &noise(64, rng)?);
    trainer.run(150, loss, &mut ()).unwrap();
    let weights = weights();
    let after = weights.effective_sample_size();
    assert!(before < 300.0 && after > 300.0, "{before} {after}");
    let error = (weights.log_mean() - exact).abs() / weights.standard_error();
    assert!(error < 4.0, "{error}");
}

/// An action that is NaN.
struct Broken;

impl Action for Broken {
    fn action(&self, field: &Tensor) -> Result<Tensor> {
        Ok((field.sum(1)? * f64::NAN)?)
    }
}

#[test]
fn what_does_not_fit_is_told() {
    assert!(message(Broken.log_density(&ones(&[2, 3]))).starts_with("action: got NaN"));
    assert!(message(Phi4::new(&[4, 4], -1.0, 0.0)).starts_with("mass_squared: got -1"));
    assert!(message(Phi4::new(&[4, 4], 1.0, -0.1)).starts_with("coupling: got -0.1"));
    assert!(message(Phi4::new(&[4, 0], 1.0, 1.0)).starts_with("extents: got shape [4, 0]"));
    let theory = Phi4::new(&[4, 4], 1.0, 1.0).unwrap();
    assert!(message(theory.action(&ones(&[2, 4, 5]))).starts_with("field: got shape [2, 4, 5]"));
    let spins = (ones(&[2, 4, 4]) * 0.5).unwrap();
    let magnet = Ising::new(&[4, 4], 0.2).unwrap();
    assert!(message(magnet.energy(&spins)).starts_with("spins: got"));
    assert!(message(Ising::new(&[6, 4], 0.2).unwrap().mean_energy()).contains("24 units"));
    let mut rng = Generator::from_seed(0);
    let odd = Ising::new(&[3, 4], 0.2).unwrap();
    assert!(message(Gibbs.step(&odd, &ones(&[2, 3, 4]), &mut rng)).starts_with("extents"));
    assert!(Wolff.step(&odd, &ones(&[2, 3, 4]), &mut rng).is_ok());
    let unlike = Ising::new(&[4, 4], -0.2).unwrap();
    assert!(message(Wolff.step(&unlike, &ones(&[2, 4, 4]), &mut rng)).starts_with("coupling"));
    assert!(message(OddConvolution::new(&[2], 2, &store().builder())).starts_with("kernel"));
    let velocity = EquivariantVelocity::new(&[4], 2, 1, &store().builder()).unwrap();
    let times = Time::per_sample(&[0.1, 0.2]).unwrap();
    assert!(message(velocity.at(&times, &ones(&[2, 4]))).starts_with("t: got"));
}
