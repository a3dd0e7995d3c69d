//! Links to items.

/// The line with the text of its links in place of links to items. Links to pages stay.
pub(crate) fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('[') {
        let Some(length) = rest[start..].find(']') else {
            break;
        };
        let (label, after) = (
            &rest[start + 1..start + length],
            &rest[start + length + 1..],
        );
        let target = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(')'));
        text.push_str(&rest[..start]);
        match target {
            Some((target, after)) if target.contains("://") => {
                text.push_str(&format!("[{label}]({target})"));
                rest = after;
            }
            Some((_, after)) => {
                text.push_str(label);
                rest = after;
            }
            None if label.starts_with('`') => {
                text.push_str(label);
                rest = after;
            }
            // An interval, or the index of an array.
            None => {
                text.push_str(&format!("[{label}]"));
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}
