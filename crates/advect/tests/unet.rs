//! The U-Net with every kind of objective, sampler and likelihood.

use advect::prelude::*;
use advect::solvers::divergence::{Divergence, Hutchinson, Probe, Transposed};

fn network(dtype: DType) -> (ParameterStore, UNet) {
    let store = ParameterStore::new(Key::from_seed(0), dtype, &Device::Cpu);
    let config = UNet::config(&[1, 4, 4]).channels(8).groups(4).blocks(1);
    let net = config
        .multipliers(&[1.0, 2.0])
        .attention(&[2])
        .build(&store.builder())
        .unwrap();
    (store, net)
}

/// Fills the layers that begin as zeros.
fn randomize(store: &ParameterStore) {
    let mut rng = Generator::from_seed(5);
    for (_, var) in store.parameters() {
        let noise = (rng.normal_like(&var).unwrap() * 0.2).unwrap();
        var.set(&(var.as_tensor() + noise).unwrap().detach())
            .unwrap();
    }
}

/// Twenty steps with each objective bring its loss down.
#[test]
fn objectives_train_it() {
    type Loss = Box<dyn Fn(&UNet, &Tensor, &Tensor, &mut Generator) -> Result<Tensor>>;
    let losses: Vec<(&str, Loss)> = vec![
        (
            "flow matching",
            Box::new(|net, x0, x1, rng| rectified_flow().loss(net, x0, x1, rng)),
        ),
        ("score matching", {
            let objective = score_matching(VariancePreserving::default());
            Box::new(move |net, x0, x1, rng| objective.loss(net, x0, x1, rng))
        }),
    ];
    for (name, loss) in losses {
        let (store, net) = network(DType::F32);
        let mut optimizer = AdamW::from_store(
            &store,
            AdamWConfig {
                learning_rate: 3e-3,
                ..AdamWConfig::default()
            },
        )
        .unwrap();
        let data = Tensor::ones((64, 1, 4, 4), DType::F32, &Device::Cpu).unwrap();
        let mut first_and_last = Vec::new();
        for step in 0..30 {
            // The same noise and times, so that losses compare.
            let mut rng = Generator::from_seed(1);
            let noise = rng.normal_like(&data).unwrap();
            let loss = loss(&net, &noise, &data, &mut rng).unwrap();
            if step % 29 == 0 {
                first_and_last.push(loss.to_scalar::<f32>().unwrap());
            }
            optimizer.backward_step(&loss).unwrap();
        }
        assert!(
            first_and_last[1] < 0.8 * first_and_last[0],
            "{name}: {first_and_last:?}"
        );
    }
}

#[test]
fn samplers_and_solvers_take_it() {
    let (store, net) = network(DType::F64);
    randomize(&store);
    let twin = net.on(&store.frozen()).unwrap();
    let noise = Generator::from_seed(1)
        .normal((3, 1, 4, 4), DType::F64, &Device::Cpu)
        .unwrap();
    let solver = Solver::new(Midpoint, Fixed::steps(4).unwrap());
    let end = solver
        .solve(&twin, &noise, 0.0, 1.0)
        .unwrap()
        .end()
        .unwrap();
    assert_eq!(end.dims(), noise.dims());
    check::finite("end", &end).unwrap();
}

/// `v · J v` and `v · Jᵀ v` are the same number, probe for probe.
#[test]
fn both_modes_estimate_the_same_divergence() {
    let (store, net) = network(DType::F64);
    randomize(&store);
    let twin = net.on(&store.frozen()).unwrap();
    let mut rng = Generator::from_seed(1);
    let x = rng.normal((3, 1, 4, 4), DType::F64, &Device::Cpu).unwrap();
    let way = Hutchinson::new(Probe::Rademacher, 2, &x, &mut rng).unwrap();
    let t = Time::Shared(0.4);
    let forwards = way.at(&twin, &t, &x).unwrap();
    let backwards = way.at(&Transposed::new(&twin), &t, &x).unwrap();
    let numbers = |x: &Tensor| x.to_vec1::<f64>().unwrap();
    for (a, b) in numbers(&forwards.divergence)
        .iter()
        .zip(numbers(&backwards.divergence))
    {
        assert!((a - b).abs() < 1e-10 * a.abs().max(1.0), "{a} {b}");
    }
    let error = Transposed::new(&twin).jvp(&t, &x, 1.0, &x);
    assert!(matches!(error, Err(Error::Range { argument, .. }) if argument == "dt"));

    // And so do whole likelihoods.
    let schedule = CondOt::default();
    let solver = Solver::new(Midpoint, Fixed::steps(3).unwrap());
    let key = Key::from_seed(2);
    let density = |field: &dyn Jvp| {
        let likelihood = Likelihood::new(Model::new(field, Prediction::Velocity, &schedule));
        let likelihood = likelihood.hutchinson(Probe::Gaussian, 1, key).unwrap();
        numbers(&likelihood.log_density(&solver, &x).unwrap().nats)
    };
    let transposed = Transposed::new(&twin);
    for (a, b) in density(&twin).into_iter().zip(density(&transposed)) {
        assert!((a - b).abs() < 1e-9 * a.abs().max(1.0), "{a} {b}");
    }
}
