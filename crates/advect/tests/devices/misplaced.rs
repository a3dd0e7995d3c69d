//! Arguments on different devices: an error that says so, before anything is computed.

use advect::candle::Var;
use advect::core::Coefficient;
use advect::ops::update::{AdamWRates, adamw, average, descend};
use advect::ops::{self, Convolution};
use advect::prelude::*;

use crate::operations::Operation;
use crate::place::{CPU, Place, device};

/// What didn't say so.
struct Silent(Vec<String>);

impl Silent {
    fn expect<T>(&mut self, name: &str, result: Result<T>) {
        match result {
            Err(Error::Device { .. }) => {}
            Err(error) => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default().to_string();
                self.0.push(format!("{name}: {line}"));
            }
            Ok(_) => self.0.push(format!("{name}: no error")),
        }
    }

    fn finish(self) {
        let Silent(silent) = self;
        assert!(
            silent.is_empty(),
            "{}:\n{}",
            silent.len(),
            silent.join("\n")
        );
    }
}

fn places() -> Option<[Place; 2]> {
    let places = [Place::tested(DType::F32), Place::same_on_cpu(DType::F32)];
    (!device().is_cpu()).then_some(places)
}

#[test]
fn operations() {
    let Some([there, here]) = places() else {
        return;
    };
    let mut silent = Silent(Vec::new());
    let plain = Convolution {
        padding: [1, 1],
        ..Convolution::default()
    };
    let cases: Vec<(&str, Operation, Vec<&[usize]>)> = vec![
        (
            "linear",
            Operation::Linear(Activation::Silu),
            vec![&[3, 4], &[5, 4], &[5]],
        ),
        (
            "transposed",
            Operation::LinearTransposed(Activation::Silu),
            vec![&[3, 4], &[4, 5], &[5]],
        ),
        (
            "mlp",
            Operation::Mlp(2, Activation::Silu),
            vec![&[9, 2], &[9, 1], &[7, 3], &[7], &[4, 7], &[4]],
        ),
        (
            "layer_norm",
            Operation::LayerNorm,
            vec![&[3, 4], &[4], &[4]],
        ),
        ("rms_norm", Operation::RmsNorm, vec![&[3, 4], &[4]]),
        (
            "shifted_rms_norm",
            Operation::ShiftedRmsNorm,
            vec![&[3, 5, 4], &[3, 4], &[3, 4]],
        ),
        (
            "group_norm",
            Operation::GroupNorm(2, Activation::Silu),
            vec![&[2, 4, 3], &[4], &[4]],
        ),
        (
            "attention",
            Operation::Attention(None),
            vec![&[2, 2, 3, 4], &[2, 2, 3, 4], &[2, 2, 3, 4]],
        ),
        (
            "gated_recurrence",
            Operation::GatedRecurrence,
            vec![&[2, 3, 12], &[2, 4], &[12, 4], &[12]],
        ),
        (
            "add_gated",
            Operation::AddGated,
            vec![&[2, 3, 4], &[2, 3, 4], &[2, 4]],
        ),
        (
            "conv2d",
            Operation::Conv2d(plain, true, true),
            vec![&[2, 3, 4, 4], &[5, 3, 3, 3], &[5], &[2, 5, 4, 4]],
        ),
        (
            "conv1d",
            Operation::Conv1d(plain, true, true),
            vec![&[2, 3, 4], &[5, 3, 3], &[5], &[2, 5, 4]],
        ),
        (
            "combine",
            Operation::Combine(vec![Coefficient::Shared(1.0), Coefficient::Shared(2.0)]),
            vec![&[2, 3], &[2, 3]],
        ),
        (
            "scale_samples",
            Operation::ScaleSamples,
            vec![&[2, 3], &[2]],
        ),
        (
            "squared_errors",
            Operation::SquaredErrors,
            vec![&[2, 3], &[2, 3]],
        ),
    ];
    for (name, operation, shapes) in cases {
        let draw = |place: &Place| -> Vec<Tensor> {
            let each = (0..).zip(&shapes);
            each.map(|(seed, shape)| place.normal(seed, shape).unwrap())
                .collect()
        };
        let (ours, others) = (draw(&there), draw(&here));
        operation.run(&there, &ours).unwrap();
        for i in 0..shapes.len() {
            let mut x = ours.clone();
            x[i] = others[i].clone();
            silent.expect(&format!("{name}, argument {i}"), operation.run(&there, &x));
        }
    }
    let (x, y) = (
        there.normal(1, &[2, 6, 4]).unwrap(),
        here.normal(1, &[2, 6, 4]).unwrap(),
    );
    let angles = here.normal(2, &[6, 2]).unwrap();
    let heads = x.unsqueeze(2).unwrap();
    silent.expect("rotary", ops::rotary(&heads, &angles, &angles));
    let mask = here.normal(2, &[6, 6]).unwrap();
    let heads = x.unsqueeze(1).unwrap();
    silent.expect("mask", ops::attention(&heads, &heads, &heads, Some(&mask)));
    let var = |x: &Tensor| Var::from_tensor(x).unwrap();
    let rates = AdamWRates {
        decay: 1.0,
        rate: 0.1,
        correction: 0.1,
        beta1: 0.9,
        beta2: 0.9,
        epsilon: 1e-8,
    };
    silent.expect("adamw", adamw(&var(&x), &var(&x), &var(&x), &y, &rates));
    silent.expect(
        "adamw, memory",
        adamw(&var(&x), &var(&x), &var(&y), &x, &rates),
    );
    silent.expect("descend", descend(&var(&x), &y, 1.0, 0.1));
    silent.expect("average", average(&var(&x), &var(&y), 0.1));
    silent.finish();
}

