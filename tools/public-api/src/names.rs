//! What a path means in a module: the names of the crate, followed through its `use` declarations.

use syn::Item;

use crate::source::{Entry, Kind, Source};

/// An item: the number of its module, and its own there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) module: usize,
    pub(crate) item: usize,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    /// The module of this number.
    Module(usize),
    /// An item, or what is inside it: a variant, a function of a trait.
    Item(Id, Vec<String>),
    /// Something of another crate.
    Foreign(Vec<String>),
}

/// The `use` declarations that are being followed. Some lead back to themselves: in
/// `mod assignment; pub use assignment::assignment;` the first name is the module's, not the function's.
type Followed = Vec<(usize, usize)>;

impl Source {
    /// All that a path means in a module: there are types, values and macros of the same name, and items that
    /// depend on conditions. Nothing is found for names of the prelude, of parameters and of other crates.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> Vec<Target> {
        self.follow(module, path, &mut Vec::new())
    }

    /// All that the entry of a module stands for.
    pub(crate) fn meaning(&self, module: usize, entry: usize) -> Vec<Target> {
        self.targets(module, entry, &mut Vec::new())
    }

    /// The item's entry in its module.
    pub(crate) fn entry(&self, id: Id) -> Option<&Entry> {
        let mut entries = self.modules[id.module].entries.iter();
        entries.find(|entry| matches!(entry.kind, Kind::Item(item) if item == id.item))
    }

    /// The module's entry in the one around it, which the root has not.
    pub(crate) fn declaration(&self, module: usize) -> Option<&Entry> {
        let mut entries = self.modules[self.modules[module].parent].entries.iter();
        entries.find(|entry| matches!(entry.kind, Kind::Module(inner) if inner == module))
    }

    /// The item itself.
    pub(crate) fn item(&self, id: Id) -> &Item {
        &self.modules[id.module].items[id.item]
    }

    fn follow(&self, from: usize, path: &[String], followed: &mut Followed) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else {
            return vec![Target::Module(from)];
        };
        match first.as_str() {
            "crate" => self.follow(0, rest, followed),
            "self" => self.follow(from, rest, followed),
            "super" => self.follow(self.modules[from].parent, rest, followed),
            _ => self
                .lookup(from, first, followed)
                .into_iter()
                .flat_map(|target| self.inside(target, rest, followed))
                .collect(),
        }
    }

    /// What the rest of a path leads to from what its first name means.
    fn inside(&self, target: Target, rest: &[String], followed: &mut Followed) -> Vec<Target> {
        match target {
            _ if rest.is_empty() => vec![target],
            Target::Module(module) => self.follow(module, rest, followed),
            Target::Item(id, within) if self.has_members(id) => {
                vec![Target::Item(id, [&within, rest].concat())]
            }
            Target::Item(..) => Vec::new(),
            Target::Foreign(path) => vec![Target::Foreign([&path, rest].concat())],
        }
    }

    /// All that a name means in a module. What is named there hides what a glob import brings.
    fn lookup(&self, module: usize, name: &str, followed: &mut Followed) -> Vec<Target> {
        let entries = &self.modules[module].entries;
        let named = (0..entries.len()).filter(|&i| entries[i].name == name);
        let mut found: Vec<Target> = named
            .flat_map(|i| self.targets(module, i, followed))
            .collect();
        if found.is_empty() {
            for (i, entry) in entries.iter().enumerate() {
                if let Kind::Glob(path) = &entry.kind
                    && !followed.contains(&(module, i))
                {
                    followed.push((module, i));
                    for target in self.follow(module, path, followed) {
                        found.extend(self.brought(target, name, followed));
                    }
                    followed.pop();
                }
            }
        }
        found
    }

    /// What a glob import brings under a name.
    fn brought(&self, target: Target, name: &str, followed: &mut Followed) -> Vec<Target> {
        match target {
            Target::Module(module) => self.lookup(module, name, followed),
            Target::Item(id, _) if self.variants(id).any(|variant| variant == name) => {
                vec![Target::Item(id, vec![name.into()])]
            }
            // What others declare is not known here.
            Target::Item(..) | Target::Foreign(_) => Vec::new(),
        }
    }

    fn targets(&self, module: usize, entry: usize, followed: &mut Followed) -> Vec<Target> {
        let path = match &self.modules[module].entries[entry].kind {
            Kind::Module(inner) => return vec![Target::Module(*inner)],
            Kind::Item(item) => {
                return vec![Target::Item(
                    Id {
                        module,
                        item: *item,
                    },
                    Vec::new(),
                )];
            }
            Kind::Use(path) | Kind::Glob(path) => path,
        };
        if followed.contains(&(module, entry)) {
            return Vec::new();
        }
        followed.push((module, entry));
        let mut found = self.follow(module, path, followed);
        followed.pop();
        if found.is_empty() {
            found.push(Target::Foreign(path.clone()));
        }
        found
    }

    /// An enum's variants.
    pub(crate) fn variants(&self, id: Id) -> impl Iterator<Item = String> {
        let variants = match self.item(id) {
            Item::Enum(item) => Some(&item.variants),
            _ => None,
        };
        let variants = variants.into_iter().flatten();
        variants.map(|variant| variant.ident.to_string())
    }

    fn has_members(&self, id: Id) -> bool {
        !matches!(
            self.item(id),
            Item::Const(_) | Item::Fn(_) | Item::Macro(_) | Item::Static(_)
        )
    }
}
