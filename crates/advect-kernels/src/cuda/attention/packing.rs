//! The moving of queries, keys and values between packed rows and matrices of heads.

use candle_core::{Result, Shape, Tensor};

use super::super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(in crate::cuda) const FAMILY: Family = Family {
    name: "attention",
    fused: true,
    sources: &[include_str!("packing.cu")],
};

/// Rows `(batch, n, roles · heads · d)` of several heads' numbers.
#[derive(Clone, Copy)]
pub(super) struct Packing {
    pub(super) batch: usize,
    pub(super) n: usize,
    pub(super) heads: usize,
    pub(super) d: usize,
    pub(super) by_role: bool,
}

impl Packing {
    /// The heads' matrices, `(roles, batch, heads, n, d)`.
    pub(super) fn unpack(&self, x: &Tensor, roles: usize) -> Result<Tensor> {
        let Packing {
            batch, n, heads, d, ..
        } = *self;
        let shape = Shape::from((roles, batch, heads, n, d));
        Ok(self.moved(x, roles, shape, false)?.into_tensor())
    }

    /// The rows of a shape that have the heads' matrices.
    pub(super) fn pack(&self, x: &Tensor, roles: usize, shape: &Shape) -> Result<Fresh> {
        self.moved(x, roles, shape.clone(), true)
    }

    fn moved(&self, x: &Tensor, roles: usize, shape: Shape, back: bool) -> Result<Fresh> {
        let mut y = Fresh::new(device_of(x)?, x.dtype(), shape)?;
        let columns = roles * self.heads * self.d;
        let grid = Grid::over_rows(self.batch * self.n, columns);
        let mut arguments = vec![Argument::Read(x), Argument::Write(&mut y)];
        let (by_role, back) = (usize::from(self.by_role), usize::from(back));
        let sizes = [self.batch, self.n, self.heads, self.d, roles, by_role, back];
        arguments.extend(sizes.map(Argument::Size));
        launch(&FAMILY, "heads", x.dtype(), grid, &mut arguments)?;
        Ok(y)
    }
}
