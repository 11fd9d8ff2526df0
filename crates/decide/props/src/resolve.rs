//! Which files serve an application and its profiles, in which order, under which names.

use std::sync::Arc;

use crate::activation::{activated, imports, is_active};
use crate::ant;
use crate::read::{Properties, ReadError};
use crate::tree::Tree;

/// Whose configuration is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Application names in the order asked for; `application` is added in front by itself.
    pub applications: Vec<String>,
    /// Profiles in the order asked for; none means `default`.
    pub profiles: Vec<String>,
    /// What `{label}` in search paths stands for: the label asked for, or else the default one.
    pub label: &'a str,
    /// Directories to search besides the root, with `{application}`, `{profile}`, `{label}`, `*`, `?` and `**`.
    pub search_paths: &'a [String],
    /// How sources are called.
    pub naming: Naming<'a>,
}

/// How property sources are called.
#[derive(Debug, Clone, Copy)]
pub enum Naming<'a> {
    /// `<uri>/<path>`, as for a git repository with a checkout in `workdir` (seen in the names of files with
    /// several documents only).
    Git {
        /// The repository's address, without a slash at its end.
        uri: &'a str,
        /// The absolute path of the checkout, without a slash at its end.
        workdir: &'a str,
    },
    /// `file:<root>/<path>`, as for a folder of the machine.
    Native {
        /// The absolute path of the folder, without a slash at its end.
        root: &'a str,
    },
}

/// The properties of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct PropertySource {
    /// Its name, as Spring Cloud Config gives it.
    pub name: String,
    /// The path of its file in the tree.
    pub path: String,
    /// Its properties. Shared with the tree; `Arc::make_mut` before a change.
    pub source: Arc<Properties>,
}

/// What [`resolve`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolution {
    /// The sources, highest precedence first.
    pub sources: Vec<PropertySource>,
    /// Files that belong to the answer and can't be read. Spring fails the whole request for one of these.
    pub failures: Vec<ReadError>,
}

/// Finds, reads, filters and orders the property sources of an application.
pub fn resolve(request: &Request<'_>, tree: &Tree) -> Resolution {
    let locations = search_locations(request, tree);
    let names = config_names(&request.applications);
    let requested =
        if request.profiles.is_empty() { vec![String::from("default")] } else { request.profiles.clone() };
    let mut found = Finder { request, tree, profiles: requested, resolution: Resolution::default() };
    // Ascending precedence, as Boot loads them; reversed at the end.
    for location in &locations {
        found.directory(location, &names, None);
    }
    let profiles = activated(&found.profiles, &found.resolution.sources);
    if profiles != found.profiles {
        // Conditions of the plain files hold for the profiles that they brought in, too.
        found.profiles.clone_from(&profiles);
        found.resolution = Resolution::default();
        for location in &locations {
            found.directory(location, &names, None);
        }
    }
    for profile in &profiles {
        for location in &locations {
            found.directory(location, &names, Some(profile));
        }
    }
    found.resolution.sources.reverse();
    found.resolution
}

/// The directories of the tree to search, in ascending precedence: the root (for git; a native folder is its
/// own root), then each search path, expanded. A directory appears once.
pub fn search_locations(request: &Request<'_>, tree: &Tree) -> Vec<String> {
    let mut locations = vec![String::new()];
    let one_empty = [String::new()];
    let or_empty = |list: &'_ [String]| if list.is_empty() { one_empty.to_vec() } else { list.to_vec() };
    let mut add = |location: &str| {
        if !locations.iter().any(|known| known == location) {
            locations.push(location.to_owned());
        }
    };
    for path in request.search_paths {
        for profile in or_empty(&request.profiles) {
            for application in or_empty(&request.applications) {
                let expanded = path
                    .replace("{application}", &application)
                    .replace("{profile}", &profile)
                    .replace("{label}", request.label);
                let Some(directory) = clean(&expanded) else { continue };
                if ant::is_pattern(&directory) {
                    let matching = tree.directories().filter(|known| ant::matches(&directory, known));
                    matching.for_each(&mut add);
                } else if tree.is_directory(&directory) {
                    add(&directory);
                }
            }
        }
    }
    locations
}

