//! Systems of equations on numbers: against plain f64, finite differences and closed forms.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Coefficient, Error, Field, Jvp, Result, Time};
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::implicit::{ByJvp, ImplicitRungeKutta, Jacobian, Kvaerno5, Linearized};
use advect_solvers::stepper::{Dopri5, Rk4};
use advect_solvers::system::{Number, system};
use advect_solvers::{Event, Interval, Save, Solver, State, Status};
use candle_core::{DType, Tensor, Var};
use proptest::prelude::*;

/// A number, recorded or not.
trait Real:
    Copy
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
{
    fn of(x: f64) -> Self;
    /// A function that is smooth and bounded, or of at most linear growth.
    fn smooth(self, which: u8) -> Self;
    /// A function with a kink, or a jump, at equal arguments.
    fn kinked(self, other: Self, which: u8) -> Self;
}

macro_rules! real {
    ($type:ident, $self:ident $other:ident, [$($kinked:expr),*]) => {
        impl Real for $type {
            fn of(x: f64) -> Self {
                x.into()
            }
            fn smooth($self, which: u8) -> Self {
                let x = $self;
                match which {
                    0 => x.sin(),
                    1 => x.cos(),
                    2 => x.tanh(),
                    3 => x.atan(),
                    4 => (1.0 + x * x).sqrt(),
                    5 => (-(x * x)).exp(),
                    6 => (1.0 + x.powi(2)).ln(),
                    7 => (x * x).ln_1p(),
                    8 => x / (1.0 + x * x),
                    9 => (1.0 + x * x).powf(0.3),
                    10 => (1.0 + x.powi(4)).recip(),
                    11 => x.tanh().sinh() * x.sin().cosh(),
                    12 => (0.5 * x.sin()).asin() - (0.5 * x.cos()).acos(),
                    13 => (0.5 * x.sin()).tan() + x.tanh().exp_m1(),
                    _ => -x + 0.0,
                }
            }
            fn kinked($self, $other: Self, which: u8) -> Self {
                let all = [$($kinked),*];
                all[usize::from(which) % all.len()]
            }
        }
    };
}
real!(f64, self other, [
    self.min(other), self.max(other), (self - other).abs(), if self < other { self * 2.0 } else { other },
    if self >= other && other > 0.1 { self } else { other * self }
]);
real!(Number, self other, [
    self.min(other), self.max(other), (self - other).abs(), self.lt(other).select(self * 2.0, other),
    (self.ge(other) & other.gt(0.1)).select(self, other * self)
]);

/// What to apply to which of the values so far.
type Recipe = Vec<(u8, u8, u8, i8)>;

/// Applies a recipe to a time, three states and two parameters.
fn cook<T: Real>(recipe: &Recipe, smooth: bool, t: T, x: [T; 3], p: [T; 2]) -> [T; 3] {
    let mut all = vec![t, x[0], x[1], x[2], p[0], p[1]];
    for &(which, i, j, constant) in recipe {
        let (a, b) = (
            all[usize::from(i) % all.len()],
            all[usize::from(j) % all.len()],
        );
        // So that no value grows fast, and derivatives stay of the order of 1.
        all.push(match which % 24 {
            0 | 1 => (a + b) * T::of(0.5),
            2 => a - b,
            3 | 4 => a.smooth(2) * b,
            5 => a / (T::of(1.0) + b * b),
            6 => a * T::of(f64::from(constant) / 128.0),
            7 => T::of(f64::from(constant) / 64.0) - a,
            8 if !smooth => a.kinked(b, j),
            other => a.smooth(other % 15),
        });
    }
    std::array::from_fn(|k| all[all.len() - 1 - k])
}

fn recipe() -> impl Strategy<Value = Recipe> {
    prop::collection::vec(any::<(u8, u8, u8, i8)>(), 3..40)
}

/// Numbers in [−2, 2) that a seed decides.
fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let each =
        |i: usize| (((seed % 9973) as f64 + 1.0) * (i as f64 + 0.7) * 0.618_033_988_7).fract();
    (0..count).map(|i| 4.0 * each(i) - 2.0).collect()
}

fn tensor(values: &[f64], columns: usize) -> Tensor {
    Tensor::from_slice(values, (values.len() / columns, columns), device()).unwrap()
}

