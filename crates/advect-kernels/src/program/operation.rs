//! The operations of programs.

use pulp::{Scalar, Simd};

use crate::Float;
use crate::math::Math;

/// A number with the functions of the standard library.
pub(super) trait Elementary: Float {
    fn std(self, function: Function) -> Self;
    /// `self^exponent`.
    fn power(self, exponent: Self) -> Self;
    /// Whether it is NaN.
    fn undefined(self) -> bool;
}

/// A function of the standard library.
#[derive(Debug, Clone, Copy)]
pub(super) enum Function {
    Ln,
    Ln1p,
    ExpM1,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
}

macro_rules! elementary {
    ($($float:ident),*) => {$(
        impl Elementary for $float {
            #[inline(always)]
            fn std(self, function: Function) -> Self {
                match function {
                    Function::Ln => self.ln(),
                    Function::Ln1p => self.ln_1p(),
                    Function::ExpM1 => self.exp_m1(),
                    Function::Sin => self.sin(),
                    Function::Cos => self.cos(),
                    Function::Tan => self.tan(),
                    Function::Asin => self.asin(),
                    Function::Acos => self.acos(),
                    Function::Atan => self.atan(),
                    Function::Sinh => self.sinh(),
                    Function::Cosh => self.cosh(),
                }
            }
            #[inline(always)]
            fn power(self, exponent: Self) -> Self {
                self.powf(exponent)
            }
            #[inline(always)]
            fn undefined(self) -> bool {
                self.is_nan()
            }
        }
    )*};
}
elementary!(f32, f64);

/// Picoseconds that an operation takes for one of many numbers, and for one where it is a call.
const QUICK: usize = 300;
const CALL: usize = 12_000;

/// Lists the operations: the name, the arguments, the time in picoseconds, the value.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($($argument:ident),+) $time:expr => $value:expr;)*) => {
        /// An operation of one, two or three numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// Returns the number of arguments.
            pub fn arity(self) -> usize {
                match self {
                    $(Operation::$name => [$(stringify!($argument)),+].len(),)*
                }
            }

            /// Returns the value for numbers; numbers beyond the arguments have no effect.
            pub fn of(self, numbers: [f64; 3]) -> f64 {
                self.of_numbers::<Scalar, f64>(numbers)
            }

            pub(super) fn picoseconds(self) -> usize {
                match self {
                    $(Operation::$name => $time,)*
                }
            }

            /// Of numbers.
            #[inline(always)]
            pub(super) fn of_numbers<S: Simd, T: Elementary>(self, [a, b, c]: [T; 3]) -> T {
                let _ = (b, c);
                match self {
                    $(Operation::$name => {
                        operations!(@name a b c; $($argument),+);
                        $value
                    })*
                }
            }

            /// Of columns.
            #[inline(always)]
            pub(super) fn of_columns<S: Simd, T: Elementary>(self, [a, b, c]: [&[T]; 3], out: &mut [T]) {
                let n = out.len();
                let (first, second, third) = (&a[..n], &b[..n], &c[..n]);
                match self {
                    $(Operation::$name => for i in 0..n {
                        operations!(@read i first second third; $($argument),+);
                        out[i] = $value;
                    },)*
                }
            }
        }
    };
    (@name $a:ident $b:ident $c:ident; $x:ident) => { let $x = $a; };
    (@name $a:ident $b:ident $c:ident; $x:ident, $y:ident) => { let ($x, $y) = ($a, $b); };
    (@name $a:ident $b:ident $c:ident; $x:ident, $y:ident, $z:ident) => { let ($x, $y, $z) = ($a, $b, $c); };
    (@read $i:ident $a:ident $b:ident $c:ident; $x:ident) => { let $x = $a[$i]; };
    (@read $i:ident $a:ident $b:ident $c:ident; $x:ident, $y:ident) => { let ($x, $y) = ($a[$i], $b[$i]); };
    (@read $i:ident $a:ident $b:ident $c:ident; $x:ident, $y:ident, $z:ident) => {
        let ($x, $y, $z) = ($a[$i], $b[$i], $c[$i]);
    };
}

operations! {
    /// `a + b`.
    Add(a, b) QUICK => a + b;
    /// `a − b`.
    Subtract(a, b) QUICK => a - b;
    /// `a b`.
    Multiply(a, b) QUICK => a * b;
    /// `a / b`.
    Divide(a, b) 2 * QUICK => a / b;
    /// `−a`.
    Negate(a) QUICK => -a;
    /// `|a|`.
    Abs(a) QUICK => a.magnitude();
    /// `√a`.
    Sqrt(a) 3 * QUICK => a.root();
    /// The smaller one, NaN if one is.
    Minimum(a, b) QUICK => if a < b || a.undefined() { a } else { b };
    /// The larger one, NaN if one is.
    Maximum(a, b) QUICK => if a > b || a.undefined() { a } else { b };
    /// 1 if `a < b`, else 0.
    Less(a, b) QUICK => if a < b { T::ONE } else { T::ZERO };
    /// 1 if `a ≤ b`, else 0.
    LessOrEqual(a, b) QUICK => if a <= b { T::ONE } else { T::ZERO };
    /// `b` unless `a` is 0, else `c`.
    Select(a, b, c) QUICK => if a == T::ZERO { c } else { b };
    /// `e^a`.
    Exp(a) 4 * QUICK => Math::exp::<S>(a);
    /// `tanh a`.
    Tanh(a) 4 * QUICK => Math::tanh::<S>(a);
    /// `a^b`.
    Power(a, b) 3 * CALL => a.power(b);
    /// `ln a`.
    Ln(a) CALL => a.std(Function::Ln);
    /// `ln(1 + a)`.
    Ln1p(a) CALL => a.std(Function::Ln1p);
    /// `e^a − 1`.
    ExpM1(a) CALL => a.std(Function::ExpM1);
    /// `sin a`.
    Sin(a) CALL => a.std(Function::Sin);
    /// `cos a`.
    Cos(a) CALL => a.std(Function::Cos);
    /// `tan a`.
    Tan(a) CALL => a.std(Function::Tan);
    /// `arcsin a`.
    Asin(a) CALL => a.std(Function::Asin);
    /// `arccos a`.
    Acos(a) CALL => a.std(Function::Acos);
    /// `arctan a`.
    Atan(a) CALL => a.std(Function::Atan);
    /// `sinh a`.
    Sinh(a) CALL => a.std(Function::Sinh);
    /// `cosh a`.
    Cosh(a) CALL => a.std(Function::Cosh);
}
