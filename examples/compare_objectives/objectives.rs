//! The objectives that are compared: each trains a network of the same size, for the same number of steps but for the
//! likelihood, whose steps integrate.

use std::sync::Arc;

use advect::core::normal::log_standard_normal;
use advect::objectives::objective::*;
use advect::objectives::weighting::MinSnr;
use advect::paths::path::gamma::Parabola;
use advect::paths::preconditioner::{EdmPreconditioner, Preconditioned};
use advect::prelude::*;
use advect::solvers::divergence::{Hutchinson, Probe};

use crate::learned::{Learned, Meaning};

/// How much of the way to the data is left out where scores grow without bound.
const LAST: f64 = 1e-3;

/// Trains networks.
pub(crate) struct Workshop {
    pub(crate) law: GaussianMixture,
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) key: Key,
    pub(crate) device: Device,
}

impl Workshop {
    /// A network trained by a loss of pairs of noise and data.
    fn train(
        &self,
        name: &str,
        steps: usize,
        loss: impl Fn(&Mlp, &[Tensor], &Tensor, &Tensor, &mut Generator) -> Result<Tensor>,
    ) -> Result<Mlp> {
        let store = ParameterStore::new(self.key.named("parameters"), DType::F32, &self.device);
        let net = Mlp::config(2).hidden(&[128; 3]).build(&store.builder())?;
        let parameters = store.tensors();
        let config = AdamWConfig {
            weight_decay: 0.0,
            ..AdamWConfig::default()
        };
        let optimizer = AdamW::from_store(&store, config)?;
        let rate = WarmupCosine::new(2e-3, steps / 20, steps)?;
        let mut trainer = Trainer::new(&store, optimizer, self.key.named("training").into())
            .learning_rate(rate)
            .ema(0.99)?;
        // Whatever an objective draws for itself, each step has the same pairs for all of them.
        let data = self.key.named("data");
        let loss = |step: usize, rng: &mut Generator| {
            let pairs = &mut Generator::from(data.child(step as u64));
            let x1 = (self.law).sample(self.batch, DType::F32, &self.device, pairs)?;
            let x0 = pairs.normal_like(&x1)?;
            loss(&net, &parameters, &x0, &x1, rng)
        };
        trainer.run(steps, loss, &mut Progress::new(name))?;
        net.on(&trainer.averaged().frozen())
    }

    fn fit(&self, name: &str, objective: impl Objective) -> Result<Mlp> {
        self.train(name, self.steps, |net, _, x0, x1, rng| {
            objective.loss(net, x0, x1, rng)
        })
    }

    /// Trains by the objective of this name; `before` are those that were trained already.
    pub(crate) fn learn(&self, name: &str, before: &[(&str, Learned)]) -> Result<Learned> {
        let vp = VariancePreserving::default();
        let times = UniformWithin::new(0.0, 1.0 - LAST)?;
        let velocity =
            |objective: &dyn Objective| Ok(Learned::velocity(self.fit(name, objective)?));
        match name {
            "rectified flow" => velocity(&rectified_flow()),
            "SD3 times" => velocity(&stable_diffusion_3()),
            "I-CFM, σ 0.1" => velocity(&flow_matching(ConstantSigma::new(0.1)?)),
            "OT-CFM" => velocity(&Coupled::new(ExactOt, rectified_flow())),
            "SB-CFM, σ 0.5" => {
                let bridge = SchrodingerBridge::new(0.5)?;
                let pairs = EntropicOt::new(bridge.entropy())?;
                let times = UniformWithin::new(LAST, 1.0 - LAST)?;
                velocity(&Coupled::new(pairs, flow_matching(bridge).times(times)))
            }
            "interpolant" => {
                let path = Interpolant::new(CondOt::default(), Parabola);
                velocity(&interpolant_velocity(path))
            }
            "cosine FM" => velocity(&flow_matching(Affine::new(Cosine))),
            "2-rectified" => self.reflowed(name, before),
            "score SDE, VP" => self.score(name, score_matching(vp).times(times), vp),
            "ScoreFlow" => self.score(name, score_flow(vp, 0.0, 1.0 - LAST)?, vp),
            "implicit score" => {
                let net = self.implicit(name, vp, times)?;
                Ok(Learned::prediction(net, Prediction::Noise, vp))
            }
            "NCSN" => {
                let (low, high) = (0.02, 10.0);
                let schedule = VarianceExploding::new(low, high)?;
                Ok(Learned {
                    end: 1.0,
                    ..self.score(name, ncsn(low, high, 50)?, schedule)?
                })
            }
            "DDPM" => {
                let steps = DiscreteDiffusion::default();
                let net = self.fit(name, ddpm(steps.clone()))?;
                Ok(Learned {
                    meaning: Meaning::Discrete(steps, vp),
                    ..Learned::prediction(net, Prediction::Noise, vp)
                })
            }
            "DDPM's bound" => {
                let steps = DiscreteDiffusion::default();
                let net = self.fit(name, VariationalBound::new(steps.clone()))?;
                Ok(Learned {
                    meaning: Meaning::Discrete(steps, vp),
                    ..Learned::prediction(net, Prediction::Noise, vp)
                })
            }
            "v, min-SNR" => {
                let weighting = MinSnr::new(Cosine, 5.0, Prediction::V)?;
                let objective = Regression::new(Affine::new(Cosine), Prediction::V);
                let net = self.fit(name, objective.weighting(weighting))?;
                let mut learned = Learned::prediction(net, Prediction::V, Cosine);
                learned.end = 1.0;
                Ok(learned)
            }
            "EDM" => {
                let (levels, preconditioner) = (
                    EdmSchedule::new(0.02, 10.0, 7.0)?,
                    EdmPreconditioner::new(0.8)?,
                );
                let objective = edm(levels, 0.8)?;
                let net = self.train(name, self.steps, |net, _, x0, x1, rng| {
                    let denoiser = Preconditioned::new(net, &preconditioner, &levels);
                    objective.loss(&denoiser, x0, x1, rng)
                })?;
                Ok(Learned {
                    net,
                    meaning: Meaning::Denoiser(preconditioner, levels),
                    source: levels.sigma(0.0),
                    end: 1.0,
                })
            }
            "likelihood" => self.likely(name),
            _ => Err(Error::range("objective", name, "a name of the list")),
        }
    }

