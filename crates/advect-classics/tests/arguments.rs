//! What does not fit is told, by the argument's name.

use advect_classics::ImportanceWeights;
use advect_classics::boltzmann::{
    AnnealedImportanceSampling, BinaryUnits, BoltzmannMachine, ContrastiveDivergence,
    GaussianUnits, Gibbs, Langevin, Negatives, ParallelTempering, PersistentChains, ReplayBuffer,
    contrastive_loss,
};
use advect_classics::flow::{
    ActNorm, Affine, AffineCoupling, Bijection, Composition, Coupling, Inverted, Mask,
    MaskedAutoregressive, MaskedPerceptron, MultiScale, NormalizingFlow, Permutation,
    RationalQuadraticSpline, ResidualBlock, Squeeze, Transformer, importance_weights,
};
use advect_core::testing::device;
use advect_core::{Generator, Key};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore};
use candle_core::{DType, Tensor};

use crate::common::{Machine, binary, gaussian, message, normal};

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::zeros(dims, DType::F64, device()).unwrap()
}

#[test]
fn machines() {
    let machine = binary(1.0);
    let half = (zeros(&[2, 5]) + 0.5).unwrap();
    assert!(message(machine.free_energy(&half)).starts_with("v: got 0.5, expected zeros and ones"));
    assert!(message(machine.gibbs(&half, &mut Generator::from_seed(0))).starts_with("v: got 0.5"));
    assert!(
        message(machine.visible_mean(&(zeros(&[2, 4]) + 2.0).unwrap())).starts_with("h: got 2")
    );
    assert!(message(machine.free_energy(&zeros(&[2, 4]))).starts_with("v: got shape [2, 4]"));
    assert!(message(machine.free_energy(&zeros(&[0, 5]))).starts_with("v: got an empty batch"));
    let single = zeros(&[2, 5]).to_dtype(DType::F32).unwrap();
    assert!(message(machine.free_energy(&single)).starts_with("v: got dtype F32"));
    assert!(
        message(gaussian().free_energy(&(zeros(&[1, 2]) * f64::NAN).unwrap()))
            .starts_with("v: got NaN")
    );
    assert!(
        message(machine.log_likelihood(&zeros(&[2, 5]), &zeros(&[2])))
            .starts_with("log_partition: got shape [2]")
    );
    assert!(message(machine.annealed(&zeros(&[5]), 1.5)).starts_with("beta: got 1.5"));
    assert!(message(machine.annealed(&zeros(&[4]), 0.5)).starts_with("base: got shape [4]"));
    let units = || BinaryUnits::new(zeros(&[5])).unwrap();
    assert!(
        message(Machine::new(units(), zeros(&[5, 4]), zeros(&[4])))
            .starts_with("weight: got shape [5, 4]")
    );
    assert!(message(BinaryUnits::new(zeros(&[5, 1]))).starts_with("bias: got shape [5, 1]"));
    assert!(
        message(GaussianUnits::new(zeros(&[2]), zeros(&[3])))
            .starts_with("log_variance: got shape [3]")
    );
    let large = Machine::new(units(), zeros(&[21, 5]), zeros(&[21])).unwrap();
    assert!(
        message(large.log_partition()).starts_with("hidden: got 21 units, expected at most 20")
    );

    let full = BoltzmannMachine::new(zeros(&[21, 21]), zeros(&[21])).unwrap();
    assert!(message(full.log_partition()).starts_with("units: got 21 units"));
    assert!(message(full.moments()).starts_with("units: got 21 units"));
    assert!(message(full.energy(&(zeros(&[1, 21]) - 1.0).unwrap())).starts_with("x: got -1"));
    assert!(
        message(BoltzmannMachine::new(zeros(&[2, 3]), zeros(&[2])))
            .starts_with("weight: got shape [2, 3]")
    );
}

#[test]
fn negatives() {
    let (machine, mut rng) = (binary(1.0), Generator::from_seed(0));
    assert!(message(ContrastiveDivergence::new(Gibbs, 0)).starts_with("steps: got 0"));
    assert!(message(PersistentChains::new(Gibbs, 1, zeros(&[0, 5]))).starts_with("states: "));
    for betas in [&[0.5, 0.2, 1.0][..], &[0.0, 0.5], &[], &[-0.1, 1.0]] {
        assert!(message(ParallelTempering::new(betas, 1, zeros(&[3, 5]))).starts_with("betas: "));
        let ais = AnnealedImportanceSampling::new(3, 3).unwrap();
        assert!(message(ais.betas(betas)).starts_with("betas: "));
    }
    let mut chains = PersistentChains::new(Gibbs, 1, zeros(&[3, 5])).unwrap();
    assert!(
        message(chains.draw(&machine, &zeros(&[3, 4]), &mut rng))
            .starts_with("data: got shape [3, 4]")
    );
    assert!(message(Langevin::new(0.0)).starts_with("step: got 0"));
    assert!(
        message(Langevin::new(1.0).unwrap().within(1.0, 0.0)).starts_with("bounds: got 1 to 0")
    );
    let initial = |_: usize, _: &mut Generator| Ok(zeros(&[3, 5]));
    assert!(
        message(ReplayBuffer::new(Gibbs, 1, 4, initial, &mut rng).map(|_| ()))
            .starts_with("initial: got shape [3, 5]")
    );
    let mut buffer = ReplayBuffer::new(Gibbs, 1, 3, initial, &mut rng).unwrap();
    assert!(message(buffer.draw(&machine, &zeros(&[4, 5]), &mut rng)).contains("capacity"));
    assert!(
        message(contrastive_loss(&machine, &zeros(&[2, 5]), &zeros(&[2, 4])))
            .starts_with("negatives: ")
    );
    let weights = |w: &[f64]| message(ImportanceWeights::new(&Tensor::new(w, device()).unwrap()));
    assert!(weights(&[0.0, f64::NAN]).starts_with("log_weights: got NaN at flat index 1"));
    assert!(weights(&[f64::NEG_INFINITY]).starts_with("log_weights: got weights that are all 0"));
}