fn list(x: &Tensor) -> Vec<f64> {
    let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
    x.to_vec1().unwrap()
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(
            error <= tolerance * (1.0 + expected.abs()),
            "{found} instead of {expected}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn values_are_those_of_plain_numbers(recipe in recipe(), seed in any::<u64>(), size in 0usize..9) {
        let batch = [1, 2, 3, 7, 16, 17, 65, 513, 1030][size];
        let (x, p, times) = (numbers(seed, 3 * batch), numbers(!seed, 2 * batch), numbers(seed / 3, batch));
        let recorded = system(|t, x, p| cook(&recipe, false, t, x, p)).unwrap();
        let of_sample = |t: f64, i: usize, p: &[f64]| {
            cook(&recipe, false, t, [x[3 * i], x[3 * i + 1], x[3 * i + 2]], [p[0], p[1]])
        };
        let state = tensor(&x, 3);

        let field = recorded.with([p[0], p[1]]).unwrap();
        let expected: Vec<f64> = (0..batch).flat_map(|i| of_sample(0.3, i, &p)).collect();
        let value = field.at(&Time::Shared(0.3), &state).unwrap();
        close(&list(&value), &expected, 1e-12);
        // An array has the bits of a row of a batch.
        let alone = field.at(&Time::Shared(0.3), &[x[0], x[1], x[2]]).unwrap();
        prop_assert_eq!(&alone[..], &list(&value)[..3]);

        let field = recorded.with(tensor(&p, 2)).unwrap();
        let expected: Vec<f64> = (0..batch).flat_map(|i| of_sample(times[i], i, &p[2 * i..])).collect();
        let value = field.at(&Time::per_sample(&times).unwrap(), &state).unwrap();
        close(&list(&value), &expected, 1e-12);

        // In f32 the same, to its digits, unless a condition turns over.
        let smooth = system(|t, x, p| cook(&recipe, true, t, x, p)).unwrap().with([p[0], p[1]]).unwrap();
        let wide = list(&smooth.at(&Time::Shared(0.3), &state).unwrap());
        let narrow = smooth.at(&Time::Shared(0.3), &state.to_dtype(DType::F32).unwrap()).unwrap();
        prop_assert_eq!(narrow.dtype(), DType::F32);
        close(&list(&narrow), &wide, 1e-3);
    }

    #[test]
    fn derivatives_are_those_of_differences(recipe in recipe(), seed in any::<u64>()) {
        let (batch, h) = (3, 1e-5);
        let (x, dx, g) = (numbers(seed, 9), numbers(seed / 5, 9), numbers(seed / 7, 9));
        let (p, t, dt) = (numbers(!seed, 2), 0.4, 0.7);
        let recorded = system(|t, x, p| cook(&recipe, true, t, x, p)).unwrap();
        let at = |t: f64, x: &[f64], p: &[f64]| {
            let row = |x: &[f64]| cook(&recipe, true, t, [x[0], x[1], x[2]], [p[0], p[1]]);
            x.chunks(3).flat_map(row).collect::<Vec<f64>>()
        };
        let moved = |x: &[f64], along: &[f64], h: f64| -> Vec<f64> {
            x.iter().zip(along).map(|(x, d)| x + h * d).collect()
        };
        let difference = |f: &dyn Fn(f64) -> Vec<f64>| -> Vec<f64> {
            f(h).iter().zip(f(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect()
        };

        let parameters = Var::from_vec(p.clone(), 2, device()).unwrap();
        let field = recorded.with(&parameters).unwrap();
        let state = Var::from_tensor(&tensor(&x, 3)).unwrap();
        let (value, along) = field
            .jvp(&Time::Shared(t), &state.detach(), dt, &tensor(&dx, 3))
            .unwrap();
        close(&list(&value), &at(t, &x, &p), 1e-12);
        close(&list(&along), &difference(&|h| at(t + h * dt, &moved(&x, &dx, h), &p)), 1e-6);

        // Backwards: g · ∂f along each direction, the time of each sample among them.
        let times = Var::from_vec(vec![t; batch], batch, device()).unwrap();
        let value = field.at(&Time::PerSample(times.as_tensor().clone()), state.as_tensor()).unwrap();
        let loss = (value * tensor(&g, 3)).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let gradient = |v: &Var| list(gradients.get(v).unwrap());
        let by_x = dot(&g, &difference(&|h| at(t, &moved(&x, &dx, h), &p)));
        close(&[dot(&gradient(&state), &dx)], &[by_x], 1e-6);
        let by_p = dot(&g, &difference(&|h| at(t, &x, &moved(&p, &[1.0, -2.0], h))));
        close(&[dot(&gradient(&parameters), &[1.0, -2.0])], &[by_p], 1e-6);
        let by_t = dot(&g, &difference(&|h| at(t + h, &x, &p)));
        close(&[dot(&gradient(&times), &[1.0; 3])], &[by_t], 1e-6);

        let (value, against) = field.vjp(&Time::Shared(t), &state.detach(), &tensor(&g, 3)).unwrap();
        close(&list(&value), &at(t, &x, &p), 1e-12);
        close(&list(&against), &gradient(&state), 1e-13);
        let (_, each) = field.jvp_each(&Time::Shared(t), &state.detach(), &[tensor(&g, 3), tensor(&dx, 3)]).unwrap();
        close(&list(&each[1]), &difference(&|h| at(t, &moved(&x, &dx, h), &p)), 1e-6);

        let jacobian = list(&field.jacobian(&Time::Shared(t), &state.detach()).unwrap());
        for j in 0..3 {
            let unit: Vec<f64> = (0..9).map(|k| f64::from(u8::from(k % 3 == j))).collect();
            let column: Vec<f64> = (0..9).map(|k| jacobian[3 * k + j]).collect();
            close(&column, &difference(&|h| at(t, &moved(&x, &unit, h), &p)), 1e-6);
        }
        let rows = field.jacobian_of_numbers(&Time::Shared(t), &[x[0], x[1], x[2]]).unwrap();
        prop_assert_eq!(rows.as_flattened(), &jacobian[..9]);
    }

    /// A loss that contains a derivative along a direction is differentiated again.
    #[test]
    fn second_derivatives_are_those_of_differences(recipe in recipe(), seed in any::<u64>()) {
        let (x, dx, g, p) = (numbers(seed, 6), numbers(seed / 5, 6), numbers(seed / 7, 6), numbers(!seed, 2));
        let recorded = system(|t, x, p| cook(&recipe, true, t, x, p)).unwrap();
        let (t, h) = (Time::Shared(0.2), 1e-5);
        let loss = |x: &Tensor, p: &Tensor| {
            let field = recorded.with(p).unwrap();
            let (_, along) = field.jvp(&t, x, 0.5, &tensor(&dx, 3)).unwrap();
            (along * tensor(&g, 3)).unwrap().sum_all().unwrap()
        };
        let number = |x: &Tensor, p: &Tensor| loss(x, p).to_scalar::<f64>().unwrap();
        let state = Var::from_tensor(&tensor(&x, 3)).unwrap();
        let parameters = Var::from_vec(p, 2, device()).unwrap();
        let gradients = loss(&state, &parameters).backward().unwrap();
        for v in [&state, &parameters] {
            let values = list(v);
            let gradient = list(gradients.get(v).unwrap());
            for k in 0..values.len() {
                let at = |h: f64| {
                    let mut moved = values.clone();
                    moved[k] += h;
                    let moved = Tensor::from_vec(moved, v.dims(), device()).unwrap();
                    match values.len() {
                        2 => number(&state.detach(), &moved),
                        _ => number(&moved, &parameters.detach()),
                    }
                };
                close(&[gradient[k]], &[(at(h) - at(-h)) / (2.0 * h)], 1e-5);
            }
        }
    }
}

/// Every function, at arguments of its own, against the standard library and its differences.
#[test]
fn every_function_and_its_derivative() {
    type Pair = (fn(Number, Number) -> Number, fn(f64, f64) -> f64);
    macro_rules! pair {
        ($x:ident, $y:ident => $value:expr) => {
            (
                |$x, $y| {
                    let _ = $y;
                    $value
                },
                |$x, $y| {
                    let _ = $y;
                    $value
                },
            )
        };
    }
    let all: Vec<Pair> = vec![
        pair!(x, y => x.abs() * y),
        pair!(x, y => (x - 2.0 * y).abs()),
        pair!(x, y => x.sqrt() + 1.0),
        pair!(x, y => x.exp()),
        pair!(x, y => x.exp_m1()),
        pair!(x, y => x.ln()),
        pair!(x, y => x.ln_1p()),
        pair!(x, y => x.sin()),
        pair!(x, y => x.cos()),
        pair!(x, y => x.tan()),
        pair!(x, y => x.asin()),
        pair!(x, y => x.acos()),
        pair!(x, y => x.atan()),
        pair!(x, y => x.sinh()),
        pair!(x, y => x.cosh()),
        pair!(x, y => x.tanh()),
        pair!(x, y => x.recip()),
        pair!(x, y => x.powf(y)),
        pair!(x, y => x.powf(2.7)),
        pair!(x, y => x.powf(-0.5)),
        pair!(x, y => x.powi(7) - x.powi(-3)),
        pair!(x, y => x.min(y) * x.max(y)),
        pair!(x, y => 1.0 - x / y),
        pair!(x, y => (x - y).clamp(-0.1, 0.55)),
        pair!(x, y => x.sin_cos().0 * y - x.sin_cos().1),
        pair!(x, y => 3.0 / x + x / 3.0 - 2.0 * y),
        (
            |x, y| x.le(y).select(x * y, x),
            |x, y| if x <= y { x * y } else { x },
        ),
        (
            |x, y| (!x.gt(y) | x.ge(0.9)).select(x, y),
            |x, y| if x <= y || x >= 0.9 { x } else { y },
        ),
        (
            |x, y| [x, y].iter().sum::<Number>() * [x, x].into_iter().product::<Number>(),
            |x, y| (x + y) * x * x,
        ),
        (
            |x, y| {
                let mut z = x;
                z += y;
                z -= 0.5;
                z *= x;
                z /= y;
                z
            },
            |x, y| (x + y - 0.5) * x / y,
        ),
    ];
    for (recorded, plain) in all {
        let field = system(|_, [x, y], []| [recorded(x, y), recorded(y, x)]).unwrap();
        let field = field.with([]).unwrap();
        for [x, y] in [[0.3, 0.8], [0.7, 0.2], [0.11, 0.95]] {
            let t = Time::Shared(0.0);
            let [a, b] = field.at(&t, &[x, y]).unwrap();
            close(&[a, b], &[plain(x, y), plain(y, x)], 1e-14);
            let h = 1e-6;
            let [[by_x, by_y], _] = field.jacobian_of_numbers(&t, &[x, y]).unwrap();
            let expected = [
                (plain(x + h, y) - plain(x - h, y)) / (2.0 * h),
                (plain(x, y + h) - plain(x, y - h)) / (2.0 * h),
            ];
            close(&[by_x, by_y], &expected, 1e-7);
        }
    }
}

#[test]
fn tapes_are_simplified() {
    let waste = system(|_, [a, b], [p]| {
        let product = p * a;
        let _unused = product.exp();
        [
            product * 1.0 + 0.0,
            (a * p) + (b - b * 1.0) * 2.0 - (2.0 - 2.0),
        ]
    });
    // A product, a difference, a product and a sum.
    assert_eq!(waste.unwrap().operations(), 4);
    let predators =
        system(|_, [a, b], p: [Number; 2]| [p[0] * a - a * b, -p[1] * b + a * b]).unwrap();
    assert_eq!(predators.operations(), 5);
    let constant = system(|_, [x], []| [x.powi(0) * 3.0]).unwrap();
    assert_eq!(constant.operations(), 0);
    let field = constant.with([]).unwrap();
    assert_eq!(field.at(&Time::Shared(0.0), &[5.0]).unwrap(), [3.0]);
    assert_eq!(
        field
            .jacobian_of_numbers(&Time::Shared(0.0), &[5.0])
            .unwrap(),
        [[0.0]]
    );
    // Each equation knows its neighbours: a Jacobian of three diagonals.
    let chain = system(|_, x: [Number; 20], []| {
        std::array::from_fn(|i| {
            let at = |k: Option<usize>| k.and_then(|k| x.get(k)).copied().unwrap_or_default();
            at(i.checked_sub(1)) - 2.0 * x[i] + at(Some(i + 1))
        })
    });
    let field = chain.unwrap().with([]).unwrap();
    let jacobian = field
        .jacobian_of_numbers(&Time::Shared(0.0), &[1.0; 20])
        .unwrap();
    for (i, row) in jacobian.iter().enumerate() {
        for (j, &x) in row.iter().enumerate() {
            let expected = [-2.0, 1.0, 0.0][i.abs_diff(j).min(2)];
            assert_eq!(x, expected);
        }
    }
}

fn decay_and_growth() -> advect_solvers::system::System<2, 3> {
    system(|t, [x, y], [a, b, c]| [-a * x + b * (c * t).sin(), x * y - b * y]).unwrap()
}

#[test]
fn adjoints_train_parameters() {
    let recorded = decay_and_growth();
    let p = [0.7, 0.4, 1.3];
    let x0 = [[1.0, 0.5], [0.3, 0.8], [0.2, -0.4]];
    let times = [0.0, 0.6, 1.5];
    let solver = Solver::new(Dopri5, Adaptive::new(1e-10, 1e-10).unwrap());
    // Σ of squares of the last states, by numbers.
    let loss = |p: [f64; 3], x0: [[f64; 2]; 3]| -> f64 {
        let field = recorded.with(p).unwrap();
        let end = |x| solver.solve(&field, &x, 0.0, 1.5).unwrap().end().unwrap();
        x0.iter().flat_map(|x| end(*x)).map(|x: f64| x * x).sum()
    };
    let h = 1e-5;
    let by_p: Vec<f64> = (0..3)
        .map(|k| {
            let at = |h: f64| {
                let mut p = p;
                p[k] += h;
                loss(p, x0)
            };
            (at(h) - at(-h)) / (2.0 * h)
        })
        .collect();
    let by_x: Vec<f64> = (0..6)
        .map(|k| {
            let at = |h: f64| {
                let mut x0 = x0;
                x0[k / 2][k % 2] += h;
                loss(p, x0)
            };
            (at(h) - at(-h)) / (2.0 * h)
        })
        .collect();

    let parameters = Var::new(&p, device()).unwrap();
    let start = Var::new(&x0, device()).unwrap();
    let field = Arc::new(recorded.with(&parameters).unwrap());
    let listed = [parameters.as_tensor().clone()];
    let solutions = [
        Unrolled::new(solver.clone()).solve(&field, &listed, &start, &times),
        Checkpointed::new(solver.clone(), 3)
            .unwrap()
            .solve(&field, &listed, &start, &times),
        Backsolve::new(solver.clone()).solve(&field, &listed, &start, &times),
    ];
    for solution in solutions {
        let end = solution.unwrap().end().unwrap();
        let gradients = end.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        close(&list(gradients.get(&parameters).unwrap()), &by_p, 1e-7);
        close(&list(gradients.get(&start).unwrap()), &by_x, 1e-7);
    }
    // Parameters for each sample: their gradients add up to that of the shared ones.
    let each = Var::new(&[p; 3], device()).unwrap();
    let field = Arc::new(recorded.with(&each).unwrap());
    let solution = Unrolled::new(solver).solve(&field, &[], &start, &times);
    let end = solution.unwrap().end().unwrap();
    let gradients = end.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    let of_each = gradients.get(&each).unwrap().sum(0).unwrap();
    close(&list(&of_each), &by_p, 1e-7);
}

#[test]
fn arrays_and_batches_take_the_same_steps() {
    let field = decay_and_growth().with([0.7, 0.4, 1.3]).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8).unwrap());
    for (start, end) in [(0.0, 4.0), (2.0, -1.0)] {
        let numbers = solver.solve(&field, &[1.0, 0.5], start, end).unwrap();
        let x = tensor(&[1.0, 0.5], 2);
        let batch = solver.solve(&field, &x, start, end).unwrap();
        assert_eq!(numbers.statistics, batch.statistics);
        close(&numbers.end().unwrap(), &list(&batch.end().unwrap()), 1e-13);
        let solver = Solver::new(Rk4, Fixed::steps(50).unwrap());
        let narrow = solver.solve(&field, &[1.0f32, 0.5], start, end).unwrap();
        let narrow = narrow.end().unwrap().map(f64::from);
        close(&narrow, &numbers.end().unwrap(), 1e-5);
    }
    // Each sample on its own clock.
    let x = tensor(&[1.0, 0.5, 0.1, 2.0], 2);
    let each = solver
        .integration(&field, &x, 0.0, 4.0)
        .each_sample()
        .run()
        .unwrap();
    let alone = solver.solve(&field, &[0.1, 2.0], 0.0, 4.0).unwrap();
    assert_eq!(each.statistics[1].accepted, alone.statistics.accepted);
    close(
        &list(&each.end().unwrap())[2..],
        &alone.end().unwrap(),
        1e-13,
    );
}

