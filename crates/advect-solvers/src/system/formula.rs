//! Formulas of rows of numbers: a tape, its program, and its derivatives, made when they are first asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use advect_core::Result;
use advect_kernels::program::{Program, Step};

use super::Number;
use super::derivative::{backwards, forwards};
use super::recording::record;
use super::tape::{Node, Tape, Value};

/// A formula: rows of outputs from rows of inputs. The inputs come in parts, each of some width.
pub(super) struct Formula {
    nodes: Vec<Node>,
    outputs: Vec<Value>,
    widths: Vec<usize>,
    program: Program,
    derived: Mutex<HashMap<Derivative, Arc<Formula>>>,
}

/// A derivative of a formula.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Derivative {
    /// Of the outputs, along a direction of some parts, which are more parts of the inputs, in their order.
    Along(Vec<usize>),
    /// Of the sum of the outputs times factors, which are one more part, with respect to some parts, one after the other.
    Against(Vec<usize>),
    /// Of each output with respect to each number of a part: rows of a matrix, one after the other.
    Matrix(usize),
}

impl Formula {
    /// Records a closure on the numbers of all parts.
    pub(super) fn record(
        widths: Vec<usize>,
        f: impl FnOnce(&[Number]) -> Vec<Number>,
    ) -> Result<Self> {
        let (tape, outputs) = record(widths.iter().sum(), f)?;
        Ok(Formula::new(&tape, &outputs, widths))
    }

    fn new(tape: &Tape, outputs: &[Value], widths: Vec<usize>) -> Self {
        let inputs = widths.iter().sum();
        let (nodes, outputs) = alive(tape.nodes(), outputs);
        Formula {
            program: program(&nodes, &outputs, inputs),
            nodes,
            outputs,
            widths,
            derived: Mutex::default(),
        }
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// The widths of the parts of the inputs.
    pub(super) fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Where the numbers of a part begin.
    fn start(&self, part: usize) -> usize {
        self.widths[..part].iter().sum()
    }

    /// A derivative, made once.
    pub(super) fn derivative(&self, derivative: Derivative) -> Arc<Formula> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let found = derived.get(&derivative).cloned();
        found.unwrap_or_else(|| {
            let formula = Arc::new(self.derive(&derivative));
            derived.insert(derivative, formula.clone());
            formula
        })
    }

    fn derive(&self, derivative: &Derivative) -> Formula {
        let (nodes, outputs) = (&self.nodes, &self.outputs);
        let mut tape = Tape::default();
        let mut widths = self.widths.clone();
        let end = self.start(widths.len());
        let outputs = match derivative {
            Derivative::Along(parts) => {
                let mut moving = HashMap::new();
                for &part in parts {
                    let (old, new) = (self.start(part), widths.iter().sum::<usize>());
                    moving.extend((0..self.widths[part]).map(|i| (old + i, new + i)));
                    widths.push(self.widths[part]);
                }
                forwards(nodes, outputs, &mut tape, |tape, place| {
                    moving.get(&place).map(|&new| tape.input(new))
                })
            }
            Derivative::Against(parts) => {
                let factors: Vec<Value> = (0..outputs.len()).map(|k| tape.input(end + k)).collect();
                widths.push(outputs.len());
                let places = |&part: &usize| {
                    let start = self.start(part);
                    start..start + self.widths[part]
                };
                let wanted: Vec<usize> = parts.iter().flat_map(places).collect();
                backwards(nodes, outputs, &mut tape, &factors, &wanted)
            }
            Derivative::Matrix(part) => {
                let (start, width) = (self.start(*part), self.widths[*part]);
                let columns: Vec<Vec<Value>> = (start..start + width)
                    .map(|unit| {
                        let along =
                            |tape: &mut Tape, place| (place == unit).then(|| tape.constant(1.0));
                        forwards(nodes, outputs, &mut tape, along)
                    })
                    .collect();
                let row = |i: usize| columns.iter().map(move |column| column[i]);
                (0..outputs.len()).flat_map(row).collect()
            }
        };
        Formula::new(&tape, &outputs, widths)
    }
}

impl fmt::Debug for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Formula")
            .field("operations", &self.program.operations())
            .finish_non_exhaustive()
    }
}

/// The nodes on which the outputs depend, with new places.
fn alive(nodes: &[Node], outputs: &[Value]) -> (Vec<Node>, Vec<Value>) {
    let mut used = vec![false; nodes.len()];
    for &output in outputs {
        used[output as usize] = true;
    }
    for (i, node) in nodes.iter().enumerate().rev() {
        if let (true, Node::Step(step)) = (used[i], node) {
            for &argument in &step.arguments[..step.operation.arity()] {
                used[argument as usize] = true;
            }
        }
    }
    let mut places = vec![0; nodes.len()];
    let mut kept = Vec::new();
    for (i, node) in nodes.iter().enumerate().filter(|(i, _)| used[*i]) {
        places[i] = kept.len() as Value;
        kept.push(match *node {
            Node::Step(step) => Node::Step(step.moved(&places)),
            node => node,
        });
    }
    let outputs = outputs
        .iter()
        .map(|&output| places[output as usize])
        .collect();
    (kept, outputs)
}

/// The program of some nodes: their constants first, then all inputs, then the steps.
fn program(nodes: &[Node], outputs: &[Value], inputs: usize) -> Program {
    let constant = |node: &Node| match node {
        Node::Constant(bits) => Some(f64::from_bits(*bits)),
        _ => None,
    };
    let constants: Vec<f64> = nodes.iter().filter_map(constant).collect();
    let mut next_constant = 0;
    let mut steps: Vec<Step> = Vec::new();
    let mut places: Vec<Value> = Vec::with_capacity(nodes.len());
    for node in nodes {
        places.push(match *node {
            Node::Constant(_) => {
                next_constant += 1;
                next_constant - 1
            }
            Node::Input(place) => constants.len() as Value + place,
            Node::Step(step) => {
                steps.push(step.moved(&places));
                (constants.len() + inputs + steps.len()) as Value - 1
            }
        });
    }
    let outputs: Vec<Value> = outputs
        .iter()
        .map(|&output| places[output as usize])
        .collect();
    Program::new(constants, inputs, &steps, &outputs)
}
