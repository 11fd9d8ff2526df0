//! Which files serve an application and its profiles, in which order, under which names.

use std::sync::Arc;

use crate::ant;
use crate::profile::matches_profiles;
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
    let default = [String::from("default")];
    let profiles = if request.profiles.is_empty() { &default[..] } else { &request.profiles[..] };
    let mut found = Finder { request, tree, profiles, resolution: Resolution::default() };
    // Ascending precedence, as Boot loads them; reversed at the end.
    for location in &locations {
        found.directory(location, &names, None);
    }
    for profile in profiles {
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

/// Ascending precedence.
const EXTENSIONS: [&str; 4] = ["yaml", "yml", "xml", "properties"];

struct Finder<'a> {
    request: &'a Request<'a>,
    tree: &'a Tree,
    profiles: &'a [String],
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
                let path = if location.is_empty() { file } else { format!("{location}/{file}") };
                self.file(location, &path);
            }
        }
    }

    fn file(&mut self, location: &str, path: &str) {
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
            match self.active(document) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(message) => {
                    let file = path.to_owned();
                    self.resolution.failures.push(ReadError { file, line: 1, column: 1, message });
                    continue;
                }
            }
            let number = (documents.len() > 1).then_some(number);
            let name = self.request.naming.name(location, path, number);
            let source = PropertySource { name, path: path.to_owned(), source: Arc::clone(document) };
            self.resolution.sources.push(source);
        }
    }

    /// Whether a document's own conditions let it be served.
    fn active(&self, document: &Properties) -> Result<bool, String> {
        let mut condition: Option<String> = None;
        for (key, entry) in document {
            match activation(key) {
                Some(Activation::OnProfile) => {
                    let expressions = condition.get_or_insert_default();
                    expressions.push(',');
                    expressions.push_str(&entry.value.to_string());
                }
                // We are on no cloud platform, as a plain Spring server is.
                Some(Activation::OnCloudPlatform) => return Ok(entry.value.to_string() == "none"),
                None => {}
            }
        }
        match condition {
            Some(expressions) if expressions.chars().any(|c| c != ',' && c != ' ') => {
                matches_profiles(&expressions, self.profiles).map_err(|error| error.to_string())
            }
            _ => Ok(true),
        }
    }
}

enum Activation {
    OnProfile,
    OnCloudPlatform,
}

/// The conditions under all names that Boot's relaxed binding accepts.
fn activation(key: &str) -> Option<Activation> {
    // What Boot 2.3 and earlier wrote; Boot 3 refuses the file. Where a person means it, the meaning is clear.
    if key == "spring.profiles" || key.starts_with("spring.profiles[") {
        return Some(Activation::OnProfile);
    }
    let rest = key.strip_prefix("spring.config.activate.")?;
    let uniform: String = rest
        .split('[')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect();
    match uniform.as_str() {
        "onprofile" => Some(Activation::OnProfile),
        "oncloudplatform" => Some(Activation::OnCloudPlatform),
        _ => None,
    }
}

impl Naming<'_> {
    /// The name of a file's only document, or of one of several.
    fn name(&self, location: &str, path: &str, document: Option<usize>) -> String {
        let slash = if location.is_empty() { "" } else { "/" };
        match (self, document) {
            (Self::Git { uri, .. }, None) => format!("{uri}/{path}"),
            // The bracket is never closed: Spring's EnvironmentCleaner removes the closing one.
            (Self::Git { uri, workdir }, Some(number)) => format!(
                "{uri}/Config resource 'file [{workdir}/{path}' via location '{location}{slash}' (document #{number})"
            ),
            (Self::Native { root }, None) => format!("file:{root}/{path}"),
            (Self::Native { root }, Some(number)) => format!(
                "Config resource 'file [{root}/{path}]' via location 'file:{root}/{location}{slash}' (document #{number})"
            ),
        }
    }
}
