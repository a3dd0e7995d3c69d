//! Signatures of functions and constants.

use syn::fold::Fold;
use syn::{FnArg, Generics, Pat, ReceiverKind, Signature, Type};

use crate::paths::Paths;
use crate::text::text;

/// A function of a path, such as `pub const fn advect_core::Key::from_seed(seed: u64) -> Self`. Parameters of the
/// `impl` block around it come after `fn`, as it is a function for each of them.
pub(crate) fn function(
    before: &str,
    path: &str,
    around: Option<&Generics>,
    signature: Signature,
    paths: &mut Paths<'_>,
) -> String {
    let mut signature = paths.fold_signature(signature);
    let qualifiers = [
        before.into(),
        text(signature.constness),
        text(signature.asyncness),
        text(&signature.safety),
        text(&signature.abi),
        "fn".into(),
    ];
    let qualifiers: Vec<String> = qualifiers.into_iter().filter(|q| !q.is_empty()).collect();
    let mut arguments: Vec<String> = signature.inputs.iter_mut().map(argument).collect();
    arguments.extend(signature.variadic.as_ref().map(text));
    let output = match &signature.output {
        syn::ReturnType::Default => String::new(),
        output => format!(" {}", text(output)),
    };
    let generics: Vec<&Generics> = around.into_iter().chain([&signature.generics]).collect();
    format!(
        "{}{} {path}{}({}){output}{}",
        qualifiers.join(" "),
        around.map(generics_of).unwrap_or_default(),
        generics_of(&signature.generics),
        arguments.join(", "),
        tail(&generics),
    )
}

/// An argument. Whether the function may change its own copy is its own affair.
fn argument(argument: &mut FnArg) -> String {
    match argument {
        FnArg::Receiver(receiver) => match receiver.kind {
            ReceiverKind::Value | ReceiverKind::Typed(..) => receiver.mutability = None,
            _ => {}
        },
        FnArg::Typed(typed) => {
            if let Pat::Ident(name) = &mut *typed.pat {
                name.mutability = None;
            }
        }
    }
    text(argument)
}

/// A constant or the like: `pub const advect_core::LIMIT: usize`.
pub(crate) fn constant(before: &str, path: &str, of: &Type, paths: &mut Paths<'_>) -> String {
    let of = paths.fold_type(of.clone());
    format!("{before} {path}: {}", text(of))
}

/// Parameters: `<X: State>`, or nothing.
pub(crate) fn generics_of(generics: &Generics) -> String {
    text(generics)
}

/// The conditions on parameters of all these, with the space before them: ` where X: State`, or nothing.
pub(crate) fn tail(generics: &[&Generics]) -> String {
    let clauses = generics.iter().filter_map(|g| g.where_clause.as_ref());
    let predicates: Vec<String> = clauses
        .flat_map(|clause| &clause.predicates)
        .map(text)
        .collect();
    if predicates.is_empty() {
        return String::new();
    }
    format!(" where {}", predicates.join(", "))
}
