//! Negatives: the law of their chains, and the gradient that they give.

use advect_classics::boltzmann::{
    BinaryUnits, ContrastiveDivergence, Gibbs, Langevin, MarkovKernel, Negatives,
    ParallelTempering, PersistentChains, ReplayBuffer, contrastive_loss,
};
use advect_core::testing::device;
use advect_core::{Energy, Generator, Key, Result, Time};
use advect_models::Mlp;
use advect_nn::{ParameterStore, Potential, TimeEmbedding};
use advect_ops::without_graph;
use advect_train::{Adam, AdamConfig, Trainer};
use candle_core::{DType, Tensor, Var};

use crate::common::{Machine, assert_means, binary, gaussian, normal, states, vector};

/// The gradient of the weights by negatives.
fn by_negatives(
    data: &Tensor,
    negatives: &mut impl Negatives<Machine<BinaryUnits>>,
    rng: &mut Generator,
) -> Vec<f64> {
    let weight = Var::from_tensor(&normal(&[4, 5], 1.5, 2)).unwrap();
    let units = BinaryUnits::new(normal(&[5], 0.5, 1)).unwrap();
    let machine = Machine::new(units, weight.as_tensor().clone(), normal(&[4], 0.5, 3)).unwrap();
    let negatives = negatives.draw(&machine, data, rng).unwrap();
    let loss = contrastive_loss(&machine, data, &negatives).unwrap();
    vector(loss.backward().unwrap().get(&weight).unwrap())
}

/// The gradient of the weights by the exact likelihood.
fn exact(data: &Tensor) -> Vec<f64> {
    let weight = Var::from_tensor(&normal(&[4, 5], 1.5, 2)).unwrap();
    let units = BinaryUnits::new(normal(&[5], 0.5, 1)).unwrap();
    let machine = Machine::new(units, weight.as_tensor().clone(), normal(&[4], 0.5, 3)).unwrap();
    let log_z = machine.log_partition().unwrap();
    let loss = machine
        .log_likelihood(data, &log_z)
        .unwrap()
        .mean_all()
        .unwrap()
        .neg()
        .unwrap();
    vector(loss.backward().unwrap().get(&weight).unwrap())
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[test]
fn the_bias_of_contrastive_divergence_falls_with_its_steps() {
    let mut rng = Generator::from_seed(0);
    let data = states(5)
        .narrow(0, 3, 4)
        .unwrap()
        .repeat((2000, 1))
        .unwrap();
    let exact = exact(&data);
    let errors = [1, 3, 9].map(|steps| {
        let mut negatives = ContrastiveDivergence::new(Gibbs, steps).unwrap();
        distance(&by_negatives(&data, &mut negatives, &mut rng), &exact)
    });
    assert!(errors.windows(2).all(|e| e[1] < 0.5 * e[0]), "{errors:?}");
    assert!(errors[2] < 0.03, "{errors:?}");
}

#[test]
fn persistent_and_tempered_chains_give_the_gradient() {
    let mut rng = Generator::from_seed(1);
    let data = states(5).narrow(0, 3, 4).unwrap();
    let exact = exact(&data);
    let start = Tensor::zeros((4000, 5), DType::F64, device()).unwrap();
    let mut persistent = PersistentChains::new(Gibbs, 40, start.clone()).unwrap();
    let mut tempered = ParallelTempering::new(&[0.0, 0.3, 0.6, 1.0], 20, start).unwrap();
    let persistent = distance(&by_negatives(&data, &mut persistent, &mut rng), &exact);
    let found = distance(&by_negatives(&data, &mut tempered, &mut rng), &exact);
    assert!(persistent < 0.05 && found < 0.05, "{persistent} {found}");
    let rates = tempered.exchange_rates();
    assert!(
        rates.iter().all(|rate| (0.3..1.0).contains(rate)),
        "{rates:?}"
    );
    // At all temperatures the law is that of the machine there: E_β = β E.
    let machine = binary(1.5);
    let base = Tensor::zeros(5, DType::F64, device()).unwrap();
    for (beta, x) in [0.0, 0.3, 0.6].iter().zip(tempered.states()) {
        let machine = machine.annealed(&base, *beta).unwrap();
        let log_z = machine.log_partition().unwrap();
        let p = machine
            .log_likelihood(&states(5), &log_z)
            .unwrap()
            .exp()
            .unwrap();
        let means = states(5)
            .t()
            .unwrap()
            .matmul(&p.unsqueeze(1).unwrap())
            .unwrap();
        assert_means(x, &vector(&means));
    }
}

#[test]
fn langevin_steps_keep_the_law() {
    let machine = gaussian();
    let mut rng = Generator::from_seed(2);
    let start = Gibbs
        .steps(&machine, &normal(&[4000, 2], 1.0, 3), 40, &mut rng)
        .unwrap();
    let x = Langevin::new(0.02)
        .unwrap()
        .steps(&machine, &start, 50, &mut rng)
        .unwrap();
    let other = Gibbs.steps(&machine, &start, 60, &mut rng).unwrap();
    assert_means(&(&x - &other).unwrap(), &[0.0, 0.0]);
    assert_means(
        &(x.sqr().unwrap() - other.sqr().unwrap()).unwrap(),
        &[0.0, 0.0],
    );
    let bounded = Langevin::new(0.02).unwrap().within(-0.5, 0.5).unwrap();
    let x = bounded
        .noise(0.0)
        .unwrap()
        .slope_limit(1.0)
        .unwrap()
        .step(&machine, &start, &mut rng)
        .unwrap();
    assert!(vector(&x).iter().all(|x| x.abs() <= 0.5));
    let inside = start.clamp(-0.4, 0.4).unwrap();
    let x = bounded
        .noise(0.0)
        .unwrap()
        .slope_limit(1.0)
        .unwrap()
        .step(&machine, &inside, &mut rng)
        .unwrap();
    assert!(
        vector(&(x - inside).unwrap())
            .iter()
            .all(|x| x.abs() <= 0.01 + 1e-12)
    );
}

#[test]
fn langevin_steps_see_the_whole_energy_without_a_graph() {
    let (machine, x) = (gaussian(), normal(&[4, 2], 1.0, 3));
    let kernel = Langevin::new(0.02).unwrap();
    let step = || {
        kernel
            .step(&machine, &x, &mut Generator::from_seed(1))
            .unwrap()
    };
    assert_eq!(vector(&without_graph(step)), vector(&step()));
}

/// A perceptron learns the energy of N(1, ½²): its slope becomes `(x − 1)/¼` where the data is.
#[test]
fn a_network_learns_an_energy() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Mlp::config(1)
        .outputs(1)
        .hidden(&[16])
        .time(TimeEmbedding::None);
    let (net, frozen) = (
        net.build(&store.builder()).unwrap(),
        net.build(&store.frozen()).unwrap(),
    );
    let (energy, frozen) = (Potential(net), Potential(frozen));
    let mut rng = Generator::from_seed(1);
    let fresh = |count: usize, rng: &mut Generator| {
        Ok((rng.normal((count, 1), DType::F64, device())? * 2.0)?)
    };
    let kernel = Langevin::new(0.05).unwrap();
    let mut buffer = ReplayBuffer::new(kernel, 10, 512, fresh, &mut rng)
        .unwrap()
        .restarts(0.0)
        .unwrap();
    let config = AdamConfig {
        learning_rate: 0.01,
        ..AdamConfig::default()
    };
    let optimizer = Adam::from_store(&store, config).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, rng);
    let loss = |_: usize, rng: &mut Generator| {
        let data = rng
            .normal((128, 1), DType::F64, device())?
            .affine(0.5, 1.0)?;
        let negatives = buffer.draw(&frozen, &data, rng)?;
        // A weak pull of energies to 0 keeps them from drifting (Du and Mordatch 2019, section 3.3).
        let size = energy.at(&Time::Shared(0.0), &data)?.sqr()?.mean_all()?;
        Ok((contrastive_loss(&energy, &data, &negatives)? + (size * 0.001)?)?)
    };
    // The output's bias has no part in the slope, and a gradient by the pull alone.
    trainer.run(400, loss, &mut ()).unwrap();
    let states = buffer.states().clone();
    let mean = vector(&states.mean(0).unwrap())[0];
    let deviation = vector(
        &states
            .broadcast_sub(&states.mean(0).unwrap())
            .unwrap()
            .sqr()
            .unwrap()
            .mean(0)
            .unwrap(),
    )[0]
    .sqrt();
    assert!(
        (mean - 1.0).abs() < 0.15 && (deviation - 0.5).abs() < 0.25,
        "{mean} {deviation}"
    );
    let x = Tensor::new(&[[0.5f64], [1.0], [1.5]], device()).unwrap();
    let one = x.ones_like().unwrap();
    let slopes = vector(&energy.jvp(&Time::Shared(0.0), &x, 0.0, &one).unwrap().1);
    let expected = [-2.0, 0.0, 2.0];
    assert!(
        slopes
            .iter()
            .zip(expected)
            .all(|(s, e)| (s - e).abs() < 0.8),
        "{slopes:?}"
    );
}

