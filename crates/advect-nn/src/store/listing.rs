//! Names in messages: the first few, and how many there are.

/// The number of names that are shown.
const SHOWN: usize = 5;
/// The characters of each that are shown.
const LENGTH: usize = 80;

/// The first five of a list, each cut short, and how many there are if there are more.
pub(crate) fn listed(items: &[impl AsRef<str>]) -> String {
    listed_as(items, |item| item.as_ref().to_string())
}

/// [`listed`] of things that only those which are shown are described of.
pub(crate) fn listed_as<T>(items: &[T], describe: impl Fn(&T) -> String) -> String {
    let short = |item: String| match item.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &item[..end]),
        None => item,
    };
    let shown: Vec<String> = (items.iter().take(SHOWN))
        .map(|item| short(describe(item)))
        .collect();
    match items.len() {
        0 => "none".into(),
        count if count > SHOWN => format!("{}, … ({count} in all)", shown.join(", ")),
        _ => shown.join(", "),
    }
}
