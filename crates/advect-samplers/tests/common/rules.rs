//! One row for each rule: tests of order, law, behaviour and inpainting take theirs from here.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use advect_samplers::diffusion::{ForwardDiffusion, NoiseLevel};
use advect_samplers::grid::{GivenTimes, Karras, UniformLogSnr, UniformTime};
use advect_samplers::rule::*;
use advect_samplers::{LastStep, Sampler};
use candle_core::Tensor;

/// A rule with its settings, and the tests that it takes part in.
pub struct Row {
    pub name: &'static str,
    /// The sampler that takes these times.
    pub on_times: Box<OnTimes>,
    /// The order to which it converges to the probability flow, and the two numbers of steps that show it.
    pub order: Option<(f64, [usize; 2])>,
    /// The steps from noise to data that give the law of the data.
    pub law: Option<usize>,
    /// A sampler of six steps.
    pub short: Option<Short>,
    /// The rule under inpainting, given what is known and where.
    pub inpainting: Option<Box<Inpainting>>,
}

type OnTimes = dyn Fn(&[f64]) -> Box<dyn Sampler>;
type Inpainting = dyn Fn(&Tensor, &Tensor) -> Box<dyn Sampler>;

pub struct Short {
    pub sampler: Box<dyn Sampler>,
    pub evaluations: usize,
    /// Whether it ends with noise.
    pub noisy: bool,
    /// Whether it knows the data only by differences of large numbers, which 16 bits don't have.
    pub coarse: bool,
}

fn row<R: Rule + Copy + 'static>(name: &'static str, rule: R) -> Row {
    Row {
        name,
        on_times: Box::new(move |times| Box::new(rule.on(GivenTimes::new(times).unwrap()))),
        order: None,
        law: None,
        short: None,
        inpainting: None,
    }
}

impl Row {
    fn order(self, order: f64) -> Self {
        self.order_by(order, [160, 320])
    }

    fn order_by(mut self, order: f64, counts: [usize; 2]) -> Self {
        self.order = Some((order, counts));
        self
    }

    fn law(mut self, steps: usize) -> Self {
        self.law = Some(steps);
        self
    }

    fn short(mut self, sampler: impl Sampler + 'static, evaluations: usize) -> Self {
        self.short = Some(Short {
            sampler: Box::new(sampler),
            evaluations,
            noisy: false,
            coarse: false,
        });
        self
    }

    fn noisy(mut self) -> Self {
        self.short.iter_mut().for_each(|short| short.noisy = true);
        self
    }

    fn coarse(mut self) -> Self {
        self.short.iter_mut().for_each(|short| short.coarse = true);
        self
    }

    fn inpainted<R: Rule + Clone + 'static>(mut self, rule: R) -> Self
    where
        R::Memory: Clone,
    {
        self.inpainting = Some(Box::new(move |known, mask| {
            let rule = Inpaint::new(rule.clone(), known, mask).unwrap();
            let grid = UniformLogSnr::new(8).and_then(|grid| grid.range(0.02, 50.0));
            Box::new(rule.resampling(2).unwrap().on(grid.unwrap()))
        }));
        self
    }
}

