//! Inpainting, samples of which a part is known, by the replacement method (Song et al. 2021a, appendix I.2), with resampling
//! (Lugmayr et al., RePaint: inpainting using denoising diffusion probabilistic models, 2022, algorithm 1).

use advect_core::{Error, Result, check};
use advect_ops::combine;
use candle_core::Tensor;

use super::Rule;
use crate::grid::check_count;
use crate::mask::{binary, wide};
use crate::{Level, Run, Transition};

/// A rule that keeps a known part of the data, with any other rule for the rest. After each step of the other rule,
/// where the mask is 1, `α known + σ z` with fresh noise z takes the place of the state. At clean data the known part
/// is exactly the given one.
///
/// With resampling, each step but one to clean data is made several times: in between the state is noised back to where the
/// step started, so that both parts come to agree.
///
/// The law of the unknown part is near the conditional law given the known part, but different, even with many steps: it depends too little
/// on the known part. For two Gaussian coordinates of variance 1 and correlation 0.8, one of them known to be 1.5, the other has mean 1.2
/// and variance 0.36; 100 steps of [`Ancestral`](super::Ancestral) give 0.73 and 0.46, and with 10 passes 1.15 and 0.34. Multistep rules of
/// higher order extrapolate between levels at which the known part has different noise: with few steps, a rule without memory is better
/// here.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::UniformLogSnr;
/// use advect_samplers::rule::{Ancestral, Inpaint, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let net = field_fn(|_, x| Ok(x.affine(0.0, 0.5)?));
/// let model = Model::new(&net, Prediction::Data, &Cosine);
/// // The left half of an image is known; the mask serves all samples and channels.
/// let image = Tensor::full(-1f32, (1, 1, 2, 2), &Device::Cpu)?;
/// let mask = Tensor::new(&[1u8, 0], &Device::Cpu)?;
/// let rule = Inpaint::new(Ancestral::new(), &image, &mask)?.resampling(5)?;
///
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal((3, 1, 2, 2), DType::F32, &Device::Cpu)?;
/// let x = rule.on(UniformLogSnr::new(10)?).sample(&model, &noise, &mut rng)?;
/// assert_eq!(x.flatten_all()?.to_vec1::<f32>()?, [-1.0, 0.5].repeat(6));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RePaint")]
#[doc(alias = "inpainting")]
#[derive(Debug, Clone)]
pub struct Inpaint<R> {
    rule: R,
    /// Of one shape, which broadcasts to that of the states; what is not known is 0.
    known: Tensor,
    mask: Tensor,
    passes: usize,
}

impl<R: Rule> Inpaint<R> {
    /// Creates the rule from another rule, the data and a mask of any dtype, which is 1 where the data is known and 0
    /// elsewhere. The shapes of both broadcast to that of the states. The values of the data where it is not known
    /// don't matter: they may be NaN.
    ///
    /// # Errors
    /// [`Error::DType`] for data that is no float, [`Error::Range`] for a mask with other numbers, [`Error::Shape`] for shapes that don't fit
    /// each other, [`Error::NonFinite`] for data that is known and not finite.
    pub fn new(rule: R, known: &Tensor, mask: &Tensor) -> Result<Self> {
        check::batch("known", known)?;
        check::float("known", known)?;
        let mask = binary(mask)?;
        check::same_device("mask", mask.device(), "known", known.device())?;
        let shape = mask
            .shape()
            .broadcast_shape_binary_op(known.shape(), "mask");
        let shape = shape.map_err(|_| {
            let accepted = format!(
                "a shape that broadcasts with the shape {:?} of known",
                known.dims()
            );
            Error::shape("mask", mask.dims(), accepted)
        })?;
        let mask = mask.broadcast_as(&shape)?.contiguous()?;
        let known = known.detach().broadcast_as(&shape)?.contiguous()?;
        let known = mask.where_cond(&known, &known.zeros_like()?)?;
        check::finite("known", &known)?;
        Ok(Inpaint {
            rule,
            known,
            mask,
            passes: 1,
        })
    }

    /// Sets the number of times that each step is made: 1 is without resampling, 10 in the paper.
    ///
    /// # Errors
    /// [`Error::Range`] for 0, or more than 10⁷.
    #[doc(alias = "RePaint")]
    pub fn resampling(self, passes: usize) -> Result<Self> {
        Ok(Inpaint {
            passes: check_count("passes", passes)?,
            ..self
        })
    }

    /// Returns the state at the start of a transition. That of the first one may be anything.
    fn begun(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        match transition.index {
            0 => self.keep(run, &transition.from, x),
            _ => Ok(x.clone()),
        }
    }

    /// Returns a state with its known part replaced by that of the level.
    fn keep(&self, run: &mut Run<'_>, level: &Level, x: &Tensor) -> Result<Tensor> {
        let known = wide("known", &self.known, x)?;
        let mask = wide("known", &self.mask, x)?;
        check::same_kind("known", &known, "the states", x)?;
        let known = match level.is_clean() {
            true => known,
            false => level.noised(&known, &run.normal_like(x)?)?,
        };
        Ok(mask.where_cond(&known, &x.contiguous()?)?)
    }
}

/// A state at the end of a transition, with the noise that the transition took away: at its start.
fn renoised(run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
    let z = run.normal_like(x)?;
    let deviation = transition.from.sigma * transition.variance_removed().sqrt();
    let terms = [
        ((transition.from.alpha / transition.to.alpha).into(), x),
        (deviation.into(), &z),
    ];
    combine(&terms)
}

impl<R: Rule> Rule for Inpaint<R>
where
    R::Memory: Clone,
{
    type Memory = R::Memory;

    fn step(
        &self,
        run: &mut Run<'_>,
        memory: &mut R::Memory,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let mut x = self.begun(run, transition, x)?;
        // There is nothing to agree on at clean data, and no noise to go back with in a step without.
        let passes = match transition.to.is_clean() || run.is_quiet() {
            true => 1,
            false => self.passes,
        };
        let before = (passes > 1).then(|| memory.clone());
        for _ in 1..passes {
            let next = self.rule.step(run, memory, transition, &x)?;
            let next = self.keep(run, &transition.to, &next)?;
            x = renoised(run, transition, &next)?;
            // What a multistep rule remembers is what came before the step, but for the state, which is another one.
            if let Some(before) = &before {
                memory.clone_from(before);
                self.rule.forget_state(memory);
            }
        }
        let next = self.rule.step(run, memory, transition, &x)?;
        self.keep(run, &transition.to, &next)
    }

    fn forget_state(&self, memory: &mut R::Memory) {
        self.rule.forget_state(memory);
    }

    fn denoise(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        let x = self.begun(run, transition, x)?;
        let data = self.rule.denoise(run, transition, &x)?;
        self.keep(run, &Level::clean(), &data)
    }
}
