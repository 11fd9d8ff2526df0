//! What the tree holds, where it says things stand, and what it refuses.
#![allow(clippy::unwrap_used)]

use haechi_yaml::{Error, ErrorKind, Limits, Node, Span, Stream, Style, Value, read};

fn tree(text: &str) -> Stream {
    read(text, &Limits::default()).unwrap()
}

fn error(text: &str) -> Error {
    read(text, &Limits::default()).unwrap_err()
}

fn one(text: &str) -> Node {
    let mut stream = tree(text);
    assert_eq!(stream.documents.len(), 1);
    stream.documents.remove(0)
}

/// The tree without positions, for reading in a test.
fn show(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => format!("{:?}", scalar.text),
        Value::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Mapping(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|e| format!("{}={}", show(&e.key), show(&e.value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

#[test]
fn a_tree_keeps_order_text_and_style() {
    let root =
        one("b: 1\na: ['x', \"y\\n\", z]\nc:\n  d: |\n    two\n    lines\n  e: >-\n    folded\n    text\n");
    assert_eq!(show(&root), r#"{"b"="1" "a"=["x" "y\n" "z"] "c"={"d"="two\nlines\n" "e"="folded text"}}"#);
    let styles: Vec<Style> =
        root.get("a").unwrap().sequence().unwrap().iter().map(|n| n.scalar().unwrap().style).collect();
    assert_eq!(styles, [Style::SingleQuoted, Style::DoubleQuoted, Style::Plain]);
    assert_eq!(root.get("c").unwrap().get("d").unwrap().scalar().unwrap().style, Style::Literal);
}

#[test]
fn what_is_not_there_is_an_empty_plain_scalar_and_a_written_tilde_is_kept() {
    assert_eq!(show(&one("a:\nb: ~\nc: \"~\"\nd: [~, ]\n")), r#"{"a"="" "b"="~" "c"="~" "d"=["~"]}"#);
    assert_eq!(show(&one("- \n-\n")), r#"["" ""]"#);
    assert_eq!(show(&one("{a, b: }")), r#"{"a"="" "b"=""}"#);
}

#[test]
fn every_node_knows_where_it_stands() {
    let text = "# über\nkey: värde\nlist:\n  - { a: 'b c' }\n";
    let root = one(text);
    let at = |node: &Node| (node.span.start.line, node.span.start.column, &text[node.span.bytes()]);
    assert_eq!(at(root.get("key").unwrap()), (2, 6, "värde"));
    let item = &root.get("list").unwrap().sequence().unwrap()[0];
    assert_eq!(at(item), (4, 5, "{ a: 'b c' }"));
    assert_eq!(at(item.get("a").unwrap()), (4, 10, "'b c'"));
    assert_eq!(at(root.get("list").unwrap()).2, "- { a: 'b c' }");
}

#[test]
fn positions_hold_behind_a_comment_with_wide_characters_and_a_byte_order_mark() {
    let text = "\u{feff}a: 1 # ünïcödé 漢字\nb: 2\r\nc: [ü, 3]\n";
    let root = one(text);
    for (key, expected) in [("a", "1"), ("b", "2")] {
        assert_eq!(&text[root.get(key).unwrap().span.bytes()], expected);
    }
    assert_eq!(&text[root.get("c").unwrap().sequence().unwrap()[1].span.bytes()], "3");
    assert_eq!(root.get("b").unwrap().span.start.line, 2);
}

#[test]
fn a_text_may_hold_several_documents() {
    let stream = tree("a: 1\n---\nb: 2\n...\n---\n- c\n");
    assert_eq!(
        stream.documents.iter().map(show).collect::<Vec<_>>(),
        [r#"{"a"="1"}"#, r#"{"b"="2"}"#, r#"["c"]"#]
    );
    assert!(tree("").documents.is_empty());
    assert!(tree("# nothing\n").documents.is_empty());
}

#[test]
fn duplicate_keys_are_reported_with_both_places() {
    let stream = tree("a: 1\nb: 2\na: 3\n? [x, y]\n: 1\n? [x, y]\n: 2\n");
    let at = |span: Span| (span.start.line, span.start.column);
    assert_eq!(stream.duplicates.len(), 2);
    assert_eq!(stream.duplicates[0].key, "a");
    assert_eq!((at(stream.duplicates[0].first), at(stream.duplicates[0].again)), ((1, 1), (3, 1)));
    assert_eq!((at(stream.duplicates[1].first), at(stream.duplicates[1].again)), ((4, 3), (6, 3)));
}

#[test]
fn aliases_are_expanded_and_tags_kept() {
    let root = one("a: &x {k: 1}\nb: *x\nc: !!str 5\nd: !own 6\n");
    assert_eq!(show(root.get("b").unwrap()), r#"{"k"="1"}"#);
    assert_eq!(root.get("c").unwrap().tag.as_deref(), Some("tag:yaml.org,2002:str"));
    assert_eq!(root.get("d").unwrap().tag.as_deref(), Some("!own"));
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for i in 1..12 {
        let previous = format!("*a{}, ", i - 1).repeat(10);
        text = format!("{text}a{i}: &a{i} [{previous}]\n");
    }
    assert!(matches!(error(&text).kind, ErrorKind::TooManyNodes(_)));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(100));
    assert!(matches!(error(&long).kind, ErrorKind::TooMuchText(_)));
}

#[test]
fn an_alias_can_not_make_a_tree_deeper_than_allowed() {
    let limits = Limits { depth: 4, ..Limits::default() };
    assert!(read("a: &x [[1]]\nb: [*x]\n", &limits).is_ok());
    assert!(matches!(read("a: &x [[1]]\nb: [[*x]]\n", &limits).unwrap_err().kind, ErrorKind::TooDeep(4)));
    assert!(matches!(error("&a [*a]").kind, ErrorKind::SelfAlias));
}

#[test]
fn depth_and_length_are_bounded() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(10_000)] {
        assert!(matches!(error(&text).kind, ErrorKind::TooDeep(_)), "{text:.20}");
    }
    let limits = Limits { bytes: 10, nodes: 3, ..Limits::default() };
    assert!(matches!(read("12345678901", &limits).unwrap_err().kind, ErrorKind::TooLong(10)));
    assert!(matches!(read("[1,2,3]", &limits).unwrap_err().kind, ErrorKind::TooManyNodes(3)));
}

#[test]
fn a_tab_in_the_indentation_is_named_as_such() {
    let e = error("a:\n\tb: 1\n");
    assert_eq!((e.kind, e.at.start.line, e.at.start.column), (ErrorKind::Tab, 2, 1));
}

#[test]
fn control_characters_are_refused_with_their_place() {
    let e = error("a: 1\nb: x\0y\nc: 2\n");
    assert_eq!((e.kind, e.at.start.line, e.at.start.column), (ErrorKind::Character('\0'), 2, 5));
    assert_eq!(show(&one(r#"a: "x\0y""#)), "{\"a\"=\"x\\0y\"}");
}

#[test]
fn syntax_errors_say_where_and_what_to_do() {
    for (text, line, words) in [
        ("a: 'open\n", 1, "never closed"),
        ("a: [1, 2\nb: 3\n", 2, "a bracket above may be missing its end"),
        ("a: b: c\n", 1, "quote the value"),
        ("a: *none\n", 1, "no anchor"),
        ("a: 1\n  b: 2\n", 2, ""),
    ] {
        let e = error(text);
        assert_eq!(e.at.start.line, line, "{text:?}: {e}");
        assert!(e.to_string().contains(words), "{text:?}: {e}");
    }
}

#[test]
fn a_text_of_one_long_line_is_read_in_linear_time() {
    // Quadratic work would be some 10^11 steps here, which no test run survives.
    let text = format!("[{}]", "'ü', ".repeat(300_000));
    let root = one(&text);
    let last = root.sequence().unwrap().last().unwrap();
    assert_eq!(&text[last.span.bytes()], "'ü'");
}
