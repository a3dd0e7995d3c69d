//! Derivatives of tapes: tapes again.
//!
//! Forwards, each expression gets its derivative along a direction; backwards, each gets the derivative of the outputs, against
//! given factors, with respect to it. Both are sums over the arguments of what [`chain`] gives, and what is known to be 0 is left
//! out.

use advect_kernels::program::{Operation, Step};

use super::tape::{Node, Tape, Value};

/// `weight · ∂step/∂argument`, for the argument of a number; none if it is 0 everywhere. `value` is that of the step.
///
/// Where there is a kink, it is one of the derivatives beside it: that of `|x|` at 0 is 1, that of the smaller or the larger of
/// two equal numbers is that of the first.
fn chain(
    tape: &mut Tape,
    step: Step,
    value: Value,
    argument: usize,
    weight: Value,
) -> Option<Value> {
    use Operation::*;
    let [a, b, _] = step.arguments;
    let (w, zero, one) = (weight, tape.constant(0.0), tape.constant(1.0));
    Some(match (step.operation, argument) {
        (Add, _) | (Subtract, 0) => w,
        (Subtract | Negate, _) => tape.negate(w),
        (Multiply, 0) => tape.multiply(w, b),
        (Multiply, _) => tape.multiply(w, a),
        (Divide, 0) => tape.divide(w, b),
        (Divide, _) => {
            let product = tape.multiply(w, value);
            let quotient = tape.divide(product, b);
            tape.negate(quotient)
        }
        (Abs, _) => {
            let (below, minus) = (tape.binary(Less, a, zero), tape.negate(w));
            tape.select(below, minus, w)
        }
        (Sqrt, _) => {
            let twice = tape.add(value, value);
            tape.divide(w, twice)
        }
        (Minimum | Maximum, k) => {
            let first = match step.operation {
                Minimum => tape.binary(LessOrEqual, a, b),
                _ => tape.binary(LessOrEqual, b, a),
            };
            let [yes, no] = if k == 0 { [w, zero] } else { [zero, w] };
            tape.select(first, yes, no)
        }
        (Less | LessOrEqual, _) | (Select, 0) => return None,
        (Select, 1) => tape.select(a, w, zero),
        (Select, _) => tape.select(a, zero, w),
        (Exp, _) => tape.multiply(w, value),
        (ExpM1, _) => {
            let slope = tape.add(value, one);
            tape.multiply(w, slope)
        }
        (Tanh, _) => {
            let square = tape.multiply(value, value);
            let slope = tape.subtract(one, square);
            tape.multiply(w, slope)
        }
        (Power, 0) => {
            let less = tape.subtract(b, one);
            let power = tape.binary(Power, a, less);
            let slope = tape.multiply(b, power);
            // x⁰ is 1 at 0, too.
            let slope = tape.select(b, slope, zero);
            tape.multiply(w, slope)
        }
        (Power, _) => {
            // The powers of 0 are 0, as far as they are finite.
            let base = tape.select(a, a, one);
            let logarithm = tape.unary(Ln, base);
            let slope = tape.multiply(value, logarithm);
            tape.multiply(w, slope)
        }
        (Ln, _) => tape.divide(w, a),
        (Ln1p, _) => {
            let sum = tape.add(one, a);
            tape.divide(w, sum)
        }
        (Sin, _) => {
            let slope = tape.unary(Cos, a);
            tape.multiply(w, slope)
        }
        (Cos, _) => {
            let sine = tape.unary(Sin, a);
            let product = tape.multiply(w, sine);
            tape.negate(product)
        }
        (Tan, _) => {
            let square = tape.multiply(value, value);
            let slope = tape.add(one, square);
            tape.multiply(w, slope)
        }
        (Asin | Acos, _) => {
            let square = tape.multiply(a, a);
            let rest = tape.subtract(one, square);
            let root = tape.unary(Sqrt, rest);
            let quotient = tape.divide(w, root);
            match step.operation {
                Asin => quotient,
                _ => tape.negate(quotient),
            }
        }
        (Atan, _) => {
            let square = tape.multiply(a, a);
            let sum = tape.add(one, square);
            tape.divide(w, sum)
        }
        (Sinh, _) => {
            let slope = tape.unary(Cosh, a);
            tape.multiply(w, slope)
        }
        (Cosh, _) => {
            let slope = tape.unary(Sinh, a);
            tape.multiply(w, slope)
        }
    })
}

