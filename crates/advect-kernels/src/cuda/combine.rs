//! Linear combinations.

use candle_core::{Error, Result, Tensor};

use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "combine",
    fused: true,
    sources: &[include_str!("combine.cu")],
};

/// Terms of one launch at most.
const TERMS: usize = 8;

/// `Σ_k c_k x_k` for terms of one shape that is not empty. A factor is a number, or the next row of `factors`, `(rows, samples)` in the type
/// of arithmetic.
pub fn combine(terms: &[(Option<f64>, &Tensor)], factors: Option<&Tensor>) -> Result<Fresh> {
    let mut before = None;
    let (mut row, mut rest) = (0, terms);
    loop {
        let (some, later) = rest.split_at(rest.len().min(TERMS));
        let rows = some.iter().filter(|(c, _)| c.is_none()).count();
        let own = match factors {
            Some(factors) if rows > 0 => Some(factors.narrow(0, row, rows)?),
            _ => None,
        };
        let sum = add(some, own.as_ref(), before.as_ref(), later.is_empty())?;
        if later.is_empty() {
            return Ok(sum);
        }
        before = Some(sum);
        (row, rest) = (row + rows, later);
    }
}

/// The sum of some terms and of what came before: elements if it is the last, else in the type of arithmetic.
fn add(
    terms: &[(Option<f64>, &Tensor)],
    factors: Option<&Tensor>,
    before: Option<&Fresh>,
    last: bool,
) -> Result<Fresh> {
    let Some((_, first)) = terms.first() else {
        return Err(Error::Msg("a combination of no terms".into()).bt());
    };
    let (dtype, count) = (first.dtype(), first.elem_count());
    let samples = first.dims().first().copied().unwrap_or(1);
    let dtype_of_sum = if last { dtype } else { wide(dtype) };
    let mut sum = Fresh::new(device_of(first)?, dtype_of_sum, first.shape())?;
    let each = terms.iter().enumerate();
    let each = each.map(|(k, (c, _))| usize::from(c.is_none()) << k).sum();
    let term = |k: usize| terms.get(k);
    let mut arguments = Vec::with_capacity(2 * TERMS + 9);
    arguments
        .extend((0..TERMS).map(|k| term(k).map_or(Argument::Nothing, |(_, x)| Argument::Read(x))));
    arguments.extend(
        (0..TERMS).map(|k| Argument::Real(term(k).and_then(|(c, _)| *c).unwrap_or_default())),
    );
    arguments.extend([
        Argument::Size(terms.len()),
        factors.map_or(Argument::Nothing, Argument::Read),
        Argument::Size(each),
        before.map_or(Argument::Nothing, Argument::Again),
    ]);
    arguments.extend(match last {
        true => [Argument::Nothing, Argument::Write(&mut sum)],
        false => [Argument::Write(&mut sum), Argument::Nothing],
    });
    arguments.extend([count, count / samples, samples].map(Argument::Size));
    launch(&FAMILY, "combine", dtype, Grid::over(count), &mut arguments)?;
    Ok(sum)
}
