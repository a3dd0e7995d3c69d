//! Adversarial losses against their closed forms, penalties by differences, corrections by moments.

use advect_classics::gan::{
    AdversarialLoss, LeastSquares, NonSaturating, SpectralLinear, Wasserstein, between,
    discriminator_chain, discriminator_rejection, gradient_norms, gradient_penalty,
};
use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Energy, Generator, Key, Result, Time};
use advect_models::Mlp;
use advect_nn::{Activation, Network, ParameterStore, Potential, TimeEmbedding};
use advect_ops::{Value, without_graph};
use candle_core::{DType, Tensor, Var};

use crate::common::{assert_means, message, normal, scalar, vector};
use crate::differences::{assert_gradients, spread};

fn critic(store: &ParameterStore, outputs: usize) -> Potential<Mlp> {
    let config = Mlp::config(3).outputs(outputs).hidden(&[5, 4]);
    let config = config
        .activation(Activation::Tanh)
        .time(TimeEmbedding::None);
    Potential(config.build(&store.builder()).unwrap())
}

fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), DType::F64, device())
}

/// Discriminators `a + b x` of data N(0, 1) and samples N(1, 1): the best output is `ln p/q = ½ − x`.
#[test]
fn the_best_discriminator_is_the_density_ratio() {
    // Sums with the densities as weights: losses of a law on a grid are means over points repeated by weight, so here each point is a batch of its own.
    let line = Var::new(&[0.5f64, -1.0], device()).unwrap();
    let expected = |values: &Tensor| {
        let (mut total, step) = (None::<Tensor>, 0.1);
        for k in -90..=100 {
            let x = f64::from(k) * step;
            let [p, q] = [x, x - 1.0].map(advect_core::normal::pdf);
            let output = (values.narrow(0, 0, 1).unwrap()
                + (values.narrow(0, 1, 1).unwrap() * x).unwrap())
            .unwrap();
            let far = Tensor::new(&[-1e4f64], device()).unwrap();
            // softplus(−1e4) = 0: one term of the loss at a time.
            let real = NonSaturating.discriminator(&output, &far).unwrap();
            let fake = NonSaturating
                .discriminator(&far.neg().unwrap(), &output)
                .unwrap();
            let term = ((real * (p * step)).unwrap() + (fake * (q * step)).unwrap()).unwrap();
            total = Some(match total {
                None => term,
                Some(total) => (total + term).unwrap(),
            });
        }
        total.unwrap()
    };
    let least = expected(line.as_tensor());
    let slope = least.backward().unwrap();
    assert!(
        vector(slope.get(&line).unwrap())
            .iter()
            .all(|s| s.abs() < 1e-9)
    );
    for change in [[0.1, 0.0], [-0.1, 0.0], [0.0, 0.1], [0.0, -0.1]] {
        let moved = (line.as_detached_tensor() + Tensor::new(&change, device()).unwrap()).unwrap();
        assert!(scalar(&expected(&moved)) > scalar(&least) + 1e-4);
    }
    // The value is −ln 4 + 2 JSD, and JSD is positive.
    assert!(scalar(&least) < 4f64.ln() - 0.05);
}

#[test]
fn losses_of_equal_laws() {
    let x = normal(&[200], 1.0, 1);
    let zero = x.zeros_like().unwrap();
    let at = |output: &Tensor| scalar(&NonSaturating.discriminator(output, output).unwrap());
    assert!((at(&zero) - 4f64.ln()).abs() < 1e-14);
    assert!(at(&x) > at(&zero));
    let half = (zero + 0.5).unwrap();
    let at = |output: &Tensor| scalar(&LeastSquares.discriminator(output, output).unwrap());
    assert!((at(&half) - 0.25).abs() < 1e-14 && at(&x) > at(&half));
    assert!(scalar(&Wasserstein.discriminator(&x, &x).unwrap()).abs() < 1e-14);
    // The slope of the non-saturating loss is σ(a) − 1, also where samples are told easily.
    let told = Var::new(&[-30f64], device()).unwrap();
    let slope = NonSaturating
        .generator(told.as_tensor())
        .unwrap()
        .backward()
        .unwrap();
    assert!((vector(slope.get(&told).unwrap())[0] + 1.0).abs() < 1e-12);
}

