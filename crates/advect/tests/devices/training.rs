//! Steps of training, and what is stored of them.

use advect::candle::Var;
use advect::data::toy::{Toy, TwoMoons};
use advect::nn::Stateful;
use advect::prelude::*;
use advect::train::optimizer::{PerParameter, UpdateRule};
use advect::train::{
    AdamConfig, Momentum, MuonConfig, ParameterGroup, SgdConfig, StatefulOptimizer,
};

use crate::place::{Place, stir};
use crate::report::Report;

struct Training {
    store: ParameterStore,
    net: Mlp,
    trainer: Trainer,
}

impl Training {
    fn new(place: &Place, seed: u64) -> Result<Self> {
        let store = ParameterStore::new(Key::from_seed(seed), place.dtype, &place.device);
        let net = Mlp::config(2).hidden(&[16, 16]).build(&store.builder())?;
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let trainer = Trainer::new(&store, optimizer, Generator::from_seed(seed))
            .learning_rate(WarmupCosine::new(1e-2, 3, 20)?)
            .clip_norm(0.1)?
            .ema(0.9)?;
        Ok(Training {
            store,
            net,
            trainer,
        })
    }

    /// Trains up to a step.
    fn until(&mut self, step: usize) -> Result<()> {
        let (net, objective) = (&self.net, rectified_flow());
        let (dtype, device) = (self.store.dtype(), self.store.device().clone());
        let loss = |_: usize, rng: &mut Generator| -> Result<Tensor> {
            let data = TwoMoons::default().sample(64, dtype, &device, rng)?;
            objective.loss(net, &rng.normal_like(&data)?, &data, rng)
        };
        self.trainer.run(step, loss, &mut ())?;
        Ok(())
    }

    fn found(&self) -> Vec<Tensor> {
        let averaged = self.trainer.averaged().tensors();
        self.store.tensors().into_iter().chain(averaged).collect()
    }
}

#[test]
fn steps() {
    let mut report = Report::new();
    for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-10)] {
        let places = [Place::tested(dtype), Place::same_on_cpu(dtype)];
        report.compare(
            &format!("10 steps in {dtype:?}"),
            places,
            tolerance,
            |place| {
                let mut training = Training::new(place, 0)?;
                training.until(10)?;
                Ok(training.found())
            },
        );
    }
    report.same("a step of a U-Net", 1e-4, |place| {
        let store = place.store();
        let config = UNet::config(&[1, 8, 8])
            .channels(8)
            .groups(4)
            .blocks(1)
            .attention(&[4]);
        let net = config
            .multipliers(&[1.0, 2.0])
            .classes(3)
            .build(&store.builder())?;
        stir(&store, place)?;
        // With a small ε the step of a gradient that is 0 but for rounding, such as that of the keys' bias, would be as long as any.
        let optimizer = AdamW::from_store(
            &store,
            AdamWConfig {
                learning_rate: 1e-2,
                epsilon: 1e-2,
                ..AdamWConfig::default()
            },
        )?;
        let mut trainer =
            Trainer::new(&store, optimizer, Generator::from_seed(1)).clip_norm(1.0)?;
        let (x0, x1) = (
            place.normal(1, &[4, 1, 8, 8])?,
            place.normal(2, &[4, 1, 8, 8])?,
        );
        let labels = place.labels(3, 4)?;
        let mut rng = Generator::from_seed(2);
        let loss = rectified_flow().loss(&net.given(&labels), &x0, &x1, &mut rng)?;
        let step = trainer.update(&loss)?;
        let numbers = Tensor::new(&[step.loss, step.gradient_norm], &Device::Cpu)?;
        Ok([numbers].into_iter().chain(store.tensors()).collect())
    });
    report.finish();
}

/// Steps of parameters of many sizes, more than one launch is for, in groups, some of which have no gradient at some steps.
fn of_many_sizes<R: UpdateRule>(report: &mut Report, name: &str, rule: R) {
    let sizes: [&[usize]; 12] = [
        &[1],
        &[4095],
        &[64, 64],
        &[0],
        &[4097],
        &[1, 1],
        &[7],
        &[3, 2, 2],
        &[12_300],
        &[33],
        &[2, 5],
        &[6],
    ];
    let cases = [
        (DType::F32, 2e-5),
        (DType::F64, 1e-11),
        // The copies in f32, and what has been rounded to 16 bits.
        (DType::BF16, 1e-2),
    ];
    for (dtype, tolerance) in cases {
        let places = [Place::tested(dtype), Place::same_on_cpu(dtype)];
        report.compare(&format!("{name} {dtype:?}"), places, tolerance, |place| {
            let mut parameters = Vec::new();
            for (k, size) in sizes.into_iter().enumerate() {
                // candle doesn't convert empty tensors on a device.
                if dtype == DType::BF16 && size == [0] {
                    continue;
                }
                let x = Var::from_tensor(&place.normal(k as u64, size)?)?;
                parameters.push((format!("{}.{k}", ["even", "odd"][k % 2]), x));
            }
            let mut optimizer = PerParameter::from_named(parameters.clone(), rule.clone())?;
            let group = ParameterGroup::matching("odd.*").rate_factor(0.3);
            optimizer.group(&group.weight_decay(0.2))?;
            optimizer.group(&ParameterGroup::matching("even.10").frozen())?;
            for step in 0..4 {
                let mut loss = Tensor::zeros((), dtype, &place.device)?;
                for (k, (_, x)) in parameters.iter().enumerate() {
                    if step == 0 || k % 3 != step % 3 {
                        let slope = place.normal((100 * step + k) as u64, x.dims())?;
                        loss = (loss + (x.as_tensor() * slope)?.sum_all()?)?;
                    }
                }
                optimizer.backward_step(&loss)?;
            }
            let variables = optimizer.variables().into_iter().chain(parameters);
            Ok(variables.map(|(_, x)| x.as_detached_tensor()).collect())
        });
    }
}

