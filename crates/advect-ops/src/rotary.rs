//! Rotary position embedding (Su et al. 2021, section 3.2.2).

use advect_core::{Error, Result, check};
use advect_kernels::rotary::{Pairs, Rotary as _};
use candle_core::Tensor;

use crate::Value;
use crate::cpu::{THREADS, by_dtype, host};
use crate::operation::{Operation, Output, Tangent, linear_jvp};

/// Returns queries or keys turned by the angles of their positions: `(a cos θ − b sin θ, b cos θ + a sin θ)` for each
/// pair (a, b) of neighbouring numbers (Su et al. 2021, eq. 34), so that scores depend on differences of positions only.
///
/// x is `(batch, positions, heads, d)`, and the cosines and sines of the angles are `(positions, d / 2)`; they are
/// constants.
///
/// ```
/// use advect_ops::rotary;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two positions, with angles 0 and π/2.
/// let x = Tensor::new(&[[[[1f64, 2.0]], [[1.0, 2.0]]]], &Device::Cpu)?;
/// let (cosines, sines) = (Tensor::new(&[[1f64], [0.0]], &Device::Cpu)?, Tensor::new(&[[0f64], [1.0]], &Device::Cpu)?);
/// let y = rotary(&x, &cosines, &sines)?.flatten_all()?.to_vec1::<f64>()?;
/// assert_eq!(y, [1.0, 2.0, -2.0, 1.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument that does not fit x.
#[doc(alias = "RoPE")]
#[doc(alias = "rotary embedding")]
pub fn rotary<V: Value>(x: &V, cosines: &Tensor, sines: &Tensor) -> Result<V> {
    let primal = x.primal();
    check::float("x", primal)?;
    let &[_, positions, _, d] = primal.dims() else {
        let accepted = "(batch, positions, heads, d)";
        return Err(Error::shape("x", primal.dims(), accepted));
    };
    if !d.is_multiple_of(2) {
        let accepted = "(batch, positions, heads, d) with an even d";
        return Err(Error::shape("x", primal.dims(), accepted));
    }
    for (name, table) in [("cosines", cosines), ("sines", sines)] {
        check::same_kind(name, table, "x", primal)?;
        if table.dims() != [positions, d / 2] {
            let accepted = format!("({positions}, {}), to match x", d / 2);
            return Err(Error::shape(name, table.dims(), accepted));
        }
    }
    // The tables may be where nothing can be computed of them.
    if primal.elem_count() == 0 {
        return Ok(x.clone());
    }
    let op = Rotary {
        cosines: cosines.detach().contiguous()?,
        sines: sines.detach().contiguous()?,
    };
    V::apply(op, &[x], &[])
}

#[derive(Clone)]
pub(crate) struct Rotary {
    pub(crate) cosines: Tensor,
    pub(crate) sines: Tensor,
}

/// The pairs of x, and whether they are turned back.
pub(crate) fn pairs(x: &Tensor, inverse: bool) -> Pairs {
    let (dims, rank) = (x.dims(), x.rank());
    Pairs {
        positions: dims[rank - 3],
        heads: dims[rank - 2],
        pairs: dims[rank - 1] / 2,
        inverse,
    }
}

impl Rotary {
    /// The rotation by the CPU's kernel.
    fn rotated(&self, x: &Tensor, inverse: bool) -> Result<Output> {
        let pairs = pairs(x, inverse);
        by_dtype!(x, T => {
            let (values, cosines, sines) = (host::<T>(x)?, host::<T>(&self.cosines)?, host::<T>(&self.sines)?);
            let y = T::rotate(THREADS, &pairs, &values, &cosines, &sines);
            Ok(Output::new(y, x.shape()))
        })
    }
}

impl Operation for Rotary {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let x = inputs[0];
        if x.elem_count() == 0 {
            return Ok(x.clone());
        }
        let (batch, positions, heads, d) = x.dims4()?;
        let pairs = x.reshape((batch, positions, heads, d / 2, 2))?;
        let part = |i: usize| -> Result<Tensor> { Ok(pairs.narrow(4, i, 1)?.contiguous()?) };
        let (a, b) = (part(0)?, part(1)?);
        let column = |table: &Tensor| table.reshape((1, positions, 1, d / 2, 1));
        let (c, s) = (column(&self.cosines)?, column(&self.sines)?);
        let first = (a.broadcast_mul(&c)? - b.broadcast_mul(&s)?)?;
        let second = (b.broadcast_mul(&c)? + a.broadcast_mul(&s)?)?;
        Ok(Tensor::cat(&[first, second], 4)?.reshape(x.shape())?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        Ok((self.rotated(inputs[0], false)?, ()))
    }

    fn backward(
        &self,
        _: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(self.rotated(gradient, true)?.into_tensor()?)])
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(self.clone()))
    }
}

impl Tangent for Rotary {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        linear_jvp(self, inputs, tangents)
    }
}
