//! A YAML text is refused or read, within bounds, and every position in the tree lies in the text.
#![no_main]

use haechi_yaml::{Limits, Node, Value, read};
use libfuzzer_sys::fuzz_target;

fn check(text: &str, node: &Node, depth: usize, nodes: &mut usize, limits: &Limits) {
    *nodes += 1;
    assert!(text.get(node.span.bytes()).is_some());
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => {
            assert!(depth < limits.depth);
            items.iter().for_each(|item| check(text, item, depth + 1, nodes, limits));
        }
        Value::Mapping(entries) => {
            assert!(depth < limits.depth);
            for entry in entries {
                check(text, &entry.key, depth + 1, nodes, limits);
                check(text, &entry.value, depth + 1, nodes, limits);
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let limits = Limits { nodes: 10_000, expanded_bytes: 1 << 20, depth: 30, ..Limits::default() };
    let Ok(stream) = read(text, &limits) else { return };
    let mut nodes = 0;
    stream.documents.iter().for_each(|document| check(text, document, 0, &mut nodes, &limits));
    assert!(nodes <= limits.nodes);
    for duplicate in &stream.duplicates {
        assert!(text.get(duplicate.first.bytes()).is_some() && text.get(duplicate.again.bytes()).is_some());
    }
});
