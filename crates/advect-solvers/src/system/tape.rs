//! Tapes: lists of expressions, each of which occurs once.

use std::collections::HashMap;

use advect_kernels::program::{Operation, Step};

/// An expression, by its place on a tape.
pub(super) type Value = u32;

/// An expression of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// The bits of a number.
    Constant(u64),
    /// An input, by its place in a row of inputs.
    Input(u32),
    Step(Step),
}

/// A tape. What is put on it is simplified first, without a change of its value but for the sign of a 0: products with 0 stay, as
/// a factor may be NaN or infinite.
#[derive(Debug, Clone, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
    places: HashMap<Node, Value>,
}

impl Tape {
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn put(&mut self, node: Node) -> Value {
        let next = self.nodes.len() as Value;
        *self.places.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            next
        })
    }

    fn node(&self, value: Value) -> Node {
        self.nodes[value as usize]
    }

    fn number(&self, value: Value) -> Option<f64> {
        match self.node(value) {
            Node::Constant(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// The expression of which this is the negative.
    fn negated(&self, value: Value) -> Option<Value> {
        match self.node(value) {
            Node::Step(Step {
                operation: Operation::Negate,
                arguments: [x, ..],
            }) => Some(x),
            _ => None,
        }
    }

    pub(super) fn input(&mut self, place: usize) -> Value {
        self.put(Node::Input(place as u32))
    }

    pub(super) fn constant(&mut self, number: f64) -> Value {
        self.put(Node::Constant(number.to_bits()))
    }

    pub(super) fn unary(&mut self, operation: Operation, x: Value) -> Value {
        self.apply(operation, [x, 0, 0])
    }

    pub(super) fn binary(&mut self, operation: Operation, x: Value, y: Value) -> Value {
        self.apply(operation, [x, y, 0])
    }

    pub(super) fn negate(&mut self, x: Value) -> Value {
        self.unary(Operation::Negate, x)
    }

    pub(super) fn add(&mut self, x: Value, y: Value) -> Value {
        self.binary(Operation::Add, x, y)
    }

    pub(super) fn subtract(&mut self, x: Value, y: Value) -> Value {
        self.binary(Operation::Subtract, x, y)
    }

    pub(super) fn multiply(&mut self, x: Value, y: Value) -> Value {
        self.binary(Operation::Multiply, x, y)
    }

    pub(super) fn divide(&mut self, x: Value, y: Value) -> Value {
        self.binary(Operation::Divide, x, y)
    }

    pub(super) fn select(&mut self, condition: Value, yes: Value, no: Value) -> Value {
        self.apply(Operation::Select, [condition, yes, no])
    }

    /// The value of an operation. Arguments beyond its own are of no meaning.
    pub(super) fn apply(&mut self, operation: Operation, mut arguments: [Value; 3]) -> Value {
        use Operation::*;
        let arity = operation.arity();
        arguments[arity..].fill(0);
        let numbers = arguments.map(|x| self.number(x));
        if let Some(number) = folded(operation, &numbers[..arity]) {
            return self.constant(number);
        }
        let [x, y, z] = arguments;
        let (signs, number) = (arguments.map(|x| self.negated(x)), |k: usize| numbers[k]);
        match (operation, signs) {
            (Add, _) if number(1) == Some(0.0) => return x,
            (Add, _) if number(0) == Some(0.0) => return y,
            (Add, [_, Some(y), _]) => return self.subtract(x, y),
            (Add, [Some(x), ..]) => return self.subtract(y, x),
            (Subtract, _) if number(1) == Some(0.0) => return x,
            (Subtract, _) if number(0) == Some(0.0) => return self.negate(y),
            (Subtract, [_, Some(y), _]) => return self.add(x, y),
            (Multiply | Divide, _) if number(1) == Some(1.0) => return x,
            (Multiply | Divide, _) if number(1) == Some(-1.0) => return self.negate(x),
            (Multiply, _) if number(0) == Some(1.0) => return y,
            (Multiply, _) if number(0) == Some(-1.0) => return self.negate(y),
            (Multiply | Divide, [Some(x), Some(y), _]) => return self.binary(operation, x, y),
            (Multiply | Divide, [Some(x), None, _]) => {
                let positive = self.binary(operation, x, y);
                return self.negate(positive);
            }
            (Multiply | Divide, [None, Some(y), _]) => {
                let positive = self.binary(operation, x, y);
                return self.negate(positive);
            }
            (Negate, [Some(x), ..]) => return x,
            (Abs, [Some(x), ..]) => return self.unary(Abs, x),
            (Power, _) => {
                if let Some(exponent) = number(1)
                    && let Some(value) = self.known_power(x, exponent)
                {
                    return value;
                }
            }
            (Minimum | Maximum, _) if x == y => return x,
            (Select, _) if y == z => return y,
            (Select, _) => match number(0) {
                Some(0.0) => return z,
                Some(_) => return y,
                None => {}
            },
            _ => {}
        }
        if matches!(operation, Add | Multiply) {
            arguments[..2].sort_unstable();
        }
        self.put(Node::Step(Step {
            operation,
            arguments,
        }))
    }

    /// `x^exponent` by products and a root, where few do.
    fn known_power(&mut self, x: Value, exponent: f64) -> Option<Value> {
        if exponent == 0.5 {
            return Some(self.unary(Operation::Sqrt, x));
        }
        let whole = exponent as i32;
        (f64::from(whole) == exponent && whole.abs() <= 64).then(|| self.whole_power(x, whole))
    }

    /// `x^n` by squares.
    pub(super) fn whole_power(&mut self, x: Value, n: i32) -> Value {
        let one = self.constant(1.0);
        let (mut square, mut rest, mut product) = (x, n.unsigned_abs(), one);
        while rest > 0 {
            if rest % 2 == 1 {
                product = self.multiply(product, square);
            }
            rest /= 2;
            if rest > 0 {
                square = self.multiply(square, square);
            }
        }
        match n < 0 {
            true => self.divide(one, product),
            false => product,
        }
    }
}

/// The number that an operation of numbers is.
fn folded(operation: Operation, numbers: &[Option<f64>]) -> Option<f64> {
    let mut all = [0.0; 3];
    for (known, number) in all.iter_mut().zip(numbers) {
        *known = (*number)?;
    }
    Some(operation.of(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two inputs, 0 and 1.
    fn tape() -> (Tape, [Value; 4]) {
        let mut tape = Tape::default();
        let values = [
            tape.input(0),
            tape.input(1),
            tape.constant(0.0),
            tape.constant(1.0),
        ];
        (tape, values)
    }

    #[test]
    fn neutral_elements_leave_nothing() {
        let (mut tape, [x, y, zero, one]) = tape();
        let before = tape.nodes().len();
        for same in [
            tape.add(x, zero),
            tape.add(zero, x),
            tape.subtract(x, zero),
            tape.multiply(x, one),
            tape.multiply(one, x),
            tape.divide(x, one),
            tape.select(one, x, y),
            tape.select(zero, y, x),
            tape.select(y, x, x),
            tape.binary(Operation::Power, x, one),
            tape.binary(Operation::Minimum, x, x),
        ] {
            assert_eq!(same, x);
        }
        assert_eq!(tape.nodes().len(), before);
        // A product with 0 is NaN where the factor is infinite.
        assert_ne!(tape.multiply(x, zero), zero);
    }

    #[test]
    fn expressions_stand_once() {
        let (mut tape, [x, y, ..]) = tape();
        let product = tape.multiply(x, y);
        assert_eq!(tape.multiply(y, x), product);
        let (minus_x, minus_y) = (tape.negate(x), tape.negate(y));
        assert_eq!(tape.multiply(minus_x, minus_y), product);
        assert_eq!(tape.negate(minus_x), x);
        let difference = tape.subtract(y, x);
        assert_eq!(tape.add(minus_x, y), difference);
        assert_eq!(tape.add(y, minus_x), difference);
        let minus_product = tape.negate(product);
        assert_eq!(tape.multiply(minus_x, y), minus_product);
        let minus_one = tape.constant(-1.0);
        for minus in [
            tape.multiply(x, minus_one),
            tape.multiply(minus_one, x),
            tape.divide(x, minus_one),
        ] {
            assert_eq!(minus, minus_x);
        }
        let size = tape.unary(Operation::Abs, x);
        assert_eq!(tape.unary(Operation::Abs, minus_x), size);
    }

    #[test]
    fn constants_are_folded() {
        let (mut tape, [x, ..]) = tape();
        let (two, three) = (tape.constant(2.0), tape.constant(3.0));
        let nine = tape.whole_power(three, 2);
        assert_eq!(tape.number(nine), Some(9.0));
        let eighth = tape.whole_power(two, -3);
        assert_eq!(tape.number(eighth), Some(0.125));
        let square = tape.multiply(x, x);
        assert_eq!(tape.binary(Operation::Power, x, two), square);
        assert_eq!(tape.whole_power(x, 0), tape.constant(1.0));
    }
}
