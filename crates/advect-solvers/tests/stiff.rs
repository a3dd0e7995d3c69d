//! Implicit methods on stiff problems with published solutions: their errors, and the work that they take.

use crate::stiff_problems::*;
use advect_core::testing::device;
use advect_core::{Field, Result, Time, field_fn};
use advect_solvers::implicit::{
    AdditiveRungeKutta, KenCarp3, KenCarp4, Kvaerno3, Kvaerno4, Kvaerno5, Matrices, RadauIia5,
    Rodas5P, Rosenbrock, jacobian_fn,
};
use advect_solvers::stepper::Embedded;
use advect_solvers::system::system;
use advect_solvers::{Solver, Status, controller::Adaptive};
use candle_core::Tensor;

/// What a method took when this was written: evaluations, those of Jacobians included, at the relative tolerances 1e-4,
/// 1e-6 and 1e-8, and the largest error relative to the tolerance.
type Figures = ([usize; 3], f64);

/// No run may take a third more than that, nor be a third less exact.
const MARGIN: f64 = 1.3;

fn check(problem: &Problem, method: &str, stepper: &dyn Embedded, (figures, worst): Figures) {
    for (rtol, figure) in [1e-4, 1e-6, 1e-8].into_iter().zip(figures) {
        let adaptive = Adaptive::new(rtol, rtol * problem.absolute).unwrap();
        let solution = Solver::new(stepper, adaptive)
            .solve(&problem.field(), &problem.initial(), 0.0, problem.end)
            .unwrap();
        let what = format!("{method} on {} at {rtol:e}", problem.name);
        assert_eq!(solution.status, Status::Reached, "{what}");
        let evaluations = solution.statistics.evaluations;
        let error = problem.error(&solution.last_state) / rtol;
        println!("{what}: {evaluations} evaluations, error {error:.2} tolerances");
        assert!(
            evaluations as f64 <= MARGIN * figure as f64,
            "{what}: {evaluations} evaluations, not {figure}"
        );
        assert!(
            error <= MARGIN * worst,
            "{what}: error {error} tolerances, not {worst}"
        );
    }
}

/// The figures are those of Kværnø's methods of order 3, 4 and 5, of Radau IIA, and of Rodas5P.
fn check_all(problem: &Problem, figures: [Figures; 5]) {
    let methods: [(&str, &dyn Embedded); 5] = [
        ("Kvaerno3", &Kvaerno3),
        ("Kvaerno4", &Kvaerno4),
        ("Kvaerno5", &Kvaerno5),
        ("RadauIia5", &RadauIia5),
        ("Rodas5P", &Rodas5P.by_differences()),
    ];
    for ((method, stepper), figures) in methods.into_iter().zip(figures) {
        check(problem, method, stepper, figures);
    }
}

#[test]
fn van_der_pol() {
    check_all(
        &VDPOL_THOUSAND,
        [
            ([4958, 16_409, 62_702], 13.0),
            ([4738, 11_528, 30_349], 13.0),
            ([3798, 7642, 14_369], 3.9),
            ([3239, 7133, 14_990], 1.5),
            ([2481, 5605, 12_677], 1.3),
        ],
    );
    check_all(
        &VDPOL_MILLION,
        [
            ([7170, 24_481, 100_090], 3.8),
            ([6439, 15_829, 46_163], 3.6),
            ([4639, 9897, 21_630], 4.9),
            ([4409, 9797, 21_905], 0.1),
            ([3485, 8685, 23_985], 1.6),
        ],
    );
}

/// Kennedy and Carpenter's methods on reactions of which nearly all is said to be stiff; evaluations of that part don't count.
#[test]
fn reactions_by_parts() {
    let whole = HIRES.field();
    let part = field_fn(|t, x: &Tensor| Ok((whole.at(t, x)? * 0.999)?));
    let third = KenCarp3.with_stiff(&part);
    check(&HIRES, "KenCarp3", &third, ([265, 1171, 5074], 21.0));
    let fourth = KenCarp4.with_stiff(&part);
    check(&HIRES, "KenCarp4", &fourth, ([296, 844, 2583], 0.8));
}

/// Fisher's equation on a grid of 32 places, of which diffusion is the stiff part, against another method.
#[test]
fn diffusion_is_a_stiff_part() {
    let diffusion = field_fn(|_, x: &Tensor| {
        let u = x.flatten_all()?.to_vec1::<f64>()?;
        let at = |i: usize| u.get(i).copied().unwrap_or(0.0);
        let slopes = (0..u.len()).map(|i| {
            let before = if i == 0 { 1.0 } else { at(i - 1) };
            1024.0 * (before - 2.0 * at(i) + at(i + 1))
        });
        Ok(Tensor::from_iter(slopes, device())?.reshape(x.shape())?)
    });
    let whole = field_fn(|t, x: &Tensor| {
        let growth = (x * (1.0 - x)?)?;
        Ok((diffusion.at(t, x)? + (growth * 20.0)?)?)
    });
    let x = Tensor::zeros((1, 32), candle_core::DType::F64, device()).unwrap();
    let solve = |stepper: &dyn Embedded, tolerance: f64| {
        let adaptive = Adaptive::new(tolerance, tolerance).unwrap();
        let solution = Solver::new(stepper, adaptive).solve(&whole, &x, 0.0, 0.2);
        solution.unwrap()
    };
    let exact = solve(&RadauIia5, 1e-11).end().unwrap();
    let error = |x: &Tensor| {
        let difference = (x - &exact).unwrap().abs().unwrap().max_all().unwrap();
        difference.to_scalar::<f64>().unwrap()
    };
    // The largest numbers of steps, and errors in tolerances.
    let third = KenCarp3.with_stiff(&diffusion);
    let fourth = KenCarp4.with_stiff(&diffusion);
    let methods: [(&dyn Embedded, [usize; 2], f64); 3] = [
        (&third, [27, 256], 12.0),
        (&fourth, [20, 96], 1.2),
        (&Kvaerno5, [20, 59], 1.2),
    ];
    for (stepper, most, worst) in methods {
        for (tolerance, most) in [1e-4, 1e-7].into_iter().zip(most) {
            let solution = solve(stepper, tolerance);
            let steps = solution.statistics.accepted + solution.statistics.rejected;
            let error = error(&solution.end().unwrap()) / tolerance;
            println!(
                "order {}: {steps} steps, error {error} tolerances",
                stepper.order()
            );
            assert!(
                steps <= most && error <= worst,
                "{steps} steps, {error} tolerances"
            );
        }
    }
}

