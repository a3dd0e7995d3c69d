//! Paths in signatures, written in full: `Tensor` becomes `candle_core::Tensor` where that was imported.
//!
//! Then a listing does not depend on how a file spells its imports, and another type of the same name is seen.

use proc_macro2::{Ident, Span};
use syn::fold::{self, Fold};
use syn::{Attribute, GenericParam, Generics, Item, Path, PathSegment, TypePath};

use crate::exports::Exports;
use crate::names::Target;
use crate::source::Source;

/// What turns the paths of a module into full ones, and takes attributes away.
pub(crate) struct Paths<'a> {
    source: &'a Source,
    exports: &'a Exports,
    module: usize,
    /// The names of parameters, which hide others.
    parameters: Vec<String>,
    /// Whether the path is that of a derive macro.
    derive: bool,
    /// The first item of this crate that was met.
    pub(crate) first: Option<Vec<String>>,
    /// Whether an item of this crate was met that is not public.
    pub(crate) private: bool,
}

impl<'a> Paths<'a> {
    pub(crate) fn new(source: &'a Source, exports: &'a Exports, module: usize) -> Self {
        Paths {
            source,
            exports,
            module,
            parameters: Vec::new(),
            derive: false,
            first: None,
            private: false,
        }
    }

    /// The same where the parameters of an item are in scope.
    pub(crate) fn with(mut self, generics: &Generics) -> Self {
        self.enter(generics);
        self
    }

    fn enter(&mut self, generics: &Generics) {
        self.parameters.extend(
            generics
                .params
                .iter()
                .filter_map(|parameter| match parameter {
                    GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
                    GenericParam::Const(parameter) => Some(parameter.ident.to_string()),
                    GenericParam::Lifetime(_) => None,
                }),
        );
    }

    /// The full path of a derive macro, of which there may be a type of the same name.
    pub(crate) fn of_derive(&mut self, path: &Path) -> Path {
        let mut path = path.clone();
        self.derive = true;
        self.complete(&mut path);
        self.derive = false;
        path
    }

    /// What is meant first among things of the same name: types are, but in the list of a `derive`.
    fn rank(&self, target: &Target) -> usize {
        let kind = match target {
            Target::Item(id, _) => match self.source.item(*id) {
                Item::Const(_) | Item::Fn(_) | Item::Macro(_) | Item::Static(_) => 2,
                _ => 0,
            },
            Target::Foreign(_) => 1,
            Target::Module(_) => 3,
        };
        match (self.derive, target) {
            (true, Target::Foreign(_)) => 0,
            (true, _) => kind + 1,
            (false, _) => kind,
        }
    }

    /// Writes a path in full, and gives how many segments that adds to it.
    fn complete(&mut self, path: &mut Path) -> usize {
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let Some(first) = names.first() else { return 0 };
        if path.leading_colon.is_some() || self.parameters.contains(first) {
            return 0;
        }
        let found = self.source.resolve(self.module, &names);
        let Some(target) = found.iter().min_by_key(|target| self.rank(target)) else {
            return 0;
        };
        let full = self.exports.path(self.source, target);
        match target {
            Target::Item(id, _) => {
                // A private alias stands for what may be public.
                let alias = matches!(self.source.item(*id), Item::Type(_));
                self.private |= !alias && !self.exports.items.contains_key(id);
                self.first.get_or_insert_with(|| full.clone());
            }
            Target::Module(_) | Target::Foreign(_) => {}
        }
        // The last names keep their arguments: those of `Step<X>` stay at `advect_solvers::stepper::Step<X>`.
        let mut old: Vec<PathSegment> = path.segments.iter().cloned().collect();
        let mut new: Vec<PathSegment> = Vec::new();
        for name in full.iter().rev() {
            let arguments = old.pop().map(|segment| segment.arguments);
            new.push(PathSegment {
                ident: identifier(name),
                arguments: arguments.unwrap_or_default(),
            });
        }
        path.segments = new.into_iter().rev().collect();
        path.segments.len().saturating_sub(names.len())
    }
}

fn identifier(name: &str) -> Ident {
    match name.strip_prefix("r#") {
        Some(name) => Ident::new_raw(name, Span::call_site()),
        None => Ident::new(name, Span::call_site()),
    }
}

impl Fold for Paths<'_> {
    fn fold_attributes(&mut self, _: Vec<Attribute>) -> Vec<Attribute> {
        Vec::new()
    }

    fn fold_generics(&mut self, generics: Generics) -> Generics {
        self.enter(&generics);
        fold::fold_generics(self, generics)
    }

    fn fold_path(&mut self, mut path: Path) -> Path {
        self.complete(&mut path);
        fold::fold_path(self, path)
    }

    fn fold_type_path(&mut self, mut path: TypePath) -> TypePath {
        let added = self.complete(&mut path.path);
        if let Some(own) = &mut path.qself
            && own.as_token.is_some()
        {
            own.position += added;
        }
        TypePath {
            attrs: Vec::new(),
            qself: path.qself.map(|own| self.fold_qself(own)),
            // Its own names are complete by now, and those of its arguments are not.
            path: fold::fold_path(self, path.path),
        }
    }
}
