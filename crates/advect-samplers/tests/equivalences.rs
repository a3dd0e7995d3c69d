//! What the literature says is the same, is the same.

use crate::common::{from_state, log_snr_times, mixture, paths, states};
use advect_core::testing::assert_close;
use advect_core::{Time, field_fn};
use advect_paths::Prediction;
use advect_paths::closed_form::Law;
use advect_paths::schedule::{CondOt, EdmSchedule, Schedule, VariancePreserving};
use advect_samplers::diffusion::ForwardDiffusion;
use advect_samplers::grid::{GivenSigmas, GivenTimes, Grid, Karras, UniformTime};
use advect_samplers::rule::*;
use advect_samplers::{LastStep, Level, Model, ProbabilityFlow, Sampler, iadb};
use advect_solvers::Solver;
use advect_solvers::controller::Fixed;
use advect_solvers::stepper::{Euler, Heun};

/// Two samplers on each path, from the same state with the same noise.
fn same(a: impl Rule + Copy, b: impl Rule + Copy, ends: [f64; 2], clean: bool) {
    let law = mixture();
    for (path, schedule) in paths() {
        let field = law.field(Prediction::Noise, &schedule);
        let model = Model::new(&field, Prediction::Noise, &schedule);
        let mut sigmas: Vec<f64> = (0..=12)
            .map(|i| ends[0] * (ends[1] / ends[0]).powf(i as f64 / 12.0))
            .collect();
        if clean {
            sigmas.push(0.0);
        }
        let grid = GivenSigmas::new(&sigmas).unwrap();
        let start = grid.levels(&schedule).unwrap()[0];
        let x = states(&law, &start, 40, 1).unwrap();
        let run = |sampler: &dyn Sampler| from_state(&sampler, &model, &x, 9).unwrap();
        let (first, second) = (run(&a.on(&grid)), run(&b.on(&grid)));
        println!("{path}");
        assert_close(&first, &second, 1e-10, 1e-10);
    }
}

const ENDS: [f64; 2] = [20.0, 0.05];

#[test]
fn ddim_with_full_noise_is_ddpm() {
    same(Ddim::new().eta(1.0).unwrap(), Ancestral::new(), ENDS, true);
}

#[test]
fn first_order_dpm_solver_is_ddim() {
    same(DpmSolver::order(1).unwrap(), Ddim::new(), ENDS, true);
}

#[test]
fn first_order_sde_dpm_solver_is_ddpm() {
    let sde = DpmSolver::order(1).and_then(|s| s.stochastic(1.0)).unwrap();
    same(sde, Ancestral::new(), ENDS, true);
}

#[test]
fn euler_of_edm_is_ddim() {
    same(Edm::euler(), Ddim::new(), ENDS, true);
}

/// η = 0 is Euler's method on `d(x/α)/d(σ/α) = ε`, by the solver itself.
#[test]
fn ddim_is_euler_in_its_variables() {
    in_ratio(Euler, Ddim::new());
}

#[test]
fn heun_of_edm_is_heun_in_its_variables() {
    in_ratio(Heun, Edm::heun());
}

fn in_ratio(stepper: impl advect_solvers::stepper::Stepper + Clone, rule: impl Rule + Copy) {
    let law = mixture();
    for (path, schedule) in paths() {
        let field = law.field(Prediction::Noise, &schedule);
        let noise = field_fn(|ratio, y| {
            let Time::Shared(ratio) = *ratio else {
                unreachable!()
            };
            let level = Level::at_ratio(&schedule, ratio)?;
            use advect_core::Field;
            field.at(&Time::Shared(level.time), &(y * level.alpha)?)
        });
        let sigmas: Vec<f64> = (0..=10).map(|i| 20.0 * 0.55f64.powi(i)).collect();
        let grid = GivenSigmas::new(&sigmas).unwrap();
        let levels = grid.levels(&schedule).unwrap();
        let x = states(&law, &levels[0], 40, 1).unwrap();

        let solver = Solver::new(stepper.clone(), Fixed::grid(&sigmas).unwrap());
        let y = (&x / levels[0].alpha).unwrap();
        let end = solver
            .solve(&noise, &y, sigmas[0], sigmas[10])
            .unwrap()
            .end()
            .unwrap();
        let expected = (end * levels[10].alpha).unwrap();

        let model = Model::new(&field, Prediction::Noise, &schedule);
        let ours = from_state(&rule.on(grid), &model, &x, 0).unwrap();
        println!("{path}");
        assert_close(&ours, &expected, 1e-8, 1e-8);
    }
}

