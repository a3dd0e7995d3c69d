//! Tensors of 16 bits and their copies in f32, several at once.

use advect_core::Result;
use advect_kernels::cuda::{TENSORS, masters};
use candle_core::{Tensor, Var};

use super::fits;
use crate::update::masters::{Way, is_narrow};
use crate::update::share_memory;

/// Copies to f32 those tensors of 16 bits that the kernels know. Those that come one after another are copied together, and given back then.
pub(crate) fn widen(tensors: &mut [Tensor]) -> Result<()> {
    let known = |x: &Tensor| is_narrow(x.dtype()) && fits(&[x]);
    let alike = |x: &Tensor, y: &Tensor| known(x) && known(y) && are_alike(x, y);
    for some in tensors
        .chunk_by_mut(alike)
        .flat_map(|some| some.chunks_mut(TENSORS))
    {
        if some.iter().all(known) {
            let contiguous = some.iter().map(Tensor::contiguous);
            let contiguous = contiguous.collect::<candle_core::Result<Vec<Tensor>>>()?;
            let wide = masters::widen(&contiguous.iter().collect::<Vec<_>>())?;
            some.clone_from_slice(&wide);
        }
    }
    Ok(())
}

/// Changes one of each pair. Returns those that there are no kernels for.
pub(crate) fn change(pairs: Vec<&(Var, Var)>, way: Way) -> Result<Vec<&(Var, Var)>> {
    let known = |(value, copy): &&(Var, Var)| {
        let contiguous = value.is_contiguous() && copy.is_contiguous();
        contiguous && fits(&[value]) && fits(&[copy])
    };
    let (known, mut others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(known);
    let together = known.chunk_by(|(x, _), (y, _)| are_alike(x, y));
    for some in together.flat_map(|some| some.chunks(TENSORS)) {
        let (values, copies): (Vec<&Tensor>, Vec<&Tensor>) = (some.iter())
            .map(|(value, copy)| (value.as_tensor(), copy.as_tensor()))
            .unzip();
        let (changed, read, dtype) = match way {
            Way::Follow => (copies, values, some[0].0.dtype()),
            Way::Round => (values, copies, some[0].0.dtype()),
        };
        // One launch changes no memory twice.
        let twice = |i: usize| changed[..i].iter().any(|x| share_memory(x, changed[i]));
        if (0..changed.len()).any(twice) {
            others.extend(some);
            continue;
        }
        match way {
            Way::Follow => masters::follow(&changed, &read)?,
            Way::Round => masters::round(&changed, &read, dtype)?,
        }
    }
    Ok(others)
}

fn are_alike(x: &Tensor, y: &Tensor) -> bool {
    x.dtype() == y.dtype() && x.device().same_device(y.device())
}