#[test]
fn rules() {
    let mut report = Report::new();
    let sgd = |momentum| SgdConfig {
        learning_rate: 0.1,
        momentum,
        weight_decay: 0.0,
    };
    of_many_sizes(&mut report, "AdamW", AdamWConfig::default());
    of_many_sizes(&mut report, "Adam", AdamConfig::default());
    of_many_sizes(&mut report, "descent", sgd(Momentum::None));
    let (factor, dampening) = (0.9, 0.3);
    let classical = Momentum::Classical { factor, dampening };
    of_many_sizes(&mut report, "momentum", sgd(classical));
    of_many_sizes(&mut report, "Nesterov", sgd(Momentum::nesterov(0.9)));
    of_many_sizes(&mut report, "Lion", LionConfig::default());
    of_many_sizes(&mut report, "Muon", MuonConfig::default());
    report.finish();
}

/// What isn't finite in the optimiser's memory is refused and named, wherever it is, and the step is made without it.
#[test]
fn not_finite() {
    let mut report = Report::new();
    for (slot, bad) in [("first", f32::NAN), ("second", f32::INFINITY)] {
        report.holds(&format!("{bad} in a {slot} moment"), |place| {
            let mut training = Training::new(place, 0)?;
            training.until(2)?;
            let variables = training.trainer.optimizer().variables();
            let of_slot = |(name, _): &&(String, Var)| name.starts_with(slot);
            let (name, var) = variables.iter().rev().find(of_slot).unwrap();
            let before = var.as_detached_tensor().copy()?;
            // In the last element alone.
            let mut numbers = vec![0.0; var.elem_count()];
            numbers[var.elem_count() - 1] = bad;
            let numbers = Tensor::from_vec(numbers, var.shape(), &place.device)?;
            var.set(&(&before + numbers)?)?;
            let refused = training.until(3).unwrap_err().to_string();
            var.set(&before)?;
            // The variables were lent: all are looked at again.
            training.until(4)?;
            Ok(refused.starts_with(&format!("{name}: got {bad}")))
        });
    }
    report.finish();
}

/// Bits, written on one device and read on the other.
#[test]
fn checkpoints() {
    let mut report = Report::new();
    let folder = tempfile::tempdir().unwrap();
    report.holds("a resumed run is one that never stopped", |place| {
        let path = folder.path().join("run.safetensors");
        let mut whole = Training::new(place, 0)?;
        whole.until(8)?;
        let mut first = Training::new(place, 0)?;
        first.until(5)?;
        first.trainer.save(&path)?;
        let mut second = Training::new(place, 1)?;
        second.trainer.resume(&path)?;
        second.until(8)?;
        same(&second.found(), &whole.found())
    });
    report.holds("resumed on the CPU", |place| {
        let path = folder.path().join("there.safetensors");
        let mut there = Training::new(place, 0)?;
        there.until(3)?;
        there.trainer.save(&path)?;
        let mut here = Training::new(&Place::same_on_cpu(place.dtype), 1)?;
        here.trainer.resume(&path)?;
        same(&here.found(), &there.found())
    });
    report.holds("weights", |place| {
        let path = folder.path().join("weights.safetensors");
        let (from, to) = (Training::new(place, 0)?, Training::new(place, 1)?);
        from.store.save(&path)?;
        to.store.load(&*path)?;
        let copy = from.store.duplicate()?;
        Ok(same(&from.store.tensors(), &to.store.tensors())?
            && same(&from.store.tensors(), &copy.tensors())?)
    });
    report.finish();
}

/// Whether all bits are the same.
fn same(a: &[Tensor], b: &[Tensor]) -> Result<bool> {
    let values = |x: &Tensor| -> Result<Vec<f32>> { Ok(x.flatten_all()?.to_vec1()?) };
    for (a, b) in a.iter().zip(b) {
        if values(a)? != values(b)? {
            return Ok(false);
        }
    }
    Ok(a.len() == b.len())
}