/// The sum of two values, of which one may be 0.
fn sum(tape: &mut Tape, x: Option<Value>, y: Option<Value>) -> Option<Value> {
    match (x, y) {
        (Some(x), Some(y)) => Some(tape.add(x, y)),
        (x, y) => x.or(y),
    }
}

/// The values of the nodes of a tape on another one, where simplification may move them.
fn copied(nodes: &[Node], tape: &mut Tape) -> Vec<Value> {
    let mut places = Vec::with_capacity(nodes.len());
    for node in nodes {
        let place = match *node {
            Node::Constant(bits) => tape.constant(f64::from_bits(bits)),
            Node::Input(place) => tape.input(place as usize),
            Node::Step(step) => {
                let Step {
                    operation,
                    arguments,
                } = step.moved(&places);
                tape.apply(operation, arguments)
            }
        };
        places.push(place);
    }
    places
}

/// The derivatives of outputs along a direction; `direction` gives the derivative of each input, by its place, where it is not 0.
pub(super) fn forwards(
    nodes: &[Node],
    outputs: &[Value],
    tape: &mut Tape,
    mut direction: impl FnMut(&mut Tape, usize) -> Option<Value>,
) -> Vec<Value> {
    let places = copied(nodes, tape);
    let mut slopes: Vec<Option<Value>> = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        let slope = match *node {
            Node::Constant(_) => None,
            Node::Input(place) => direction(tape, place as usize),
            Node::Step(step) => {
                let mut total = None;
                for k in 0..step.operation.arity() {
                    if let Some(slope) = slopes[step.arguments[k] as usize] {
                        let part = chain(tape, step.moved(&places), places[i], k, slope);
                        total = sum(tape, total, part);
                    }
                }
                total
            }
        };
        slopes.push(slope);
    }
    let zero = tape.constant(0.0);
    let slope = |&output: &Value| slopes[output as usize].unwrap_or(zero);
    outputs.iter().map(slope).collect()
}

/// The derivatives of `Σ_k factor_k output_k` with respect to the inputs of some places.
pub(super) fn backwards(
    nodes: &[Node],
    outputs: &[Value],
    tape: &mut Tape,
    factors: &[Value],
    wanted: &[usize],
) -> Vec<Value> {
    let places = copied(nodes, tape);
    let mut slopes: Vec<Option<Value>> = vec![None; nodes.len()];
    for (&output, &factor) in outputs.iter().zip(factors) {
        let slope = &mut slopes[output as usize];
        *slope = sum(tape, *slope, Some(factor));
    }
    let mut inputs = vec![None; wanted.len()];
    for (i, node) in nodes.iter().enumerate().rev() {
        let Some(slope) = slopes[i] else {
            continue;
        };
        match *node {
            Node::Constant(_) => {}
            Node::Input(place) => {
                if let Some(k) = wanted.iter().position(|&w| w == place as usize) {
                    inputs[k] = Some(slope);
                }
            }
            Node::Step(step) => {
                for k in 0..step.operation.arity() {
                    let part = chain(tape, step.moved(&places), places[i], k, slope);
                    let of_argument = &mut slopes[step.arguments[k] as usize];
                    *of_argument = sum(tape, *of_argument, part);
                }
            }
        }
    }
    let zero = tape.constant(0.0);
    inputs
        .into_iter()
        .map(|slope| slope.unwrap_or(zero))
        .collect()
}
