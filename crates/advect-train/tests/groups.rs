//! Groups of parameters: settings of their own, in all optimisers, and in runs that resume.

use advect_core::testing::device;
use advect_core::{Error, Generator, Key};
use advect_nn::{Linear, ParameterStore};
use advect_train::optimizer::{PerParameter, UpdateRule};
use advect_train::{
    AdamConfig, AdamW, AdamWConfig, Lion, LionConfig, Momentum, MuonConfig, ParameterGroup,
    SgdConfig, StatefulOptimizer, Trainer,
};
use candle_core::{DType, Tensor, Var};
use candle_nn::Optimizer;

fn named(names: [&str; 2]) -> Vec<(String, Var)> {
    let named = |name: &str| {
        let x = Var::new(&[[1f64, -2.0], [0.5, 3.0]], device()).unwrap();
        (name.to_string(), x)
    };
    names.map(named).into()
}

fn steps<R: UpdateRule>(optimizer: &mut PerParameter<R>, parameters: &[(String, Var)]) {
    for _ in 0..3 {
        let squares = parameters.iter().map(|(_, x)| x.sqr().unwrap());
        let loss = squares.reduce(|x, y| (x + y).unwrap()).unwrap();
        let loss = loss.sum_all().unwrap();
        optimizer.backward_step(&loss).unwrap();
    }
}

fn values(x: &Var) -> Vec<Vec<f64>> {
    x.to_vec2().unwrap()
}

/// A group is trained as all parameters of an optimiser with its settings are, and the rest as if there were no group.
fn is_of_its_own<R: UpdateRule>(rule: R) {
    let grouped = named(["net.weight", "net.bias"]);
    let mut optimizer = PerParameter::from_named(grouped.clone(), rule.clone()).unwrap();
    let group = ParameterGroup::matching("*.bias").rate_factor(0.5);
    optimizer.group(&group.weight_decay(0.25)).unwrap();
    steps(&mut optimizer, &grouped);

    let mut own = rule.clone();
    own.set_learning_rate(0.5 * rule.learning_rate());
    own.set_weight_decay(0.25).unwrap();
    for ((_, grouped), rule) in grouped.iter().zip([rule, own]) {
        let alone = named(["a", "b"]);
        let mut optimizer = PerParameter::from_named(alone.clone(), rule).unwrap();
        steps(&mut optimizer, &alone);
        assert_eq!(values(grouped), values(&alone[0].1));
    }
}

#[test]
fn every_optimiser_has_groups() {
    is_of_its_own(AdamWConfig::default());
    is_of_its_own(AdamConfig::default());
    is_of_its_own(SgdConfig::default());
    let momentum = Momentum::nesterov(0.5);
    is_of_its_own(SgdConfig {
        momentum,
        ..SgdConfig::default()
    });
    is_of_its_own(LionConfig::default());
    is_of_its_own(MuonConfig::default());
}

#[test]
fn frozen_groups_stay_without_a_trainer() {
    let parameters = named(["a.weight", "b.weight"]);
    let mut lion = Lion::from_named(parameters.clone(), LionConfig::default()).unwrap();
    let group = ParameterGroup::matching("a.*").frozen();
    lion.group(&group).unwrap();
    let before = values(&parameters[0].1);
    steps(&mut lion, &parameters);
    assert_eq!(values(&parameters[0].1), before);
    assert_ne!(values(&parameters[1].1), before);
}

#[test]
fn the_last_group_that_has_a_setting_counts() {
    let both = |first: ParameterGroup, second: ParameterGroup| {
        let parameters = named(["a", "b"]);
        let mut sgd = PerParameter::from_named(parameters.clone(), SgdConfig::default()).unwrap();
        sgd.group(&first).unwrap();
        sgd.group(&second).unwrap();
        steps(&mut sgd, &parameters);
        parameters
            .iter()
            .map(|(_, x)| values(x))
            .collect::<Vec<_>>()
    };
    let group = ParameterGroup::matching;
    assert_eq!(
        both(
            group("*").rate_factor(7.0).weight_decay(0.5),
            group("a").rate_factor(3.0)
        ),
        both(
            group("a").rate_factor(3.0).weight_decay(0.5),
            group("b").rate_factor(7.0).weight_decay(0.5)
        ),
    );
}

