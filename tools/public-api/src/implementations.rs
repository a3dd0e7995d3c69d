//! `impl` blocks.

use syn::fold::Fold;
use syn::{ImplItem, Item, ItemImpl, Visibility};

use crate::attributes::{conditions, hidden, only_in_tests};
use crate::exports::Place;
use crate::line::Line;
use crate::listing::Listing;
use crate::signature::{constant, function, generics_of, tail};
use crate::text::text;

impl Listing<'_> {
    /// Adds the `impl` blocks of a module, private ones included: it doesn't matter where a block is.
    pub(crate) fn implementations(&mut self, module: usize) {
        let around = &self.source.modules[module];
        for item in &around.items {
            let Item::Impl(item) = item else { continue };
            if hidden(&item.attrs) {
                continue;
            }
            let mut place = Place {
                path: around.path.clone(),
                conditions: around.conditions.clone(),
            };
            place.conditions.extend(conditions(&item.attrs));
            if item.trait_.is_some() {
                self.of_type(module, place, item);
            } else {
                self.inherent(module, place, item);
            }
        }
    }

    /// Adds the functions, constants and types of a type of this crate.
    fn inherent(&mut self, module: usize, mut place: Place, item: &ItemImpl) {
        let mut head = ItemImpl {
            attrs: Vec::new(),
            items: Vec::new(),
            ..item.clone()
        };
        let mut paths = self.paths(module).with(&head.generics);
        *head.self_ty = paths.fold_type(*head.self_ty);
        let (Some(path), false) = (paths.first.take(), paths.private) else {
            return;
        };
        head.generics = paths.fold_generics(head.generics);
        place.path = path;
        let owner = text(&head.self_ty);

        for inner in &item.items {
            let (attributes, visibility, name) = match inner {
                ImplItem::Const(inner) => (&inner.attrs, Some(&inner.vis), inner.ident.to_string()),
                ImplItem::Fn(inner) => {
                    (&inner.attrs, Some(&inner.vis), inner.sig.ident.to_string())
                }
                ImplItem::Type(inner) => (&inner.attrs, Some(&inner.vis), inner.ident.to_string()),
                ImplItem::Macro(inner) => (&inner.attrs, None, text(&inner.mac.path)),
                _ => continue,
            };
            let private = visibility.is_some_and(|v| !matches!(v, Visibility::Public(_)));
            if private || hidden(attributes) || only_in_tests(attributes) {
                continue;
            }
            let full = format!("{owner}::{name}");
            let generics = generics_of(&head.generics);
            let mut paths = self.paths(module).with(&head.generics);
            let line = match inner.clone() {
                ImplItem::Fn(inner) => {
                    function("pub", &full, Some(&head.generics), inner.sig, &mut paths)
                }
                ImplItem::Const(inner) => {
                    let before = format!("pub const{generics}");
                    constant(&before, &full, &inner.ty, &mut paths) + &tail(&[&head.generics])
                }
                ImplItem::Type(inner) => {
                    let of = text(paths.fold_type(inner.ty));
                    format!(
                        "pub type{generics} {full} = {of}{}",
                        tail(&[&head.generics])
                    )
                }
                ImplItem::Macro(inner) => format!("macro {owner}::{}", text(inner.mac)),
                _ => continue,
            };
            let line = self.before(&place, attributes) + &line;
            let path = [place.path.as_slice(), &[name]].concat();
            self.lines.insert(Line::new(&path, line));
        }
    }

    /// Adds the implementation of a trait, with its types. It is listed with the type if that is of this crate, and
    /// else with the trait; and not at all if one of them, or an argument of theirs, is private.
    fn of_type(&mut self, module: usize, mut place: Place, item: &ItemImpl) {
        let mut head = ItemImpl {
            attrs: Vec::new(),
            items: Vec::new(),
            ..item.clone()
        };
        let mut paths = self.paths(module).with(&head.generics);
        *head.self_ty = paths.fold_type(*head.self_ty);
        head.trait_ = head
            .trait_
            .map(|(path, token)| (paths.fold_path(path), token));
        if paths.private {
            return;
        }
        place.path = paths
            .first
            .take()
            .unwrap_or(self.source.modules[0].path.clone());
        head.generics = paths.fold_generics(head.generics);

        let mut inside: Vec<String> = Vec::new();
        for inner in &item.items {
            let mut paths = self.paths(module).with(&head.generics);
            match inner.clone() {
                ImplItem::Type(inner) => inside.push(text(paths.fold_impl_item_type(inner))),
                ImplItem::Macro(inner) => inside.push(text(inner)),
                _ => {}
            }
        }
        let inside = match inside.is_empty() {
            true => String::new(),
            false => format!(" {{ {} }}", inside.join(" ")),
        };
        let clauses = tail(&[&head.generics]);
        head.generics.where_clause = None;
        let header = text(&head);
        let header = header.strip_suffix(" {}").unwrap_or(&header);
        let before = self.before(&place, &item.attrs);
        let line = format!("{before}{header}{clauses}{inside}");
        self.lines.insert(Line::about(&place.path, line));
    }
}
