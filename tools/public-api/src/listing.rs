//! The listing of a crate.

use std::collections::BTreeSet;
use std::path::Path;

use syn::Item;

use crate::Result;
use crate::attributes::{derived, prefix, shown};
use crate::exports::{Exports, Place};
use crate::item::attributes;
use crate::line::Line;
use crate::names::Id;
use crate::paths::Paths;
use crate::signature::{constant, function, generics_of, tail};
use crate::source::Source;
use crate::text::text;
use syn::fold::Fold;

/// The public items of the crate `name` whose root is a file such as `src/lib.rs`, a line each.
///
/// # Errors
///
/// If a file can't be read or parsed, a module's file is not there, or an item is of a kind that this program
/// does not know.
pub fn listing(name: &str, root: &Path) -> Result<String> {
    let source = Source::read(name, root)?;
    let exports = Exports::new(&source);
    let mut listing = Listing {
        lines: exports.lines(&source),
        source: &source,
        exports: &exports,
    };
    for (id, place) in &exports.items {
        listing.item(*id, place);
    }
    for module in 0..source.modules.len() {
        listing.implementations(module);
        listing.invocations(module);
    }
    listing.private_aliases();
    let lines = listing.lines.iter();
    Ok(lines.map(|line| format!("{}\n", line.text())).collect())
}

/// A listing in the making.
pub(crate) struct Listing<'a> {
    pub(crate) source: &'a Source,
    pub(crate) exports: &'a Exports,
    pub(crate) lines: BTreeSet<Line>,
}

impl Listing<'_> {
    /// What writes a module's paths in full.
    pub(crate) fn paths(&self, module: usize) -> Paths<'_> {
        Paths::new(self.source, self.exports, module)
    }

    /// Adds the private type aliases that lines name, as a change of them changes those lines' meaning.
    fn private_aliases(&mut self) {
        let mut aliases = BTreeSet::new();
        for (number, module) in self.source.modules.iter().enumerate() {
            for (i, item) in module.items.iter().enumerate() {
                let id = Id {
                    module: number,
                    item: i,
                };
                if let (Item::Type(item), false) = (item, self.exports.items.contains_key(&id)) {
                    let path = [module.path.as_slice(), &[item.ident.to_string()]].concat();
                    let item = self.paths(number).fold_item_type(item.clone());
                    let line = alias("type", &path.join("::"), &item);
                    aliases.insert((path, line));
                }
            }
        }
        // One alias may name another.
        loop {
            let before = self.lines.len();
            for (path, line) in &aliases {
                let name = path.join("::");
                if self.lines.iter().any(|line| names(line.text(), &name)) {
                    self.lines.insert(Line::new(path, line.clone()));
                }
            }
            if self.lines.len() == before {
                return;
            }
        }
    }

    /// Adds a public item, and what is in it.
    fn item(&mut self, id: Id, place: &Place) {
        let mut item = self.source.item(id).clone();
        let attributes = attributes(&item).to_vec();
        let name = place.path.join("::");
        let before = prefix(&place.conditions) + &shown(&attributes);
        if let Item::Macro(item) = &item {
            return self.exported(place, item);
        }
        without_body(&mut item);
        // Attributes of fields and variants are still needed, so those kinds write their paths themselves.
        let mut paths = self.paths(id.module);
        let line = match item {
            Item::Const(item) => constant("pub const", &name, &item.ty, &mut paths),
            Item::Static(item) => {
                let keyword = match item.mutability {
                    syn::StaticMutability::Mut(_) => "pub static mut",
                    _ => "pub static",
                };
                constant(keyword, &name, &item.ty, &mut paths)
            }
            Item::Fn(item) => function("pub", &name, None, item.sig, &mut paths),
            Item::Type(item) => alias("pub type", &name, &paths.fold_item_type(item)),
            Item::Struct(item) => self.structure(id.module, place, item),
            Item::Union(item) => self.union(id.module, place, item),
            Item::Enum(item) => self.enumeration(id.module, place, item),
            Item::Trait(item) => self.interface(id.module, place, item),
            _ => return,
        };
        self.lines.insert(Line::new(&place.path, before + &line));

        for (conditions, path) in derived(&attributes) {
            let path = self.paths(id.module).of_derive(&path);
            let before = prefix(&place.conditions) + &prefix(&conditions);
            let line = format!("{before}#[derive({})] {name}", text(path));
            self.lines.insert(Line::about(&place.path, line));
        }
    }
}

/// Bodies are not part of a signature, and full of paths.
fn without_body(item: &mut Item) {
    if let Item::Fn(item) = item {
        item.block.stmts.clear();
    }
}

/// A type alias.
fn alias(before: &str, name: &str, item: &syn::ItemType) -> String {
    let head = generics_of(&item.generics);
    let clauses = tail(&[&item.generics]);
    format!("{before} {name}{head} = {}{clauses}", text(&item.ty))
}

/// Whether a text names a path, and not one that begins with it.
fn names(text: &str, path: &str) -> bool {
    let mut after = text.split(path).skip(1);
    after.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}
