//! Schedulers of diffusers, in terms of schedules, grids and rules.

mod beta_quantile;
mod betas;
mod clip;
mod clipped_ddim;
mod ddim;
mod ddpm;
mod dpm_solver;
mod euler;
mod flow_matching;
mod levels;
mod network_times;
mod path_schedule;
mod plms;
mod sampler;
mod scheduled;
mod shift;
mod sigmas;
mod spacing;
mod uni_pc;

use advect_core::{Field, Result};
use advect_paths::Prediction;
use advect_samplers::Model;

use crate::Config;
use clip::Clip;
pub use network_times::NetworkTimes;
pub use path_schedule::PathSchedule;
pub use sampler::SchedulerSampler;
pub use scheduled::Scheduled;

/// A scheduler of diffusers, from its `scheduler_config.json`: the schedule that a network was trained on, its prediction, its own time,
/// and a sampler, with the same numbers as diffusers' own loop.
///
/// | class | rule | grid |
/// | --- | --- | --- |
/// | `DDPMScheduler` | [`Ancestral`](advect_samplers::rule::Ancestral) | steps of training |
/// | `DDIMScheduler` | [`Ddim`](advect_samplers::rule::Ddim); with `clip_sample` only the data is bounded, not the noise | steps of training |
/// | `PNDMScheduler` | [`Plms`](advect_samplers::rule::Plms) | steps of training |
/// | `EulerDiscreteScheduler` | [`Ddim`](advect_samplers::rule::Ddim) | ratios `σ/α`, also those of Karras et al. |
/// | `DPMSolverMultistepScheduler` | [`DpmSolver`](advect_samplers::rule::DpmSolver), also of the reverse SDE | steps of training, or ratios |
/// | `UniPCMultistepScheduler` | [`UniPc`](advect_samplers::rule::UniPc) | steps of training, or ratios |
/// | `FlowMatchEulerDiscreteScheduler` | [`Ddim`](advect_samplers::rule::Ddim) on straight lines, which is Euler's method | shifted times |
///
/// Options that have no equivalent, and would change the numbers, are errors that name them. With `use_exponential_sigmas` or
/// `use_beta_sigmas`, DPM-Solver and UniPC cut the network's time to whole steps: at the level with the most noise, diffusers' rounding
/// decides whether that is the last step of training, as it is here, or the one before.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_diffusers::{Config, Scheduler};
/// use advect_paths::Prediction;
/// use advect_samplers::Sampler;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let text = r#"{"_class_name": "DDIMScheduler", "clip_sample": false, "prediction_type": "sample"}"#;
/// let scheduler = Scheduler::new(Config::parse("scheduler_config.json", text)?)?;
/// assert_eq!(scheduler.prediction(), Prediction::Data);
///
/// // The denoiser of data that is all 3; it is told diffusers' own timesteps, 900, 800, ….
/// let net = field_fn(|_, x| Ok(x.affine(0.0, 3.0)?));
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal((4, 2), DType::F32, &Device::Cpu)?;
/// let x = scheduler.sampler(10)?.sample(&scheduler.model(&net), &noise, &mut rng)?;
/// assert_eq!(x.to_vec2::<f32>()?, [[3.0; 2]; 4]);
///
/// let text = r#"{"_class_name": "UniPCMultistepScheduler", "predict_x0": false}"#;
/// let error = Scheduler::new(Config::parse("scheduler_config.json", text)?).unwrap_err().to_string();
/// assert!(error.starts_with("scheduler_config.json: predict_x0: got false, expected true"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DDPMScheduler")]
#[doc(alias = "DDIMScheduler")]
#[doc(alias = "PNDMScheduler")]
#[doc(alias = "EulerDiscreteScheduler")]
#[doc(alias = "DPMSolverMultistepScheduler")]
#[doc(alias = "UniPCMultistepScheduler")]
#[doc(alias = "FlowMatchEulerDiscreteScheduler")]
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduler {
    schedule: PathSchedule,
    prediction: Prediction,
    times: NetworkTimes,
    /// Whether the network gives the velocity towards the noise.
    backwards: bool,
    /// The bound on the expected data, if noise and velocity follow from the bounded data.
    clip: Option<Clip>,
    steps: Steps,
}

/// What a class makes of a number of steps.
#[derive(Debug, Clone, PartialEq)]
enum Steps {
    Ddpm(ddpm::Ddpm),
    Ddim(ddim::DdimSteps),
    Plms(plms::PlmsSteps),
    Euler(euler::Euler),
    DpmSolver(dpm_solver::DpmSolverSteps),
    UniPc(uni_pc::UniPcSteps),
    FlowMatching(flow_matching::FlowMatching),
}

/// Keys that one of the classes knows, and the others are told by files without heeding them.
const SHARED: [&str; 31] = [
    "clip_sample",
    "clip_sample_range",
    "thresholding",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    "skip_prk_steps",
    "set_alpha_to_one",
    "variance_type",
    "solver_order",
    "solver_type",
    "algorithm_type",
    "lower_order_final",
    "euler_at_final",
    "lambda_min_clipped",
    "interpolation_type",
    "use_karras_sigmas",
    "final_sigmas_type",
    "sigma_min",
    "sigma_max",
    "timestep_type",
    "predict_x0",
    "disable_corrector",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "use_flow_sigmas",
    "flow_shift",
    "use_dynamic_shifting",
    "time_shift_type",
    "shift_terminal",
    "solver_p",
];

