//! Structs, unions and enums.

use syn::fold::Fold;
use syn::{Attribute, Field, Fields, Visibility};

use crate::attributes::{conditions, hidden, only_in_tests, prefix, shown};
use crate::exports::Place;
use crate::line::Line;
use crate::listing::Listing;
use crate::signature::{constant, generics_of, tail};
use crate::text::text;

impl Listing<'_> {
    /// A struct; its public fields are lines of their own, unless they have no names.
    pub(crate) fn structure(
        &mut self,
        module: usize,
        place: &Place,
        mut item: syn::ItemStruct,
    ) -> String {
        item.generics = self.paths(module).fold_generics(item.generics);
        let name = place.path.join("::");
        let head = format!("pub struct {name}{}", generics_of(&item.generics));
        let clauses = tail(&[&item.generics]);
        let fields = match &item.fields {
            Fields::Named(fields) => {
                let others = self.fields(module, place, &item.generics, &fields.named);
                return head + &clauses + if others { " { .. }" } else { "" };
            }
            Fields::Unnamed(fields) => fields.unnamed.iter(),
            Fields::Unit => return format!("{head}{clauses};"),
        };
        let fields: Vec<String> = fields
            .map(|field| match public(&field.vis, &field.attrs) {
                true => self.unnamed(module, &item.generics, field),
                false => "_".into(),
            })
            .collect();
        format!("{head}({}){clauses}", fields.join(", "))
    }

    pub(crate) fn union(
        &mut self,
        module: usize,
        place: &Place,
        mut item: syn::ItemUnion,
    ) -> String {
        item.generics = self.paths(module).fold_generics(item.generics);
        let others = self.fields(module, place, &item.generics, &item.fields.named);
        format!(
            "pub union {}{}{}{}",
            place.path.join("::"),
            generics_of(&item.generics),
            tail(&[&item.generics]),
            if others { " { .. }" } else { "" },
        )
    }

    /// An enum; its variants are lines of their own.
    pub(crate) fn enumeration(
        &mut self,
        module: usize,
        place: &Place,
        mut item: syn::ItemEnum,
    ) -> String {
        item.generics = self.paths(module).fold_generics(item.generics);
        let mut others = false;
        for variant in &item.variants {
            if only_in_tests(&variant.attrs) {
                continue;
            }
            if hidden(&variant.attrs) {
                others = true;
                continue;
            }
            let path = [place.path.as_slice(), &[variant.ident.to_string()]].concat();
            let fields = self.variant(module, &item.generics, &variant.fields);
            let value = variant.discriminant.as_ref();
            let value = value.map(|(_, value)| format!(" = {}", text(value)));
            let before = self.before(place, &variant.attrs);
            let line = format!(
                "{before}variant {}{fields}{}",
                path.join("::"),
                value.unwrap_or_default()
            );
            self.lines.insert(Line::new(&path, line));
        }
        let head = format!(
            "pub enum {}{}",
            place.path.join("::"),
            generics_of(&item.generics)
        );
        head + &tail(&[&item.generics]) + if others { " { .. }" } else { "" }
    }

    /// A variant's fields, which are as public as it is.
    fn variant(&self, module: usize, generics: &syn::Generics, fields: &Fields) -> String {
        let seen = fields.iter().filter(|field| !hidden(&field.attrs));
        let mut texts: Vec<String> = seen
            .map(|field| match &field.ident {
                Some(_) => {
                    let mut paths = self.paths(module).with(generics);
                    let name = field.ident.as_ref().map(ToString::to_string);
                    let before = attributes(field);
                    before + &constant("", &name.unwrap_or_default(), &field.ty, &mut paths)[1..]
                }
                None => self.unnamed(module, generics, field),
            })
            .collect();
        if texts.len() < fields.len() {
            texts.push("..".into());
        }
        match fields {
            Fields::Named(_) => format!(" {{ {} }}", texts.join(", ")),
            Fields::Unnamed(_) => format!("({})", texts.join(", ")),
            Fields::Unit => String::new(),
        }
    }

    fn unnamed(&self, module: usize, generics: &syn::Generics, field: &Field) -> String {
        let mut paths = self.paths(module).with(generics);
        attributes(field) + &text(paths.fold_type(field.ty.clone()))
    }

    /// Adds the public fields, and says whether there are others.
    fn fields<'f>(
        &mut self,
        module: usize,
        place: &Place,
        generics: &syn::Generics,
        fields: impl IntoIterator<Item = &'f Field>,
    ) -> bool {
        let mut others = false;
        for field in fields {
            if only_in_tests(&field.attrs) {
                continue;
            }
            let name = field.ident.as_ref().map(ToString::to_string);
            if !public(&field.vis, &field.attrs) {
                others = true;
                continue;
            }
            let path = [place.path.as_slice(), &[name.unwrap_or_default()]].concat();
            let mut paths = self.paths(module).with(generics);
            let text = constant("pub", &path.join("::"), &field.ty, &mut paths);
            let text = self.before(place, &field.attrs) + &text;
            self.lines.insert(Line::new(&path, text));
        }
        others
    }

    /// What the line of a part begins with: the conditions of the whole and its own.
    pub(crate) fn before(&self, place: &Place, own: &[Attribute]) -> String {
        let mut all = place.conditions.clone();
        all.extend(conditions(own));
        prefix(&all) + &shown(own)
    }
}

fn attributes(field: &Field) -> String {
    prefix(&conditions(&field.attrs)) + &shown(&field.attrs)
}

fn public(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !hidden(attributes)
}