/// A path without empty and `.` segments; none if it would leave the tree.
fn clean(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!segments.contains(&"..")).then(|| segments.join("/"))
}

/// `application`, then the requested names.
fn config_names(applications: &[String]) -> Vec<&str> {
    let mut names = vec!["application"];
    let requested: Vec<&str> =
        applications.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    if requested != ["application"] {
        names.extend(requested);
    }
    names
}

/// Imports of imports of imports.
const IMPORTS: usize = 8;

/// Ascending precedence.
const EXTENSIONS: [&str; 4] = ["yaml", "yml", "xml", "properties"];

struct Finder<'a> {
    request: &'a Request<'a>,
    tree: &'a Tree,
    profiles: Vec<String>,
    resolution: Resolution,
}

impl Finder<'_> {
    fn directory(&mut self, location: &str, names: &[&str], profile: Option<&str>) {
        for name in names {
            for extension in EXTENSIONS {
                let file = match profile {
                    Some(profile) => format!("{name}-{profile}.{extension}"),
                    None => format!("{name}.{extension}"),
                };
                let Some(file) = clean(&file) else { continue };
                let (path, via) = match location {
                    "" => (file, String::new()),
                    _ => (format!("{location}/{file}"), format!("{location}/")),
                };
                self.file(&via, &path, 0);
            }
        }
    }

    /// Adds a file's documents; `via` is the location that led to it.
    fn file(&mut self, via: &str, path: &str, depth: usize) {
        // A file can be reached twice (names asked for twice); Boot loads it once.
        if self.resolution.sources.iter().any(|source| source.path == path) {
            return;
        }
        let documents = match self.tree.documents(path) {
            None => return,
            Some(Ok(documents)) => documents,
            Some(Err(failure)) => return self.resolution.failures.push(failure),
        };
        for (number, document) in documents.iter().enumerate() {
            match is_active(document, &self.profiles) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(message) => {
                    let file = path.to_owned();
                    self.resolution.failures.push(ReadError { file, line: 1, column: 1, message });
                    continue;
                }
            }
            let number = (documents.len() > 1).then_some(number);
            let name = self.request.naming.name(via, path, number);
            let source = PropertySource { name, path: path.to_owned(), source: Arc::clone(document) };
            self.resolution.sources.push(source);
            if depth < IMPORTS {
                for import in imports(document) {
                    self.import(path, &import, depth + 1);
                }
            }
        }
    }

    /// Adds a file that a document imports: above the document itself. Only files of this tree, relative to the
    /// importing one, can be imported; anything else is for the client, or is not there, and is left alone.
    fn import(&mut self, from: &str, import: &str, depth: usize) {
        let import = import.strip_prefix("optional:").unwrap_or(import);
        let directory = from.rfind('/').map_or("", |at| &from[..=at]);
        if import.contains(':') || import.starts_with('/') {
            return;
        }
        if let Some(path) = clean(&format!("{directory}{import}")) {
            self.file(import, &path, depth);
        }
    }
}

impl Naming<'_> {
    /// The name of a file's only document, or of one of several.
    fn name(&self, via: &str, path: &str, document: Option<usize>) -> String {
        match (self, document) {
            (Self::Git { uri, .. }, None) => format!("{uri}/{path}"),
            // The bracket is never closed: Spring's EnvironmentCleaner removes the closing one.
            (Self::Git { uri, workdir }, Some(number)) => format!(
                "{uri}/Config resource 'file [{workdir}/{path}' via location '{via}' (document #{number})"
            ),
            (Self::Native { root }, None) => format!("file:{root}/{path}"),
            (Self::Native { root }, Some(number)) => format!(
                "Config resource 'file [{root}/{path}]' via location 'file:{root}/{via}' (document #{number})"
            ),
        }
    }
}