/// A kernel that moves nothing.
struct Still;

impl<M> MarkovKernel<M> for Still {
    fn step(&self, _: &M, x: &Tensor, _: &mut Generator) -> Result<Tensor> {
        Ok(x.clone())
    }
}

#[test]
fn a_buffer_puts_chains_back() {
    let rows = |x: &Tensor| {
        let mut rows = x.to_vec2::<f64>().unwrap();
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows
    };
    // All states, each once: where nothing moves, they stay so.
    let (machine, mut rng) = (binary(1.0), Generator::from_seed(3));
    let all = |_: usize, _: &mut Generator| Ok(states(5));
    let mut buffer = ReplayBuffer::new(Still, 3, 32, all, &mut rng)
        .unwrap()
        .restarts(0.0)
        .unwrap();
    let data = states(5).narrow(0, 0, 20).unwrap();
    let drawn = buffer.draw(&machine, &data, &mut rng).unwrap();
    assert_eq!(rows(buffer.states()), rows(&states(5)));
    assert!(rows(&drawn).windows(2).all(|pair| pair[0] != pair[1]));
    // And those that begin anew are the only ones to change.
    let ones =
        |count: usize, _: &mut Generator| Ok(Tensor::ones((count, 5), DType::F64, device())?);
    let first = |count: usize, rng: &mut Generator| {
        if count == 32 {
            Ok(states(5))
        } else {
            ones(count, rng)
        }
    };
    let mut buffer = ReplayBuffer::new(Still, 3, 32, first, &mut rng)
        .unwrap()
        .restarts(0.5)
        .unwrap();
    let drawn = buffer.draw(&machine, &data, &mut rng).unwrap();
    let anew = |x: &Tensor| {
        rows(x)
            .iter()
            .filter(|row| row.iter().sum::<f64>() == 5.0)
            .count()
    };
    let count = anew(&drawn);
    assert!((4..17).contains(&count), "{count}");
    assert!(count.abs_diff(anew(buffer.states())) <= 1);
}
