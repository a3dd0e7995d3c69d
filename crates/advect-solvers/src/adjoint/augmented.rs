//! The state of the continuous adjoint.

use advect_core::{Coefficient, Error, Result};
use advect_ops::ScaledError;
use candle_core::Tensor;

use crate::State;
use crate::implicit::Coordinates;

/// The state of the integration backwards. Steppers and controllers of [`Backsolve::backward`](super::Backsolve::backward) must take it, as all
/// of this crate do that are not stochastic.
#[derive(Debug, Clone)]
pub struct Augmented {
    pub(super) x: Tensor,
    /// ∂L/∂x.
    pub(super) adjoint: Tensor,
    /// ∂L/∂θ, so far, in f32 for parameters of 16 bits.
    pub(super) gradients: Vec<Tensor>,
    /// Whether they count in the error.
    pub(super) measured: bool,
}

impl State for Augmented {
    fn combine(terms: &[(Coefficient, &Self)]) -> Result<Self> {
        let part = |of: &dyn Fn(&Self) -> &Tensor| {
            let terms: Vec<_> = terms.iter().map(|(c, s)| (c.clone(), of(s))).collect();
            Tensor::combine(&terms)
        };
        let (count, measured) =
            (terms.first()).map_or((0, false), |(_, s)| (s.gradients.len(), s.measured));
        let gradients: Result<Vec<Tensor>> =
            (0..count).map(|i| part(&|s| &s.gradients[i])).collect();
        Ok(Augmented {
            x: part(&|s| &s.x)?,
            adjoint: part(&|s| &s.adjoint)?,
            gradients: gradients?,
            measured,
        })
    }

    fn check(&self, argument: &'static str) -> Result<()> {
        self.x.check(argument)?;
        self.adjoint.check("gradient")
    }

    fn alike(&self, argument: &'static str, name: &'static str, reference: &Self) -> Result<()> {
        self.x.alike(argument, name, &reference.x)?;
        self.adjoint.alike(argument, name, &reference.adjoint)?;
        self.gradients.alike(argument, name, &reference.gradients)
    }

    fn not_finite(&self) -> Result<Option<usize>> {
        if let Some(sample) = self.x.not_finite()? {
            return Ok(Some(sample));
        }
        if let Some(sample) = self.adjoint.not_finite()? {
            return Ok(Some(sample));
        }
        self.gradients.not_finite()
    }

    fn detach(&self) -> Self {
        Augmented {
            x: self.x.detach(),
            adjoint: self.adjoint.detach(),
            gradients: self.gradients.detach(),
            measured: self.measured,
        }
    }

    /// That of the parts whose errors count.
    fn unit_roundoff(&self) -> f64 {
        let counted = match self.measured {
            true => self.parts().count(),
            false => 2,
        };
        let parts = self.parts().take(counted);
        parts.map(State::unit_roundoff).fold(0.0, f64::max)
    }

    fn scaled_error(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<ScaledError> {
        let error = self.x.scaled_error(&x.x, &y.x, rtol, atol)?;
        let adjoint = self
            .adjoint
            .scaled_error(&x.adjoint, &y.adjoint, rtol, atol)?;
        let error = error.and(adjoint);
        if !self.measured {
            return Ok(error);
        }
        let (a, b) = (&x.gradients, &y.gradients);
        Ok(error.and(self.gradients.scaled_error(a, b, rtol, atol)?))
    }
}

impl Augmented {
    fn parts(&self) -> impl Iterator<Item = &Tensor> {
        [&self.x, &self.adjoint].into_iter().chain(&self.gradients)
    }
}

/// One sample, as the gradients of parameters belong to all.
impl Coordinates for Augmented {
    fn extent(&self) -> Result<(usize, usize)> {
        Ok((1, self.parts().map(Tensor::elem_count).sum()))
    }

    /// The gradients of parameters may be many more elements than the state and its adjoint.
    fn measured_part(&self) -> f64 {
        let all: usize = self.parts().map(Tensor::elem_count).sum();
        match self.measured {
            true => 1.0,
            false => (self.x.elem_count() as f64 / all.max(1) as f64).sqrt(),
        }
    }

    fn to_numbers(&self) -> Result<Vec<f64>> {
        let parts: Vec<_> = self
            .parts()
            .map(Coordinates::to_numbers)
            .collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    fn with_numbers(&self, mut numbers: Vec<f64>) -> Result<Self> {
        let (_, count) = self.extent()?;
        if numbers.len() != count {
            return Err(Error::shape(
                "numbers",
                &[numbers.len()],
                format!("({count},)"),
            ));
        }
        let mut take = |like: &Tensor| {
            let rest = numbers.split_off(like.elem_count());
            like.with_numbers(std::mem::replace(&mut numbers, rest))
        };
        Ok(Augmented {
            x: take(&self.x)?,
            adjoint: take(&self.adjoint)?,
            gradients: self
                .gradients
                .iter()
                .map(&mut take)
                .collect::<Result<_>>()?,
            measured: self.measured,
        })
    }
}
