//! The global norm of gradients, and clipping by it (Pascanu et al. 2013, algorithm 1).

use advect_core::{Error, Result, check};
use advect_ops::update;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};

/// The Euclidean norm of all gradients of `vars` together, computed in f64.
///
/// # Errors
/// Those of candle.
pub fn gradient_norm(grads: &GradStore, vars: &[Var]) -> Result<f64> {
    let gradients: Vec<&Tensor> = vars.iter().filter_map(|var| grads.get(var)).collect();
    update::norm(&gradients)
}

/// Scales all gradients of `vars` by `max_norm / norm` if their global norm is above `max_norm`; returns
/// the norm before that. (PyTorch's `clip_grad_norm_` adds 1e-6 to the norm; this does not.)
///
/// ```
/// use advect_train::{clip_norm, gradient_norm};
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[3f64, 4.0], &Device::Cpu)?;
/// let mut grads = (x.sqr()?.sum_all()? / 2.0)?.backward()?;
/// assert_eq!(clip_norm(&mut grads, &[x.clone()], 1.0)?, 5.0);
/// assert!((gradient_norm(&grads, &[x])? - 1.0).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] unless `max_norm` is above 0; [`Error::Stopped`] if the norm is NaN or infinite: the
/// gradients are then left as they are.
pub fn clip_norm(grads: &mut GradStore, vars: &[Var], max_norm: f64) -> Result<f64> {
    check::positive("max_norm", max_norm)?;
    let norm = gradient_norm(grads, vars)?;
    if !norm.is_finite() {
        return Err(Error::stopped(
            "clip_norm",
            format!("the gradient's norm is {norm}"),
        ));
    }
    if norm > max_norm {
        scale_gradients(grads, vars, max_norm / norm)?;
    }
    Ok(norm)
}

/// Multiplies all gradients of `vars` by a factor.
pub(crate) fn scale_gradients(grads: &mut GradStore, vars: &[Var], factor: f64) -> Result<()> {
    // All of them first, so that none is scaled if one can't be.
    let scaled: Result<Vec<(&Var, Tensor)>> = (vars.iter())
        .filter_map(|var| Some((var, grads.get(var)?)))
        .map(|(var, gradient)| Ok((var, update::scale(gradient, factor)?)))
        .collect();
    for (var, gradient) in scaled? {
        grads.insert(var, gradient);
    }
    Ok(())
}
