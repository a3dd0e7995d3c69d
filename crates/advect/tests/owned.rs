//! Fields that own what they wrap: returned from functions, kept in structs, moved to threads, chosen at run time.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use advect::paths::preconditioner::EdmPreconditioner;
use advect::prelude::*;

/// A network under guidance, preconditioned and bounded.
fn guided(
    net: &Mlp,
    labels: Tensor,
    weight: f64,
) -> Result<impl Field + Clone + Send + Sync + 'static> {
    let network = Guided::new(net.clone(), &labels, weight)?;
    let preconditioner = EdmPreconditioner::new(0.5)?;
    let denoiser = Preconditioned::new(network, preconditioner, EdmSchedule::default());
    Ok(Thresholded::new(denoiser, StaticThreshold::new(1.0)?))
}

/// The same, under a name of its own.
struct Editor {
    denoiser: Thresholded<
        Preconditioned<Guided<Arc<Mlp>>, EdmPreconditioner, EdmSchedule>,
        StaticThreshold,
    >,
}

fn network() -> Mlp {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    let config = Mlp::config(2).hidden(&[8]).classes(3);
    config.build(&store.builder()).unwrap()
}

fn rows(x: &Tensor) -> Vec<Vec<f64>> {
    x.to_vec2().unwrap()
}

#[test]
fn fields_outlive_what_they_were_made_of() {
    let labels = Tensor::new(&[0u32, 2], &Device::Cpu).unwrap();
    let x = Tensor::new(&[[0.3f64, -2.0], [1.5, 0.1]], &Device::Cpu).unwrap();
    let t = Time::Shared(0.4);
    let net = network();
    let returned = guided(&net, labels.clone(), 2.5).unwrap();
    let editor = Editor {
        denoiser: Thresholded::new(
            Preconditioned::new(
                Guided::new(Arc::new(net.clone()), &labels, 2.5).unwrap(),
                EdmPreconditioner::new(0.5).unwrap(),
                EdmSchedule::default(),
            ),
            StaticThreshold::new(1.0).unwrap(),
        ),
    };
    drop((net, labels));

    let expected = rows(&returned.at(&t, &x).unwrap());
    assert!(expected.iter().flatten().all(|v| v.abs() <= 1.0));
    assert_eq!(rows(&editor.denoiser.at(&t, &x).unwrap()), expected);
    let condition = editor.denoiser.condition().unwrap();
    assert_eq!(condition.to_vec1::<u32>().unwrap(), [0, 2]);

    let (moved, state) = (returned.clone(), x.clone());
    let there = thread::spawn(move || rows(&moved.at(&Time::Shared(0.4), &state).unwrap()));
    assert_eq!(there.join().unwrap(), expected);

    let chosen: Vec<Box<dyn Field>> = vec![
        Box::new(returned.clone()),
        Box::new(Rc::new(returned.clone())),
        Box::new(Arc::new(returned.clone()) as Arc<dyn Field + Send + Sync>),
        Box::new(editor.denoiser),
    ];
    let shared: Arc<dyn Field + Send + Sync> = Arc::new(returned);
    let solver = Solver::new(Euler, Fixed::steps(3).unwrap());
    for field in chosen
        .iter()
        .map(|field| &**field)
        .chain([&*shared as &dyn Field])
    {
        assert_eq!(rows(&field.at(&t, &x).unwrap()), expected);
        // A wrapper takes a reference, too.
        let data = Prediction::Data.field(field, Prediction::Noise, EdmSchedule::default());
        assert_eq!(data.condition().unwrap().dims(), [2]);
        solver.solve(&data, &x, 0.1, 0.9).unwrap().end().unwrap();
    }
}

#[test]
fn models_and_likelihoods_own_theirs() {
    fn model() -> Model<Given<Mlp>, CondOt> {
        let labels = Tensor::new(&[1u32], &Device::Cpu).unwrap();
        Model::new(
            Given::new(network(), &labels),
            Prediction::Velocity,
            CondOt::default(),
        )
    }
    let model = model();
    let mut rng = Generator::from_seed(0);
    let noise = rng.normal((1, 2), DType::F64, &Device::Cpu).unwrap();
    let sampler: Box<dyn Sampler + Send + Sync> =
        Box::new(Ddim::new().on(UniformTime::new(4).unwrap()));
    let x = sampler.sample(&model, &noise, &mut rng).unwrap();
    let likelihood = Likelihood::new(model.clone());
    let solver = Solver::new(Rk4, Fixed::steps(10).unwrap());
    let found = thread::spawn(move || likelihood.log_density(&solver, &x).unwrap().nats);
    assert!(found.join().unwrap().to_vec1::<f64>().unwrap()[0].is_finite());
}
