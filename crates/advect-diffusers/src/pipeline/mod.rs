//! Complete folders of diffusers.

mod folder;
mod network;

use std::path::{Path, PathBuf};

use advect_core::{Conditional, Error, Field, Generator, Given, Key, Result};
use advect_nn::{ParameterStore, Weights};
use advect_samplers::{Model, Sampler};
use candle_core::{DType, Device, Tensor};

use crate::{
    AutoencoderKl, AutoencoderKlConfig, Config, PathSchedule, Scheduled, Scheduler,
    SchedulerSampler, published,
};
use folder::Folder;
pub use network::PipelineNetwork;

/// A folder in the format of diffusers' pipelines: a network with its weights, and a scheduler.
///
/// ```no_run
/// use advect_core::Generator;
/// use advect_diffusers::{Pipeline, Scheduler};
/// use advect_samplers::Sampler;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let pipeline = Pipeline::open("ddpm-cifar10-32", DType::F32, &Device::Cpu)?;
/// // With another scheduler, as its `from_config` makes it.
/// let pipeline = pipeline.scheduled_by("DDIMScheduler")?;
/// let mut rng = Generator::from_seed(0);
/// let images = pipeline.sample(16, 50, &mut rng)?; // (16, 3, 32, 32), from −1 to 1
///
/// // The same by hand: any other sampler, threshold or guidance fits in.
/// let noise = pipeline.noise(16, &mut rng)?;
/// let images = pipeline.sampler(50)?.sample(&pipeline.model(), &noise, &mut rng)?;
/// # Ok(())
/// # }
/// ```
///
/// The network of a latent diffusion draws latents, and the folder has the autoencoder that makes images of them:
///
/// ```no_run
/// use advect_core::{Conditional, Generator};
/// use advect_diffusers::Pipeline;
/// use advect_samplers::Sampler;
/// use advect_samplers::guidance::Guided;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let pipeline = Pipeline::open("DiT-XL-2-256", DType::F32, &Device::Cpu)?;
/// let autoencoder = pipeline.autoencoder()?;
/// let labels = Tensor::new(&[207u32, 360], &Device::Cpu)?;
/// let mut rng = Generator::from_seed(0);
/// let guided = Guided::new(pipeline.frozen(), &labels, 4.0)?;
/// let noise = pipeline.noise(2, &mut rng)?;
/// let latents = pipeline.sampler(50)?.sample(&pipeline.model_of(guided), &noise, &mut rng)?;
/// let images = autoencoder.decode(&autoencoder.denormalize(&latents)?)?; // (2, 3, 256, 256), from −1 to 1
/// # Ok(())
/// # }
/// ```
///
/// The folder has `unet/` or `transformer/` with `config.json` and weights (of safetensors or PyTorch, perhaps in several files with an
/// index), and `scheduler/` with `scheduler_config.json`; in early folders both are beside `model_index.json`. Weights of 16 bits are
/// widened. Whatever in the configurations has no equivalent is an error that names it.
#[doc(alias = "DiffusionPipeline")]
#[doc(alias = "from_pretrained")]
#[doc(alias = "model_index.json")]
#[derive(Debug, Clone)]
pub struct Pipeline {
    folder: Folder,
    store: ParameterStore,
    network: PipelineNetwork,
    /// Without gradients.
    frozen: PipelineNetwork,
    scheduler: Scheduler,
}

impl Pipeline {
    /// Opens a folder. The parameters will have this dtype, on this device.
    ///
    /// # Errors
    /// [`Error::File`], naming the file, for what is missing, damaged, or has no equivalent.
    pub fn open(path: impl AsRef<Path>, dtype: DType, device: &Device) -> Result<Self> {
        let folder = Folder::new(path.as_ref())?;
        // What is said of the scheduler is known at once, weights take their time.
        let scheduler = Scheduler::new(folder.scheduler()?)?;
        let part = folder.network()?;
        let store = ParameterStore::new(Key::from_seed(0), dtype, device);
        let network = PipelineNetwork::read(&part, &store.builder())?;
        store.load(published(Weights::new(&part).cast(dtype)))?;
        let frozen = network.on(&store.frozen())?;
        Ok(Pipeline {
            folder,
            store,
            network,
            frozen,
            scheduler,
        })
    }

