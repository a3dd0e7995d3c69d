//! Implementations of traits for references and smart pointers.

/// Implements a trait for `&T`, `Box<T>`, `Rc<T>` and `Arc<T>`, sized or not, by forwarding to `T`.
///
/// The parameters of the implementation stand in brackets. List all methods that an implementation may override, the provided ones
/// too: a method that is left out is the trait's own.
///
/// ```
/// use std::sync::Arc;
///
/// trait Shape<X> {
///     fn area(&self, scale: &X) -> f64;
///     fn sides(&self) -> usize {
///         4
///     }
/// }
///
/// advect_core::forward_to!([X] Shape<X> {
///     fn area(&self, scale: &X) -> f64;
///     fn sides(&self) -> usize;
/// });
///
/// struct Triangle;
/// impl Shape<f64> for Triangle {
///     fn area(&self, scale: &f64) -> f64 {
///         0.5 * scale
///     }
///     fn sides(&self) -> usize {
///         3
///     }
/// }
/// fn measure(shape: impl Shape<f64>) -> (f64, usize) {
///     (shape.area(&2.0), shape.sides())
/// }
/// let shared: Arc<dyn Shape<f64>> = Arc::new(Triangle);
/// assert_eq!(measure(&Triangle), (1.0, 3));
/// assert_eq!(measure(shared), (1.0, 3));
/// ```
#[macro_export]
macro_rules! forward_to {
    ($generics:tt $trait:path { $($methods:tt)* }) => {
        $crate::forward_to!(@pointer &P, $generics $trait { $($methods)* });
        $crate::forward_to!(@pointer ::std::boxed::Box<P>, $generics $trait { $($methods)* });
        $crate::forward_to!(@pointer ::std::rc::Rc<P>, $generics $trait { $($methods)* });
        $crate::forward_to!(@pointer ::std::sync::Arc<P>, $generics $trait { $($methods)* });
    };
    (@pointer $pointer:ty, [$($generics:tt)*] $trait:path {
        $(fn $method:ident(&self $(, $argument:ident: $type:ty)* $(,)?) $(-> $returned:ty)?;)*
    }) => {
        impl<P: $trait + ?Sized, $($generics)*> $trait for $pointer {
            $(
                fn $method(&self $(, $argument: $type)*) $(-> $returned)? {
                    <P as $trait>::$method(&**self $(, $argument)*)
                }
            )*
        }
    };
}