    /// A score that is a network's output over −σ, so that the network's targets have one size.
    fn score<S: Schedule + Copy + 'static>(
        &self,
        name: &str,
        objective: impl Objective,
        schedule: S,
    ) -> Result<Learned> {
        let net = self.train(name, self.steps, |net, _, x0, x1, rng| {
            let score = Prediction::Noise.field(net, Prediction::Score, &schedule);
            objective.loss(&score, x0, x1, rng)
        })?;
        Ok(Learned::prediction(net, Prediction::Noise, schedule))
    }

    /// Rectified flow on the pairs of a rectified flow.
    fn reflowed(&self, name: &str, before: &[(&str, Learned)]) -> Result<Learned> {
        let known = before.iter().find(|(n, _)| *n == "rectified flow");
        let fresh = match known {
            Some(_) => None,
            None => Some(self.learn("rectified flow", &[])?),
        };
        let first = known.map(|(_, first)| first).or(fresh.as_ref());
        let first = first.ok_or_else(|| Error::range("objective", name, "a rectified flow"))?;
        let mut rng = Generator::from(self.key.named("reflow"));
        let noise = rng.normal((20_000, 2), DType::F32, &self.device)?;
        let solver = Solver::new(Heun, Fixed::steps(25)?);
        let (z0, z1) = reflow(first, &solver, &noise, 2000)?;
        let batches = Batches::new(20_000, self.batch, self.key.named("pairs"))?;
        let objective = rectified_flow();
        let step = std::cell::Cell::new(0);
        let net = self.train(name, self.steps, |net, _, _, _, rng| {
            let [z0, z1] = batches.at(step.replace(step.get() + 1), [&z0, &z1])?;
            objective.loss(net, &z0, &z1, rng)
        })?;
        Ok(Learned::velocity(net))
    }

    /// Score matching without a target, along the way of a diffusion.
    fn implicit(&self, name: &str, vp: VariancePreserving, times: UniformWithin) -> Result<Mlp> {
        let path = Affine::new(vp);
        self.train(name, self.steps, |net, _, x0, x1, rng| {
            let t = Time::per_sample(&times.sample(self.batch, rng)?)?;
            let x = path.sample(&t, x0, x1, rng)?.x;
            let probes = Hutchinson::new(Probe::Rademacher, 1, &x, rng)?;
            let score = Prediction::Noise.field(net, Prediction::Score, &vp);
            let losses = ImplicitScoreMatching::new(probes).losses(&score, &t, &x)?;
            let weights = t.coefficient(|t| vp.sigma(t).powi(2))?;
            Ok(weights.times(&losses)?.mean_all()?)
        })
    }

    /// A continuous normalizing flow by maximum likelihood: each step integrates, so there are fewer of them.
    fn likely(&self, name: &str) -> Result<Learned> {
        let gradient = Unrolled::new(Solver::new(Rk4, Fixed::steps(6)?));
        let objective = MaximumLikelihood::new(gradient).kinetic(0.01)?;
        let net = self.train(
            name,
            self.steps.div_ceil(10),
            |net, parameters, _, x1, rng| {
                let net = Arc::new(net.clone());
                let losses = objective.losses(&net, parameters, x1, log_standard_normal, rng)?;
                Ok(losses.mean_all()?)
            },
        )?;
        Ok(Learned::velocity(net))
    }
}
