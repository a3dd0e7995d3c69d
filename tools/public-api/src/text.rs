//! Tokens as text, spaced as rustfmt does, on one line.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// What has a place of its own on the line.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    /// A name, a keyword, a literal or a lifetime.
    Word(String),
    /// One or several characters of punctuation.
    Sign(String),
    Open(char),
    Close(char),
}

/// Punctuation of several characters.
const JOINED: [&str; 12] = [
    "::", "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "..", "...", "..=",
];

/// Keywords that end where something else begins, unlike a name.
const LOOSE: [&str; 8] = ["as", "const", "dyn", "for", "impl", "in", "mut", "where"];

/// The tokens as text on one line.
pub(crate) fn text(tokens: impl ToTokens) -> String {
    let mut pieces = Vec::new();
    flatten(tokens.to_token_stream(), &mut pieces);
    without_last_commas(&mut pieces);

    let mut text = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        if i > 0 && spaced(&pieces[..i], piece) {
            text.push(' ');
        }
        match piece {
            Piece::Word(word) | Piece::Sign(word) => text.push_str(word),
            Piece::Open(sign) | Piece::Close(sign) => text.push(*sign),
        }
    }
    text
}

fn flatten(tokens: TokenStream, pieces: &mut Vec<Piece>) {
    let mut joined = String::new();
    for token in tokens {
        match token {
            TokenTree::Punct(sign) => {
                let longer = format!("{joined}{}", sign.as_char());
                match pieces.last_mut() {
                    Some(Piece::Sign(last)) if JOINED.contains(&longer.as_str()) => {
                        last.clone_from(&longer);
                    }
                    _ => pieces.push(Piece::Sign(sign.as_char().to_string())),
                }
                joined.clear();
                if let (Spacing::Joint, Some(Piece::Sign(last))) = (sign.spacing(), pieces.last()) {
                    joined.clone_from(last);
                }
                continue;
            }
            TokenTree::Ident(name) if joined == "'" => {
                pieces.pop();
                pieces.push(Piece::Word(format!("'{name}")));
            }
            TokenTree::Ident(name) => pieces.push(Piece::Word(name.to_string())),
            TokenTree::Literal(literal) => pieces.push(Piece::Word(literal.to_string())),
            TokenTree::Group(group) => {
                let delimiters = match group.delimiter() {
                    Delimiter::Parenthesis => Some(('(', ')')),
                    Delimiter::Bracket => Some(('[', ']')),
                    Delimiter::Brace => Some(('{', '}')),
                    Delimiter::None => None,
                };
                pieces.extend(delimiters.map(|(open, _)| Piece::Open(open)));
                flatten(group.stream(), pieces);
                pieces.extend(delimiters.map(|(_, close)| Piece::Close(close)));
            }
        }
        joined.clear();
    }
}

/// Leaves out the commas that only say that a list was broken into lines. Those in parentheses stay, as `(T,)` is a
/// tuple and `(T)` is not.
fn without_last_commas(pieces: &mut Vec<Piece>) {
    let comma = Piece::Sign(",".into());
    for i in (0..pieces.len()).rev() {
        let last = match pieces.get(i + 1) {
            None => true,
            Some(Piece::Sign(next)) => next == ">",
            Some(Piece::Close(next)) => *next != ')',
            Some(_) => false,
        };
        if pieces[i] == comma && last {
            pieces.remove(i);
        }
    }
}

/// Whether there is a space between what is already there and the next piece.
fn spaced(before: &[Piece], next: &Piece) -> bool {
    let Some((last, earlier)) = before.split_last() else {
        return false;
    };
    match (last, next) {
        (Piece::Open('{'), Piece::Close('}')) => return false,
        (Piece::Open('{'), _) | (_, Piece::Close('}')) => return true,
        (Piece::Open(_), _) | (_, Piece::Close(_)) => return false,
        _ => {}
    }
    let after_name = match last {
        Piece::Word(word) => !LOOSE.contains(&word.as_str()) && !word.starts_with('\''),
        Piece::Sign(sign) => sign == ">" || sign == "::",
        Piece::Close(_) => true,
        Piece::Open(_) => false,
    };
    let word = |word: &str| Piece::Word(word.into());
    if let Piece::Sign(sign) = next {
        match sign.as_str() {
            "," | ";" | ":" | "." | ">" => return false,
            "<" if [word("impl"), word("for")].contains(last) => return false,
            "<" | "::" | "!" if after_name => return false,
            _ => {}
        }
    }
    match (last, next) {
        (_, Piece::Open('(' | '[')) if after_name => false,
        (Piece::Sign(sign), _) => match sign.as_str() {
            "::" | "<" | "!" | "?" | "#" | "$" | "." | ".." | "..=" | "..." => false,
            "&" | "&&" | "*" | "-" => ends_operand(earlier),
            _ => true,
        },
        _ => true,
    }
}

/// Whether an operator that comes next has something on its left.
fn ends_operand(before: &[Piece]) -> bool {
    match before.last() {
        Some(Piece::Word(word)) => !LOOSE.contains(&word.as_str()),
        Some(Piece::Close(_)) => true,
        Some(Piece::Open(_) | Piece::Sign(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a type, a function's head or the like is the text that rustfmt makes of it.
    #[test]
    fn spaces() {
        for line in [
            "impl<'a, X: State + ?Sized> Field<X> for &'a mut Given<'_, X>",
            "pub fn map<F>(self, f: F) -> Result<Vec<[f64; N * 2]>>",
            "where for<'a> F: Fn(&'a str, (A,)) -> Option<&'a T> + 'a, T: ::std::fmt::Debug",
            "<T as Iterator>::Item",
            "unsafe extern \"C\" fn(*const u8, *mut u8) -> !",
            "impl !Send for Box<dyn Fn() + Send>",
            "#[cfg(all(feature = \"a\", not(unix)))]",
            "A { x: f64, y: -1.5 }",
            "forward!(&T, Box<T>)",
            "&[f64]",
            "&'static [f64]",
            "impl<X> Method for &(dyn Stepper<X> + '_)",
            "impl<A, B> State for (A, B)",
            "impl Into<Key>",
            "Foo<{ N + 1 }>",
            "&(dyn Stepper<X> + '_)",
        ] {
            let tokens: TokenStream = line.parse().unwrap();
            assert_eq!(text(tokens), line);
        }
    }

    #[test]
    fn last_commas() {
        let tokens: TokenStream = "A<\n    B,\n    (C,),\n> where D: E,".parse().unwrap();
        assert_eq!(text(tokens), "A<B, (C,)> where D: E");
    }
}