pub fn rows() -> Vec<Row> {
    let grid = || UniformLogSnr::new(6).unwrap();
    let open = || UniformTime::within(6, 0.1, 0.95).unwrap();
    let diffusion = |factor| ReverseSde::new(ForwardDiffusion::new(factor).unwrap());
    let (flow, reverse, wild) = (diffusion(0.0), diffusion(1.0), diffusion(2.0));
    let level = ReverseSde::new(NoiseLevel::new(1.0).unwrap());
    let large = Ancestral::new().variance(Variance::Forward);
    let half = Ddim::new().eta(0.5).unwrap();
    let churn = |churn| Edm::heun().churn(churn).unwrap();
    let dpm = |order| DpmSolver::order(order).unwrap();
    let sde = |order, part| dpm(order).stochastic(part).unwrap();
    let uni = |order| UniPc::order(order).unwrap();
    let langevin = |steps, size| AnnealedLangevin::new(steps, size).unwrap();
    let sra1 = reverse.method(SdeMethod::Sra1);
    let corrected = PredictorCorrector::new(reverse, 1, 0.1).unwrap();
    let by_level = PredictorCorrector::new(Ddim::new(), 2, 0.1)
        .unwrap()
        .by_level();
    let once = PredictorCorrector::new(Ddim::new(), 1, 0.1).unwrap();
    let denoised = reverse.on(open()).last_step(LastStep::Denoise);
    let mean = sra1.on(open()).last_step(LastStep::Mean);
    vec![
        row("DDPM", Ancestral::new())
            .law(200)
            .short(Ancestral::new().on(grid()), 6)
            .inpainted(Ancestral::new()),
        row("DDPM, large variance", large)
            .law(400)
            .short(large.on(grid()), 6),
        row("DDIM", Ddim::new()).order(1.0).inpainted(Ddim::new()),
        row("DDIM, η = 1/2", half)
            .law(200)
            .short(half.on(grid()), 6),
        row("EDM, Euler", Edm::euler()).order(1.0),
        row("EDM, Heun", Edm::heun()).order(2.0),
        row("EDM with churn", churn(20.0)).law(100),
        // All steps but the last are Heun's.
        row("EDM with little churn", churn(3.0))
            .short(churn(3.0).on(Karras::new(6).unwrap()), 11)
            .inpainted(churn(3.0)),
        row("DPM-Solver++ 1", dpm(1)).order(1.0),
        row("DPM-Solver++ 2M", dpm(2)).order(2.0),
        row("DPM-Solver++ 2M, Heun", dpm(2).heun()).order(2.0),
        row("DPM-Solver++ 3M", dpm(3)).order(3.0).inpainted(dpm(3)),
        row(
            "DPM-Solver++ 3M, customary",
            DpmSolver::customary_third_order(),
        )
        .order(2.0),
        row("SDE-DPM-Solver++ 1", sde(1, 1.0)).law(200),
        row("SDE-DPM-Solver++ 2", sde(2, 1.0)).law(60),
        row("SDE-DPM-Solver++ 2, Heun", sde(2, 1.0).heun()).law(60),
        row("SDE-DPM-Solver++ 3", sde(3, 1.0))
            .law(60)
            .short(sde(3, 1.0).on(grid()), 6)
            .inpainted(sde(3, 1.0)),
        row("half SDE-DPM-Solver++ 2", sde(2, 0.5)).law(60),
        row("UniPC 1", uni(1)).order(2.0),
        row("UniPC 2", uni(2)).order(3.0),
        row("UniPC 1, B(h) = h", uni(1).linear_scale()).order(2.0),
        row("UniPC 2, B(h) = h", uni(2).linear_scale()).order(3.0),
        row("UniPC 2, last step corrected", uni(2).correct_end())
            .order(3.0)
            .short(uni(2).correct_end().on(open()), 7)
            .noisy(),
        // With so many steps, the first ones, of lower order, are all that is left of the error.
        row("UniPC 3", uni(3))
            .order_by(4.0, [320, 640])
            .short(uni(3).on(grid()), 6)
            .inpainted(uni(3)),
        // It corrects its first step.
        row("PLMS", Plms)
            .order(2.0)
            .short(Plms.on(grid()), 7)
            .coarse()
            .inpainted(Plms),
        row("flow, Euler", flow).order(1.0),
        row("flow, Heun", flow.method(SdeMethod::Heun)).order(2.0),
        row("reverse SDE", reverse)
            .law(400)
            .short(denoised, 6)
            .inpainted(reverse),
        row("reverse SDE, Heun", reverse.method(SdeMethod::Heun)).law(150),
        // Its last step, without noise, is Euler's.
        row("reverse SDE, SRA1", sra1)
            .law(150)
            .short(mean, 11)
            .noisy(),
        row("twice the diffusion", wild.method(SdeMethod::Sra1)).law(150),
        row("w² = σ", level).law(400),
        row("predictor–corrector by level", by_level).law(100),
        row("predictor–corrector", corrected)
            .short(corrected.on(open()), 12)
            .noisy()
            .inpainted(once),
        // Ten steps at each level, and three at each of six.
        row("annealed Langevin", langevin(10, 1e-3)).law(40),
        row("annealed Langevin, briefly", langevin(3, 1e-5))
            .short(langevin(3, 1e-5).on(grid()), 18)
            .noisy()
            .inpainted(langevin(2, 1e-5)),
    ]
}