#[test]
fn algorithms() {
    let Some([there, here]) = places() else {
        return;
    };
    let mut silent = Silent(Vec::new());
    let store = there.store();
    let config = Mlp::config(2).hidden(&[8, 8]).classes(3);
    let net = config.build(&store.builder()).unwrap();
    let mut rng = Generator::from_seed(0);
    let (x, y) = (
        there.normal(1, &[4, 2]).unwrap(),
        here.normal(2, &[4, 2]).unwrap(),
    );
    let time = Time::Shared(0.5);
    silent.expect("a state", net.at(&time, &y));
    silent.expect(
        "labels",
        net.at_given(&time, &x, &here.labels(3, 4).unwrap()),
    );
    silent.expect("a tangent", net.jvp(&time, &x, 1.0, &y));
    let objective = rectified_flow();
    silent.expect("a source", objective.losses(&net, &y, &x, &mut rng));
    silent.expect("a target", objective.losses(&net, &x, &y, &mut rng));
    silent.expect("both", objective.losses(&net, &y, &y, &mut rng));
    let given = here.labels(3, 4).unwrap();
    silent.expect(
        "a condition",
        objective.losses(&net.given(&given), &x, &x, &mut rng),
    );
    let coupled = Coupled::new(ExactOt, rectified_flow());
    silent.expect("a coupled source", coupled.losses(&net, &y, &x, &mut rng));
    let diffusion = ddpm(DiscreteDiffusion::default());
    silent.expect("noise", diffusion.losses(&net, &y, &x, &mut rng));
    let solver = Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3).unwrap());
    silent.expect("a start", solver.solve(&net, &y, 0.0, 1.0));
    let model = Model::new(&net, Prediction::Noise, &Cosine);
    let sampler = Ddim::new().on(UniformTime::within(2, 0.1, 0.9).unwrap());
    silent.expect("a sample", sampler.sample(&model, &y, &mut rng));
    silent.expect("a point", Exact.at(&net, &time, &y));
    silent.expect("exact plans", ExactOt.pair(&x, &y, &mut rng));
    silent.expect(
        "entropic plans",
        EntropicOt::new(0.5).unwrap().pair(&x, &y, &mut rng),
    );

    let unet = UNet::config(&[1, 8, 8])
        .channels(8)
        .groups(4)
        .blocks(1)
        .multipliers(&[1.0, 2.0]);
    let unet = unet.classes(3).build(&there.store().builder()).unwrap();
    let (x, y) = (
        there.normal(1, &[2, 1, 8, 8]).unwrap(),
        here.normal(1, &[2, 1, 8, 8]).unwrap(),
    );
    let labels = here.labels(3, 2).unwrap();
    silent.expect("an image", unet.at(&time, &y));
    silent.expect("labels of images", unet.at_given(&time, &x, &labels));
    let transformer = DiffusionTransformer::config(&[1, 8, 8], 2)
        .width(24)
        .depth(1)
        .heads(2);
    let transformer = transformer
        .classes(3)
        .build(&there.store().builder())
        .unwrap();
    silent.expect("patches", transformer.at(&time, &y));
    silent.expect(
        "labels of patches",
        transformer.at_given(&time, &x, &labels),
    );

    let mut trainer = Trainer::adamw(&store, 1e-3, Key::from_seed(0)).unwrap();
    let loss = |net: &Mlp, rng: &mut Generator| {
        let x = there.normal(1, &[4, 2])?;
        objective.loss(net, &x, &x, rng)
    };
    let mut gradients = trainer.gradients(&loss(&net, &mut rng).unwrap()).unwrap();
    let moved = gradients.map(|_, x| Ok(x.map(|x| x.to_device(&CPU)).transpose()?));
    silent.expect("gradients", moved);
    trainer.apply(gradients).unwrap();
    silent.finish();
}
