//! Advect: generative models that transport noise to data, on candle. It covers flow matching and related methods,
//! from training pairs to samples.
//!
//! This crate holds no code of its own. It re-exports the crates of the library, each under its name,
//! candle itself, and a [`prelude`] of the items that most programs use.
//!
//! # Quick start
//!
//! A flow from Gaussian noise to two moons, trained and sampled:
//!
//! ```
//! use advect::data::toy::{Toy, TwoMoons};
//! use advect::prelude::*;
//!
//! # fn main() -> Result<()> {
//! let device = Device::Cpu;
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &device);
//! let net = Mlp::config(2).build(&store.builder())?;
//!
//! // Training: straight lines from noise to data.
//! let objective = rectified_flow();
//! let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
//! let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
//! let loss = |_: usize, rng: &mut Generator| {
//!     let noise = rng.normal((256, 2), DType::F32, &device)?;
//!     let data = TwoMoons::default().sample(256, DType::F32, &device, rng)?;
//!     objective.loss(&net, &noise, &data, rng)
//! };
//! trainer.run(100, loss, &mut ())?;
//!
//! // Sampling: from noise at t = 0 along the learned velocity to data at t = 1.
//! let noise = trainer.rng().normal((8, 2), DType::F32, &device)?;
//! let solver = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
//! let samples = solver.solve(&net.on(&store.frozen())?, &noise, 0.0, 1.0)?.end()?;
//! assert_eq!(samples.dims(), [8, 2]);
//! # Ok(())
//! # }
//! ```
//!
//! # Crates
//!
//! | module | crate | holds |
//! | --- | --- | --- |
//! | [`classics`] | `advect-classics` | Boltzmann machines, normalizing flows, variational autoencoders, autoregressive models, adversarial networks |
//! | [`core`](mod@core) | `advect-core` | fields, time, errors, seeded randomness, test problems |
//! | [`ops`] | `advect-ops` | fast differentiable operations, forward mode, in-place updates |
//! | [`paths`] | `advect-paths` | schedules, paths, couplings, closed forms, conversions |
//! | [`objectives`] | `advect-objectives` | flow and score matching, diffusion, likelihood |
//! | [`solvers`] | `advect-solvers` | solvers of ordinary and stochastic differential equations, gradients, divergences |
//! | [`samplers`] | `advect-samplers` | sampling and likelihoods of fields |
//! | [`nn`] | `advect-nn` | the parameter store, layers, embeddings, the network trait |
//! | [`models`] | `advect-models` | whole networks |
//! | [`train`] | `advect-train` | optimisers, averages, checkpoints, the training loop |
//! | [`metrics`] | `advect-metrics` | Wasserstein and energy distances, MMD, nearest neighbours, straightness; FID, KID, precision and recall of features |
//! | [`parallel`] | `advect-parallel` | the ranks of a run on several processes or machines, shards |
//! | [`data`] | `advect-data` | toy data, digits, images, tables, shuffled batches |
//! | [`features`] | `advect-features` | Inception-v3 and shipped classifiers, by whose features images are compared |
//! | [`diffusers`] | `advect-diffusers` | networks, schedulers and folders of diffusers, with their weights |
//! | [`trajectories`] | `advect-trajectories` | populations over time: snapshots, and flows and potentials that join them |
//! | [`transport`] | `advect-transport` | exact, entropic and semidiscrete optimal transport |
//!
//! # Features
//!
//! | feature | adds | default |
//! | --- | --- | --- |
//! | `classics` | Boltzmann machines, normalizing flows, variational autoencoders, autoregressive models, adversarial networks | yes |
//! | `data` | toy data, digits, readers of images and arrays, batches | yes |
//! | `images` | folders of PNG and JPEG | yes |
//! | `features` | Inception-v3 and shipped classifiers, whose features images are compared by | yes |
//! | `metrics` | distances between sets of samples | yes |
//! | `nn`, `models` | the parts of networks, and whole networks | yes |
//! | `train` | optimisers, averages, checkpoints, the training loop | yes |
//! | `diffusers` | networks, schedulers and folders of diffusers | yes |
//! | `trajectories` | populations over time | yes |
//! | `progress` | progress bars | yes |
//! | `signals` | an end of training by SIGINT, SIGTERM and SIGHUP | yes |
//! | `pytorch` | weights from PyTorch's files | yes |
//! | `mpi` | processes of MPI, on one machine or many; needs the system's MPI and libclang to build | no |
//! | `testing` | problems with known solutions, finite differences and comparisons, for tests | no |
//! | `cuda` | candle's CUDA backend in every crate, and Advect's kernels for it; needs the CUDA toolkit to build | no |
//! | `cudnn` | `cuda`, with cuDNN for convolutions | no |
//! | `nccl` | `cuda`, with NCCL for sums of gradients between GPUs | no |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "classics")]
#[doc(inline)]
pub use advect_classics as classics;
#[doc(inline)]
pub use advect_core as core;
#[cfg(feature = "data")]
#[doc(inline)]
pub use advect_data as data;
#[cfg(feature = "diffusers")]
#[doc(inline)]
pub use advect_diffusers as diffusers;
#[cfg(feature = "features")]
#[doc(inline)]
pub use advect_features as features;
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use advect_metrics as metrics;
#[cfg(feature = "models")]
#[doc(inline)]
pub use advect_models as models;
#[cfg(feature = "nn")]
#[doc(inline)]
pub use advect_nn as nn;
#[doc(inline)]
pub use advect_objectives as objectives;
#[doc(inline)]
pub use advect_ops as ops;
#[doc(inline)]
pub use advect_parallel as parallel;
#[doc(inline)]
pub use advect_paths as paths;
#[doc(inline)]
pub use advect_samplers as samplers;
#[doc(inline)]
pub use advect_solvers as solvers;
#[cfg(feature = "train")]
#[doc(inline)]
pub use advect_train as train;
#[cfg(feature = "trajectories")]
#[doc(inline)]
pub use advect_trajectories as trajectories;
#[doc(inline)]
pub use advect_transport as transport;

