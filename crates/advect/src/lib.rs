//! Advect: generative models that transport noise to data, on candle. Flow matching and its relatives,
//! from training pairs to samples.
//!
//! This crate holds no code of its own: it re-exports the crates of the library, each under its name,
//! candle itself, and a [`prelude`] of what most programs use.
//!
//! | module | crate | holds |
//! | --- | --- | --- |
//! | [`core`] | `advect-core` | fields, time, errors, seeded randomness, test problems |
//! | [`ops`] | `advect-ops` | fast differentiable operations, forward mode, updates in place |
//! | [`paths`] | `advect-paths` | schedules, paths, couplings, closed forms, conversions |
//! | [`objectives`] | `advect-objectives` | flow and score matching, diffusion, likelihood |
//! | [`solvers`] | `advect-solvers` | ordinary and stochastic differential equations, gradients, divergences |
//! | [`samplers`] | `advect-samplers` | from fields to samples and likelihoods |
//! | [`models`] | `advect-models` | networks, the parameter store |
//! | [`train`] | `advect-train` | AdamW, averages, checkpoints, the training loop |
//! | [`metrics`] | `advect-metrics` | Wasserstein, energy, MMD, nearest neighbours |
//! | [`data`] | `advect-data` | toy data, digits, shuffled batches |
//! | [`transport`] | `advect-transport` | exact optimal assignment, Sinkhorn |

pub use advect_core as core;
pub use advect_data as data;
pub use advect_metrics as metrics;
pub use advect_models as models;
pub use advect_objectives as objectives;
pub use advect_ops as ops;
pub use advect_paths as paths;
pub use advect_samplers as samplers;
pub use advect_solvers as solvers;
pub use advect_train as train;
pub use advect_transport as transport;

pub use candle_core as candle;
pub use candle_nn;

/// What most programs use: `use advect::prelude::*;`.
pub mod prelude {
    pub use advect_core::{
        Borrowed, Conditional, Error, Field, Generator, GuidanceInterval, Guided, Jvp, Key, Result,
        Time, check, shape,
    };
    pub use advect_data::{Batches, Digits, Normalization, Prefetched};
    pub use advect_models::{Activation, Mlp, ParameterStore, Stateful, TimeEmbedding, UNet};
    pub use advect_objectives::ConditionDropout;
    pub use advect_objectives::distance::{Distance, PseudoHuber, SquaredError};
    pub use advect_objectives::objective::{
        Coupled, MaximumLikelihood, Objective, Regression, flow_matching, rectified_flow,
        score_matching,
    };
    pub use advect_objectives::time_sampler::{
        LogitNormal, Stratified, TimeSampler, Uniform, UniformWithin,
    };
    pub use advect_objectives::weighting::Weighting;
    pub use advect_paths::Prediction;
    pub use advect_paths::closed_form::{FiniteData, GaussianMixture, Law};
    pub use advect_paths::coupling::{Coupling, EntropicOt, ExactOt, Independent};
    pub use advect_paths::path::{
        Affine, ConstantSigma, Interpolant, Path, PathPoint, SchrodingerBridge,
    };
    pub use advect_paths::schedule::{
        CondOt, Cosine, DiscreteDiffusion, Edm, Schedule, SubVariancePreserving, VarianceExploding,
        VariancePreserving,
    };
    pub use advect_samplers::grid::{
        GivenSigmas, GivenTimes, Grid, Karras, Respaced, Shifted, UniformLogSnr, UniformTime,
    };
    pub use advect_samplers::likelihood::{BitsPerDimension, Likelihood, UniformDequantization};
    pub use advect_samplers::observer::{SamplingProgress, Snapshots};
    pub use advect_samplers::rule::{
        Ancestral, AnnealedLangevin, Ddim, DpmSolver, EdmRule, Plms, PredictorCorrector,
        ReverseSde, Rule, SdeMethod, UniPc, Variance,
    };
    pub use advect_samplers::strength::{ForwardDiffusion, NoiseLevel};
    pub use advect_samplers::threshold::{DynamicThreshold, StaticThreshold, Thresholded};
    pub use advect_samplers::{
        LastStep, Model, ProbabilityFlow, Run, Sampler, Source, iadb, pieces,
    };
    pub use advect_solvers::controller::{Adaptive, Fixed};
    pub use advect_solvers::gradient::{Backsolve, Checkpointed, Gradient, Unrolled};
    pub use advect_solvers::stepper::{Dopri5, Dopri8, Euler, Heun, Midpoint, Rk4, Tsit5};
    pub use advect_solvers::{Event, Save, Solution, Solver, Status};
    pub use advect_train::learning_rate::{LearningRate, WarmupCosine};
    pub use advect_train::observer::Progress;
    pub use advect_train::{AdamW, AdamWConfig, Ema, Trainer};
    pub use candle_core::{DType, Device, Tensor};
    pub use candle_nn::Optimizer;
}

/// The code of the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
