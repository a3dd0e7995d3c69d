//! Inception-v3 (Szegedy et al. 2016), in the form that metrics of images use.

mod block;
mod layer;
mod preprocessing;

pub use preprocessing::Preprocessing;

use advect_core::{Error, Key, Result, check};
use advect_nn::{ParameterStore, State, Stateful, Weights};
use advect_ops::without_graph;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use crate::{FeatureExtractor, check_images};
use block::Block;
use layer::max_pool;

/// The smallest side of images that all pools leave something of.
const SMALLEST: usize = 75;
const CLASSES: usize = 1008;
const FEATURES: usize = 2048;

/// Inception-v3 in the form of TensorFlow's graph of 2015-12-05, by which the FID, the KID and the Inception score are defined. Average pools leave
/// out what lies beyond the edges, and the last block has a maximum in place of an average, unlike in torchvision's network.
///
/// The weights are those that pytorch-fid and torch-fidelity download: `pt_inception-2015-12-05-6726825d.pth`, at
/// <https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights>. They are read by their names.
///
/// ```no_run
/// use advect_features::{FeatureExtractor, InceptionV3};
/// use candle_core::{Device, Tensor};
/// # fn run(images: &Tensor) -> advect_core::Result<()> {
/// let inception = InceptionV3::load("pt_inception-2015-12-05-6726825d.pth", &Device::Cpu)?;
/// let statistics = inception.statistics(images, 50)?.moments()?;
/// statistics.write("generated.npz")?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "FID")]
#[doc(alias = "pool3")]
#[derive(Debug, Clone)]
pub struct InceptionV3 {
    stages: Vec<(&'static str, Stage)>,
    /// `(1008, 2048)` and `(1008,)`.
    last: [Tensor; 2],
    preprocessing: Preprocessing,
}

#[derive(Debug, Clone)]
enum Stage {
    Block(Block),
    Pool,
}

impl InceptionV3 {
    /// Loads the network from a file of safetensors or of PyTorch, in f32.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be read or is of another network, such as torchvision's.
    pub fn load(weights: impl Into<Weights>, device: &Device) -> Result<Self> {
        let weights = weights.into();
        let state = weights.clone().cast(DType::F32).read()?;
        Self::from_state(state, device).map_err(|e| Error::file(weights.path(), e))
    }

    /// Creates the network from its tensors, by their names in PyTorch, in f32.
    ///
    /// # Errors
    /// As [`Stateful::validate`].
    pub fn from_state(mut state: State, device: &Device) -> Result<Self> {
        // Counts of batches, which some files have, change nothing.
        state.retain(|name, _| !name.ends_with(".num_batches_tracked"));
        let store = ParameterStore::new(Key::from_seed(0), DType::F32, device);
        Self::build(&store.builder())?;
        store.restore(&state)?;
        Self::build(&store.frozen())
    }

    /// Returns the names and shapes of the tensors that [`InceptionV3::from_state`] takes, in the order of the layers.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn shapes() -> Result<Vec<(String, Vec<usize>)>> {
        let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
        Self::build(&store.builder())?;
        let variables = store.variables().into_iter();
        Ok(variables
            .map(|(name, var)| (name, var.dims().to_vec()))
            .collect())
    }

    fn build(builder: &VarBuilder<'_>) -> Result<Self> {
        let mut stages = Vec::new();
        let mut channels = 3;
        for (name, plan) in block::plan() {
            let stage = match plan {
                Some(plan) => {
                    let block = Block::new(&plan, &mut channels, &builder.pp(name))?;
                    Stage::Block(block)
                }
                None => Stage::Pool,
            };
            stages.push((name, stage));
        }
        let last = builder.pp("fc");
        Ok(InceptionV3 {
            stages,
            last: [
                layer::zeros((CLASSES, FEATURES), "weight", &last)?,
                layer::zeros(CLASSES, "bias", &last)?,
            ],
            preprocessing: Preprocessing::default(),
        })
    }

    /// Sets the resizing and scaling of images; [`Preprocessing::PytorchFid`] by default.
    #[must_use]
    pub fn preprocessing(self, preprocessing: Preprocessing) -> Self {
        InceptionV3 {
            preprocessing,
            ..self
        }
    }

    /// Returns the value of each stage with its name in PyTorch, `maxpool1` and `maxpool2` among them, at what a [`Preprocessing`] returned: `(n, 3,
    /// 299, 299)`, or other sizes of at least 75.
    ///
    /// # Errors
    /// [`Error::Shape`] for other shapes, [`Error::DType`] unless f32.
    #[doc(alias = "hook")]
    pub fn stages(&self, x: &Tensor) -> Result<Vec<(&'static str, Tensor)>> {
        let mut values = Vec::with_capacity(self.stages.len());
        self.each_stage(x, |name, x| values.push((name, x.clone())))?;
        Ok(values)
    }

    /// Returns the logits `(n, 1008)` of features `(n, 2048)`. The Inception score of torch-fidelity is of those
    /// [without a bias](Self::logits_without_bias), as the original's was.
    ///
    /// # Errors
    /// Errors of candle for other shapes.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor> {
        let logits = self.logits_without_bias(features)?;
        Ok(logits.broadcast_add(&self.last[1])?)
    }

    /// Returns the logits `(n, 1008)` of features `(n, 2048)` without the last layer's bias.
    ///
    /// # Errors
    /// Errors of candle for other shapes.
    #[doc(alias = "logits_unbiased")]
    pub fn logits_without_bias(&self, features: &Tensor) -> Result<Tensor> {
        Ok(features.matmul(&self.last[0].t()?.contiguous()?)?)
    }

    fn each_stage(&self, x: &Tensor, mut see: impl FnMut(&'static str, &Tensor)) -> Result<Tensor> {
        let fits =
            x.rank() == 4 && x.dims()[1] == 3 && x.dims()[2..].iter().all(|s| *s >= SMALLEST);
        if !fits {
            let accepted = format!("(n, 3, height, width) of at least {SMALLEST} pixels a side");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        if x.dtype() != DType::F32 {
            return Err(Error::dtype("x", x.dtype(), "f32"));
        }
        check::batch("x", x)?;
        without_graph(|| {
            let mut x = x.clone();
            for (name, stage) in &self.stages {
                x = match stage {
                    Stage::Block(block) => block.forward(&x)?,
                    Stage::Pool => max_pool(&x)?,
                };
                see(name, &x);
            }
            Ok(x)
        })
    }
}

impl FeatureExtractor for InceptionV3 {
    /// Returns the means over the last block's pixels, `(n, 2048)`, of images with three channels or one, which then stands for all three.
    fn features(&self, images: &Tensor) -> Result<Tensor> {
        check_images(images, &[1, 3])?;
        let device = self.last[0].device();
        let x = self.preprocessing.apply(&images.to_device(device)?)?;
        let last = self.each_stage(&x, |_, _| {})?;
        Ok(last.mean((2, 3))?)
    }
}