pub use candle_core as candle;
#[cfg(feature = "nn")]
pub use candle_nn;

/// The items that most programs use: `use advect::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "classics")]
    pub use advect_classics::autoregressive::{
        Autoregressive, CausalTransformer, MaskedAutoencoder, RecurrentModel, TokenSampling,
    };
    #[cfg(feature = "classics")]
    pub use advect_classics::boltzmann::{
        AnnealedImportanceSampling, BoltzmannMachine, ContrastiveDivergence, Gibbs, Langevin,
        Negatives, ParallelTempering, PersistentChains, ReplayBuffer, RestrictedBoltzmannMachine,
        contrastive_loss,
    };
    #[cfg(feature = "classics")]
    pub use advect_classics::flow::{
        ActNorm, AffineCoupling, Bijection, Composition, IndependenceMetropolis, Inverted,
        InvertibleConvolution, Mask, MaskedAutoregressive, MaskedPerceptron, MultiScale,
        NormalizingFlow, Permutation, ResidualBlock, SplineCoupling, Squeeze, forward_kl,
        importance_weights, reverse_kl,
    };
    #[cfg(feature = "classics")]
    pub use advect_classics::gan::{
        AdversarialLoss, LeastSquares, NonSaturating, SpectralLinear, Wasserstein, gradient_penalty,
    };
    #[cfg(feature = "classics")]
    pub use advect_classics::lattice::{
        Action, EquivariantVelocity, Ising, OddConvolution, Phi4, Wolff,
    };
    #[cfg(feature = "classics")]
    pub use advect_classics::vae::{
        BernoulliLikelihood, EvidenceBound, GaussianLikelihood, VariationalAutoencoder,
    };
    #[cfg(feature = "classics")]
    pub use advect_classics::{ImportanceWeights, untimed};
    #[cfg(feature = "progress")]
    pub use advect_core::Progress;
    pub use advect_core::{
        Conditional, ConditionalJvp, Energy, Error, Field, Generator, Given, Jvp, Key, Observer,
        Result, Time, check, field_fn, observer_fn, shape, stop_when, system_fn,
    };
    #[cfg(feature = "data")]
    pub use advect_data::{
        Batches, Csv, Digits, Missing, Normalization, Prefetched, Standardization, Table,
    };
    #[cfg(feature = "diffusers")]
    pub use advect_diffusers::Pipeline;
    #[cfg(feature = "features")]
    pub use advect_features::{Classifier, FeatureExtractor, InceptionV3};
    #[cfg(feature = "models")]
    pub use advect_models::{DiffusionTransformer, Mlp, UNet};
    #[cfg(feature = "nn")]
    pub use advect_nn::{
        Activation, Builder, Linear, Network, ParameterStore, Potential, Stateful, TimeEmbedding,
        Weights, network_field,
    };
    pub use advect_objectives::ConditionDropout;
    pub use advect_objectives::distance::{Distance, PseudoHuber, SquaredError};
    pub use advect_objectives::objective::{
        Coupled, HybridLoss, ImplicitScoreMatching, MaximumLikelihood, Objective, Regression,
        ScoreAndFlow, SlicedScoreMatching, VariationalBound, bridge_matching, ddpm, edm,
        flow_matching, ncsn, rectified_flow, reflow, score_flow, score_matching,
    };
    pub use advect_objectives::time_sampler::{
        Levels, LogitNormal, Stratified, TimeSampler, Uniform, UniformWithin,
    };
    pub use advect_objectives::weighting::{
        Importance, MinSnr, NoiseVariance, Weighting, weighting_fn,
    };
    pub use advect_parallel::{Ranks, Shard};
    pub use advect_paths::closed_form::{
        Covariance, EntropicBridge, FiniteData, Gaussian, GaussianBridge, GaussianMixture,
        JointLaw, Law,
    };
    pub use advect_paths::coupling::{ConditionalOt, Coupling, EntropicOt, ExactOt, Independent};
    pub use advect_paths::path::{
        Affine, BridgeDrift, ConditionalGaussian, ConstantSigma, Interpolant, Marginal, Path,
        PathPoint, SchrodingerBridge, moments_fn,
    };
    pub use advect_paths::preconditioner::Preconditioned;
    pub use advect_paths::schedule::{
        CondOt, Cosine, DiscreteDiffusion, EdmSchedule, LinearVariancePreserving, Polynomial,
        Retimed, Schedule, SubVariancePreserving, VarianceExploding, VariancePreserving,
    };
    pub use advect_paths::time_map::{DiscreteTimes, LinearTime, LogSnrTime, TimeMap, TimeMapped};
    pub use advect_paths::{Direction, ForwardProcess, Prediction, Rescheduled};
    pub use advect_samplers::diagnostics::{
        CorrelatedMean, Jackknife, effective_sample_size, split_r_hat,
    };
    pub use advect_samplers::diffusion::{ForwardDiffusion, NoiseLevel, diffusion_fn};
    pub use advect_samplers::grid::{
        GivenSigmas, GivenTimes, Grid, Karras, Respaced, Shifted, Tail, UniformLogSnr, UniformTime,
    };
    pub use advect_samplers::guidance::{GuidanceInterval, GuidanceWeight, Guided, guidance_fn};
    pub use advect_samplers::hamiltonian::{HamiltonianMonteCarlo, MassMatrix, WarmUp};
    pub use advect_samplers::inverse::{Dps, Pigdm};
    pub use advect_samplers::likelihood::{
        BitsPerDimension, Likelihood, LikelihoodBound, UniformDequantization,
    };
    pub use advect_samplers::observer::Snapshots;
    pub use advect_samplers::rule::{
        Ancestral, AnnealedLangevin, Ddim, DpmSolver, Edm, Inpaint, LikelihoodStep, Plms,
        PredictorCorrector, ReverseSde, Rule, SdeMethod, UniPc, Variance,
    };
    pub use advect_samplers::threshold::{DynamicThreshold, StaticThreshold, Thresholded};
    pub use advect_samplers::{
        BridgeSampler, LastStep, MarkovianFitting, Model, NoiseSource, PathSde, ProbabilityFlow,
        Run, Sampler, ScoredVelocity, TwoFields, TwoHeads, equal_times, iadb, pieces,
    };
    pub use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
    pub use advect_solvers::controller::{Adaptive, Fixed};
    pub use advect_solvers::divergence::{
        Divergence, Exact, Flow, HutchPlusPlus, Hutchinson, Transposed,
    };
    pub use advect_solvers::energy::GradientField;
    pub use advect_solvers::implicit::{
        ImplicitRungeKutta, Kvaerno3, Kvaerno4, Kvaerno5, MatrixFree, RadauIia5,
    };
    pub use advect_solvers::sde::{
        BrownianPath, EulerMaruyama, Milstein, Noise, Sra1, StratonovichHeun,
    };
    pub use advect_solvers::stepper::{
        Bosh3, Dopri5, Dopri8, Euler, Heun, Midpoint, Ralston, Rk4, Tsit5,
    };
    pub use advect_solvers::system::system;
    pub use advect_solvers::{AcceptedStep, DenseStep, Event, Save, Solution, Solver, Status};
    #[cfg(feature = "signals")]
    pub use advect_train::Signals;
    #[cfg(feature = "train")]
    pub use advect_train::decay::{Warmup, decay_fn};
    #[cfg(feature = "train")]
    pub use advect_train::learning_rate::{LearningRate, WarmupCosine, learning_rate_fn};
    #[cfg(feature = "train")]
    pub use advect_train::observer::{Checkpointing, MetricLog, Validation, every};
    #[cfg(feature = "train")]
    pub use advect_train::{
        Adam, AdamConfig, AdamW, AdamWConfig, Checkpoint, CheckpointFolder, DataParallel, Ema,
        Gradients, Lion, LionConfig, LossScale, Momentum, Muon, MuonConfig, NonFinite,
        ParameterGroup, RunEnd, Sgd, SgdConfig, StatefulOptimizer, StepReport, Trainer,
    };
    pub use candle_core::{DType, Device, Tensor};
    #[cfg(feature = "nn")]
    pub use candle_nn::Optimizer;
}

/// The code of the README and of the book is compiled and run.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/src/concepts.md")]
    struct Concepts;
    #[doc = include_str!("../../../docs/src/stochastic.md")]
    struct Stochastic;
    #[doc = include_str!("../../../docs/src/extending.md")]
    struct Extending;
    #[doc = include_str!("../../../docs/src/long_runs.md")]
    struct LongRuns;
    #[doc = include_str!("../../../docs/src/performance.md")]
    struct Performance;
}