#[test]
fn slopes_and_their_gradients() {
    let parameters = store();
    let critic = critic(&parameters, 1);
    spread(&parameters, 0.4);
    let x = normal(&[4, 3], 1.0, 1);
    let norms = vector(&gradient_norms(&critic, &x).unwrap());
    let without = without_graph(|| gradient_norms(&critic, &x));
    assert_eq!(vector(&without.unwrap()), norms);
    for (i, norm) in norms.iter().enumerate() {
        let row = x.narrow(0, i, 1).unwrap();
        let value = |x: &Tensor| Ok(vector(&critic.at(&Time::Shared(0.0), x)?)[0]);
        let slope = gradient(value, &row, 1e-3).unwrap();
        let expected = scalar(&slope.sqr().unwrap().sum_all().unwrap()).sqrt();
        assert!((norm - expected).abs() < 1e-9, "{norm} {expected}");
    }
    // The last bias shifts the critic alone, and has the gradient 0.
    let last = parameters.vars().pop().unwrap();
    let loss = || {
        let unused = (last.as_tensor().sum_all()? * 0.0)?;
        Ok((gradient_penalty(&critic, &x)? + unused)?)
    };
    assert_gradients(&parameters, loss, 1e-8);
    let r1 = || {
        let unused = (last.as_tensor().sum_all()? * 0.0)?;
        Ok((gradient_norms(&critic, &x)?.sqr()?.mean_all()? + unused)?)
    };
    assert_gradients(&parameters, r1, 1e-8);
    // A critic without a slope.
    for var in parameters.vars() {
        var.set(&var.zeros_like().unwrap()).unwrap();
    }
    assert_eq!(vector(&gradient_norms(&critic, &x).unwrap()), [0.0; 4]);
    assert_eq!(scalar(&gradient_penalty(&critic, &x).unwrap()), 1.0);
}

#[test]
fn points_lie_between() {
    let (real, fake) = (normal(&[500, 1, 2], 1.0, 1), normal(&[500, 1, 2], 1.0, 2));
    let point = between(&real, &fake, &mut Generator::from_seed(0)).unwrap();
    let share = ((point - &fake).unwrap() / (real - fake).unwrap()).unwrap();
    let (first, second) = (
        share.narrow(2, 0, 1).unwrap(),
        share.narrow(2, 1, 1).unwrap(),
    );
    assert_close(&first, &second, 1e-8, 1e-8);
    let shares = first.flatten_all().unwrap().unsqueeze(1).unwrap();
    assert!(vector(&shares).iter().all(|s| (-1e-9..1.0).contains(s)));
    assert_means(&shares, &[0.5]);
}

struct Spectral(SpectralLinear, SpectralLinear);
impl Network for Spectral {
    fn forward<V: Value>(&self, _: &V, x: &V, _: Option<&Tensor>) -> Result<V> {
        let h = self.0.activated(x, Activation::Tanh)?;
        self.1.activated(&h, Activation::Identity)
    }
}

#[test]
fn spectral_norms_are_one() {
    let parameters = store();
    let builder = parameters.builder();
    let layers = [(3, 6, "0"), (6, 1, "1")]
        .map(|(from, to, name)| SpectralLinear::new(from, to, &builder.pp(name)).unwrap());
    spread(&parameters, 0.5);
    layers.iter().for_each(|layer| layer.update(300).unwrap());
    // det (WᵀW − I) = 0, and |W x| ≤ |x|.
    let w = layers[0].weight().unwrap();
    let x = normal(&[2000, 3], 1.0, 1);
    let image = x.matmul(&w.t().unwrap().contiguous().unwrap()).unwrap();
    let ratios =
        vector(&(image.sqr().unwrap().sum(1).unwrap() / x.sqr().unwrap().sum(1).unwrap()).unwrap());
    let largest = ratios.iter().fold(0f64, |a, b| a.max(*b));
    assert!(largest < 1.0 + 1e-9 && largest > 0.98, "{largest}");
    // One iteration keeps up with weights that change little.
    let [first, second] = layers;
    let var = &parameters.vars()[0];
    var.set(&(var.as_detached_tensor() + normal(var.dims(), 0.01, 5)).unwrap())
        .unwrap();
    first.update(1).unwrap();
    let soon = first.weight().unwrap();
    first.update(500).unwrap();
    assert_close(&soon, &first.weight().unwrap(), 0.0, 1e-3);
    // Its gradient, u and v at their limit, is that of W/σ(W); slopes of a critic of such layers are at most 1.
    let critic = Potential(Spectral(first.clone(), second.clone()));
    let norms = vector(&gradient_norms(&critic, &x).unwrap());
    assert!(norms.iter().all(|n| *n < 1.0 + 1e-9) && norms.iter().any(|n| *n > 0.3));
    let small = x.narrow(0, 0, 4).unwrap();
    let loss = || {
        first.update(60)?;
        second.update(2)?;
        Ok(critic.at(&Time::Shared(0.0), &small)?.sqr()?.mean_all()?)
    };
    assert_gradients(&parameters, loss, 1e-7);
}

