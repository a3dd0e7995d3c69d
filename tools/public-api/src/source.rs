//! A crate's modules and what they declare.

use std::fs;
use std::path::{Path, PathBuf};

use syn::token::Brace;
use syn::{Attribute, File, Item, ItemMod, UseTree};

use crate::attributes::{Conditions, conditions, hidden, only_in_tests};
use crate::item::{attributes, is_public, known, name};
use crate::{Error, Result};

/// A crate: its modules, the root first.
pub(crate) struct Source {
    pub(crate) modules: Vec<Module>,
}

/// A module, public or not.
pub(crate) struct Module {
    /// Where it is declared, beginning with the crate's name.
    pub(crate) path: Vec<String>,
    /// The module around it. The root's is the root.
    pub(crate) parent: usize,
    /// What its own `cfg` and those around it ask for.
    pub(crate) conditions: Conditions,
    /// All items but those of tests.
    pub(crate) items: Vec<Item>,
    /// The names that these items declare.
    pub(crate) entries: Vec<Entry>,
}

/// A name in a module.
pub(crate) struct Entry {
    /// The name, which a glob import has not.
    pub(crate) name: String,
    /// Whether it is `pub`, and not hidden from documentation.
    pub(crate) public: bool,
    /// What its own `cfg` and those around it ask for.
    pub(crate) conditions: Conditions,
    pub(crate) kind: Kind,
}

/// What a name is declared by.
pub(crate) enum Kind {
    /// The module of this number.
    Module(usize),
    /// The item of this number in its module.
    Item(usize),
    /// A `use` of this path.
    Use(Vec<String>),
    /// A `use` of everything in this path.
    Glob(Vec<String>),
}

impl Source {
    /// Reads a crate of a name, from its `src/lib.rs` or the like.
    pub(crate) fn read(name: &str, root: &Path) -> Result<Self> {
        let mut source = Source {
            modules: Vec::new(),
        };
        let files = Files {
            file: root.to_path_buf(),
            folder: root.parent().unwrap_or(Path::new("")).to_path_buf(),
        };
        let items = parse(root)?.items;
        source.add(vec![name.into()], 0, Conditions::new(), items, &files)?;
        Ok(source)
    }

    /// Adds a module and all those inside it; gives its number.
    fn add(
        &mut self,
        path: Vec<String>,
        parent: usize,
        around: Conditions,
        items: Vec<Item>,
        files: &Files,
    ) -> Result<usize> {
        let number = self.modules.len();
        self.modules.push(Module {
            path: path.clone(),
            parent,
            conditions: around.clone(),
            items: Vec::new(),
            entries: Vec::new(),
        });
        for mut item in items {
            if only_in_tests(attributes(&item)) {
                continue;
            }
            let inner = match &mut item {
                Item::Mod(module) => Some(files.inside(module, &path)?),
                _ => None,
            };
            // Those of a module are in its own file, too.
            let attributes = attributes(&item);
            if only_in_tests(attributes) {
                continue;
            }
            let mut inside = around.clone();
            inside.extend(conditions(attributes));
            let public = is_public(&item) && !hidden(attributes);
            let entry = |name: String, kind| Entry {
                name,
                public,
                conditions: inside.clone(),
                kind,
            };
            let mut entries = Vec::new();
            match item {
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let path = [path.as_slice(), std::slice::from_ref(&name)].concat();
                    let items = module.content.map(|(_, items)| items).unwrap_or_default();
                    let files = inner.as_ref().unwrap_or(files);
                    let inner = self.add(path, number, inside.clone(), items, files)?;
                    entries.push(entry(name, Kind::Module(inner)));
                }
                Item::Use(import) => uses(&import.tree, &mut Vec::new(), &mut |name, kind| {
                    entries.push(entry(name, kind));
                }),
                Item::ExternCrate(import) => {
                    let name = import
                        .rename
                        .as_ref()
                        .map_or(&import.ident, |(_, name)| name);
                    let path = vec![import.ident.to_string()];
                    entries.push(entry(name.to_string(), Kind::Use(path)));
                }
                item => {
                    let place = self.modules[number].items.len();
                    let name = name(&item).map(ToString::to_string);
                    entries.extend(name.map(|name| entry(name, Kind::Item(place))));
                    self.modules[number].items.push(known(item, &path)?);
                }
            }
            self.modules[number].entries.extend(entries);
        }
        Ok(number)
    }
}

/// Where the modules that a module declares are looked for.
struct Files {
    file: PathBuf,
    folder: PathBuf,
}

impl Files {
    /// Reads a module that is declared here, if it has a file of its own; gives where its own modules are looked for.
    fn inside(&self, module: &mut ItemMod, around: &[String]) -> Result<Files> {
        let name = module.ident.to_string();
        let folder = self.folder.join(&name);
        if module.content.is_some() {
            let file = self.file.clone();
            return Ok(Files { file, folder });
        }
        let beside = self.file.parent().unwrap_or(Path::new(""));
        let named = named_file(&module.attrs);
        let tried = match &named {
            Some(file) => vec![beside.join(file)],
            None => vec![
                folder.join("mod.rs"),
                self.folder.join(format!("{name}.rs")),
            ],
        };
        let Some(file) = tried.iter().find(|file| file.is_file()) else {
            return Err(Error::Module {
                module: format!("{}::{name}", around.join("::")),
                tried,
            });
        };
        let contents = parse(file)?;
        module.attrs.extend(contents.attrs);
        module.content = Some((Brace::default(), contents.items));
        // A file of another name is as good as a `mod.rs`.
        let own = named.and_then(|_| file.parent());
        Ok(Files {
            file: file.clone(),
            folder: own.map_or(folder, Path::to_path_buf),
        })
    }
}

fn parse(path: &Path) -> Result<File> {
    let text = fs::read_to_string(path).map_err(Error::file(path))?;
    syn::parse_file(&text).map_err(|source| Error::Syntax {
        path: path.to_path_buf(),
        source,
    })
}

/// The file that `#[path = "…"]` names.
fn named_file(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|a| a.path().is_ident("path"))?;
    match &attribute.meta.require_name_value().ok()?.value {
        syn::Expr::Lit(literal) => match &literal.lit {
            syn::Lit::Str(file) => Some(file.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Goes through the names that a `use` brings.
fn uses(tree: &UseTree, before: &mut Vec<String>, each: &mut impl FnMut(String, Kind)) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            uses(&path.tree, before, each);
            before.pop();
        }
        UseTree::Name(name) => import(&name.ident, &name.ident, before, each),
        UseTree::Rename(name) => import(&name.ident, &name.rename, before, each),
        UseTree::Glob(_) => each("*".into(), Kind::Glob(before.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                uses(tree, before, each);
            }
        }
    }
}

fn import(
    from: &syn::Ident,
    name: &syn::Ident,
    before: &[String],
    each: &mut impl FnMut(String, Kind),
) {
    let mut path = before.to_vec();
    let mut name = name.to_string();
    if from != "self" {
        path.push(from.to_string());
    } else if name == "self" {
        name = path.last().cloned().unwrap_or_default();
    }
    each(name, Kind::Use(path));
}
