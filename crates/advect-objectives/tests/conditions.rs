//! Two classes, N((±2, 0), 0.3²): what a conditional field is trained on, and what comes out of its flow, when pairs are
//! optimal.

use std::cell::RefCell;

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Field, Generator, Key, Result, Time, field_fn, shape};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore};
use advect_objectives::ConditionDropout;
use advect_objectives::objective::*;
use advect_objectives::time_sampler::{Levels, UniformWithin};
use advect_paths::Prediction;
use advect_paths::coupling::{ConditionalOt, Coupling, EntropicOt, ExactOt, Independent, Pairs};
use advect_paths::path::SchrodingerBridge;
use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned};
use advect_paths::schedule::{CondOt, Cosine};
use advect_samplers::guidance::Guided;
use advect_solvers::Solver;
use advect_solvers::controller::Fixed;
use advect_solvers::stepper::Rk4;
use advect_train::learning_rate::WarmupCosine;
use advect_train::{AdamW, AdamWConfig, Trainer};
use candle_core::{DType, Tensor};

const BATCH: usize = 256;

/// Noise, data of the two classes, and their labels.
fn batch(dtype: DType, rng: &mut Generator) -> (Tensor, Tensor, Tensor) {
    let labels = rng.integers(0..2, BATCH, device()).unwrap();
    let side = labels.to_dtype(dtype).unwrap().affine(4.0, -2.0).unwrap();
    let side = side.unsqueeze(1).unwrap();
    let centres = Tensor::cat(&[&side, &side.zeros_like().unwrap()], 1).unwrap();
    let x1 = (rng.normal_like(&centres).unwrap() * 0.3).unwrap();
    let x1 = (x1 + centres).unwrap();
    (rng.normal_like(&x1).unwrap(), x1, labels)
}

/// Remembers the states and conditions that it was asked about.
#[derive(Default)]
struct Recorder(RefCell<Vec<(Tensor, Tensor)>>);

impl Conditional for Recorder {
    fn at_given(&self, _: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        self.0.borrow_mut().push((x.clone(), condition.clone()));
        Ok(x.zeros_like()?)
    }

    fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
        Ok(Tensor::full(2u32, x.dim(0)?, x.device())?)
    }
}