#[test]
fn sixteen_bits_and_views() {
    let field = decay_and_growth().with([0.7, 0.4, 1.3]).unwrap();
    let t = Time::Shared(0.5);
    let wide = tensor(&numbers(5, 40), 4);
    // Every second column of a larger tensor, in another order.
    let view = wide.narrow(1, 1, 2).unwrap();
    let plain = view.contiguous().unwrap();
    let expected = list(&field.at(&t, &plain).unwrap());
    assert_eq!(list(&field.at(&t, &view).unwrap()), expected);
    let turned = plain.t().unwrap().contiguous().unwrap().t().unwrap();
    assert_eq!(list(&field.at(&t, &turned).unwrap()), expected);
    for dtype in [DType::F16, DType::BF16] {
        let value = field.at(&t, &view.to_dtype(dtype).unwrap()).unwrap();
        assert_eq!(value.dtype(), dtype);
        close(&list(&value), &expected, 0.03);
    }
    // Parameters of another dtype are converted, and their gradients back.
    let p = Var::new(&[0.7f32, 0.4, 1.3], device()).unwrap();
    let field = decay_and_growth().with(&p).unwrap();
    let value = field.at(&t, &view).unwrap();
    close(&list(&value), &expected, 1e-6);
    let gradients = value.sum_all().unwrap().backward().unwrap();
    assert_eq!(gradients.get(&p).unwrap().dtype(), DType::F32);
}

