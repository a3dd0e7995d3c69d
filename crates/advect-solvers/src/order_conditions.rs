//! The order conditions of Runge–Kutta methods, one per rooted tree (Butcher 1963; Hairer, Nørsett and Wanner, Solving
//! Ordinary Differential Equations I, 2nd ed., theorem II.2.13).

/// The highest order whose conditions are checked.
pub(crate) const MAX_ORDER: usize = 8;
/// The number of stages that there is room for.
pub(crate) const MAX_STAGES: usize = 16;
/// The largest number of rooted trees.
const TREES: usize = 200;
/// The rounding that a condition on coefficients given to 16 digits may show.
const TOLERANCE: f64 = 1e-12;

pub(crate) const fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < TOLERANCE
}

/// The trees found so far.
struct Trees<'a> {
    a: &'a [&'a [f64]],
    /// The matrix of a branch that is alone on its vertex, if it is not A.
    alone: Option<&'a [&'a [f64]]>,
    b: &'a [f64],
    count: usize,
    /// Φ at each stage.
    phi: [[f64; MAX_STAGES]; TREES],
    /// The product of AΦ of the branches, which is Φ if all branches have the same matrix.
    product: [[f64; MAX_STAGES]; TREES],
    /// AΦ at each stage.
    a_phi: [[f64; MAX_STAGES]; TREES],
    gamma: [f64; TREES],
    /// The branch that was grafted last.
    last: [usize; TREES],
}

impl Trees<'_> {
    /// Adds the tree whose Φ and γ stand at the end of the lists, if its condition holds: `Σ_i b_i Φ_i = power / γ`.
    const fn add(&mut self, power: f64) -> bool {
        let phi = &self.phi[self.count];
        let mut sum = 0.0;
        let mut i = 0;
        while i < self.b.len() {
            sum += self.b[i] * phi[i];
            self.a_phi[self.count][i] = dot(self.a[i], phi);
            i += 1;
        }
        let holds = near(sum, power / self.gamma[self.count]);
        self.count += 1;
        holds
    }

    /// Writes Φ and γ of u with v grafted onto its root: a tree of `nodes` nodes, of which u has `of_u`.
    const fn graft(&mut self, u: usize, v: usize, nodes: usize, of_u: usize) {
        let mut i = 0;
        while i < self.b.len() {
            self.product[self.count][i] = self.product[u][i] * self.a_phi[v][i];
            self.phi[self.count][i] = match self.alone {
                Some(alone) if of_u == 1 => dot(alone[i], &self.phi[v]),
                _ => self.product[self.count][i],
            };
            i += 1;
        }
        self.gamma[self.count] = self.gamma[u] * self.gamma[v] * nodes as f64 / of_u as f64;
        self.last[self.count] = v;
    }
}

const fn dot(row: &[f64], values: &[f64; MAX_STAGES]) -> f64 {
    let (mut sum, mut j) = (0.0, 0);
    while j < row.len() {
        sum += row[j] * values[j];
        j += 1;
    }
    sum
}

/// Whether weights `b` make a method exact to `order` at the fraction θ of a step:
/// `Σ_i b_i Φ_i(τ) = θ^|τ| / γ(τ)` for every tree τ of up to `order` nodes.
///
/// A tree of more than one node is a tree u with a smaller one, v, grafted onto its root:
/// `Φ(u∘v) = Φ(u) · AΦ(v)` and `γ(u∘v) = γ(u) γ(v) |u∘v| / |u|`. Grafting branches in the order in which trees are
/// found gives each tree once.
pub(crate) const fn satisfied(a: &[&[f64]], b: &[f64], theta: f64, order: usize) -> bool {
    satisfied_with(a, None, b, theta, order)
}

/// The same for a method with another matrix for a branch that is alone on its vertex: Φ of a tree with the only branch v is
/// `BΦ(v)` (Hairer and Wanner, Solving Ordinary Differential Equations II, theorem IV.7.4).
pub(crate) const fn satisfied_with(
    a: &[&[f64]],
    alone: Option<&[&[f64]]>,
    b: &[f64],
    theta: f64,
    order: usize,
) -> bool {
    let mut trees = Trees {
        a,
        alone,
        b,
        count: 0,
        phi: [[1.0; MAX_STAGES]; TREES],
        product: [[1.0; MAX_STAGES]; TREES],
        a_phi: [[0.0; MAX_STAGES]; TREES],
        gamma: [1.0; TREES],
        last: [0; TREES],
    };
    if !trees.add(theta) {
        return false;
    }
    // Trees of n nodes are those from first[n] to first[n + 1].
    let mut first = [0; MAX_ORDER + 2];
    first[2] = 1;
    let mut power = theta;
    let mut nodes = 2;
    while nodes <= order {
        power *= theta;
        let mut of_u = 1;
        while of_u < nodes {
            let mut u = first[of_u];
            while u < first[of_u + 1] {
                let mut v = first[nodes - of_u];
                while v < first[nodes - of_u + 1] {
                    if v >= trees.last[u] {
                        trees.graft(u, v, nodes, of_u);
                        if !trees.add(power) {
                            return false;
                        }
                    }
                    v += 1;
                }
                u += 1;
            }
            of_u += 1;
        }
        nodes += 1;
        first[nodes] = trees.count;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runge–Kutta weights at Gauss's nodes by collocation are of order 2s: with 4 stages all 200 conditions hold,
    /// and those of order 8 fail if a node moves.
    #[test]
    fn collocation_at_gauss_nodes_has_order_eight() {
        let nodes = |shift: f64| {
            let r = |sign: f64| (3.0 / 7.0 + sign * 2.0 / 7.0 * 1.2f64.sqrt()).sqrt();
            [-r(1.0), -r(-1.0), r(-1.0), r(1.0)].map(|x| (x + 1.0) / 2.0 + shift)
        };
        let weights = |c: [f64; 4], end: f64| {
            // The integral of Lagrange's polynomials from 0 to `end`, by Gauss's rule itself.
            let w = |x: f64| (18.0 + x * 30f64.sqrt()) / 72.0;
            let gauss = nodes(0.0);
            std::array::from_fn::<f64, 4, _>(|j| {
                let at = |x: f64| -> f64 {
                    (0..4)
                        .filter(|&k| k != j)
                        .map(|k| (x - c[k]) / (c[j] - c[k]))
                        .product()
                };
                let weights = [w(-1.0), w(1.0), w(1.0), w(-1.0)];
                (0..4).map(|q| end * weights[q] * at(end * gauss[q])).sum()
            })
        };
        let check = |shift: f64, order: usize| {
            let c = nodes(shift);
            let rows = c.map(|c_i| weights(c, c_i));
            let a: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
            satisfied(&a, &weights(c, 1.0), 1.0, order)
        };
        assert!(check(0.0, 8));
        assert!(check(1e-3, 4));
        assert!(!check(1e-3, 8));
    }
}