/// `ln p/q` of data N(0, 1) and samples N(½, 1.5²), at samples.
fn generated(shape: &[usize], seed: u64) -> (Tensor, Tensor) {
    let noise = normal(shape, 1.0, seed);
    let x = noise.affine(1.5, 0.5).unwrap();
    let ratios = ((noise.sqr().unwrap() - x.sqr().unwrap()).unwrap() * 0.5).unwrap();
    (x, (ratios + 1.5f64.ln()).unwrap())
}

#[test]
fn corrections_have_the_moments_of_data() {
    let moments = |x: &Tensor| {
        let x = x.unsqueeze(1).unwrap();
        Tensor::cat(&[&x, &x.sqr().unwrap(), &x.powf(4.0).unwrap()], 1).unwrap()
    };
    let mut rng = Generator::from_seed(0);
    let (x, ratios) = generated(&[20000], 1);
    // The largest ratio is where ½ ((x − ½)²/1.5² − x²) has no slope, x = −0.4.
    let bound = 0.5 * ((0.9f64 / 1.5).powi(2) - 0.16) + 1.5f64.ln();
    let kept = discriminator_rejection(&ratios, bound + 1e-12, &mut rng).unwrap();
    let share = kept.len() as f64 / 20000.0;
    assert!((share - (-bound).exp()).abs() < 0.02, "{share}");
    let count = kept.len();
    let kept = x
        .index_select(&Tensor::from_vec(kept, count, device()).unwrap(), 0)
        .unwrap();
    assert_means(&moments(&kept), &[0.0, 1.0, 3.0]);

    let (x, ratios) = generated(&[40, 5000], 2);
    let ends = discriminator_chain(&x, &ratios, &mut rng).unwrap();
    assert!(
        (0.5..0.9).contains(&ends.acceptance_rate),
        "{}",
        ends.acceptance_rate
    );
    assert_means(&moments(&ends.samples), &[0.0, 1.0, 3.0]);
    // Without a correction they are far off.
    let mean = scalar(&x.mean_all().unwrap());
    assert!((mean - 0.5).abs() < 0.05);
}

#[test]
fn what_does_not_fit_is_told() {
    let outputs = |dims: &[usize]| normal(dims, 1.0, 1);
    let mut rng = Generator::from_seed(0);
    assert!(
        message(NonSaturating.discriminator(&outputs(&[3, 1]), &outputs(&[3])))
            .starts_with("real: got shape [3, 1], expected (batch,)")
    );
    assert!(
        message(LeastSquares.discriminator(&outputs(&[3]), &outputs(&[3, 2])))
            .starts_with("fake: got shape [3, 2]")
    );
    assert!(message(Wasserstein.generator(&outputs(&[]))).starts_with("fake: got shape []"));
    let parameters = store();
    let x = normal(&[4, 3], 1.0, 1);
    let error = message(gradient_penalty(&critic(&parameters, 2), &x));
    assert!(
        error.contains("got shape [4, 2], expected (4,) or (4, 1)"),
        "{error}"
    );
    assert!(
        message(between(&x, &normal(&[3, 3], 1.0, 1), &mut rng))
            .starts_with("fake: got shape [3, 3]")
    );
    assert!(
        message(discriminator_rejection(&outputs(&[3]), -9.0, &mut rng))
            .contains("expected at most the bound -9")
    );
    assert!(
        message(discriminator_rejection(&outputs(&[3, 1]), 9.0, &mut rng))
            .starts_with("log_ratios: got shape [3, 1]")
    );
    assert!(
        message(discriminator_chain(
            &outputs(&[3]),
            &outputs(&[3]),
            &mut rng
        ))
        .starts_with("proposals: got shape [3]")
    );
    assert!(
        message(discriminator_chain(
            &outputs(&[3, 2, 5]),
            &outputs(&[3]),
            &mut rng
        ))
        .starts_with("log_ratios: got shape [3]")
    );
    let layer = SpectralLinear::new(2, 2, &parameters.builder().pp("spectral")).unwrap();
    assert!(message(layer.update(0)).starts_with("iterations: got 0"));
}
