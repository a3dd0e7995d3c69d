//! The samples of a batch as rows of f64 on the host, and what is computed of each.

use advect_core::{Error, Result, Time, check, parallel};
use candle_core::{DType, Device, Tensor};

/// The samples of a batch, one after the other.
pub(super) struct Rows {
    points: Vec<f64>,
    dim: usize,
}

impl Rows {
    /// Reads the samples of `x`, of `dim` elements each, for times that fit them.
    pub(super) fn new(t: &Time, x: &Tensor, dim: usize) -> Result<Self> {
        let batch = check::batch("x", x)?;
        check::float("x", x)?;
        check::finite("x", x)?;
        if x.elem_count() != batch * dim {
            let accepted = format!("(batch, {dim}), or another shape of samples of {dim} elements");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        t.fits(batch)?;
        let points = on_host(x)?;
        Ok(Rows { points, dim })
    }

    pub(super) fn row(&self, i: usize) -> &[f64] {
        &self.points[i * self.dim..(i + 1) * self.dim]
    }

    /// Calls `f` with each sample and its number, to fill `width` numbers. A worker is made for each piece of the batch;
    /// `time` says about how many nanoseconds a sample takes.
    pub(super) fn map<W>(
        &self,
        (width, time): (usize, usize),
        worker: impl Fn() -> W + Sync,
        f: impl Fn(&mut W, usize, &[f64], &mut [f64]) + Sync,
    ) -> Values {
        let batch = self.points.len() / self.dim;
        let mut out = vec![0.0; batch * width];
        let time = batch * time;
        let piece = parallel::piece(batch, 1, time);
        let tasks = out.chunks_mut(piece * width).enumerate().collect();
        parallel::each(tasks, time, |(task, out): (usize, &mut [f64])| {
            let mut worker = worker();
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let i = task * piece + i;
                f(&mut worker, i, self.row(i), out);
            }
        });
        Values(out)
    }
}

/// Reads directions, which are like `x`, as rows.
pub(super) fn directions(dx: &[Tensor], x: &Tensor) -> Result<Vec<Vec<f64>>> {
    let read = |dx: &Tensor| {
        check::alike("dx", dx, "x", x)?;
        check::finite("dx", dx)?;
        on_host(dx)
    };
    dx.iter().map(read).collect()
}

/// Refuses derivatives along time.
pub(super) fn no_time(dt: f64) -> Result<()> {
    match dt == 0.0 {
        true => Ok(()),
        false => {
            let accepted = "0, because derivatives of this field are along its state";
            Err(Error::range("dt", dt, accepted))
        }
    }
}

fn on_host(x: &Tensor) -> Result<Vec<f64>> {
    let rows = x.detach().flatten_all()?.to_device(&Device::Cpu)?;
    Ok(rows.to_dtype(DType::F64)?.to_vec1()?)
}

/// Numbers for each sample, on the host.
pub(super) struct Values(pub(super) Vec<f64>);

impl Values {
    /// As a tensor like `x`, of values at these times.
    pub(super) fn finish(self, t: &Time, x: &Tensor, dims: &[usize]) -> Result<Tensor> {
        let values = Tensor::from_vec(self.0, dims, &Device::Cpu)?.to_dtype(x.dtype())?;
        // Without noise at data without width, or beyond what 16 bits hold.
        if !check::is_finite(&values)? {
            let mut sample = 0;
            while check::is_finite(&values.narrow(0, sample, 1)?)? {
                sample += 1;
            }
            let times = t.values()?;
            let time = times[sample.min(times.len() - 1)];
            let given = format!("{time} (where a value is infinite in {:?})", x.dtype());
            let accepted = "a time at which all values are finite";
            return Err(Error::range("t", given, accepted));
        }
        Ok(values.to_device(x.device())?)
    }

    /// As several tensors like `x`, the parts of each sample's numbers.
    pub(super) fn parts(self, t: &Time, x: &Tensor, count: usize) -> Result<Vec<Tensor>> {
        let dim = x.elem_count() / x.dims()[0];
        let part = |k: usize| {
            let rows = self.0.chunks_exact(count * dim);
            let part = rows.flat_map(|row| row[k * dim..(k + 1) * dim].iter().copied());
            Values(part.collect()).finish(t, x, x.dims())
        };
        (0..count).map(part).collect()
    }
}
