//! Networks that count DDPM's steps, sampled on their schedule.

use std::cell::RefCell;

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Field, Jvp, Key, Result, Time, field_fn};
use advect_models::UNet;
use advect_nn::ParameterStore;
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::schedule::DiscreteDiffusion;
use advect_paths::time_map::{DiscreteTimes, TimeMap, TimeMapped};
use advect_samplers::grid::Respaced;
use advect_samplers::guidance::Guided;
use advect_samplers::rule::{Ancestral, Ddim, Rule};
use advect_samplers::{Model, Run, Sampler};
use candle_core::{DType, Tensor};

/// A network that knows the noise of N(2, ¼) by the index of a step alone, as guided-diffusion's are trained.
#[test]
fn a_network_of_indices_is_sampled_as_the_law_itself() {
    let schedule = DiscreteDiffusion::default();
    let mean = Tensor::new(&[2f64], device()).unwrap();
    let law = Gaussian::new(&mean, Covariance::isotropic(0.25).unwrap()).unwrap();
    let truth = law.field(Prediction::Noise, &schedule);
    let told = RefCell::new(Vec::new());
    let network = field_fn(|index, x| {
        let index = index.values()?[0];
        told.borrow_mut().push(index);
        let bar = schedule.alpha_bar(index as usize + 1);
        let factor = (1.0 - bar).sqrt() / (0.25 * bar + 1.0 - bar);
        Ok(((x - 2.0 * bar.sqrt())? * factor)?)
    });
    let field = DiscreteTimes::steps(1000).unwrap().field(network);
    let x = Tensor::new(&[[0.3f64], [-1.1], [0.8]], device()).unwrap();
    let run = |field: &dyn Field, sampler: &dyn Sampler| -> Result<Tensor> {
        let model = Model::new(field, Prediction::Noise, &schedule);
        sampler.run(&mut Run::new(&model, Key::from_seed(0)), &x)
    };
    let all = Ancestral::new().on(Respaced::all(1000).unwrap());
    let some = Ddim::new().on(Respaced::leading(1000, 20).unwrap());
    for sampler in [&all as &dyn Sampler, &some] {
        let (found, expected) = (run(&field, sampler), run(&truth, sampler));
        assert_close(&found.unwrap(), &expected.unwrap(), 1e-8, 1e-8);
    }
    let told = told.borrow();
    // From the most noise to the least, in whole steps.
    let expected: Vec<f64> = (0..1000).rev().map(f64::from).collect();
    assert_eq!(told[..1000], expected);
    let leading: Vec<f64> = (0..20).rev().map(|i| 50.0 * f64::from(i)).collect();
    assert_eq!(told[1000..], leading);
}

#[test]
fn a_u_net_is_told_the_step() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let config = UNet::config(&[1, 4, 4]).channels(32).multipliers(&[1.0]);
    let net = config.classes(3).build(&store.builder()).unwrap();
    // Its last layer begins as zeros.
    for (name, parameter) in store.parameters() {
        let size = parameter.dims().iter().product::<usize>();
        let wave: Vec<f64> = (0..size).map(|i| 0.1 * (i as f64 * 0.37).sin()).collect();
        let values = Tensor::from_vec(wave, parameter.dims(), device()).unwrap();
        if name.starts_with("out.2") {
            parameter.set(&values).unwrap();
        }
    }
    let x = Tensor::ones((2, 1, 4, 4), DType::F64, device()).unwrap();
    let labels = Tensor::new(&[2u32, 0], device()).unwrap();
    let by_steps = TimeMapped::new(net.clone(), DiscreteTimes::steps(1000).unwrap());
    for (t, step) in [(0.0, 999.0), (0.5, 499.0), (0.999, 0.0), (1.0, 0.0)] {
        let (t, step) = (Time::Shared(t), Time::Shared(step));
        let same = |a: Result<Tensor>, b: Result<Tensor>| {
            assert_close(&a.unwrap(), &b.unwrap(), 1e-12, 0.0);
        };
        same(by_steps.at(&t, &x), net.at(&step, &x));
        same(
            by_steps.given(&labels).at(&t, &x),
            net.given(&labels).at(&step, &x),
        );
        let guided = Guided::new(&by_steps, &labels, 3.0).unwrap();
        let expected = Guided::new(&net, &labels, 3.0).unwrap();
        same(guided.at(&t, &x), expected.at(&step, &x));
    }
    // Along time: 1,000 steps, backwards.
    let (t, step) = (Time::Shared(0.4004), Time::Shared(598.6));
    let along = |field: &dyn Jvp, t: &Time, dt: f64| field.jvp(t, &x, dt, &x).unwrap().1;
    let found = along(&by_steps.given(&labels), &t, 1.0);
    let expected = along(&net.given(&labels), &step, -1000.0);
    assert_close(&found, &expected, 1e-8, 1e-8);
}
