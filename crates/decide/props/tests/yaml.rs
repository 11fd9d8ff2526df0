//! YAML as Spring flattens it.
#![allow(clippy::unwrap_used)]

use haechi_props::{Limits, read_yaml};

/// Each document as lines of `key=value@line:column`.
fn read(text: &str) -> Vec<Vec<String>> {
    let documents = read_yaml("a.yml", text.as_bytes(), &Limits::default()).unwrap();
    let line = |(key, entry): (&String, &haechi_props::Entry)| {
        format!("{key}={}@{}", entry.value, entry.origin.unwrap())
    };
    documents.iter().map(|document| document.iter().map(line).collect()).collect()
}

fn error(text: &str) -> String {
    read_yaml("a.yml", text.as_bytes(), &Limits::default()).unwrap_err().to_string()
}

#[test]
fn collections_become_keys() {
    let text =
        "a:\n  b: 1\n  c: [x, {y: 2}]\nd: {}\ne: []\nf: ~\n'[g]': 1\nh:\n  '[i.j]': 2\n  3: 4\n  on: 5\n";
    assert_eq!(
        read(text),
        [[
            "a.b=1@2:6",
            "a.c[0]=x@3:7",
            "a.c[1].y=2@3:14",
            "e=@5:4",
            "f=@6:4",
            "[g]=1@7:8",
            "h[i.j]=2@9:12",
            "h[3]=4@10:6",
            "h[true]=5@11:7"
        ]]
    );
}

#[test]
fn merges_give_way_to_own_keys_and_keep_their_place() {
    let text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\na:\n  <<: [*b, *o]\n  w: 0\n  x: 9\n";
    let keys: Vec<String> =
        read(text)[0].iter().filter(|line| line.starts_with("a.")).map(|line| line[..5].to_owned()).collect();
    assert_eq!(keys, ["a.x=9", "a.y=2", "a.z=4", "a.w=0"]);
}

#[test]
fn documents_that_are_no_mapping_are_served_as_document() {
    assert_eq!(read("just text"), [["document=just text@1:1"]]);
    assert_eq!(read("- 1\n- 2"), [["document[0]=1@1:3", "document[1]=2@2:3"]]);
    assert_eq!(read("a: 1\n---\n---\nb: 2\n--- ''\n"), [["a=1@1:4"], ["b=2@4:4"]], "empty ones are none");
    assert_eq!(read("# nothing\n"), [[""; 0]; 0]);
}

#[test]
fn json_is_yaml() {
    assert_eq!(read(r#"{"a": {"b": [1, true, null, "x"]}}"#)[0].len(), 4);
}

#[test]
fn what_spring_refuses_is_refused_with_a_place() {
    assert_eq!(error("a: 1\na: 2"), "a.yml:2:1: the key \"a\" is here twice");
    assert!(read("a.b: 1\na: {b: 2}\n1: x\n'1': y")[0].len() == 3, "equal only once flattened");
    assert_eq!(error("a: !java.net.URL x"), "a.yml:1:18: no value can be made for the tag !java.net.URL");
    assert_eq!(error("? [a]\n: 1"), "a.yml:1:3: a key must be a scalar");
    assert_eq!(error("a:\n  <<: 1"), "a.yml:2:7: `<<` takes a mapping or a list of mappings");
    assert!(error("a: &a [*a]").contains("own anchor"));
    let bytes = read_yaml("a.yml", b"a: 1\nb: \xff", &Limits::default()).unwrap_err();
    assert_eq!((bytes.line, bytes.column), (2, 4));
}

#[test]
fn what_grows_is_bounded() {
    let deep = format!("{}1", "[".repeat(1000));
    assert!(error(&deep).contains("deep"), "{}", error(&deep));
    let line = |i: usize| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
    let laughs: String = (1..10).map(line).collect();
    let laughs = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{laughs}");
    assert!(error(&laughs).contains("more than"), "{}", error(&laughs));
    let key = "k".repeat(1000);
    let long = format!("{key}: {{ {key}: [{}] }}", vec!["1"; 50_000].join(","));
    assert!(error(&long).contains("keys have more than"), "{}", error(&long));
}
