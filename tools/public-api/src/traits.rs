//! Traits.

use syn::fold::Fold;
use syn::{TraitItem, Type};

use crate::attributes::{hidden, only_in_tests};
use crate::exports::Place;
use crate::line::Line;
use crate::listing::Listing;
use crate::signature::{constant, function, generics_of, tail};
use crate::text::text;

impl Listing<'_> {
    /// A trait; its items are lines of their own, and say whether an implementation has to have them.
    pub(crate) fn interface(
        &mut self,
        module: usize,
        place: &Place,
        mut item: syn::ItemTrait,
    ) -> String {
        let items = std::mem::take(&mut item.items);
        for inner in &items {
            self.of_trait(module, place, &item.generics, inner);
        }
        let item = self.paths(module).fold_item_trait(item);
        let unsafety = item.unsafety.map_or("", |_| "unsafe ");
        let bounds: Vec<String> = item.supertraits.iter().map(text).collect();
        let bounds = match bounds.is_empty() {
            true => String::new(),
            false => format!(": {}", bounds.join(" + ")),
        };
        let head = generics_of(&item.generics);
        let clauses = tail(&[&item.generics]);
        let name = place.path.join("::");
        format!("pub {unsafety}trait {name}{head}{bounds}{clauses}")
    }

    fn of_trait(&mut self, module: usize, place: &Place, around: &syn::Generics, item: &TraitItem) {
        let (attributes, name, provided) = match item {
            TraitItem::Const(item) => (&item.attrs, item.ident.to_string(), item.default.is_some()),
            TraitItem::Fn(item) => (
                &item.attrs,
                item.sig.ident.to_string(),
                item.default.is_some(),
            ),
            TraitItem::Type(item) => (&item.attrs, item.ident.to_string(), item.default.is_some()),
            TraitItem::Macro(item) => (&item.attrs, text(&item.mac.path), true),
            _ => return,
        };
        if hidden(attributes) || only_in_tests(attributes) {
            return;
        }
        let before = self.before(place, attributes);
        let word = if provided { "provided" } else { "required" };
        let path = [place.path.as_slice(), &[name]].concat();
        let full = path.join("::");
        let mut paths = self.paths(module).with(around);
        let line = match item.clone() {
            TraitItem::Const(item) => {
                constant(&format!("{word} const"), &full, &item.ty, &mut paths)
            }
            TraitItem::Fn(item) => function(word, &full, None, item.sig, &mut paths),
            TraitItem::Type(item) => {
                let item = paths.fold_trait_item_type(item);
                let bounds: Vec<String> = item.bounds.iter().map(text).collect();
                let bounds = match bounds.is_empty() {
                    true => String::new(),
                    false => format!(": {}", bounds.join(" + ")),
                };
                let default = item
                    .default
                    .map(|(_, of): (_, Type)| format!(" = {}", text(of)));
                let head = generics_of(&item.generics);
                let clauses = tail(&[&item.generics]);
                format!(
                    "{word} type {full}{head}{bounds}{}{clauses}",
                    default.unwrap_or_default()
                )
            }
            TraitItem::Macro(item) => {
                format!("macro {}::{}", place.path.join("::"), text(item.mac))
            }
            _ => return,
        };
        self.lines.insert(Line::new(&path, before + &line));
    }
}
