//! The blocks of Inception-v3 as tables of their branches.

use advect_core::Result;
use advect_ops::Convolution;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::layer::{Layer, max_around, max_pool, mean_around};

/// A step of a branch.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A convolution: its name, its channels, its kernel, its step, and its padding.
    Convolution(&'static str, usize, [usize; 2], usize, [usize; 2]),
    /// Two convolutions of the same, side by side: `a` with a kernel of 1 × 3 and `b` with one of 3 × 1.
    Fork([&'static str; 2], usize),
    MeanAround,
    MaxAround,
    MaxPool,
}

/// A convolution that keeps the size.
const fn same(name: &'static str, outputs: usize, kernel: [usize; 2]) -> Step {
    Step::Convolution(name, outputs, kernel, 1, [kernel[0] / 2, kernel[1] / 2])
}

/// A convolution of 3 × 3 in steps of one or two, without padding.
const fn inner(name: &'static str, outputs: usize, stride: usize) -> Step {
    Step::Convolution(name, outputs, [3, 3], stride, [0, 0])
}

type Plan = Vec<Vec<Step>>;

/// All stages with their names; those without a plan are the pools between.
pub(super) fn plan() -> Vec<(&'static str, Option<Plan>)> {
    let alone = |step| Some(vec![vec![step]]);
    vec![
        ("Conv2d_1a_3x3", alone(inner("", 32, 2))),
        ("Conv2d_2a_3x3", alone(inner("", 32, 1))),
        ("Conv2d_2b_3x3", alone(same("", 64, [3, 3]))),
        ("maxpool1", None),
        ("Conv2d_3b_1x1", alone(same("", 80, [1, 1]))),
        ("Conv2d_4a_3x3", alone(inner("", 192, 1))),
        ("maxpool2", None),
        ("Mixed_5b", Some(a(32))),
        ("Mixed_5c", Some(a(64))),
        ("Mixed_5d", Some(a(64))),
        ("Mixed_6a", Some(b())),
        ("Mixed_6b", Some(c(128))),
        ("Mixed_6c", Some(c(160))),
        ("Mixed_6d", Some(c(160))),
        ("Mixed_6e", Some(c(192))),
        ("Mixed_7a", Some(d())),
        ("Mixed_7b", Some(e(Step::MeanAround))),
        // A maximum where all others have means: an error of the original, kept as the metrics are defined by it.
        ("Mixed_7c", Some(e(Step::MaxAround))),
    ]
}

fn a(pool: usize) -> Plan {
    vec![
        vec![same("branch1x1", 64, [1, 1])],
        vec![
            same("branch5x5_1", 48, [1, 1]),
            same("branch5x5_2", 64, [5, 5]),
        ],
        vec![
            same("branch3x3dbl_1", 64, [1, 1]),
            same("branch3x3dbl_2", 96, [3, 3]),
            same("branch3x3dbl_3", 96, [3, 3]),
        ],
        vec![Step::MeanAround, same("branch_pool", pool, [1, 1])],
    ]
}

fn b() -> Plan {
    vec![
        vec![inner("branch3x3", 384, 2)],
        vec![
            same("branch3x3dbl_1", 64, [1, 1]),
            same("branch3x3dbl_2", 96, [3, 3]),
            inner("branch3x3dbl_3", 96, 2),
        ],
        vec![Step::MaxPool],
    ]
}

fn c(width: usize) -> Plan {
    vec![
        vec![same("branch1x1", 192, [1, 1])],
        vec![
            same("branch7x7_1", width, [1, 1]),
            same("branch7x7_2", width, [1, 7]),
            same("branch7x7_3", 192, [7, 1]),
        ],
        vec![
            same("branch7x7dbl_1", width, [1, 1]),
            same("branch7x7dbl_2", width, [7, 1]),
            same("branch7x7dbl_3", width, [1, 7]),
            same("branch7x7dbl_4", width, [7, 1]),
            same("branch7x7dbl_5", 192, [1, 7]),
        ],
        vec![Step::MeanAround, same("branch_pool", 192, [1, 1])],
    ]
}

fn d() -> Plan {
    vec![
        vec![
            same("branch3x3_1", 192, [1, 1]),
            inner("branch3x3_2", 320, 2),
        ],
        vec![
            same("branch7x7x3_1", 192, [1, 1]),
            same("branch7x7x3_2", 192, [1, 7]),
            same("branch7x7x3_3", 192, [7, 1]),
            inner("branch7x7x3_4", 192, 2),
        ],
        vec![Step::MaxPool],
    ]
}

fn e(pool: Step) -> Plan {
    vec![
        vec![same("branch1x1", 320, [1, 1])],
        vec![
            same("branch3x3_1", 384, [1, 1]),
            Step::Fork(["branch3x3_2a", "branch3x3_2b"], 384),
        ],
        vec![
            same("branch3x3dbl_1", 448, [1, 1]),
            same("branch3x3dbl_2", 384, [3, 3]),
            Step::Fork(["branch3x3dbl_3a", "branch3x3dbl_3b"], 384),
        ],
        vec![pool, same("branch_pool", 192, [1, 1])],
    ]
}

/// Branches of the same feature map, whose values become its channels one after the other.
#[derive(Debug, Clone)]
pub(super) struct Block(Vec<Vec<(Step, Vec<Layer>)>>);

impl Block {
    /// Builds a block, and replaces the number of channels by that of its value.
    pub(super) fn new(plan: &Plan, channels: &mut usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let (inputs, mut all) = (*channels, 0);
        let mut branches = Vec::with_capacity(plan.len());
        for steps in plan {
            let mut width = inputs;
            let mut branch = Vec::with_capacity(steps.len());
            for step in steps {
                branch.push((step.clone(), layers(step, &mut width, builder)?));
            }
            branches.push(branch);
            all += width;
        }
        *channels = all;
        Ok(Block(branches))
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut values = Vec::with_capacity(self.0.len());
        for branch in &self.0 {
            let mut value = x.clone();
            for (step, layers) in branch {
                value = match step {
                    Step::MeanAround => mean_around(&value)?,
                    Step::MaxAround => max_around(&value)?,
                    Step::MaxPool => max_pool(&value)?,
                    Step::Convolution(..) | Step::Fork(..) => side_by_side(layers, &value)?,
                };
            }
            values.push(value);
        }
        Ok(Tensor::cat(&values, 1)?)
    }
}

fn side_by_side(layers: &[Layer], x: &Tensor) -> Result<Tensor> {
    let values: Result<Vec<Tensor>> = layers.iter().map(|layer| layer.forward(x)).collect();
    Ok(Tensor::cat(&values?, 1)?)
}

/// The layers of a step, of `width` channels. Replaces them by those of its value.
fn layers(step: &Step, width: &mut usize, builder: &VarBuilder<'_>) -> Result<Vec<Layer>> {
    let named = |name: &str| match name {
        "" => builder.clone(),
        name => builder.pp(name),
    };
    let layer = |name, outputs, kernel, stride, padding| {
        let convolution = Convolution {
            stride: [stride; 2],
            padding,
            ..Convolution::default()
        };
        Layer::new(*width, outputs, kernel, convolution, &named(name))
    };
    let (layers, outputs) = match *step {
        Step::Convolution(name, outputs, kernel, stride, padding) => (
            vec![layer(name, outputs, kernel, stride, padding)?],
            outputs,
        ),
        Step::Fork([wide, tall], outputs) => {
            let wide = layer(wide, outputs, [1, 3], 1, [0, 1])?;
            let tall = layer(tall, outputs, [3, 1], 1, [1, 0])?;
            (vec![wide, tall], 2 * outputs)
        }
        Step::MeanAround | Step::MaxAround | Step::MaxPool => return Ok(Vec::new()),
    };
    *width = outputs;
    Ok(layers)
}