/// States of any rank are rows: values, derivatives and gradients.
#[test]
fn any_batch_shape() {
    let recorded = decay_and_growth();
    let p = numbers(2, 3 * 15);
    let (flat, along) = (tensor(&numbers(7, 30), 2), tensor(&numbers(8, 30), 2));
    let shaped = |x: &Tensor, last: &[usize]| {
        let shape = [3, 5].iter().chain(last).copied().collect::<Vec<usize>>();
        x.reshape(shape).unwrap()
    };
    let (x, dx) = (shaped(&flat, &[2]), shaped(&along, &[2]));
    let t = Time::Shared(0.3);
    // (parameters, the same for each of the 15 rows)
    let whole = Tensor::from_slice(&p, (3, 5, 3), device()).unwrap();
    let of_samples = whole.narrow(1, 0, 1).unwrap();
    let of_bodies = whole.get(0).unwrap();
    let one = of_bodies.get(0).unwrap();
    for parameters in [whole, of_samples, of_bodies, one] {
        let rows = parameters
            .broadcast_as((3, 5, 3))
            .unwrap()
            .reshape((15, 3))
            .unwrap();
        let rows = Var::from_tensor(&rows).unwrap();
        let parameters = Var::from_tensor(&parameters).unwrap();
        let (field, plain) = (
            recorded.with(&parameters).unwrap(),
            recorded.with(&rows).unwrap(),
        );
        let times = Var::new(&[0.1, 0.2, 0.3], device()).unwrap();
        let each: Vec<f64> = (0..15).map(|i| [0.1, 0.2, 0.3][i / 5]).collect();
        let every = Time::per_sample(&each).unwrap();
        let of_times = Time::PerSample(times.as_tensor().clone());

        let (value, expected) = (
            field.at(&of_times, &x).unwrap(),
            plain.at(&every, &flat).unwrap(),
        );
        assert_eq!(value.dims(), [3, 5, 2]);
        assert_eq!(list(&value), list(&expected));
        let (_, slope) = field.jvp(&t, &x, 0.4, &dx).unwrap();
        assert_eq!(slope.dims(), [3, 5, 2]);
        assert_eq!(
            list(&slope),
            list(&plain.jvp(&t, &flat, 0.4, &along).unwrap().1)
        );
        let (_, against) = field.vjp(&t, &x, &dx).unwrap();
        assert_eq!(
            list(&against),
            list(&plain.vjp(&t, &flat, &along).unwrap().1)
        );
        let jacobian = field.jacobian(&t, &x).unwrap();
        assert_eq!(jacobian.dims(), [3, 5, 2, 2]);
        assert_eq!(list(&jacobian), list(&plain.jacobian(&t, &flat).unwrap()));

        // Gradients of what is shared are sums.
        let gradients = (value * &dx)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        let found = gradients.get(&parameters).unwrap();
        let rows_gradients = (expected * &along)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        let of_rows = rows_gradients
            .get(&rows)
            .unwrap()
            .reshape((3, 5, 3))
            .unwrap();
        let summed = match parameters.dims() {
            [3] => of_rows.sum((0, 1)),
            [3, 1, 3] => of_rows.sum_keepdim(1),
            [5, 3] => of_rows.sum(0),
            _ => Ok(of_rows),
        };
        assert_eq!(found.dims(), parameters.dims());
        close(&list(found), &list(&summed.unwrap()), 1e-14);
        assert_eq!(gradients.get(&times).unwrap().dims(), [3]);
    }
    // A state of one sample alone.
    let field = recorded.with([0.7, 0.4, 1.3]).unwrap();
    let alone = field.at(&t, &flat.get(4).unwrap()).unwrap();
    assert_eq!(alone.dims(), [2]);
    assert_eq!(list(&alone), list(&field.at(&t, &flat).unwrap())[8..10]);
    assert_eq!(
        field.jacobian(&t, &flat.get(4).unwrap()).unwrap().dims(),
        [2, 2]
    );
    // A solver's state of rank 3, a clock for each sample among them.
    let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9).unwrap());
    let each = solver
        .integration(&field, &x, 0.0, 0.5)
        .each_sample()
        .run()
        .unwrap();
    let together = solver.solve(&field, &x, 0.0, 0.5).unwrap();
    close(
        &list(&each.end().unwrap()),
        &list(&together.end().unwrap()),
        1e-7,
    );
}