    /// Returns the pipeline with another scheduler.
    pub fn with_scheduler(self, scheduler: Scheduler) -> Self {
        Pipeline { scheduler, ..self }
    }

    /// Returns the pipeline with a scheduler of another class, which has the settings of the folder's own.
    ///
    /// # Errors
    /// As [`Scheduler::new`].
    #[doc(alias = "from_config")]
    pub fn scheduled_by(self, class: &str) -> Result<Self> {
        let scheduler = Scheduler::new(self.folder.scheduler()?.of_class(class))?;
        Ok(self.with_scheduler(scheduler))
    }

    /// Returns the network, on parameters that can be trained. Its time is its own; [`Scheduler::times`] translates it.
    pub fn network(&self) -> &PipelineNetwork {
        &self.network
    }

    /// Returns the network without gradients, for samplers.
    pub fn frozen(&self) -> &PipelineNetwork {
        &self.frozen
    }

    /// Reads the autoencoder of a latent diffusion, `vae/`, without gradients, with the dtype and on the device of the
    /// network.
    ///
    /// # Errors
    /// [`Error::File`], naming the file, for what is missing, damaged, or has no equivalent.
    #[doc(alias = "vae")]
    pub fn autoencoder(&self) -> Result<AutoencoderKl> {
        let folder = self.folder.required("vae")?;
        let config = AutoencoderKlConfig::new(Config::read(folder.join("config.json"))?)?;
        let (dtype, device) = (self.store.dtype(), self.store.device());
        let store = ParameterStore::new(Key::from_seed(0), dtype, device);
        let autoencoder = config.build(&store.builder())?;
        store.load(published(Weights::new(&folder).cast(dtype)))?;
        autoencoder.on(&store.frozen())
    }

    /// Returns the store of the network's parameters.
    pub fn store(&self) -> &ParameterStore {
        &self.store
    }

    /// Returns the scheduler.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// Returns the folder of another part, such as `vae`, if there is one.
    pub fn part(&self, name: &str) -> Option<PathBuf> {
        self.folder.part(name)
    }

    /// Returns the model for samplers, without gradients.
    pub fn model(&self) -> Model<Scheduled<&PipelineNetwork>, PathSchedule> {
        self.model_of(&self.frozen)
    }

    /// Returns the model given labels, one for each sample.
    pub fn model_given(
        &self,
        labels: &Tensor,
    ) -> Model<Scheduled<Given<&PipelineNetwork>>, PathSchedule> {
        self.model_of(self.frozen.given(labels))
    }

    /// Returns the model of a field in the place of the network: a guided one, say, or the network on averaged parameters.
    pub fn model_of<F: Field>(&self, field: F) -> Model<Scheduled<F>, PathSchedule> {
        match self.network.has_variances() {
            true => self.scheduler.model_with_variances(field),
            false => self.scheduler.model(field),
        }
    }

    /// Returns the scheduler's sampler with a number of steps.
    ///
    /// # Errors
    /// As [`Scheduler::sampler`].
    #[doc(alias = "num_inference_steps")]
    pub fn sampler(&self, steps: usize) -> Result<SchedulerSampler> {
        self.scheduler.sampler(steps)
    }

    /// Returns standard normal noise for a number of samples.
    ///
    /// # Errors
    /// [`Error::Range`] for a network whose configuration has no size of samples.
    pub fn noise(&self, samples: usize, rng: &mut Generator) -> Result<Tensor> {
        let Some(dim) = self.network.dim() else {
            let accepted = "a number: make noise of the size that you want";
            return Err(Error::range("sample_size", "null", accepted));
        };
        let shape = [&[samples], &dim[..]].concat();
        rng.normal(shape, self.store.dtype(), self.store.device())
    }

    /// Draws samples of a network without classes. A network with classes is given the label that means "none"; those of a latent diffusion
    /// are latents, for [`Pipeline::autoencoder`].
    ///
    /// # Errors
    /// As [`Pipeline::noise`], [`Pipeline::sampler`] and [`Sampler::sample`].
    pub fn sample(&self, samples: usize, steps: usize, rng: &mut Generator) -> Result<Tensor> {
        let noise = self.noise(samples, rng)?;
        self.sampler(steps)?.sample(&self.model(), &noise, rng)
    }
}
