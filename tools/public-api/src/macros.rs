//! Macros: those that are exported, and invocations that declare public items.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Item, ItemMacro};

use crate::attributes::{conditions, prefix, shown};
use crate::exports::Place;
use crate::line::Line;
use crate::listing::Listing;
use crate::text::text;

impl Listing<'_> {
    /// Adds an exported macro: a line for each pattern that it accepts.
    pub(crate) fn exported(&mut self, place: &Place, item: &ItemMacro) {
        let before = prefix(&place.conditions) + &shown(&item.attrs);
        let name = place.path.join("::");
        for pattern in patterns(&item.mac.tokens) {
            let line = format!("{before}macro_rules! {name}{pattern}");
            self.lines.insert(Line::new(&place.path, line));
        }
    }

    /// Adds the invocations of a module that declare something public.
    pub(crate) fn invocations(&mut self, module: usize) {
        let around = &self.source.modules[module];
        for item in &around.items {
            let Item::Macro(item) = item else { continue };
            if item.ident.is_some() {
                continue;
            }
            let mut heads = Vec::new();
            heads_of(item.mac.tokens.clone(), &mut heads);
            let definition = self.definition(module, item);
            if let Some(definition) = definition {
                heads_of(definition.mac.tokens.clone(), &mut heads);
            }
            let mut shown = item.mac.tokens.clone();
            shown.extend(heads.iter().cloned());
            // A macro of the crate that declares nothing has nothing to show; what others do can't be known, but for
            // that of the standard library.
            let known = definition.is_some() || item.mac.path.is_ident("thread_local");
            let declares = !heads.is_empty() || !known;
            let own = heads.iter().any(|head| begins_with(head, "pub"));
            if !(own || declares && self.names_public(shown)) {
                continue;
            }
            let mut all = around.conditions.clone();
            all.extend(conditions(&item.attrs));
            let name = around.path.join("::");
            let mut line = format!("{}macro {name}::{}", prefix(&all), text(&item.mac));
            let heads: Vec<String> = heads.into_iter().map(text).collect();
            if !heads.is_empty() {
                line += &format!(" => {}", heads.join("; "));
            }
            self.lines.insert(Line::about(&around.path, line));
        }
    }

    /// The definition of an invoked macro: that of its name in the nearest module around, or else anywhere.
    fn definition(&self, mut module: usize, invocation: &ItemMacro) -> Option<&ItemMacro> {
        let name = &invocation.mac.path.segments.last()?.ident;
        let modules = &self.source.modules;
        loop {
            let found = defined(&modules[module].items, name);
            if found.is_some() || module == 0 {
                let mut all = modules.iter();
                return found.or_else(|| all.find_map(|module| defined(&module.items, name)));
            }
            module = modules[module].parent;
        }
    }

    /// Whether one of the words is the name of something public.
    fn names_public(&self, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(name) => {
                let name = name.to_string();
                let mut places = self.exports.items.values();
                places.any(|place| place.path.last() == Some(&name))
            }
            TokenTree::Group(group) => self.names_public(group.stream()),
            _ => false,
        })
    }
}

fn defined<'a>(items: &'a [Item], name: &syn::Ident) -> Option<&'a ItemMacro> {
    items.iter().find_map(|item| match item {
        Item::Macro(item) if item.ident.as_ref() == Some(name) => Some(item),
        _ => None,
    })
}

/// The patterns of a macro's definition.
fn patterns(definition: &TokenStream) -> Vec<String> {
    let mut patterns = Vec::new();
    let mut pattern = true;
    for token in definition.clone() {
        match token {
            TokenTree::Group(group) => {
                if pattern {
                    patterns.push(text(TokenTree::Group(group)));
                }
                pattern = false;
            }
            TokenTree::Punct(sign) if sign.as_char() == ';' => pattern = true,
            _ => {}
        }
    }
    patterns
}

/// The heads of items, `impl<T> Name for $type` or `pub fn name()`, wherever in these tokens.
fn heads_of(tokens: TokenStream, heads: &mut Vec<TokenStream>) {
    let mut head: Option<Vec<TokenTree>> = None;
    let mut starts = true;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let ends = match &token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(sign) => sign.as_char() == ';',
            _ => false,
        };
        if head.is_none() && starts && is_head(&token, tokens.peek()) {
            head = Some(vec![token.clone()]);
        } else if ends {
            heads.extend(head.take().map(TokenStream::from_iter));
        } else if let Some(head) = &mut head {
            head.push(token.clone());
        }
        // An item comes after another, after attributes, or after the `=>` of a macro's pattern.
        starts = match &token {
            TokenTree::Group(group) => group.delimiter() != Delimiter::Parenthesis,
            TokenTree::Punct(sign) => sign.as_char() == ';',
            TokenTree::Ident(word) => word == "unsafe",
            TokenTree::Literal(_) => false,
        };
        if let (TokenTree::Group(group), None) = (token, &head) {
            heads_of(group.stream(), heads);
        }
    }
}

fn is_head(token: &TokenTree, next: Option<&TokenTree>) -> bool {
    let restricted = matches!(next, Some(TokenTree::Group(_)));
    match token {
        TokenTree::Ident(word) => word == "impl" || word == "pub" && !restricted,
        _ => false,
    }
}

fn begins_with(tokens: &TokenStream, word: &str) -> bool {
    match tokens.clone().into_iter().next() {
        Some(TokenTree::Ident(first)) => first == word,
        _ => false,
    }
}
