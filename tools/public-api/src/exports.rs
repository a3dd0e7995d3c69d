//! The paths under which users reach what is public.
//!
//! What is declared in public modules has its own path. What is declared in a private one has the shortest under
//! which a `pub use` brings it; any further path is an alias.

use std::collections::{BTreeMap, BTreeSet};

use syn::Item;

use crate::attributes::{Conditions, prefix};
use crate::line::Line;
use crate::names::{Id, Target};
use crate::source::{Kind, Source};

/// Where something is reached, and under which conditions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) path: Vec<String>,
    pub(crate) conditions: Conditions,
}

impl Place {
    fn inside(&self, name: &str, conditions: &Conditions) -> Self {
        Place {
            path: [self.path.as_slice(), &[name.into()]].concat(),
            conditions: self.conditions.union(conditions).cloned().collect(),
        }
    }
}

/// What is public, each with its path.
pub(crate) struct Exports {
    pub(crate) modules: BTreeMap<usize, Place>,
    pub(crate) items: BTreeMap<Id, Place>,
    aliases: Vec<(Place, Target)>,
}

impl Exports {
    pub(crate) fn new(source: &Source) -> Self {
        let mut search = Search {
            source,
            modules: BTreeMap::new(),
            order: Vec::new(),
            aliases: Vec::new(),
        };
        let root = Place {
            path: source.modules[0].path.clone(),
            conditions: Conditions::new(),
        };
        search.module(0, root);
        let mut done = 0;
        while done < search.order.len() {
            search.reexports(search.order[done]);
            done += 1;
        }
        search.finish()
    }

    /// The path of what a path leads to: the public one if there is one.
    pub(crate) fn path(&self, source: &Source, target: &Target) -> Vec<String> {
        match target {
            Target::Module(module) => match self.modules.get(module) {
                Some(place) => place.path.clone(),
                None => source.modules[*module].path.clone(),
            },
            Target::Item(id, inside) => {
                let mut path = match self.items.get(id) {
                    Some(place) => place.path.clone(),
                    None => {
                        let name = source.entry(*id).map(|entry| entry.name.clone());
                        let mut path = source.modules[id.module].path.clone();
                        path.extend(name);
                        path
                    }
                };
                path.extend_from_slice(inside);
                path
            }
            Target::Foreign(path) => path.clone(),
        }
    }

    /// The lines of modules, and of what is brought from elsewhere.
    pub(crate) fn lines(&self, source: &Source) -> BTreeSet<Line> {
        let modules = self.modules.values().map(|place| {
            let text = format!("pub mod {}", place.path.join("::"));
            Line::new(&place.path, prefix(&place.conditions) + &text)
        });
        let aliases = self.aliases.iter().filter_map(|(place, target)| {
            let mut path = self.path(source, target);
            let all = place.path.last().filter(|name| *name == "*");
            path.extend(all.cloned());
            let text = format!("pub use {} = {}", place.path.join("::"), path.join("::"));
            (path != place.path).then(|| Line::new(&place.path, prefix(&place.conditions) + &text))
        });
        modules.chain(aliases).collect()
    }
}

/// The search for all that is public.
struct Search<'a> {
    source: &'a Source,
    modules: BTreeMap<usize, Place>,
    /// The public modules in the order in which they were found.
    order: Vec<usize>,
    aliases: Vec<(Place, Target)>,
}

