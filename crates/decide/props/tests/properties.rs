//! What holds for any input.
#![allow(clippy::unwrap_used)]

use haechi_props::{
    Limits, Naming, Placeholders, Request, Tree, Value, forms, overlay, read_file, read_properties,
    read_yaml, resolve,
};
use proptest::prelude::*;

/// Text that is likely to be nearly right.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,3}: ",
        "- ",
        "\n",
        "  ",
        "\\[",
        "\\]",
        "\\{",
        "\\}",
        "\"",
        "'",
        "#",
        "&a ",
        "\\*a",
        "<<: ",
        "---\n",
        "\\|\n",
        ">-\n",
        "[0-9:._xe+-]{1,6}",
        "!!int ",
        "!x ",
        "\\? ",
        "\\$\\{[a-z:]{0,3}\\}",
        "yes",
        "~",
        "\\PC",
        "\t",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn propertiesish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z.]{1,4}",
        "[=: ]",
        "\n",
        "\r\n",
        "\\\\",
        "\\\\u[0-9a-f]{0,4}",
        "#",
        "!",
        "#---\n",
        "\\[\\]",
        "\\[[0-9]{1,9}\\]",
        ",",
        "\\$\\{[a-z:$\\{\\}]{0,4}",
        "\\PC",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The whole way of one file, in every form; nothing may panic.
fn everything(file: &str, bytes: &[u8]) {
    let tree = Tree::new([(file, bytes.to_vec())], Limits::default());
    let naming = Naming::Native { root: "/x" };
    let request = Request {
        applications: vec!["a".into()],
        profiles: vec!["dev".into()],
        label: "main",
        search_paths: &[],
        naming,
    };
    let found = resolve(&request, &tree);
    let flat = overlay(&found.sources);
    let placeholders = Placeholders::new(&found.sources);
    for placeholders in [None, Some(&placeholders)] {
        let _ = forms::properties(&flat, placeholders);
        let _ = forms::json(&flat, placeholders);
        let _ = forms::yaml(&flat, placeholders);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_yaml_panics(text in yamlish()) {
        everything("a.yml", text.as_bytes());
    }

    #[test]
    fn no_properties_panic(text in propertiesish()) {
        everything("a.properties", text.as_bytes());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for file in ["a.yml", "a.properties", "a.xml", "a.json"] {
            let _ = read_file(file, &bytes, &Limits::default());
        }
        everything("a.yml", &bytes);
    }

    /// What the YAML form writes reads back as the same text, whatever the text is.
    #[test]
    fn yaml_that_we_write_reads_back(text in "\\PC{0,100}|[ a-z:#'\"\\\\\n-]{0,120}|[0-9:._+eE-]{1,8}", key in "[a-z]{1,8}") {
        let flat = std::iter::once((key.clone(), Value::Text(text.clone()))).collect();
        let yaml = forms::yaml(&flat, None).unwrap();
        let binary = text.chars().any(|c| !matches!(c, ' '..='~' | '\t' | '\n' | '\r' | '\u{85}' | '\u{a0}'..));
        // Line breaks of YAML 1.1 alone are written as SnakeYAML writes them, for its readers; ours reads YAML 1.2's.
        let old_break = text.contains(['\u{85}', '\u{2028}', '\u{2029}']);
        if !binary && !old_break && key != "document" {
            let documents = read_yaml("a.yml", yaml.as_bytes(), &Limits::default()).unwrap();
            prop_assert_eq!(&documents[0][&key].value, &Value::Text(text), "{}", yaml);
        }
    }

    /// A properties file with everything escaped reads back.
    #[test]
    fn escaped_properties_read_back(key in "\\PC{1,20}", value in "\\PC{0,40}") {
        let escape = |text: &str| -> String {
            text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat()
        };
        let trimmed = key.trim_matches(|c: char| c <= ' ');
        prop_assume!(!trimmed.is_empty() && !trimmed.ends_with("[]") && !key.starts_with(['#', '!']));
        let text = format!("{}={}", escape(&key), escape(&value));
        let documents = read_properties("a", text.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(&documents[0][trimmed].value, &Value::Text(value));
    }
}
