//! Each `golden/NAME.yaml` is read as a user would have it read; `NAME.expected` holds what they see.
//! `BLESS=1 cargo test -p haechi-model --test golden` writes the expectations anew: read the difference.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use haechi_model::{Cost, Files, Reading, Renderings, Source, read};

/// The machine that the golden files are about.
struct Machine;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";
const LOCKED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n";

impl Files for Machine {
    fn is_folder(&self, path: &Path) -> bool {
        let folders =
            ["/etc/haechi", "/etc/haechi/properties", "/var/lib/haechi", "/var/log", "/srv/config.git"];
        folders.iter().any(|folder| Path::new(folder) == path)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        match path.to_str().unwrap() {
            "/etc/haechi/shop.pem" => Ok(format!("{CERTIFICATE}{KEY}")),
            "/etc/haechi/only-chain.pem" => Ok(CERTIFICATE.to_owned()),
            "/etc/haechi/only-key.pem" | "/etc/haechi/id_ed25519" => Ok(KEY.to_owned()),
            "/etc/haechi/encrypted.pem" => Ok(format!("{CERTIFICATE}{LOCKED}")),
            "/etc/haechi/notes.txt" | "/etc/haechi/id_ed25519.pub" => Ok("ssh-ed25519 AAAA\n".to_owned()),
            "/etc/haechi/shop.der" => Err(io::ErrorKind::InvalidData.into()),
            "/etc/haechi/root-only.pem" => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn read_text(text: &str) -> Reading {
    read(&Source {
        text,
        folder: Path::new("/etc/haechi"),
        variable: &|name| (name == "SHOP_PORT").then(|| "8080".to_owned()),
        files: &Machine,
    })
}

fn seen(file: &str, text: &str, reading: &Reading) -> String {
    let mut seen = Renderings { file, text }.text(&reading.diagnostics, false);
    let left_out: BTreeSet<&str> = reading
        .diagnostics
        .iter()
        .filter_map(|d| match &d.cost {
            Cost::LeftOut(part) => Some(part.as_str()),
            _ => None,
        })
        .collect();
    let outcome = match (&reading.lowered, left_out.is_empty()) {
        (None, _) => "not applied".to_owned(),
        (Some(_), true) => "applied".to_owned(),
        (Some(_), false) => {
            format!("applied without {}", left_out.into_iter().collect::<Vec<_>>().join(", "))
        }
    };
    if !seen.is_empty() {
        seen.push_str("\n\n");
    }
    writeln!(seen, "=> {outcome}").unwrap();
    // What right files mean is shown whole; of wrong ones the diagnostics matter.
    if let Some(lowered) = reading.lowered.as_ref().filter(|_| file.starts_with("good-")) {
        writeln!(seen, "\n{lowered:#?}").unwrap();
    }
    seen
}

fn golden_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn every_golden_file_is_seen_as_expected() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut different = Vec::new();
    for path in golden_files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let seen = seen(name, &text, &read_text(&text));
        let expected_path = path.with_extension("expected");
        if bless {
            std::fs::write(&expected_path, &seen).unwrap();
        } else if std::fs::read_to_string(&expected_path).ok().as_deref() != Some(&seen) {
            different.push(format!("{name} is seen as:\n{seen}"));
        }
    }
    assert!(different.is_empty(), "{}\n(BLESS=1 writes the expectations anew)", different.join("\n\n"));
}

#[test]
fn mistakes_are_found_and_right_files_are_taken() {
    let mut mistakes = 0;
    for path in golden_files() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let reading = read_text(&std::fs::read_to_string(&path).unwrap());
        if name.starts_with("good-") {
            assert!(reading.lowered.is_some(), "{name}");
        } else {
            assert!(!reading.diagnostics.is_empty(), "{name} is meant to be a mistake");
            mistakes += 1;
        }
    }
    assert!(mistakes >= 60, "{mistakes} mistakes");
}

#[test]
fn what_is_applied_has_nothing_left_that_the_gateway_would_refuse() {
    for path in golden_files() {
        let reading = read_text(&std::fs::read_to_string(&path).unwrap());
        let Some(gateway) = reading.lowered.and_then(|lowered| lowered.gateway) else { continue };
        let problems = haechi_route::lint(&gateway);
        let errors: Vec<_> =
            problems.iter().filter(|p| p.severity == haechi_route::Severity::Error).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}