/// The same equations by operations of tensors have the same values and gradients.
#[test]
fn tensors_of_candle_agree() {
    let (x, p) = (
        Var::from_tensor(&tensor(&numbers(4, 14), 2)).unwrap(),
        Var::new(&[0.7, 0.4, 1.3], device()).unwrap(),
    );
    let g = tensor(&numbers(6, 14), 2);
    let ours = decay_and_growth()
        .with(&p)
        .unwrap()
        .at(&Time::Shared(0.6), x.as_tensor())
        .unwrap();
    let theirs = {
        let column = |k: usize| x.narrow(1, k, 1).unwrap();
        let [a, b, c] = [0, 1, 2].map(|k| p.narrow(0, k, 1).unwrap());
        let wave = b.mul(&(c * 0.6).unwrap().sin().unwrap()).unwrap();
        let first = column(0)
            .broadcast_mul(&a.neg().unwrap())
            .unwrap()
            .broadcast_add(&wave)
            .unwrap();
        let decay = column(1).broadcast_mul(&b).unwrap();
        Tensor::cat(
            &[first, ((column(0) * column(1)).unwrap() - decay).unwrap()],
            1,
        )
        .unwrap()
    };
    close(&list(&ours), &list(&theirs), 1e-15);
    let [ours, theirs] =
        [ours, theirs].map(|y| (y * &g).unwrap().sum_all().unwrap().backward().unwrap());
    for v in [&x, &p] {
        close(
            &list(ours.get(v).unwrap()),
            &list(theirs.get(v).unwrap()),
            1e-14,
        );
    }
}

