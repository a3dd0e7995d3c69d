//! Gradients of stages by the implicit function theorem.
//!
//! The slopes k of stages that were solved for together are functions of what the equations `k_i = f(t_i, z_i)` depend on. A
//! gradient g of k is pulled back by one transposed equation, `Mᵀ λ = g` with `M = I − h A ⊗ J` at the solution: λ_i is the
//! gradient of the value f(t_i, z_i), and `J_iᵀ λ_i` that of the state z_i. How the iteration found k does not matter, and no
//! operation of it is in the graph.
//!
//! The factors are those of the iteration, whose Jacobian is that of another place. So λ is refined,
//! `λ ← λ + M̃⁻ᵀ (g − Mᵀ λ)`, with exact products Jᵀ λ by the field's backward pass, until it is exact up to rounding. Where
//! the factors are too far from those of the solution for that, they are made anew, with a backward pass for each element of
//! a sample. Without matrices, GMRES solves the transposed equations by such products.

use std::fmt;
use std::sync::Arc;

use advect_core::{Error, Field, Result, Time, check};
use advect_ops::{backward, with_gradient, with_graph};
use candle_core::{Tensor, Var};

use super::Coordinates;
use super::krylov::{Gmres, solve_transposed};
use super::lu::Lu;

/// The largest number of refinements.
const REFINEMENTS: usize = 20;
/// What is left of a gradient at least where refinements end without being exact up to rounding.
const LEFT: f64 = 1e-4;

/// Stages that were solved for together, as their gradients need them.
pub struct Solved<'a, X> {
    pub(super) field: &'a dyn Field<X>,
    pub(super) times: &'a [Time],
    /// The states of the stages, in the graph.
    pub(super) states: Vec<X>,
    pub(super) block: &'a [f64],
    /// The size of the step of each sample.
    pub(super) sizes: &'a [f64],
    pub(super) factors: Vec<Option<Arc<Lu>>>,
    /// The method without matrices, if there are no factors, and magnitudes of the elements of a state.
    pub(super) products: Option<(Gmres, Vec<f64>)>,
}

impl<X> fmt::Debug for Solved<'_, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solved")
            .field("stages", &self.states.len())
            .finish_non_exhaustive()
    }
}

/// Gives the slopes of stages their place in the graph.
pub(super) fn in_graph(slopes: Vec<Tensor>, solved: Solved<'_, Tensor>) -> Result<Vec<Tensor>> {
    let mut transposed = Transposed {
        places: Vec::with_capacity(slopes.len()),
        values: Vec::with_capacity(slopes.len()),
        block: solved.block.to_vec(),
        sizes: solved.sizes.to_vec(),
        factors: solved.factors,
        products: solved.products,
    };
    for (t, state) in solved.times.iter().zip(&solved.states) {
        let place = Var::from_tensor(&state.detach())?;
        let value = solved.field.at(t, place.as_tensor())?;
        check::alike("field", &value, "x", state)?;
        transposed.places.push(place);
        transposed.values.push(value);
    }
    let mut inputs = transposed.values.clone();
    inputs.extend(solved.states);
    let count = slopes.len();
    let slopes = Tensor::stack(&slopes, 0)?;
    let slopes = with_gradient(&slopes, &inputs, move |g, _| transposed.gradients(g))?;
    (0..count).map(|i| Ok(slopes.get(i)?)).collect()
}

/// The transposed equations of some stages.
struct Transposed {
    places: Vec<Var>,
    /// The field's values at these places, with their graphs.
    values: Vec<Tensor>,
    block: Vec<f64>,
    sizes: Vec<f64>,
    factors: Vec<Option<Arc<Lu>>>,
    products: Option<(Gmres, Vec<f64>)>,
}

impl Transposed {
    /// The gradients of the values, λ, and of the states, Jᵀ λ, from that of the slopes.
    fn gradients(&self, g: &Tensor) -> Result<Vec<Tensor>> {
        let count = self.places.len();
        let g: Vec<Vec<f64>> = (0..count)
            .map(|i| g.get(i)?.to_numbers())
            .collect::<Result<_>>()?;
        if let Some((gmres, weights)) = &self.products {
            return self.by_products(*gmres, weights, &g);
        }
        if let Some(gradients) = self.refine(&g, &self.factors)? {
            return Ok(gradients);
        }
        let exact = self.exact_factors()?;
        self.refine(&g, &exact)?.ok_or_else(|| {
            Error::stopped(
                "the backward pass of an implicit step",
                "the matrix of the transposed equations is singular or not finite, so that there is no gradient; take smaller \
                 steps",
            )
        })
    }

    /// The same without factors.
    fn by_products(&self, gmres: Gmres, weights: &[f64], g: &[Vec<f64>]) -> Result<Vec<Tensor>> {
        let like = self.places[0].as_tensor();
        let roundoff = crate::State::unit_roundoff(like);
        let pull_back = |i: usize, lambda: Vec<f64>| {
            self.pull_back(i, &like.with_numbers(lambda)?)?.to_numbers()
        };
        let (block, sizes) = (&self.block[..], &self.sizes[..]);
        let lambda = solve_transposed(gmres, (block, sizes), (weights, roundoff), g, pull_back)?;
        let lambda: Vec<Tensor> = (lambda.into_iter())
            .map(|l| like.with_numbers(l))
            .collect::<Result<_>>()?;
        let pulled = lambda.iter().enumerate().map(|(i, l)| self.pull_back(i, l));
        let pulled = pulled.collect::<Result<Vec<_>>>()?;
        Ok(lambda.into_iter().chain(pulled).collect())
    }

