//! The methods that are compared.

use advect::paths::coupling::{EntropicOt, Independent};
use advect::paths::path::{ConstantSigma, SchrodingerBridge};
use advect::prelude::*;
use advect::solvers::energy::GradientField;
use advect::solvers::sde::{BrownianPath, Diagonal, EulerMaruyama};
use advect::trajectories::objective::{ActionMatching, FlowMatching};
use advect::trajectories::path::{Chain, NaturalCubic, SnapshotPath, Spline};
use advect::trajectories::{Snapshot, Snapshots};

use super::simulated;

/// Their names, in the order of the table. The last four simulate in each step of training, and so make a fifth of the steps.
pub(crate) const METHODS: [&str; 9] = [
    "I-CFM",
    "OT-CFM",
    "SB-CFM",
    "splines",
    "action matching",
    "CNF",
    "TrajectoryNet",
    "neural SDE",
    "NLSB",
];

/// Samples of each snapshot in a batch.
pub(crate) const BATCH: usize = 64;
/// The noise of the bridges of SB-CFM, and that around the lines of the others.
const SIGMA: [f64; 2] = [0.5, 0.1];

/// A process that carries samples: its drift, and the deviation of its noise in a unit of time.
pub(crate) struct Process {
    pub(crate) drift: Box<dyn Field>,
    pub(crate) sigma: f64,
}

impl Process {
    /// A process without noise.
    pub(crate) fn flow(drift: Box<dyn Field>) -> Self {
        Process { drift, sigma: 0.0 }
    }

    /// The states of samples of one snapshot at later times, that of the snapshot included.
    pub(crate) fn states(&self, from: &Snapshot, times: &[f64], key: Key) -> Result<Vec<Tensor>> {
        let drift = field_fn(|t, x| Ok(self.drift.at(t, x)?.detach()));
        let (start, last) = (from.samples(), times[times.len() - 1]);
        let solution = match self.sigma {
            0.0 => {
                let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
                let way = solver.integration(&drift, start, from.time(), last);
                way.save(Save::At(times.to_vec())).run()?
            }
            sigma => {
                let noise = Diagonal(field_fn(move |_, x| Ok((x.ones_like()? * sigma)?)));
                let path = BrownianPath::new(key, start, from.time(), last)?;
                let solver = Solver::new(EulerMaruyama::new(noise, path), Fixed::size(0.05)?);
                let way = solver.integration(&drift, start, from.time(), last);
                way.save(Save::At(times.to_vec())).run()?
            }
        };
        Ok(solution.states)
    }
}

/// A network with as many outputs as dimensions, unless told.
pub(crate) fn network(
    snapshots: &Snapshots,
    outputs: usize,
    store: &ParameterStore,
) -> Result<Mlp> {
    let dim = snapshots.at(0).samples().dim(1)?;
    let outputs = if outputs == 0 { dim } else { outputs };
    let net = Mlp::config(dim).outputs(outputs).hidden(&[64; 3]);
    net.activation(Activation::Selu).build(&store.builder())
}

/// Trains a network, and returns its process.
pub(crate) fn train(
    method: &str,
    snapshots: &Snapshots,
    steps: usize,
    seed: u64,
) -> Result<Process> {
    let key = Key::from_seed(seed);
    match method {
        "CNF" | "TrajectoryNet" => {
            return simulated::flow(snapshots, method != "CNF", steps.div_ceil(5), key);
        }
        "NLSB" | "neural SDE" => {
            return simulated::sde(snapshots, method == "NLSB", steps.div_ceil(5), key);
        }
        _ => {}
    }
    let store = ParameterStore::new(key.named("net"), DType::F32, &Device::Cpu);
    let lines = ConstantSigma::new(SIGMA[1])?;
    let trainer = |loss: &dyn Fn(&mut Generator) -> Result<Tensor>| -> Result<()> {
        let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
        let rng = Generator::from(key.named("train"));
        Trainer::new(&store, optimizer, rng).run(steps, |_, rng| loss(rng), &mut ())?;
        Ok(())
    };
    if method == "action matching" {
        let potential = Potential(network(snapshots, 1, &store)?);
        let velocity = GradientField::new(potential, &store.tensors())?;
        let objective = ActionMatching::new(Chain::new(ExactOt, lines, BATCH)?);
        trainer(&|rng| objective.loss(&velocity, snapshots, rng))?;
        return Ok(Process::flow(Box::new(velocity)));
    }
    let path: Box<dyn SnapshotPath> = match method {
        "I-CFM" => Box::new(Chain::new(Independent, lines, BATCH)?),
        "OT-CFM" => Box::new(Chain::new(ExactOt, lines, BATCH)?),
        "SB-CFM" => {
            let bridge = SchrodingerBridge::new(SIGMA[0])?;
            Box::new(Chain::new(
                EntropicOt::new(bridge.entropy())?,
                bridge,
                BATCH,
            )?)
        }
        _ => Box::new(Spline::new(ExactOt, NaturalCubic, 2 * BATCH)?.noise(SIGMA[1])?),
    };
    let net = network(snapshots, 0, &store)?;
    let objective = FlowMatching::new(path);
    trainer(&|rng| objective.loss(&net, snapshots, rng))?;
    Ok(Process::flow(Box::new(net.on(&store.frozen())?)))
}
