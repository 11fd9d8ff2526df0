//! Which files answer, in which order, under which names.
#![allow(clippy::unwrap_used)]

use haechi_props::{Limits, Naming, Request, Resolution, Tree, Value, difference, overlay, resolve};

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::new(files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())), Limits::default())
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn ask(tree: &Tree, applications: &str, profiles: &str, search_paths: &[&str]) -> Resolution {
    let search_paths: Vec<String> = search_paths.iter().map(|path| (*path).to_owned()).collect();
    let request = Request {
        applications: list(applications),
        profiles: list(profiles),
        label: "main",
        search_paths: &search_paths,
        naming: Naming::Git { uri: "https://host/repo", workdir: "/tmp/config-repo-1" },
    };
    resolve(&request, tree)
}

fn paths(resolution: &Resolution) -> Vec<&str> {
    resolution.sources.iter().map(|source| source.path.as_str()).collect()
}

#[test]
fn every_profile_file_beats_every_plain_one_and_the_last_profile_wins() {
    let files = [
        "application.yml",
        "application.properties",
        "application-dev.yml",
        "application-db.yml",
        "myapp.yml",
        "myapp.yaml",
        "myapp-dev.properties",
        "myapp-db.yml",
        "other.yml",
        "myapp-default.yml",
    ];
    let tree = tree(&files.map(|path| (path, if path.contains("prop") { "a=1" } else { "a: 1" })));
    assert_eq!(
        paths(&ask(&tree, "myapp", "dev,db", &[])),
        [
            "myapp-db.yml",
            "application-db.yml",
            "myapp-dev.properties",
            "application-dev.yml",
            "myapp.yml",
            "myapp.yaml",
            "application.properties",
            "application.yml"
        ]
    );
    assert_eq!(
        paths(&ask(&tree, "application", "", &[])),
        ["application.properties", "application.yml"],
        "no profile means default"
    );
    assert_eq!(paths(&ask(&tree, "myapp,other", "default", &[]))[..2], ["myapp-default.yml", "other.yml"]);
}

#[test]
fn documents_are_filtered_by_profile_named_by_number_and_listed_last_first() {
    let tree = tree(&[(
        "sub/a.yml",
        "x: 1\n---\nspring.config.activate.on-profile: dev\nx: 2\n---\nspring:\n  config:\n    activate:\n      \
         onProfile: [prod, '!dev']\nx: 3\n",
    )]);
    let found = ask(&tree, "a", "dev", &["sub"]);
    let names: Vec<&str> = found.sources.iter().map(|source| source.name.as_str()).collect();
    let name = "https://host/repo/Config resource 'file [/tmp/config-repo-1/sub/a.yml' via location 'sub/' (document #";
    assert_eq!(names, [format!("{name}1)"), format!("{name}0)")]);
    assert_eq!(found.sources[0].source["x"].value, Value::Int(2));
    assert!(found.sources[0].source.contains_key("spring.config.activate.on-profile"));
}

#[test]
fn search_paths_expand_and_later_ones_are_higher() {
    let tree = tree(&[
        ("app.yml", "a: 1"),
        ("teams/x/app.yml", "a: 2"),
        ("teams/y/app.yml", "a: 3"),
        ("teams/y/app-dev.yml", "a: 4"),
        ("app/app.yml", "a: 5"),
        ("main/dev/app.yml", "a: 6"),
    ]);
    let found =
        ask(&tree, "app", "dev", &["teams/*", "{application}", "/{label}/{profile}/", "../x", "gone"]);
    assert_eq!(
        paths(&found),
        [
            "teams/y/app-dev.yml",
            "main/dev/app.yml",
            "app/app.yml",
            "teams/y/app.yml",
            "teams/x/app.yml",
            "app.yml"
        ]
    );
    assert_eq!(found.sources[1].name, "https://host/repo/main/dev/app.yml");
}

#[test]
fn a_broken_file_is_reported_and_the_rest_is_served() {
    let tree = tree(&[("app.yml", "a: 1\nb: [\n"), ("application.yml", "a: 1"), ("unrelated.yml", "x: {")]);
    let found = ask(&tree, "app", "", &[]);
    assert_eq!(paths(&found), ["application.yml"]);
    assert_eq!(found.failures.len(), 1);
    assert_eq!(found.failures[0].file, "app.yml");
    assert_eq!(tree.failures().len(), 2);
}

#[test]
fn names_that_leave_the_tree_find_nothing() {
    let tree = tree(&[("secret.yml", "a: 1"), ("conf/app.yml", "a: 1")]);
    assert_eq!(ask(&tree, "../secret,/secret", "", &["conf"]).sources.len(), 1, "/secret is inside");
}

#[test]
fn lists_are_replaced_whole_and_new_values_are_found() {
    let old = tree(&[
        ("application.yml", "l: [1, 2, 3]\na: 1\nb: 2\nspring.profiles.x: 1"),
        ("app.yml", "l: [9]\nb: 3"),
    ]);
    let old = ask(&old, "app", "", &[]).sources;
    let flat = overlay(&old);
    let shown: Vec<String> = flat.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(shown, ["a=1", "b=3", "spring.profiles.x=1", "l[0]=9"]);
    let new = tree(&[("application.yml", "a: 1\nb: 2\nc: 5")]);
    let new = ask(&new, "app", "", &[]).sources;
    assert_eq!(difference(&old, &new), ["b", "c", "l[0]", "l[1]", "l[2]", "spring.profiles.x"]);
    assert!(difference(&new, &new).is_empty());
}

#[test]
fn xml_properties_are_read_and_nothing_is_fetched_for_them() {
    let xml = "<?xml version=\"1.0\"?><!DOCTYPE properties SYSTEM \"http://x/properties.dtd\">\n<properties>\
               <comment>c</comment><entry key=\"a.b\">1 &amp; &#x41;</entry><entry key=\"c\"/></properties>";
    let found = ask(&tree(&[("a.xml", xml)]), "a", "", &[]);
    assert_eq!(found.sources[0].source["a.b"].value, Value::from("1 & A"));
    assert_eq!(found.sources[0].source["c"].value, Value::from(""));
    let entity = "<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><properties><entry key=\"a\">&x;</entry></properties>";
    assert_eq!(ask(&tree(&[("a.xml", entity)]), "a", "", &[]).failures.len(), 1);
}

#[test]
fn imports_stay_in_the_tree_and_end() {
    let tree = tree(&[
        (
            "a.yml",
            "spring.config.import: [b.yml, '../x.yml', 'file:/etc/passwd', '/c.yml', 'optional:sub/c.yml', gone.yml]",
        ),
        ("b.yml", "spring.config.import: a.yml"),
        ("sub/c.yml", "spring.config.import: d.yml"),
        ("sub/d.yml", "x: 1"),
        ("c.yml", "x: 2"),
    ]);
    assert_eq!(paths(&ask(&tree, "a", "", &[])), ["sub/d.yml", "sub/c.yml", "b.yml", "a.yml"]);
}
