//! Fields whose values are an affine function of another field's value: `p(t) x + q(t) f(τ(t), c(t) x)`.

use advect_core::{Coefficient, Error, Field, Jvp, Result, Time, check};
use advect_ops::combine;
use candle_core::Tensor;

/// The time and the factors by which a field follows from an inner field.
pub(crate) struct Factors {
    /// The time at which the inner field is asked.
    pub(crate) time: Time,
    /// The factor of its state.
    pub(crate) input: Coefficient,
    /// The factors of x and of its answer.
    pub(crate) of_x: Coefficient,
    pub(crate) of_value: Coefficient,
}

/// Functions of time as factors: shared or per sample, as the time is.
pub(crate) fn factors<const N: usize>(
    t: &Time,
    f: impl Fn(f64) -> Result<[f64; N]>,
) -> Result<[Coefficient; N]> {
    let values: Vec<[f64; N]> = t.values()?.into_iter().map(f).collect::<Result<_>>()?;
    Ok(std::array::from_fn(|k| match t {
        Time::Shared(_) => Coefficient::Shared(values[0][k]),
        Time::PerSample(_) => Coefficient::PerSample(values.iter().map(|v| v[k]).collect()),
    }))
}

/// Times from a factor.
pub(crate) fn times(factor: &Coefficient) -> Result<Time> {
    match factor {
        Coefficient::Shared(t) => Ok(Time::Shared(*t)),
        Coefficient::PerSample(t) => Time::per_sample(t),
    }
}

fn is_one(factor: &Coefficient) -> bool {
    *factor == Coefficient::Shared(1.0)
}

pub(crate) trait Reparametrized {
    type Field: ?Sized;

    fn inner(&self) -> &Self::Field;

    fn factors(&self, t: &Time) -> Result<Factors>;

    fn value(&self, t: &Time, x: &Tensor) -> Result<Tensor>
    where
        Self::Field: Field,
    {
        let (factors, input) = self.prepare(t, x)?;
        let value = self.inner().at(&factors.time, &input)?;
        check::alike("field", &value, "x", x)?;
        factors.mix(x, &value)
    }

    fn tangent(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)>
    where
        Self::Field: Jvp,
    {
        if dt != 0.0 {
            let accepted = "0, because derivatives of this field are along its state";
            return Err(Error::range("dt", dt, accepted));
        }
        check::alike("dx", dx, "x", x)?;
        let (factors, input) = self.prepare(t, x)?;
        let along = scaled(&factors.input, dx)?;
        let (value, slope) = self.inner().jvp(&factors.time, &input, 0.0, &along)?;
        Ok((factors.mix(x, &value)?, factors.mix(dx, &slope)?))
    }

    fn tangents(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)>
    where
        Self::Field: Jvp,
    {
        for direction in dx {
            check::alike("dx", direction, "x", x)?;
        }
        let (factors, input) = self.prepare(t, x)?;
        let along: Result<Vec<Tensor>> = dx.iter().map(|d| scaled(&factors.input, d)).collect();
        let (value, slopes) = self.inner().jvp_each(&factors.time, &input, &along?)?;
        let mixed = dx.iter().zip(&slopes).map(|(d, s)| factors.mix(d, s));
        Ok((factors.mix(x, &value)?, mixed.collect::<Result<_>>()?))
    }

    /// The factors, and the state that the inner field is asked at.
    fn prepare(&self, t: &Time, x: &Tensor) -> Result<(Factors, Tensor)> {
        check::float("x", x)?;
        t.fits(check::batch("x", x)?)?;
        let factors = self.factors(t)?;
        let input = scaled(&factors.input, x)?;
        Ok((factors, input))
    }
}

fn scaled(factor: &Coefficient, x: &Tensor) -> Result<Tensor> {
    match is_one(factor) {
        true => Ok(x.clone()),
        false => combine(&[(factor.clone(), x)]),
    }
}

impl Factors {
    fn mix(&self, x: &Tensor, value: &Tensor) -> Result<Tensor> {
        if self.of_x == Coefficient::Shared(0.0) {
            return scaled(&self.of_value, value);
        }
        combine(&[(self.of_x.clone(), x), (self.of_value.clone(), value)])
    }
}