#[test]
fn bad_groups_are_refused() {
    let mut adamw = AdamW::from_named(named(["a", "b"]), AdamWConfig::default()).unwrap();
    for (group, name) in [
        (ParameterGroup::matching("c*"), "pattern"),
        (
            ParameterGroup::matching("a").rate_factor(-1.0),
            "rate_factor",
        ),
        (
            ParameterGroup::matching("a").rate_factor(f64::NAN),
            "rate_factor",
        ),
        (
            ParameterGroup::matching("a").weight_decay(f64::INFINITY),
            "weight_decay",
        ),
    ] {
        let error = adamw.group(&group).unwrap_err();
        assert!(
            matches!(&error, Error::Range { argument, .. } if argument == name),
            "{error}"
        );
    }
}

/// A run of two layers, with groups.
struct Run {
    trainer: Trainer,
    store: ParameterStore,
    layers: [Linear; 2],
}

fn run(groups: &[ParameterGroup]) -> Run {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let layer = |name| Linear::new(2, 2, &store.builder().pp(name)).unwrap();
    let layers = [layer("first"), layer("second")];
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
    let trainer = groups.iter().fold(trainer, |trainer, group| {
        trainer.group(group.clone()).unwrap()
    });
    Run {
        trainer,
        store,
        layers,
    }
}

impl Run {
    fn until(&mut self, step: usize) {
        let layers = &self.layers;
        let loss = |_: usize, rng: &mut Generator| {
            let x = rng.normal((4, 2), DType::F32, device())?;
            let y = layers[1].forward(&layers[0].forward(&x)?)?;
            Ok((y - x)?.sqr()?.mean_all()?)
        };
        self.trainer.run(step, loss, &mut ()).unwrap();
    }

    fn values(&self) -> Vec<Vec<f32>> {
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1().unwrap();
        self.store.tensors().iter().map(flat).collect()
    }
}

#[test]
fn groups_survive_a_stop() {
    let groups = [
        ParameterGroup::matching("*.bias").weight_decay(0.0),
        ParameterGroup::matching("first.*")
            .rate_factor(0.1)
            .may_be_unused(),
        ParameterGroup::matching("second.bias").frozen(),
    ];
    let mut whole = run(&groups);
    whole.until(6);
    let mut first = run(&groups);
    first.until(3);
    let checkpoint = first.trainer.checkpoint().unwrap();
    let mut second = run(&groups);
    second.trainer.restore(&checkpoint).unwrap();
    second.until(6);
    assert_eq!(second.values(), whole.values());
    assert_ne!(whole.values(), {
        let mut plain = run(&[]);
        plain.until(6);
        plain.values()
    });

    // A run with other groups goes on otherwise, and only by choice.
    let mut other = run(&groups[..2]);
    let error = other.trainer.restore(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("got group second.bias = frozen"), "{error}");
    let mut checkpoint = checkpoint;
    checkpoint.settings.remove("group second.bias");
    other.trainer.restore(&checkpoint).unwrap();
    let names: Vec<&String> = checkpoint.settings.keys().collect();
    assert_eq!(names, ["group *.bias", "group first.*"]);
    assert_eq!(checkpoint.settings["group first.*"], "rate × 0.1");
}

/// Optimisers that know of no groups say so.
#[test]
fn optimisers_from_elsewhere_may_have_frozen_groups_only() {
    struct Sgd(candle_nn::SGD, Vec<(String, Var)>);
    impl Optimizer for Sgd {
        type Config = f64;
        fn new(vars: Vec<Var>, rate: f64) -> candle_core::Result<Self> {
            Ok(Sgd(candle_nn::SGD::new(vars, rate)?, Vec::new()))
        }
        fn step(&mut self, grads: &candle_core::backprop::GradStore) -> candle_core::Result<()> {
            self.0.step(grads)
        }
        fn learning_rate(&self) -> f64 {
            self.0.learning_rate()
        }
        fn set_learning_rate(&mut self, rate: f64) {
            self.0.set_learning_rate(rate);
        }
    }
    impl advect_nn::Stateful for Sgd {
        fn variables(&self) -> Vec<(String, Var)> {
            Vec::new()
        }
    }
    impl StatefulOptimizer for Sgd {
        fn parameters(&self) -> Vec<(String, Var)> {
            self.1.clone()
        }
    }
    let Run { store, .. } = run(&[]);
    let optimizer = Sgd::new(store.vars(), 0.1).unwrap();
    let trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    let trainer = trainer
        .group(ParameterGroup::matching("first.*").frozen())
        .unwrap();
    let error = trainer
        .group(ParameterGroup::matching("*").rate_factor(2.0))
        .unwrap_err();
    assert!(error.to_string().contains("\"*\" with rate × 2"), "{error}");
}
