//! Names that are nearly the same.

/// The longest names that are compared, in bytes.
const LONGEST: usize = 200;

/// The candidate that is nearest to a name: with at most a quarter of its characters changed.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let most = (name.chars().count() / 4).max(2);
    let near = candidates
        .filter(|other| other.len() <= LONGEST && other.len().abs_diff(name.len()) <= 4 * most);
    let near = near.map(|other| (distance(name, other), other));
    let (distance, nearest) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= most).then_some(nearest)
}

/// The number of characters that are to be changed, added or taken away (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found() {
        assert_eq!((distance("kitten", "sitting"), distance("", "ab")), (3, 2));
        let near = |name: &str| nearest(name, ["layers.0.wieght", "out.bias"].into_iter());
        assert_eq!(near("layers.0.weight"), Some("layers.0.wieght"));
        assert_eq!(near("out.b"), None);
        assert_eq!(near("time_embed.weight"), None);
    }
}