/// The same levels of σ/α give the same x/α on every path: EDM's sampler under VP and under flow paths. (With churn they
/// would differ where it is held back by the most noise of a schedule.)
#[test]
fn edm_does_not_depend_on_the_path() {
    let law = mixture();
    let edm = EdmSchedule::default();
    let sampler = Edm::heun().on(Karras::new(18).unwrap());
    let y = states(&law, &Level::at(&edm, 0.0), 40, 1).unwrap();
    let run = |schedule: &dyn Schedule| {
        let field = law.velocity(schedule);
        let model = Model::new(&field, Prediction::Velocity, schedule);
        let x = (&y * sampler.start(schedule).unwrap().alpha).unwrap();
        from_state(&sampler, &model, &x, 4).unwrap()
    };
    let expected = run(&edm);
    assert_close(&run(&VariancePreserving::default()), &expected, 1e-8, 1e-8);
    assert_close(&run(&CondOt::default()), &expected, 1e-8, 1e-8);
}

#[test]
fn a_reverse_sde_without_diffusion_is_the_flow() {
    let law = mixture();
    let still = ReverseSde::new(ForwardDiffusion::new(0.0).unwrap());
    for (path, schedule) in paths() {
        let field = law.field(Prediction::Data, &schedule);
        let model = Model::new(&field, Prediction::Data, &schedule);
        let times = log_snr_times(&schedule, 15, 10.0, 0.1);
        let x = states(&law, &Level::at(&schedule, times[0]), 40, 1).unwrap();
        let run = |sampler: &dyn Sampler| from_state(&sampler, &model, &x, 1).unwrap();
        let flow = |solver| {
            ProbabilityFlow::new(solver)
                .within(times[0], times[15])
                .unwrap()
        };
        let euler = flow(Solver::new(Euler, Fixed::grid(&times[1..]).unwrap()));
        let on = |rule: ReverseSde| rule.on(GivenTimes::new(&times).unwrap());
        println!("{path}");
        assert_close(&run(&on(still)), &run(&euler), 1e-10, 1e-10);
        let solver = Solver::new(Heun, Fixed::grid(&times[1..]).unwrap());
        let heun = ProbabilityFlow::new(solver)
            .within(times[0], times[15])
            .unwrap();
        assert_close(
            &run(&on(still.method(SdeMethod::Heun))),
            &run(&heun),
            1e-10,
            1e-10,
        );
    }
}

#[test]
fn iadb_is_ddim_on_straight_lines() {
    let law = mixture();
    let schedule = CondOt::default();
    let field = law.velocity(&schedule);
    let model = Model::new(&field, Prediction::Velocity, &schedule);
    let x = states(&law, &Level::at(&schedule, 0.0), 40, 1).unwrap();
    let run = |sampler: &dyn Sampler| from_state(&sampler, &model, &x, 1).unwrap();
    let ddim = Ddim::new().on(UniformTime::new(7).unwrap());
    assert_close(&run(&iadb(7).unwrap()), &run(&ddim), 1e-12, 1e-12);
}

/// The three last steps, from the same state: with noise, without, and the expected data.
#[test]
fn last_steps_are_what_they_say() {
    let law = mixture();
    let schedule = VariancePreserving::default();
    let field = law.velocity(&schedule);
    let model = Model::new(&field, Prediction::Velocity, &schedule);
    let (from, to) = (0.9, 0.95);
    let x = states(&law, &Level::at(&schedule, from), 4000, 1).unwrap();
    let reverse = ReverseSde::new(ForwardDiffusion::new(1.0).unwrap());
    let run = |last| {
        let sampler = reverse
            .on(GivenTimes::new(&[from, to]).unwrap())
            .last_step(last);
        from_state(&sampler, &model, &x, 1).unwrap()
    };
    let [plain, mean, denoised] = [LastStep::Plain, LastStep::Mean, LastStep::Denoise].map(run);
    use advect_core::Field;
    let at = |field: &dyn Field| field.at(&Time::Shared(from), &x).unwrap();
    assert_close(&denoised, &at(&law.denoiser(&schedule)), 1e-10, 1e-10);
    let (u, s) = (at(&law.velocity(&schedule)), at(&law.score(&schedule)));
    let g2 = schedule.diffusion_squared(from);
    let drift = (u + (s * (0.5 * g2)).unwrap()).unwrap();
    let expected = (&x + (drift * (to - from)).unwrap()).unwrap();
    assert_close(&mean, &expected, 1e-10, 1e-10);
    let noise = (plain - mean).unwrap().sqr().unwrap().mean_all().unwrap();
    let variance = noise.to_scalar::<f64>().unwrap() / (g2 * (to - from));
    assert!((variance - 1.0).abs() < 0.06, "{variance}");
}
