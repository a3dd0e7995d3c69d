//! Names as a tree.

use std::collections::BTreeMap;

use advect::nn::StoredTensor;

/// The tensors of each dictionary, in the file's order.
pub(crate) fn by_dictionary(tensors: &[StoredTensor]) -> Vec<(&[String], Vec<&StoredTensor>)> {
    let mut all: Vec<(&[String], Vec<&StoredTensor>)> = Vec::new();
    for tensor in tensors {
        let place = all
            .iter()
            .position(|(keys, _)| **keys == *tensor.dictionaries);
        match place {
            Some(place) => all[place].1.push(tensor),
            None => all.push((&tensor.dictionaries, vec![tensor])),
        }
    }
    all
}

/// Prints a line for each tensor, and one for each group of names at the deepest level that is shown.
pub(crate) fn print(tensors: &[&StoredTensor], depth: usize) {
    let mut groups: BTreeMap<String, Vec<&StoredTensor>> = BTreeMap::new();
    for tensor in tensors {
        let parts: Vec<&str> = tensor.name.split(['.', '/']).collect();
        let shown = parts[..parts.len().min(depth.max(1))].join(".");
        groups.entry(natural(&shown)).or_default().push(tensor);
    }
    for members in groups.values() {
        let [tensor] = members[..] else {
            let numbers: usize = members.iter().map(|tensor| tensor.element_count()).sum();
            let first: Vec<&str> = members[0].name.split(['.', '/']).collect();
            let name = first[..first.len().min(depth.max(1))].join(".");
            println!("  {name}.…: {} tensors, {numbers} numbers", members.len());
            continue;
        };
        let shard = tensor.shard.as_ref().map(|shard| format!(" in {shard}"));
        println!(
            "  {} {:?} {}{}",
            tensor.name,
            tensor.shape,
            tensor.dtype,
            shard.unwrap_or_default()
        );
    }
}

/// A name whose numbers are as long as others, so that 10 comes after 9.
fn natural(name: &str) -> String {
    let parts = name.split('.').map(|part| match part.parse::<u64>() {
        Ok(number) => format!("{number:020}"),
        Err(_) => part.to_string(),
    });
    parts.collect::<Vec<_>>().join(".")
}

/// A text, cut short.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}
