//! The band rule, from `cargo metadata`: core ← decide, core ← speak, both ← serve ← haechi. Decide and speak
//! never see each other, parts of serve never import each other, and prove is only for tests and measurements.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Which bands a band's code may depend on, besides crates from outside the workspace.
fn allowed(band: &str) -> &'static [&'static str] {
    match band {
        "core" => &[],
        "decide" => &["core", "decide"],
        "speak" => &["core", "speak"],
        "serve" => &["core", "decide", "speak"],
        "haechi" => &["core", "decide", "speak", "serve"],
        "prove" => &["core", "decide", "speak", "serve", "haechi", "prove"],
        _ => &[],
    }
}

/// Crates that do I/O, or bring a runtime; decide may use none of them.
const IMPURE: &[&str] =
    &["tokio", "hyper", "hyper-util", "reqwest", "gix", "socket2", "rustix", "tracing-subscriber"];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn band_of(manifest: &str) -> String {
    let inside = manifest.split("/crates/").nth(1).unwrap_or("xtask/");
    inside.split('/').next().unwrap().to_owned()
}

#[test]
fn every_dependency_points_up_the_bands() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let bands: BTreeMap<&str, String> = packages
        .iter()
        .map(|p| (p["name"].as_str().unwrap(), band_of(p["manifest_path"].as_str().unwrap())))
        .collect();
    assert!(bands.len() > 20, "the workspace is {bands:?}");
    let mut broken = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let band = &bands[name];
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            let for_tests = dependency["kind"] == "dev";
            match bands.get(target) {
                Some(to) => {
                    let test_tool = for_tests && (to == "prove" || band == "haechi");
                    if !allowed(band).contains(&to.as_str()) && !test_tool && band != "xtask" {
                        broken.push(format!("{name} ({band}) depends on {target} ({to})"));
                    }
                }
                None if band == "decide" && !for_tests && IMPURE.contains(&target) => {
                    broken.push(format!("{name} ({band}) depends on {target}, which does I/O"));
                }
                None => {}
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
