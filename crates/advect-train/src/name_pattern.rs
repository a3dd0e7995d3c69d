//! Patterns of parameters' names.

/// Whether a name is that of a pattern, in which `*` stands for any characters, none included.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    // `split` has at least one part, the end of the pattern.
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place that fits leaves most to what follows.
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name) in [
            ("a.weight", "a.weight"),
            ("a.*", "a.weight"),
            ("a.*", "a."),
            ("*", ""),
            ("*.bias", "layers.0.bias"),
            ("*.norm.*", "a.norm.b.norm.c"),
            ("a*b*c", "abbc"),
            ("a**c", "ac"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("a", "a.weight"),
            ("a.*", "ab.weight"),
            ("*.bias", "bias"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