impl Scheduler {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::File`](advect_core::Error::File), naming the key, what came and what is accepted.
    pub fn new(mut config: Config) -> Result<Self> {
        let class = config.class().unwrap_or_default().to_string();
        let c = &mut config;
        let read = match class.as_str() {
            "DDPMScheduler" => ddpm::read(c)?,
            "DDIMScheduler" => ddim::read(c)?,
            "PNDMScheduler" => plms::read(c)?,
            "EulerDiscreteScheduler" => euler::read(c)?,
            "DPMSolverMultistepScheduler" => dpm_solver::read(c)?,
            "UniPCMultistepScheduler" => uni_pc::read(c)?,
            "FlowMatchEulerDiscreteScheduler" => flow_matching::read(c)?,
            _ => {
                let accepted = "DDPMScheduler, DDIMScheduler, PNDMScheduler, EulerDiscreteScheduler, \
                     DPMSolverMultistepScheduler, UniPCMultistepScheduler or FlowMatchEulerDiscreteScheduler";
                return Err(c.wrong("_class_name", format!("{class:?}"), accepted));
            }
        };
        config.ignore(&SHARED);
        config.finish()?;
        Ok(read)
    }

    /// Returns the scheduler with the shift μ of levels towards the noise that a size of images asks for: `mu` of diffusers'
    /// `set_timesteps`, for a `FlowMatchEulerDiscreteScheduler` with `use_dynamic_shifting`, which has no sampler without it.
    ///
    /// ```
    /// use advect_diffusers::{Config, Scheduler};
    /// use advect_samplers::Sampler;
    /// # fn main() -> advect_core::Result<()> {
    /// let text = r#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": true}"#;
    /// let scheduler = Scheduler::new(Config::parse("scheduler_config.json", text)?)?;
    /// assert!(scheduler.sampler(10).unwrap_err().to_string().starts_with("mu: got none"));
    /// let sampler = scheduler.clone().shifted_by(1.15)?.sampler(10)?;
    /// assert_eq!(sampler.start(scheduler.schedule())?.time, 0.0);
    /// // The same for 4096 tokens, by the line that the configuration has.
    /// assert_eq!(scheduler.clone().shifted_for(4096)?, scheduler.shifted_by(1.15)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) naming `mu` for another scheduler, or a number that gives no shift.
    #[doc(alias = "mu")]
    #[doc(alias = "use_dynamic_shifting")]
    pub fn shifted_by(mut self, mu: f64) -> Result<Self> {
        self.shift()?.set(mu)?;
        Ok(self)
    }

    /// Returns the scheduler with the shift for images of a number of tokens. It is linear between, and beyond, `base_shift` for
    /// `base_image_seq_len` tokens and `max_shift` for `max_image_seq_len`, as in diffusers' pipelines.
    ///
    /// # Errors
    /// As [`shifted_by`](Self::shifted_by), and [`Error::Range`](advect_core::Error::Range) if the configuration has no such line.
    #[doc(alias = "calculate_shift")]
    pub fn shifted_for(mut self, tokens: usize) -> Result<Self> {
        self.shift()?.set_for(tokens)?;
        Ok(self)
    }

    fn shift(&mut self) -> Result<&mut shift::Shift> {
        match &mut self.steps {
            Steps::FlowMatching(matching) => Ok(&mut matching.shift),
            _ => Err(shift::no_dynamic_shift()),
        }
    }

    /// Returns the schedule of the path.
    pub fn schedule(&self) -> &PathSchedule {
        &self.schedule
    }

    /// Returns the quantity that the network predicts: for flow matching the negative velocity, as diffusers' time runs from the data to the
    /// noise.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// Returns the network's own time, as a function of the path's time.
    pub fn times(&self) -> &NetworkTimes {
        &self.times
    }

    /// Returns the model of a network: a field that gives it its own time and bounds the expected data according to the configuration,
    /// with its prediction and the schedule.
    pub fn model<F: Field>(&self, network: F) -> Model<Scheduled<F>, PathSchedule> {
        let field = Scheduled::new(network, self, false);
        Model::new(field, self.predicted(), self.schedule.clone())
    }

    /// Returns the model of a network whose values have variances after the prediction: twice as many channels.
    pub fn model_with_variances<F: Field>(&self, network: F) -> Model<Scheduled<F>, PathSchedule> {
        let field = Scheduled::new(network, self, true);
        Model::with_variances(field, self.predicted(), self.schedule.clone())
    }

    /// The prediction of the model's field.
    fn predicted(&self) -> Prediction {
        match self.clip {
            Some(_) => Prediction::Data,
            None => self.prediction,
        }
    }

    /// Returns the sampler with a number of steps.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps, more than the network was trained on, or a number for which diffusers'
    /// scheduler does something that has no equivalent.
    pub fn sampler(&self, steps: usize) -> Result<SchedulerSampler> {
        match &self.steps {
            Steps::Ddpm(kind) => kind.sampler(steps),
            Steps::Ddim(kind) => kind.sampler(steps),
            Steps::Plms(kind) => kind.sampler(steps),
            Steps::Euler(kind) => kind.sampler(steps),
            Steps::DpmSolver(kind) => kind.sampler(steps),
            Steps::UniPc(kind) => kind.sampler(steps),
            Steps::FlowMatching(kind) => kind.sampler(steps),
        }
    }
}