/// Derivatives are finite where those of the formulas are.
#[test]
fn edges_of_functions() {
    let t = Time::Shared(0.0);
    // x^y at 0: 0 for positive y, and so are its derivatives but for that of x¹.
    let power = system(|_, [x, y], []| [x.powf(y), y])
        .unwrap()
        .with([])
        .unwrap();
    let slopes = |x: f64, y: f64| power.jacobian_of_numbers(&t, &[x, y]).unwrap()[0];
    assert_eq!(slopes(0.0, 2.0), [0.0, 0.0]);
    assert_eq!(slopes(0.0, 1.0), [1.0, 0.0]);
    assert_eq!(slopes(0.0, 0.0)[0], 0.0);
    assert_eq!(slopes(2.0, 3.0), [12.0, 8.0 * 2f64.ln()]);
    assert_eq!(power.at(&t, &[-2.0, 3.0]).unwrap(), [-8.0, 3.0]);
    // At a kink it is one of those beside it.
    let kinks = system(|_, [x, y], []| [x.abs(), y.max(x)])
        .unwrap()
        .with([])
        .unwrap();
    assert_eq!(
        kinks.jacobian_of_numbers(&t, &[0.0, 0.0]).unwrap(),
        [[1.0, 0.0], [0.0, 1.0]]
    );
    // Of two equal numbers it is the first.
    let least = system(|_, [x, y], []| [x.min(y), y.min(x)])
        .unwrap()
        .with([])
        .unwrap();
    assert_eq!(
        least.jacobian_of_numbers(&t, &[2.0, 2.0]).unwrap(),
        [[1.0, 0.0], [0.0, 1.0]]
    );
    // NaN goes through, and a solver says where.
    let root = system(|_, [x, y], []| [x.sqrt(), y.min(x)])
        .unwrap()
        .with([])
        .unwrap();
    let value = root
        .at(&t, &tensor(&[-1.0, 2.0, f64::NAN, 1.0, 4.0, 5.0], 2))
        .unwrap();
    let value = list(&value);
    assert!(value[0].is_nan() && value[2].is_nan() && value[3].is_nan());
    assert_eq!((value[1], value[4], value[5]), (-1.0, 2.0, 4.0));
    let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6).unwrap());
    let solution = solver
        .solve(&root, &tensor(&[1.0, 1.0, -1.0, 1.0], 2), 0.0, 1.0)
        .unwrap();
    assert_eq!(
        (solution.status, solution.failed_sample),
        (Status::NonFinite, Some(1))
    );
    let solution = solver.solve(&root, &[-1.0, 1.0], 0.0, 1.0).unwrap();
    assert_eq!(
        (solution.status, solution.failed_sample),
        (Status::NonFinite, Some(0))
    );
}

