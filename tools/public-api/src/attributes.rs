//! What attributes say of an item: whether it is there, whether it is documented, and what else a user notices.

use std::collections::BTreeSet;

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

use crate::text::text;

/// The predicates of `cfg` under which something is there, all of them.
pub(crate) type Conditions = BTreeSet<String>;

/// The attributes that are part of the interface, besides `cfg` and `derive`.
const SHOWN: [&str; 7] = [
    "default",
    "deprecated",
    "from",
    "must_use",
    "non_exhaustive",
    "repr",
    "track_caller",
];

/// Whether something is only there in tests, so that no user sees it.
pub(crate) fn only_in_tests(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| match argument(attribute, "cfg") {
            Some(predicate) => false_outside_tests(&predicate),
            None => false,
        })
}

/// Whether the documentation leaves something out.
pub(crate) fn hidden(attributes: &[Attribute]) -> bool {
    let words = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| list(&attribute.meta));
    words.flatten().any(|word| word.path().is_ident("hidden"))
}

/// The predicates of all `cfg`.
pub(crate) fn conditions(attributes: &[Attribute]) -> Conditions {
    attributes
        .iter()
        .filter_map(|attribute| argument(attribute, "cfg"))
        .map(text)
        .collect()
}

/// What a line begins with because of conditions: `#[cfg(unix)] `.
pub(crate) fn prefix(conditions: &Conditions) -> String {
    conditions
        .iter()
        .map(|condition| format!("#[cfg({condition})] "))
        .collect()
}

/// What a line begins with because of attributes that users notice: `#[non_exhaustive] `.
pub(crate) fn shown(attributes: &[Attribute]) -> String {
    let mut shown: Vec<String> = attributes
        .iter()
        .flat_map(metas)
        .filter(|(_, meta)| SHOWN.iter().any(|name| meta.path().is_ident(name)))
        .map(|(conditions, meta)| format!("{}#[{}] ", prefix(&conditions), text(meta)))
        .collect();
    shown.sort();
    shown.concat()
}

/// The traits that are derived, each with the conditions under which it is.
pub(crate) fn derived(attributes: &[Attribute]) -> Vec<(Conditions, syn::Path)> {
    attributes
        .iter()
        .flat_map(metas)
        .filter(|(_, meta)| meta.path().is_ident("derive"))
        .flat_map(|(conditions, meta)| {
            let traits = list(&meta).unwrap_or_default().into_iter();
            traits.map(move |meta| (conditions.clone(), meta.path().clone()))
        })
        .collect()
}

/// What an attribute stands for: itself, or what a `cfg_attr` holds with its condition.
fn metas(attribute: &Attribute) -> Vec<(Conditions, Meta)> {
    if !attribute.path().is_ident("cfg_attr") {
        return vec![(Conditions::new(), attribute.meta.clone())];
    }
    let Some(parts) = list(&attribute.meta) else {
        return Vec::new();
    };
    match parts.split_first() {
        Some((predicate, rest)) if !false_outside_tests(predicate) => {
            let conditions = Conditions::from([text(predicate)]);
            let rest = rest.iter().map(|meta| (conditions.clone(), meta.clone()));
            rest.collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a predicate can't hold in a library that others use.
fn false_outside_tests(predicate: &Meta) -> bool {
    let parts = list(predicate).unwrap_or_default();
    let path = predicate.path();
    if path.is_ident("all") {
        parts.iter().any(false_outside_tests)
    } else if path.is_ident("any") {
        parts.iter().all(false_outside_tests)
    } else {
        path.is_ident("test") || path.is_ident("doctest")
    }
}

/// The one argument of an attribute of a given name.
fn argument(attribute: &Attribute, name: &str) -> Option<Meta> {
    if !attribute.path().is_ident(name) {
        return None;
    }
    attribute.parse_args().ok()
}

/// The arguments of an attribute or a predicate, if they are a list of such.
fn list(meta: &Meta) -> Option<Vec<Meta>> {
    let arguments = meta.require_list().ok()?;
    let parts = arguments.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    Some(parts.ok()?.into_iter().collect())
}