#[test]
fn flows() {
    let all = MultiScale::new(&[2, 2, 2], 2, Squeeze).err().unwrap();
    assert!(all.to_string().starts_with("channels: got 2"));
    let odd = MultiScale::new(&[2, 3, 2], 1, Squeeze).err().unwrap();
    assert!(odd.to_string().starts_with("data: got shape"));
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let builder = store.builder();
    let net = || {
        Mlp::config(2)
            .outputs(4)
            .hidden(&[3])
            .build(&builder.pp("net"))
            .unwrap()
    };
    let mask = || Mask::alternating(&[2], 0).unwrap();
    let coupling = || AffineCoupling::affine(mask(), net());
    assert!(message(coupling().forward(&zeros(&[1, 3]))).starts_with("x: got shape [1, 3]"));
    let spline = RationalQuadraticSpline::new(4, 1.0).unwrap();
    let other = Coupling::new(mask(), net(), spline);
    assert!(
        message(other.forward(&zeros(&[1, 2])))
            .starts_with("network: got shape [1, 4], expected 11 numbers")
    );
    assert!(
        message(NormalizingFlow::new(&[3], coupling()).map(|_| ()))
            .starts_with("data: got shape [3]")
    );
    let flow = NormalizingFlow::new(&[2], coupling()).unwrap();
    assert!(message(flow.log_density(&zeros(&[4, 3]))).starts_with("y: got shape [4, 3]"));
    assert!(
        message(flow.log_density(&(zeros(&[1, 2]) * f64::NAN).unwrap())).starts_with("y: got NaN")
    );
    assert!(message(flow.transform(&zeros(&[4, 1]))).starts_with("noise: got shape [4, 1]"));
    let target = |_: &Tensor| Ok(zeros(&[1]));
    assert!(
        message(importance_weights(&flow, target, &zeros(&[4, 2])))
            .starts_with("log_target: got shape [1]")
    );
    assert!(message(Mask::new(&[2], vec![true])).starts_with("kept: got shape [1]"));
    assert!(message(Mask::new(&[2], vec![true; 2])).starts_with("kept: got all elements"));
    assert!(message(Permutation::new(&[0, 2])).starts_with("order: got [0, 2]"));
    assert!(message(Permutation::new(&[0, 0])).starts_with("order: got [0, 0]"));
    assert!(message(RationalQuadraticSpline::new(1, 1.0)).starts_with("bins: got 1"));
    // In the kernel's types and in those without one.
    for dtype in [DType::F64, DType::BF16] {
        let of = |dims: &[usize]| zeros(dims).to_dtype(dtype).unwrap();
        let spline = RationalQuadraticSpline::new(3, 1.0).unwrap();
        for (x, parameters) in [(vec![4, 2], [4, 7, 2]), (vec![4], [4, 8, 1])] {
            let result = Transformer::forward(&spline, &of(&x), &of(&parameters));
            let expected = format!("parameters: got shape {parameters:?}");
            assert!(message(result).starts_with(&expected));
        }
    }
    assert!(message(ResidualBlock::new(2, &[4], 1.0, &builder)).starts_with("bound: got 1"));
    let made = MaskedPerceptron::new(&[0, 1], 0, &[4], 3, Activation::Relu, &builder.pp("made"));
    assert!(
        message(MaskedAutoregressive::new(made.unwrap(), Affine::default()))
            .starts_with("parameters: got 3")
    );
    assert!(message(Squeeze.inverse(&zeros(&[1, 1, 3, 4]))).starts_with("y: got shape [1, 3, 4]"));
    assert!(
        message(
            ActNorm::new(3, &builder)
                .unwrap()
                .forward(&normal(&[2, 2], 1.0, 0))
        )
        .starts_with("x: got shape [2, 2]")
    );
    let frozen = ActNorm::new(3, &store.frozen()).unwrap();
    assert!(
        message(frozen.initialize(&zeros(&[4, 3]), None))
            .starts_with("the layer: got frozen parameters")
    );
    assert!(
        message(NormalizingFlow::new(&[1, 2, 2], Inverted(Squeeze)).map(|_| ()))
            .starts_with("data: ")
    );

    // Couplings with the same mask keep an element; a permutation, or a mixing of channels, changes that.
    let boxed = |layer| Box::new(layer) as Box<dyn Bijection>;
    let same = || vec![boxed(coupling()), boxed(coupling())];
    let error = message(Composition::new(&[2], same()));
    assert!(
        error.starts_with("layers: got couplings that all keep the elements [1]"),
        "{error}"
    );
    let mut layers = same();
    layers.insert(1, Box::new(Permutation::new(&[0, 1]).unwrap()));
    assert!(message(Composition::new(&[2], layers)).starts_with("layers: "));
    let mut layers = same();
    layers.insert(1, Box::new(Permutation::reversed(2).unwrap()));
    assert!(Composition::new(&[2], layers).is_ok());
    assert!(message(Composition::new(&[2], Vec::new())).starts_with("layers: got an empty"));
    let layers = vec![
        boxed(coupling()),
        Box::new(Permutation::reversed(3).unwrap()) as Box<dyn Bijection>,
    ];
    assert!(message(Composition::new(&[2], layers)).starts_with("data: got shape [2]"));
}