/// Arrays of numbers are states with all that an integration has.
#[test]
fn arrays_are_states() {
    let field = decay_and_growth().with([0.7, 0.4, 1.3]).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8).unwrap());
    let event = Event::new(|_, x: &[f64; 2]| Ok(x[0] - 0.7));
    let run = |save: Save| {
        solver
            .integration(&field, &[1.0, 0.5], 0.0, 2.0)
            .save(save)
            .run()
            .unwrap()
    };
    let stopped = solver
        .integration(&field, &[1.0, 0.5], 0.0, 2.0)
        .until(&event)
        .run()
        .unwrap();
    assert_eq!(stopped.status, Status::Event);
    assert!((stopped.last_state[0] - 0.7).abs() < 1e-12);
    let saved = run(Save::At(vec![0.5, stopped.last_time]));
    close(&saved.states[1], &stopped.last_state, 1e-7);
    let dense = run(Save::Interpolated(vec![0.5]));
    close(&dense.states[0], &saved.states[0], 1e-5);

    let state = [1.0, f64::NAN];
    let error = solver.solve(&field, &state, 0.0, 1.0).unwrap_err();
    assert!(
        matches!(error, Error::NonFinite { index: 1, .. }),
        "{error}"
    );
    let nothing: [f64; 0] = [];
    assert!(matches!(
        State::check(&nothing, "x0"),
        Err(Error::Empty { .. })
    ));
    assert!(matches!(<[f64; 2]>::combine(&[]), Err(Error::Empty { .. })));
    let each = Coefficient::PerSample(vec![1.0, 2.0]);
    assert!(matches!(
        <[f64; 2]>::combine(&[(each, &[1.0, 2.0])]),
        Err(Error::Shape { .. })
    ));
    // A step's combination is that of its terms, backwards in time as well.
    let slopes = [[1.0f32, -2.0], [0.5, 4.0], [9.0, 9.0]];
    let (h, x) = (-0.25, [3.0f32, 5.0]);
    let interval = Interval::Shared {
        start: 1.0,
        end: 1.0 + h,
    };
    let stages = State::combine_stages(&interval, &[0.5, 2.0, 0.0], &slopes, Some(&x)).unwrap();
    assert_eq!(stages, [3.0 + h as f32 * 1.5, 5.0 + h as f32 * 7.0]);
}

/// Long batches are divided among threads, which changes nothing.
#[test]
fn long_batches() {
    let recorded =
        system(|t, [x, y], [p]| [(x * p + t).sin() * y.exp(), x / (1.0 + y * y)]).unwrap();
    let batch = 40_001;
    let x = numbers(3, 2 * batch);
    let state = tensor(&x, 2);
    let p = Var::from_vec(numbers(9, batch), (batch, 1), device()).unwrap();
    let field = recorded.with(&p).unwrap();
    let value = field.at(&Time::Shared(0.1), &state).unwrap();
    let all = list(&value);
    for i in [0, 1, 20_000, 39_999, 40_000] {
        let row = [x[2 * i], x[2 * i + 1]];
        let alone = recorded.with([list(&p)[i]]).unwrap();
        assert_eq!(
            alone.at(&Time::Shared(0.1), &row).unwrap()[..],
            all[2 * i..][..2]
        );
    }
}

fn message<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn numbers_of_other_recordings_are_refused() {
    let refused = "system: got a number of another recording, expected numbers that are made of the closure's arguments";
    let kept = Cell::new(None);
    let first = system(|_, [x], []| {
        kept.set(Some(x));
        [x + 1.0]
    });
    let foreign = kept.get().unwrap();
    // Outside of a recording nothing happens, and nothing is kept.
    let lost = (foreign + 1.0).sin();
    assert_eq!(message(system(|_, [x], []| [x + foreign])), refused);
    assert_eq!(message(system(|_, [_], []| [foreign])), refused);
    assert_eq!(message(system(|_, [x], []| [x * lost])), refused);
    // Also where the result is not used.
    assert_eq!(
        message(system(|_, [x], []| {
            let _ = foreign * x;
            [x]
        })),
        refused
    );
    // A recording within another one is its own.
    let nested = system(|_, [x], []| {
        let inner = system(|_, [y], []| [y * 2.0]).unwrap();
        assert_eq!(
            inner
                .with([])
                .unwrap()
                .at(&Time::Shared(0.0), &[4.0])
                .unwrap(),
            [8.0]
        );
        assert_eq!(message(system(|_, [y], []| [x * y])), refused);
        [x * 3.0]
    });
    let field = nested.unwrap().with([]).unwrap();
    assert_eq!(field.at(&Time::Shared(0.0), &[2.0]).unwrap(), [6.0]);
    // A recording that panics leaves nothing behind.
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        system(|_, [x], []| {
            kept.set(Some(x));
            if std::hint::black_box(true) {
                panic!("on purpose");
            }
            [x]
        })
    }));
    assert!(panicked.is_err());
    let after = kept.get().unwrap();
    assert_eq!(message(system(|_, [x], []| [x + after])), refused);
    let field = first.unwrap().with([]).unwrap();
    assert_eq!(field.at(&Time::Shared(0.0), &[2.0]).unwrap(), [3.0]);
}