    /// The same by refinement with some factors; `None` if it does not converge.
    fn refine(&self, g: &[Vec<f64>], factors: &[Option<Arc<Lu>>]) -> Result<Option<Vec<Tensor>>> {
        let count = self.places.len();
        let like = self.places[0].as_tensor();
        let roundoff = crate::State::unit_roundoff(like);
        let width = g[0].len() / self.sizes.len();
        let of_g = largest(g);
        let mut lambda = vec![vec![0.0; g[0].len()]; count];
        let mut residual = g.to_vec();
        let mut before = f64::INFINITY;
        for _ in 0..REFINEMENTS {
            improve(&mut lambda, &residual, factors, width);
            let tensors: Vec<Tensor> = lambda
                .iter()
                .map(|l| like.with_numbers(l.clone()))
                .collect::<Result<_>>()?;
            let pulled: Vec<Tensor> = (0..count)
                .map(|i| self.pull_back(i, &tensors[i]))
                .collect::<Result<_>>()?;
            let numbers = |of: &[Tensor]| -> Result<Vec<Vec<f64>>> {
                of.iter().map(Coordinates::to_numbers).collect()
            };
            let (rounded, products) = (numbers(&tensors)?, numbers(&pulled)?);
            // g − Mᵀ λ
            for (j, residual) in residual.iter_mut().enumerate() {
                for (e, r) in residual.iter_mut().enumerate() {
                    let terms = (0..count).map(|i| self.block[i * count + j] * products[i][e]);
                    let product = self.sizes[e / width] * terms.sum::<f64>();
                    *r = g[j][e] - rounded[j][e] + product;
                }
            }
            let left = largest(&residual);
            let exact = left <= 4.0 * roundoff * of_g.max(largest(&lambda));
            // Beyond rounding there is nothing to gain.
            if exact || (left > 0.5 * before && left <= LEFT * of_g) {
                return Ok(Some(tensors.into_iter().chain(pulled).collect()));
            }
            if left.is_nan() || left > before {
                break;
            }
            before = left;
        }
        Ok(None)
    }

    /// The factors of `I − h A ⊗ J` with the Jacobians at the solution, row by row by backward passes.
    fn exact_factors(&self) -> Result<Vec<Option<Arc<Lu>>>> {
        let count = self.places.len();
        let like = self.places[0].as_tensor();
        let (samples, width) = like.extent()?;
        let size = count * width;
        let mut matrices = vec![vec![0.0; size * size]; samples];
        for i in 0..count {
            for row in 0..width {
                let ones = (0..samples * width).map(|e| f64::from(u8::from(e % width == row)));
                let rows = self
                    .pull_back(i, &like.with_numbers(ones.collect())?)?
                    .to_numbers()?;
                for (sample, matrix) in matrices.iter_mut().enumerate() {
                    let at = (i * width + row) * size;
                    for (column, value) in matrix[at..at + size].iter_mut().enumerate() {
                        let (j, e) = (column / width, column % width);
                        let weight = self.sizes[sample] * self.block[i * count + j];
                        *value = -weight * rows[sample * width + e];
                    }
                    matrix[at + i * width + row] += 1.0;
                }
            }
        }
        let factors = matrices.into_iter().map(|m| Lu::new(size, m).map(Arc::new));
        Ok(factors.collect())
    }

    /// `Jᵀ λ` of a stage.
    fn pull_back(&self, stage: usize, lambda: &Tensor) -> Result<Tensor> {
        let (place, value) = (&self.places[stage], &self.values[stage]);
        if !value.track_op() {
            return Ok(lambda.zeros_like()?);
        }
        let lambda = lambda.clone();
        let zero = Tensor::zeros((), value.dtype(), value.device())?;
        let seed = with_graph(|| {
            with_gradient(&zero, std::slice::from_ref(value), move |_, _| {
                Ok(vec![lambda.clone()])
            })
        })?;
        match backward(&seed)?.remove(place.as_tensor()) {
            Some(gradient) => Ok(gradient),
            None => Ok(place.as_tensor().zeros_like()?),
        }
    }
}

/// `λ ← λ + M̃⁻ᵀ r`
fn improve(
    lambda: &mut [Vec<f64>],
    residual: &[Vec<f64>],
    factors: &[Option<Arc<Lu>>],
    width: usize,
) {
    for (sample, factors) in factors.iter().enumerate() {
        let Some(factors) = factors else { continue };
        let of = sample * width..(sample + 1) * width;
        let parts = residual.iter().flat_map(|r| &r[of.clone()]);
        let mut change: Vec<f64> = parts.copied().collect();
        factors.solve_transposed(&mut change);
        for (lambda, change) in lambda.iter_mut().zip(change.chunks_exact(width)) {
            let pairs = lambda[of.clone()].iter_mut().zip(change);
            pairs.for_each(|(l, c)| *l += c);
        }
    }
}

/// The largest magnitude.
fn largest(numbers: &[Vec<f64>]) -> f64 {
    let all = numbers.iter().flatten();
    all.fold(0.0, |a, x| {
        if x.is_nan() {
            f64::NAN
        } else {
            f64::max(a, x.abs())
        }
    })
}
