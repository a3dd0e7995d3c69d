//! The two ways to learn a Schrödinger bridge from samples of its ends: \[SF\]²M (Tong et al. 2024b) and DSBM (Shi et al. 2023).

use advect::prelude::*;

const BATCH: usize = 512;
/// Rounds of DSBM: a drift backwards, one forwards, and both again.
const ROUNDS: usize = 4;
/// Pairs of a simulation.
const SIMULATED: usize = 5000;
/// Training steps on the pairs of one plan, or of one simulation.
const FRESH: usize = 100;

/// Samples of both ends of a bridge, `(n, dim)`, and its diffusion.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Samples of the source.
    pub x0: &'a Tensor,
    /// Samples of the target.
    pub x1: &'a Tensor,
    /// The diffusion.
    pub sigma: f64,
    /// Steps of a simulated process.
    pub times: usize,
    /// Samples of each end for an entropic plan. With few samples a plan correlates the ends less than the plan of the laws does.
    pub pool: usize,
}

/// Networks, and what trains them.
struct Learner<const N: usize> {
    nets: [Mlp; N],
    trainer: Trainer,
}

impl<const N: usize> Learner<N> {
    /// N networks of 3 × 64 with SELU, as in the papers.
    fn new(dim: usize, steps: usize, key: &Key) -> Result<Self> {
        let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
        let config = Mlp::config(dim)
            .hidden(&[64; 3])
            .activation(Activation::Selu);
        let mut nets = Vec::new();
        for i in 0..N {
            nets.push(config.build(&store.builder().pp(i))?);
        }
        let nets = nets
            .try_into()
            .map_err(|_| Error::range("nets", N, "another number"))?;
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let trainer = Trainer::new(&store, optimizer, key.named("training").into())
            .learning_rate(WarmupCosine::new(3e-3, steps / 20, steps)?)
            .ema(Warmup::new(0.99)?)?;
        Ok(Learner { nets, trainer })
    }

    /// The networks with the averages of their weights.
    fn averaged(&self) -> Result<Vec<Mlp>> {
        let weights = self.trainer.averaged().frozen();
        let nets = self.nets.iter().enumerate();
        nets.map(|(i, net)| net.on(&weights.pp(i))).collect()
    }
}

/// \[SF\]²M: a velocity and a score, on pairs from the plans of pools.
///
/// # Errors
/// Those of the parts.
pub fn score_and_flow(problem: Problem<'_>, steps: usize, key: &Key) -> Result<[Mlp; 2]> {
    let (count, dim) = problem.x0.dims2()?;
    let bridge = SchrodingerBridge::new(problem.sigma)?;
    let coupling = EntropicOt::new(bridge.entropy())?;
    let objective = ScoreAndFlow::new(bridge).times(UniformWithin::new(1e-3, 1.0 - 1e-3)?);
    let size = problem.pool.min(count);
    let sources = Batches::new(count, size, key.named("sources"))?;
    let targets = Batches::new(count, size, key.named("targets"))?;
    let mut learner = Learner::<2>::new(dim, steps, key)?;
    let [velocity, score] = &learner.nets;
    let (mut pool, mut batches) = ((problem.x0.clone(), problem.x1.clone()), Vec::new());
    let loss = |step: usize, rng: &mut Generator| {
        if step.is_multiple_of(FRESH) {
            let round = step / FRESH;
            let ([x0], [x1]) = (
                sources.at(round, [problem.x0])?,
                targets.at(round, [problem.x1])?,
            );
            batches = coupling
                .draws(&x0, &x1, FRESH * BATCH, rng)?
                .batches(BATCH)?;
            pool = (x0, x1);
        }
        let pairs = &batches[step % FRESH];
        let (x0, x1) = (pairs.source(&pool.0)?, pairs.target(&pool.1)?);
        objective.losses(velocity, score, &x0, &x1, rng)?.total()
    };
    learner.trainer.run(steps, loss, &mut ())?;
    let nets = learner.averaged()?;
    nets.try_into()
        .map_err(|_| Error::range("nets", 2, "a pair"))
}

/// DSBM: the drifts of both directions, first on independent pairs. Each is trained on as many batches as the
/// networks of [`score_and_flow`].
///
/// # Errors
/// Those of the parts.
pub fn markovian_fitting(
    problem: Problem<'_>,
    steps: usize,
    key: &Key,
) -> Result<MarkovianFitting<Mlp>> {
    let (count, dim) = problem.x0.dims2()?;
    let size = SIMULATED.min(count);
    let sources = Batches::new(count, size, key.named("sources"))?;
    let targets = Batches::new(count, size, key.named("targets"))?;
    let batches = Batches::new(size, BATCH.min(size), key.named("batches"))?;
    let learner = |name| Learner::<1>::new(dim, steps, &key.named(name));
    let mut learners = [learner("backwards")?, learner("forwards")?];
    let sampler = BridgeSampler::new(problem.sigma, problem.times)?;
    let mut fitting = MarkovianFitting::new(sampler, Independent);
    for round in 0..ROUNDS {
        let learner = &mut learners[round % 2];
        let objective = bridge_matching(problem.sigma, fitting.direction())?;
        let start = learner.trainer.step();
        let mut pairs = (problem.x0.clone(), problem.x1.clone());
        let loss = |step: usize, rng: &mut Generator| {
            if (step - start).is_multiple_of(FRESH) {
                let round = step / FRESH;
                let ([x0], [x1]) = (
                    sources.at(round, [problem.x0])?,
                    targets.at(round, [problem.x1])?,
                );
                pairs = fitting.pairs(&x0, &x1, rng)?;
            }
            let [x0, x1] = batches.at(step, [&pairs.0, &pairs.1])?;
            objective.loss(&learner.nets[0], &x0, &x1, rng)
        };
        let until = (round / 2 + 1) * steps / (ROUNDS / 2);
        learner.trainer.run(until, loss, &mut ())?;
        fitting.fitted(learner.averaged()?.remove(0));
    }
    Ok(fitting)
}