#[test]
fn bad_arguments_are_typed_errors() {
    let nan = system(|_, [x], []| [x + f64::NAN]);
    assert_eq!(
        message(nan),
        "system: got NaN as a constant, expected constants that are numbers"
    );
    let nothing = system(|_, [], []| []);
    assert!(matches!(nothing, Err(Error::Empty { .. })));

    let recorded = decay_and_growth();
    for bad in [f64::NAN, f64::INFINITY] {
        let error = recorded.with([1.0, bad, 1.0]).unwrap_err();
        assert!(
            matches!(error, Error::NonFinite { index: 1, .. }),
            "{error}"
        );
        let error = recorded
            .with(Tensor::new(&[1.0, 1.0, bad], device()).unwrap())
            .unwrap_err();
        assert!(
            matches!(error, Error::NonFinite { index: 2, .. }),
            "{error}"
        );
    }
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, device()).unwrap();
    let expected = "expected (3,), or (…, 3)";
    for shape in [&[2][..], &[2, 2], &[], &[3, 1]] {
        let given = format!("parameters: got shape {shape:?}, {expected}");
        assert_eq!(message(recorded.with(zeros(shape, DType::F64))), given);
    }
    let integers = recorded.with(zeros(&[3], DType::U32)).unwrap_err();
    assert!(matches!(integers, Error::DType { .. }), "{integers}");

    let field = recorded.with(zeros(&[4, 3], DType::F64)).unwrap();
    let (t, x) = (Time::Shared(0.0), zeros(&[5, 2], DType::F64));
    let given = "parameters: got shape [4, 3], expected (3,), or a shape that broadcasts to [5, 3]";
    assert_eq!(message(field.at(&t, &x)), given);
    let deep = recorded.with(zeros(&[1, 5, 3], DType::F64)).unwrap();
    assert!(matches!(deep.at(&t, &x), Err(Error::Shape { .. })));
    assert!(field.at(&t, &[1.0, 2.0]).is_err());
    for shape in [&[4, 3][..], &[4], &[4, 2, 1]] {
        let given = format!("x: got shape {shape:?}, expected (…, 2)");
        assert_eq!(message(field.at(&t, &zeros(shape, DType::F64))), given);
    }
    let x = zeros(&[4, 2], DType::F64);
    assert!(field.at(&t, &x).is_ok());
    let integers = field.at(&t, &zeros(&[4, 2], DType::U32)).unwrap_err();
    assert!(matches!(integers, Error::DType { .. }), "{integers}");
    assert!(matches!(
        field.at(&Time::Shared(f64::NAN), &x),
        Err(Error::Range { .. })
    ));
    let three = Time::per_sample(&[0.0; 3]).unwrap();
    assert!(matches!(field.at(&three, &x), Err(Error::Shape { .. })));
    assert!(field.jvp(&t, &x, 0.0, &zeros(&[4, 1], DType::F64)).is_err());
    assert!(field.vjp(&t, &x, &zeros(&[4, 2], DType::F32)).is_err());
    assert!(field.jvp(&t, &x, f64::INFINITY, &x).is_err());
    let field = recorded.with([1.0; 3]).unwrap();
    assert!(matches!(
        field.at(&three, &[1.0, 2.0]),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(
        field.at(&Time::Shared(f64::INFINITY), &[1.0, 2.0]),
        Err(Error::Range { .. })
    ));
    // A state of one sample without a dimension of samples has one time.
    let two = Time::per_sample(&[0.0; 2]).unwrap();
    assert!(matches!(
        field.at(&two, &zeros(&[2], DType::F64)),
        Err(Error::Shape { .. })
    ));
    let one = Time::per_sample(&[0.5]).unwrap();
    let same = field.at(&Time::Shared(0.5), &[1.0, 2.0]).unwrap();
    assert_eq!(field.at(&one, &[1.0, 2.0]).unwrap(), same);
}

/// A system is the source of its own Jacobians, for rows of any shape and for arrays: the same matrices as by forward mode, and
/// the stiff solution without an evaluation for them.
#[test]
fn systems_give_their_jacobians() {
    let field = decay_and_growth().with([1.5, 3.0, 0.5]).unwrap();
    let t = Time::Shared(0.3);
    let numbers = numbers(7, 12);
    for shape in [vec![6, 2], vec![2, 3, 2], vec![1, 6, 2], vec![6, 1, 2]] {
        let x = Tensor::from_slice(&numbers, shape, device()).unwrap();
        let slope = field.at(&t, &x).unwrap();
        let at = Linearized::new(&t, &x, &slope, &[]);
        let found = Jacobian::<Tensor>::matrices(&field, &field, &at).unwrap();
        let expected = ByJvp(&field).matrices(&field, &at).unwrap();
        assert_eq!(
            (found.samples(), found.size()),
            (expected.samples(), expected.size())
        );
        for sample in 0..found.samples() {
            close(found.at(sample), expected.at(sample), 1e-15);
        }
    }
    let list = Tensor::new(&[1.0, 2.0], device()).unwrap();
    let at = Linearized::new(&t, &list, &list, &[]);
    assert_eq!(
        message(Jacobian::<Tensor>::matrices(&field, &field, &at)),
        "x: got shape [2], expected (batch, …, 2)"
    );

    let stiff = system(|_, [x, v], [mu]| [v, mu * (1.0 - x * x) * v - x]).unwrap();
    let stiff = stiff.with([1e3]).unwrap();
    let tolerances = Adaptive::new(1e-6, 1e-6).unwrap();
    let by_differences = Solver::new(Kvaerno5, tolerances).solve(&stiff, &[2.0, 0.0], 0.0, 2000.0);
    let exact = Solver::new(Kvaerno5.with_jacobian(stiff.clone()), tolerances);
    let of_numbers = exact.solve(&stiff, &[2.0, 0.0], 0.0, 2000.0).unwrap();
    let evaluations = by_differences.unwrap().statistics.evaluations;
    assert!(of_numbers.statistics.evaluations < evaluations);
    let x = Tensor::new(&[[2.0, 0.0]], device()).unwrap();
    let of_tensors = exact.solve(&stiff, &x, 0.0, 2000.0).unwrap();
    assert_eq!(
        of_numbers.statistics.evaluations,
        of_tensors.statistics.evaluations
    );
    let [x, _] = of_numbers.end().unwrap();
    close(&[x], &[1.706_167_732_170_47], 1e-5);
}