/// The exact Jacobian of Robertson's reactions.
fn of_robertson(_: &Time, x: &Tensor) -> Result<Matrices> {
    let x = x.flatten_all()?.to_vec1::<f64>()?;
    let (b, c) = (1e4 * x[2], 1e4 * x[1]);
    Ok(Matrices::one([
        [-0.04, b, c],
        [0.04, -b - 6e7 * x[1], -c],
        [0.0, 6e7 * x[1], 0.0],
    ]))
}

#[test]
fn exact_jacobians_save_steps_of_rosenbrock_methods() {
    let stepper = Rodas5P.with_jacobian(jacobian_fn(of_robertson));
    check(
        &ROBERTSON_LONG,
        "Rodas5P, exact",
        &stepper,
        ([1089, 2346, 5866], 2.5),
    );
}

/// To t = 10¹¹ the second of three concentrations is 10⁻¹³, far below its tolerance. Differences of the field then tell
/// its rate roughly, which costs Rodas5P steps.
#[test]
fn robertson() {
    check_all(
        &ROBERTSON,
        [
            ([1085, 4051, 17_735], 1.0),
            ([885, 2355, 7273], 0.9),
            ([575, 1157, 2776], 3.1),
            ([688, 1525, 3849], 0.01),
            ([607, 1216, 3353], 1.0),
        ],
    );
    check_all(
        &ROBERTSON_LONG,
        [
            ([2565, 10_458, 45_650], 150.0),
            ([2265, 6357, 19_759], 33.0),
            ([1412, 2914, 6845], 69.0),
            ([1599, 3796, 9939], 1.8),
            ([1569, 9130, 74_884], 95.0),
        ],
    );
}

#[test]
fn reactions() {
    check_all(
        &HIRES,
        [
            ([1572, 4996, 19_218], 17.0),
            ([1326, 3513, 10_164], 12.0),
            ([1150, 2633, 6070], 7.3),
            ([1022, 2222, 4676], 0.4),
            ([965, 2927, 9911], 3.0),
        ],
    );
    check_all(
        &OREGO,
        [
            ([7469, 25_579, 107_199], 15.0),
            ([6973, 17_129, 49_779], 23.0),
            ([5603, 12_033, 25_356], 44.0),
            ([5719, 10_890, 23_783], 0.4),
            ([4460, 10_915, 30_429], 0.7),
        ],
    );
    check_all(
        &POLLU,
        [
            ([522, 1452, 5743], 2.0),
            ([536, 1169, 3035], 12.0),
            ([418, 811, 1893], 18.0),
            ([413, 683, 1403], 0.2),
            ([601, 1201, 3151], 1.2),
        ],
    );
}

/// One trajectory of numbers takes the steps of a batch of one, up to the rounding of the two evaluations.
#[test]
fn numbers_without_tensors() {
    let recorded = system(|_, [x, y, z], [a, b, c]| {
        let (slow, fast, back) = (a * x, b * y * y, c * y * z);
        [back - slow, slow - fast - back, fast]
    });
    let field = recorded.unwrap().with([0.04, 3e7, 1e4]).unwrap();
    let solver = Solver::new(Kvaerno5, Adaptive::new(1e-6, 1e-10).unwrap());
    let numbers = solver.solve(&field, &[1f64, 0.0, 0.0], 0.0, 1e4).unwrap();
    let x = Tensor::new(&[[1f64, 0.0, 0.0]], device()).unwrap();
    let batch = solver.solve(&field, &x, 0.0, 1e4).unwrap();
    assert_eq!(numbers.statistics, batch.statistics);
    let batch = batch.end().unwrap().to_vec2::<f64>().unwrap();
    for (found, expected) in numbers.end().unwrap().iter().zip(&batch[0]) {
        assert!((found / expected - 1.0).abs() < 1e-9);
    }
    let rough = Solver::new(Kvaerno3, Adaptive::new(1e-3, 1e-6).unwrap());
    let end = rough.solve(&field, &[1f32, 0.0, 0.0], 0.0, 10.0).unwrap();
    let [a, _, c] = end.end().unwrap();
    assert!((a - 0.841_370).abs() < 3e-3 && (a + c - 1.0).abs() < 1e-3);
}

/// A reaction and diffusion of 400 elements, whose edge changes at t = 5.
#[test]
fn medical_akzo() {
    let solution = Solver::new(Kvaerno5, Adaptive::new(1e-6, 1e-9).unwrap())
        .integration(&medical_akzo::field(), &medical_akzo::initial(), 0.0, 20.0)
        .jumps(&[5.0])
        .unwrap()
        .run()
        .unwrap();
    let found = solution.last_state.flatten_all().unwrap();
    let found = found.to_vec1::<f64>().unwrap();
    assert!(solution.statistics.evaluations < 65_000);
    for (element, value) in medical_akzo::SOLUTION {
        let error = (found[element - 1] - value).abs() / value;
        assert!(error < 1.6e-4, "{element}: {error}");
    }
}