impl Search<'_> {
    /// Adds a module and the public ones in it.
    fn module(&mut self, module: usize, place: Place) {
        if self.modules.contains_key(&module) {
            return;
        }
        self.order.push(module);
        self.modules.insert(module, place.clone());
        for entry in &self.source.modules[module].entries {
            if let (true, &Kind::Module(inner)) = (entry.public, &entry.kind) {
                self.module(inner, place.inside(&entry.name, &entry.conditions));
            }
        }
    }

    /// Adds what a public module brings from elsewhere.
    fn reexports(&mut self, module: usize) {
        let Some(place) = self.modules.get(&module).cloned() else {
            return;
        };
        let entries = &self.source.modules[module].entries;
        for (i, entry) in entries.iter().enumerate() {
            match (entry.public, &entry.kind) {
                (true, Kind::Use(_)) => {
                    let place = place.inside(&entry.name, &entry.conditions);
                    let mut found = self.source.meaning(module, i);
                    // The `use` of a private import is refused, and another of the same name is meant.
                    let own = |target: &Target| !matches!(target, Target::Foreign(_));
                    if found.iter().any(own) {
                        found.retain(own);
                    }
                    for target in found {
                        self.reexport(&place, target);
                    }
                }
                (true, Kind::Glob(_)) => {
                    let hidden: BTreeSet<&str> = entries.iter().map(|e| e.name.as_str()).collect();
                    let place = place.inside("*", &entry.conditions);
                    for target in self.source.meaning(module, i) {
                        self.glob(&place, target, &hidden, &mut BTreeSet::new());
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds what is reached at a place that is not its own.
    fn reexport(&mut self, place: &Place, target: Target) {
        let source = self.source;
        let mut place = place.clone();
        let entry = match &target {
            Target::Module(module) => source.declaration(*module),
            Target::Item(id, _) => source.entry(*id),
            Target::Foreign(_) => None,
        };
        if let Some(entry) = entry {
            // A private item of the same name as one that is brought.
            if !entry.public {
                return;
            }
            place.conditions.extend(entry.conditions.iter().cloned());
        }
        if let Target::Module(module) = &target {
            place
                .conditions
                .extend(source.modules[*module].conditions.iter().cloned());
            self.module(*module, place.clone());
        }
        self.aliases.push((place, target));
    }

    /// Adds all that a glob import brings. A place that ends in `*` stands for all those names.
    fn glob(
        &mut self,
        place: &Place,
        target: Target,
        hidden: &BTreeSet<&str>,
        seen: &mut BTreeSet<usize>,
    ) {
        let source = self.source;
        let module = match target {
            Target::Module(module) if seen.insert(module) => module,
            Target::Module(_) => return,
            other => return self.aliases.push((place.clone(), other)),
        };
        for (i, entry) in source.modules[module].entries.iter().enumerate() {
            if !entry.public || hidden.contains(entry.name.as_str()) && entry.name != "*" {
                continue;
            }
            let mut inside = place.clone();
            inside.conditions.extend(entry.conditions.iter().cloned());
            for target in source.meaning(module, i) {
                if matches!(entry.kind, Kind::Glob(_)) {
                    self.glob(&inside, target, hidden, seen);
                } else {
                    let mut named = inside.clone();
                    named.path.pop();
                    named.path.push(entry.name.clone());
                    self.reexport(&named, target);
                }
            }
        }
    }

    /// Settles the path of each item: its own, or the shortest of the others.
    fn finish(self) -> Exports {
        let mut items = BTreeMap::new();
        for (number, module) in self.source.modules.iter().enumerate() {
            for entry in module.entries.iter().filter(|entry| entry.public) {
                let Kind::Item(item) = entry.kind else {
                    continue;
                };
                // An exported macro is at the root, wherever it is declared.
                let exported = matches!(module.items[item], Item::Macro(_));
                let around = if exported { 0 } else { number };
                if let Some(place) = self.modules.get(&around) {
                    let id = Id {
                        module: number,
                        item,
                    };
                    items.insert(id, place.inside(&entry.name, &entry.conditions));
                }
            }
        }
        let rank = |place: &Place| (place.path.len(), place.clone());
        let mut brought: BTreeMap<Id, Place> = BTreeMap::new();
        for (place, target) in &self.aliases {
            if let Target::Item(id, inside) = target
                && inside.is_empty()
                && !items.contains_key(id)
            {
                let shortest = brought.entry(*id).or_insert_with(|| place.clone());
                if rank(place) < rank(shortest) {
                    *shortest = place.clone();
                }
            }
        }
        items.extend(brought);
        Exports {
            modules: self.modules,
            items,
            aliases: self.aliases,
        }
    }
}
