//! Code among lines of documentation.

/// A line of documentation.
pub(crate) enum Line<'a> {
    /// Inside a block of code, or its fence.
    Code(&'a str),
    /// Outside of blocks of code.
    Prose(&'a str),
}

/// The lines that rustdoc shows: without hidden lines of code, and with Rust as the language of blocks without one.
pub(crate) fn visible<'a>(lines: &[&'a str]) -> Vec<Line<'a>> {
    let mut shown = Vec::with_capacity(lines.len());
    let mut inside = false;
    for &line in lines {
        if line.starts_with("```") {
            let opens_rust = !inside && line == "```";
            shown.push(Line::Code(if opens_rust { "```rust" } else { line }));
            inside = !inside;
        } else if !inside {
            shown.push(Line::Prose(line));
        } else if line != "#" && !line.starts_with("# ") {
            shown.push(Line::Code(line));
        }
    }
    shown
}
