//! Properties in, native YAML with warnings and Zuul's own listings out. After a change that is meant, write
//! the files anew with `BLESS=1 cargo test -p haechi-zuul --test golden` and read the difference.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use haechi_core::ServiceName;
use haechi_route::RouteTable;
use haechi_zuul::{Import, import, to_yaml};
use indexmap::IndexMap;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().unwrap() == "properties").collect();
    cases.sort();
    cases
}

fn read(path: &Path) -> Import {
    let text = fs::read_to_string(path).unwrap();
    let header = |name: &str| {
        let line =
            text.lines().find_map(|line| line.strip_prefix(&format!("# {name}: "))).unwrap_or_default();
        line.split(", ").filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let discovered: Vec<ServiceName> =
        header("discovered").iter().map(|name| ServiceName::new(name).unwrap()).collect();
    let properties: IndexMap<String, String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    import(&header("application")[0], &properties, &discovered)
}

#[test]
fn each_file_gives_what_stands_beside_it() {
    let mut different = Vec::new();
    for case in cases() {
        let import = read(&case);
        let text = format!(
            "{}\n--- GET /routes\n{}\n--- GET /routes/details\n{}\n",
            to_yaml(&import),
            serde_json::to_string_pretty(&import.listing.routes).unwrap(),
            serde_json::to_string_pretty(&import.listing.details).unwrap(),
        );
        let golden = case.with_extension("golden");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&golden, &text).unwrap();
        } else if fs::read_to_string(&golden).unwrap() != text {
            different.push((golden, text));
        }
    }
    for (golden, text) in &different {
        println!("{} should be:\n{text}", golden.display());
    }
    assert!(different.is_empty());
}

#[test]
fn the_route_table_takes_every_imported_route() {
    for case in cases() {
        let import = read(&case);
        let (table, refused) = RouteTable::build(&import.routes);
        assert!(refused.is_empty(), "{}: {refused:#?}", case.display());
        assert_eq!(table.len(), import.routes.len());
    }
}

#[test]
fn the_yaml_means_what_the_import_means() {
    for case in cases() {
        let import = read(&case);
        let reading = haechi_model::read(&haechi_model::Source {
            text: &to_yaml(&import),
            folder: Path::new("/"),
            variable: &|_| None,
            files: &haechi_model::Unchecked,
        });
        let wrong: Vec<_> =
            reading.diagnostics.iter().filter(|d| d.severity == haechi_model::Severity::Error).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", case.display());
        let gateway = reading.lowered.unwrap().gateway.unwrap();
        assert_eq!(gateway.services, import.services, "{}", case.display());
        assert_eq!(gateway.routes, import.routes, "{}", case.display());
    }
}

#[test]
fn every_service_that_a_route_names_is_there() {
    for case in cases() {
        let import = read(&case);
        for route in &import.routes {
            if let haechi_route::config::Action::Service(name) = &route.action {
                assert!(import.services.contains_key(name), "{name}");
            }
        }
    }
}
