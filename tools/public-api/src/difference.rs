//! What changed from one listing to another.

use std::collections::BTreeSet;
use std::fmt::Write;

/// The lines that only one of two listings has, in their order there: `- ` and what is only in the first, `+ ` and
/// what is only in the second. Equal listings have no difference.
///
/// ```
/// let difference = public_api::difference("a\nb\n", "a\nc\nd\n");
/// assert_eq!(difference, "- b\n+ c\n+ d\n");
/// ```
pub fn difference(before: &str, after: &str) -> String {
    let mut text = String::new();
    for (sign, lines, others) in [("-", before, after), ("+", after, before)] {
        let others: BTreeSet<&str> = others.lines().collect();
        for line in lines.lines().filter(|line| !others.contains(line)) {
            // Nothing fails when text is appended to a string.
            let _ = writeln!(text, "{sign} {line}");
        }
    }
    text
}