impl Recorder {
    /// Mean and standard deviation of the first coordinate of what was seen with label 1.
    fn first_of_class_one(&self) -> (f64, f64) {
        let mut values = Vec::new();
        for (x, labels) in self.0.borrow().iter() {
            let x = x.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
            let labels = labels.to_vec1::<u32>().unwrap();
            let ones = x.iter().zip(labels).filter(|(_, label)| *label == 1);
            values.extend(ones.map(|(x, _)| x[0]));
        }
        moments(&values)
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// Rectified flow at t = 0, where a field sees the sources.
fn at_the_source() -> impl Objective {
    rectified_flow().times(Levels::start())
}

fn couplings() -> Vec<(&'static str, Box<dyn Coupling>)> {
    let entropic = EntropicOt::new(0.1).unwrap();
    vec![
        ("independent", Box::new(Independent)),
        ("exact", Box::new(ExactOt)),
        ("entropic", Box::new(entropic)),
        ("with replacement", Box::new(entropic.with_replacement())),
        ("permuted", Box::new(entropic.permuted())),
        ("conditional", Box::new(ConditionalOt::default())),
    ]
}

#[test]
fn each_class_has_the_whole_source() {
    for (name, coupling) in couplings() {
        let mut rng = Generator::from_seed(0);
        let (sources, targets) = (Recorder::default(), Recorder::default());
        let objective = Coupled::new(&coupling, at_the_source());
        let end = rectified_flow().times(Levels::new(vec![1.0]).unwrap());
        let to_the_end = Coupled::new(&coupling, end);
        for _ in 0..20 {
            let (x0, x1, labels) = batch(DType::F32, &mut rng);
            let given = sources.given(&labels);
            objective.loss(&given, &x0, &x1, &mut rng).unwrap();
            let given = targets.given(&labels);
            to_the_end.loss(&given, &x0, &x1, &mut rng).unwrap();
        }
        // 2,560 samples: the standard error of the mean is 0.02, more where sources repeat.
        let (mean, deviation) = sources.first_of_class_one();
        assert!(mean.abs() < 0.1, "{name}: {mean}");
        assert!((deviation - 1.0).abs() < 0.1, "{name}: {deviation}");
        let (mean, deviation) = targets.first_of_class_one();
        assert!((mean - 2.0).abs() < 0.05, "{name}: {mean}");
        assert!((deviation - 0.3).abs() < 0.03, "{name}: {deviation}");
    }
}

/// What hides labels gets what plain optimal transport makes of them: this is why they are given.
#[test]
fn a_closure_hides_its_labels() {
    let mut rng = Generator::from_seed(0);
    let sources = Recorder::default();
    let objective = Coupled::new(ExactOt, at_the_source());
    for _ in 0..20 {
        let (x0, x1, labels) = batch(DType::F32, &mut rng);
        let closure = field_fn(|t, x| sources.at_given(t, x, &labels));
        objective.loss(&closure, &x0, &x1, &mut rng).unwrap();
        // Where conditions are required, that is an error.
        let strict = Coupled::new(ConditionalOt::default(), at_the_source());
        let error = strict.loss(&closure, &x0, &x1, &mut rng).unwrap_err();
        assert!(error.to_string().starts_with("condition"), "{error}");
    }
    assert!(sources.first_of_class_one().0 > 0.7);
}

#[test]
fn wrappers_pass_conditions_on() {
    let (schedule, net) = (CondOt::new(0.1).unwrap(), Recorder::default());
    let labels = Tensor::new(&[1u32, 0], device()).unwrap();
    let given = net.given(&labels);
    let converted = Prediction::Velocity.field(&given, Prediction::Data, &schedule);
    let rescheduled = Prediction::Velocity.reschedule(&given, &schedule, &Cosine);
    let preconditioner = EdmPreconditioner::default();
    let preconditioned = Preconditioned::new(&given, &preconditioner, &schedule);
    let guided = Guided::new(&net, &labels, 2.0).unwrap();
    let boxed: Box<dyn Field> = Box::new(given.clone());
    let fields: [&dyn Field; 7] = [
        &given,
        &converted,
        &rescheduled,
        &preconditioned,
        &guided,
        &boxed,
        &&given,
    ];
    for field in fields {
        let condition = field.condition().unwrap().to_vec1::<u32>().unwrap();
        assert_eq!(condition, [1, 0]);
    }
    let closure = field_fn(|t, x| given.at(t, x));
    assert!(Field::<Tensor>::condition(&closure).is_none());
}

/// Pairs that would bring a sample to another one's label are refused, not trained on.
#[test]
fn pairs_that_move_labels_are_refused() {
    /// Each sample with itself, but all targets the first one.
    struct First;
    impl Coupling for First {
        fn pair(&self, x0: &Tensor, _: &Tensor, _: &mut Generator) -> Result<Pairs> {
            let source = Tensor::arange(0u32, x0.dim(0)? as u32, x0.device())?;
            Pairs::new(source.clone(), source.zeros_like()?)
        }
        fn pair_given(
            &self,
            x0: &Tensor,
            x1: &Tensor,
            _: &Tensor,
            rng: &mut Generator,
        ) -> Result<Pairs> {
            self.pair(x0, x1, rng)
        }
    }
    let mut rng = Generator::from_seed(0);
    let (x0, x1, labels) = batch(DType::F32, &mut rng);
    let (objective, net) = (Coupled::new(First, rectified_flow()), Recorder::default());
    let error = objective.loss(&net.given(&labels), &x0, &x1, &mut rng);
    assert!(error.unwrap_err().to_string().starts_with("pairs"));
    let plain = field_fn(|_, x| Ok(x.zeros_like()?));
    assert!(objective.loss(&plain, &x0, &x1, &mut rng).is_ok());
}

#[test]
fn score_and_flow_keep_classes_too() {
    let bridge = SchrodingerBridge::new(0.3).unwrap();
    let times = UniformWithin::new(1e-6, 2e-6).unwrap();
    let pairs = EntropicOt::new(bridge.entropy()).unwrap();
    let objective = Coupled::new(pairs, ScoreAndFlow::new(bridge).times(times));
    let mut rng = Generator::from_seed(0);
    let (velocity, score) = (Recorder::default(), Recorder::default());
    for _ in 0..10 {
        let (x0, x1, labels) = batch(DType::F32, &mut rng);
        let fields = (velocity.given(&labels), score.given(&labels));
        objective
            .losses(&fields.0, &fields.1, &x0, &x1, &mut rng)
            .unwrap();
    }
    let (mean, deviation) = velocity.first_of_class_one();
    assert!(
        mean.abs() < 0.12 && (deviation - 1.0).abs() < 0.12,
        "{mean} {deviation}"
    );
}

/// The experiment itself: mean and deviation of a class that the flow was trained on.
#[test]
fn the_flow_of_a_class_arrives_at_it() {
    const STEPS: usize = 1500;
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let net = Mlp::config(2)
        .hidden(&[64; 3])
        .classes(2)
        .activation(Activation::Silu);
    let net = net.build(&store.builder()).unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
        .learning_rate(WarmupCosine::new(5e-3, 50, STEPS).unwrap())
        .ema(0.99)
        .unwrap();
    let objective = Coupled::new(ExactOt, rectified_flow());
    let loss = |_: usize, rng: &mut Generator| {
        let (x0, x1, labels) = batch(DType::F32, rng);
        objective.loss(&net.given(&labels), &x0, &x1, rng)
    };
    trainer.run(STEPS, loss, &mut ()).unwrap();
    let twin: Mlp = net.on(&trainer.averaged().frozen()).unwrap();
    let noise = Generator::from_seed(2)
        .normal((2000, 2), DType::F32, device())
        .unwrap();
    let ones = Tensor::ones(2000, DType::U32, device()).unwrap();
    let solver = Solver::new(Rk4, Fixed::steps(20).unwrap());
    let samples = solver
        .solve(&twin.given(&ones), &noise, 0.0, 1.0)
        .unwrap()
        .end()
        .unwrap();
    let first: Vec<f64> = samples
        .to_vec2::<f32>()
        .unwrap()
        .iter()
        .map(|x| f64::from(x[0]))
        .collect();
    let (mean, deviation) = moments(&first);
    println!("mean {mean:.3}, deviation {deviation:.3}");
    assert!((mean - 2.0).abs() < 0.06, "{mean}");
    assert!((deviation - 0.3).abs() < 0.06, "{deviation}");
}

/// Weights of classes are dropped and guided as labels are: "none" becomes a row beside them.
#[test]
fn weights_of_classes_go_where_labels_go() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Mlp::config(2)
        .hidden(&[8])
        .classes(3)
        .build(&store.builder());
    let net = net.unwrap();
    let mut rng = Generator::from_seed(1);
    let x = rng.normal((4, 2), DType::F64, device()).unwrap();
    let labels = Tensor::new(&[0u32, 1, 2, 3], device()).unwrap();
    let rows = shape::one_hot(&labels, 4, DType::F64).unwrap();
    let t = Time::Shared(0.5);
    let [by_label, by_row] = [&labels, &rows].map(|condition| {
        let guided = Guided::new(&net, condition, 2.5).unwrap();
        guided.at(&t, &x).unwrap()
    });
    assert_close(&by_row, &by_label, 1e-12, 1e-12);
    let dropout = ConditionDropout::new(0.5).unwrap();
    let mut same = rng.clone();
    let labels = dropout.apply(&net, &x, &labels, &mut rng).unwrap();
    let rows = dropout.apply(&net, &x, &rows, &mut same).unwrap();
    let expected = shape::one_hot(&labels, 4, DType::F64).unwrap();
    assert_close(&rows, &expected, 0.0, 0.0);
}
