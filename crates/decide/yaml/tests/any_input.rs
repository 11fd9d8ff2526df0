//! No text makes the reader panic, and every position it gives lies in the text.
#![allow(clippy::unwrap_used)]

use haechi_yaml::{Limits, Node, Value, read};
use proptest::prelude::*;

fn check(text: &str) {
    let Ok(stream) = read(text, &Limits { nodes: 10_000, ..Limits::default() }) else { return };
    fn walk(text: &str, node: &Node) {
        let range = node.span.bytes();
        assert!(text.get(range.clone()).is_some(), "{range:?} in {text:?}");
        match &node.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter().for_each(|item| walk(text, item)),
            Value::Mapping(entries) => entries.iter().for_each(|e| {
                walk(text, &e.key);
                walk(text, &e.value);
            }),
        }
    }
    stream.documents.iter().for_each(|document| walk(text, document));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn arbitrary_text_does_not_panic(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn text_of_yaml_s_own_characters_does_not_panic(text in "[-:?,\\[\\]{}#&*!|>'\"%@` \t\r\nab0~.é<=]{0,60}") {
        check(&text);
    }

    #[test]
    fn fragments_put_together_do_not_panic(parts in prop::collection::vec(prop::sample::select(vec![
        "a: ", "- ", "\n", "  ", "\t", "&a ", "*a", "!!str ", "|\n", ">-\n", "? ", ": ", "---\n", "...\n", "[", "]", "{",
        "}", ",", "'", "\"", "#c", "%TAG ! a\n", "%YAML 1.2\n", "x", "é", "\r\n", "<<: ", "|2+\n", "\u{85}", "\u{2028}",
    ]), 0..40)) {
        check(&parts.concat());
    }
}
