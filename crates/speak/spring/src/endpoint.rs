//! Which question a request asks: every form of path that Spring Cloud Config Server answers.

use percent_encoding::percent_decode_str;

use crate::valid;

/// Path segments at most; deeper plain-text files can't be asked for.
const SEGMENTS: usize = 64;

/// Whose configuration: `{name}/{profiles}[/{label}]`, percent-decoded, with `(_)` turned into `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Application names, comma-separated as they came.
    pub name: String,
    /// Profiles, comma-separated as they came.
    pub profiles: String,
    /// Labels, comma-separated as they came, if any.
    pub label: Option<String>,
}

impl Target {
    /// The application names.
    pub fn names(&self) -> Vec<String> {
        comma_list(&self.name)
    }

    /// The profiles.
    pub fn profiles(&self) -> Vec<String> {
        comma_list(&self.profiles)
    }

    /// The labels in the order of their lookup, which is last to first. Sources are joined in this order;
    /// versions the other way round.
    pub fn labels(&self) -> Vec<String> {
        let list = self.label.as_deref().map(comma_list).unwrap_or_default();
        list.into_iter().filter(|label| !label.trim().is_empty()).rev().collect()
    }
}

fn comma_list(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { text.split(',').map(str::to_owned).collect() }
}

/// A flat form of the merged properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlatForm {
    /// `.yml` and `.yaml`.
    Yaml,
    /// `.properties`.
    Properties,
    /// `.json`.
    Json,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The environment document.
    Environment(Target),
    /// The merged properties.
    Flat(Target, FlatForm),
    /// A file; the label is none where `?useDefaultLabel` was given.
    PlainText(Target, String),
    /// `POST /encrypt`; none stands for application `application`, profile `default`.
    Encrypt(Option<Target>),
    /// `POST /decrypt`.
    Decrypt(Option<Target>),
    /// `GET /encrypt/status`.
    EncryptStatus,
    /// `GET /key`.
    Key(Option<Target>),
    /// `POST /monitor`.
    Monitor,
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No endpoint has such a path: 404.
    #[error("no endpoint has this path")]
    NotFound,
    /// The path is one of an endpoint for another method: 405.
    #[error("this path takes {0} only")]
    Method(&'static str),
    /// A name, profile, label or path that is never served: 400.
    #[error("invalid {0} in the request")]
    Invalid(&'static str),
}

impl Refusal {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Method(_) => 405,
            Self::Invalid(_) => 400,
        }
    }
}

impl Endpoint {
    /// Reads a method, a raw path (below the server's prefix, still percent-encoded) and a raw query.
    pub fn parse(method: &str, path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let segments = segments(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match method {
            "POST" => post(&segments),
            "GET" | "HEAD" => get(&segments, query),
            _ => Err(Refusal::Method("GET, HEAD and POST")),
        }
    }
}

fn post(segments: &[&str]) -> Result<Endpoint, Refusal> {
    match *segments {
        ["encrypt"] => Ok(Endpoint::Encrypt(None)),
        ["decrypt"] => Ok(Endpoint::Decrypt(None)),
        ["encrypt", name, profiles] => Ok(Endpoint::Encrypt(Some(target(name, profiles, None)?))),
        ["decrypt", name, profiles] => Ok(Endpoint::Decrypt(Some(target(name, profiles, None)?))),
        ["monitor"] => Ok(Endpoint::Monitor),
        [] => Err(Refusal::NotFound),
        _ => get(segments, None).and(Err(Refusal::Method("GET"))),
    }
}

fn get(segments: &[&str], query: Option<&str>) -> Result<Endpoint, Refusal> {
    match *segments {
        ["encrypt" | "decrypt" | "monitor"] => Err(Refusal::Method("POST")),
        ["encrypt", "status"] => Ok(Endpoint::EncryptStatus),
        ["key"] => Ok(Endpoint::Key(None)),
        ["key", name, profiles] => Ok(Endpoint::Key(Some(target(name, profiles, None)?))),
        [file] => flat(file, None)?.ok_or(Refusal::NotFound),
        [first, last] => {
            if let Some(endpoint) = flat(last, Some(first))? {
                return Ok(endpoint);
            }
            if has_flat_extension(last) {
                return Err(Refusal::NotFound);
            }
            Ok(Endpoint::Environment(target(first, last, None)?))
        }
        [name, profiles, path] if has_parameter(query, "useDefaultLabel") => {
            Ok(Endpoint::PlainText(target(name, profiles, None)?, file_path(&[path])?))
        }
        [name, profiles, label] => Ok(Endpoint::Environment(target(name, profiles, Some(label))?)),
        [name, profiles, label, ref path @ ..] => {
            Ok(Endpoint::PlainText(target(name, profiles, Some(label))?, file_path(path)?))
        }
        [] => Err(Refusal::NotFound),
    }
}

/// The decoded segments. What Tomcat and Spring refuse in any path is refused here: encoded slashes, control
/// characters, malformed escapes; dot segments too, which no client sends. Matrix parameters are cut off.
fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let path = path.strip_prefix('/').ok_or(Refusal::NotFound)?;
    let raw: Vec<&str> = path.split('/').map(|part| part.split(';').next().unwrap_or(part)).collect();
    if raw.len() > SEGMENTS || raw.iter().any(|part| part.is_empty()) {
        return Err(Refusal::NotFound);
    }
    raw.into_iter().map(decode).collect()
}

fn decode(part: &str) -> Result<String, Refusal> {
    let well_formed = part.match_indices('%').all(|(at, _)| {
        part.as_bytes().get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    });
    let text = percent_decode_str(part).decode_utf8().ok().filter(|_| well_formed);
    text.filter(|text| !text.contains(['/', '\\']) && !text.contains(char::is_control) && *text != ".")
        .map(std::borrow::Cow::into_owned)
        .ok_or(Refusal::Invalid("encoding"))
}

fn target(name: &str, profiles: &str, label: Option<&str>) -> Result<Target, Refusal> {
    let name = valid::normalize(name).ok_or(Refusal::Invalid("name"))?;
    let label = label.map(|label| valid::normalize(label).ok_or(Refusal::Invalid("label"))).transpose()?;
    if !valid::profiles(profiles) {
        return Err(Refusal::Invalid("profile"));
    }
    Ok(Target { name, profiles: profiles.to_owned(), label })
}

fn file_path(segments: &[&str]) -> Result<String, Refusal> {
    valid::normalize(&segments.join("/")).ok_or(Refusal::Invalid("path"))
}

/// `{name}-{profiles}.{extension}`, split at the last hyphen.
fn flat(file: &str, label: Option<&str>) -> Result<Option<Endpoint>, Refusal> {
    let Some((stem, extension)) = file.rsplit_once('.') else { return Ok(None) };
    let form = match extension {
        "yml" | "yaml" => FlatForm::Yaml,
        "properties" => FlatForm::Properties,
        "json" => FlatForm::Json,
        _ => return Ok(None),
    };
    match stem.rsplit_once('-') {
        Some((name, profiles)) => Ok(Some(Endpoint::Flat(target(name, profiles, label)?, form))),
        None => Ok(None),
    }
}

/// Whether Spring's mapping keeps this out of the profiles: `\b\.(?:ya?ml|properties|json)\b` anywhere.
fn has_flat_extension(profiles: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    profiles.match_indices('.').any(|(at, _)| {
        let tail = &profiles[at + 1..];
        let extension = ["yml", "yaml", "properties", "json"].iter().find_map(|e| tail.strip_prefix(e));
        profiles[..at].ends_with(word) && extension.is_some_and(|rest| !rest.starts_with(word))
    })
}

fn has_parameter(query: Option<&str>, name: &str) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Endpoint, Refusal> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        Endpoint::parse("GET", path, query)
    }

    fn target(name: &str, profiles: &str, label: &str) -> Target {
        let label = (!label.is_empty()).then(|| label.to_owned());
        Target { name: name.to_owned(), profiles: profiles.to_owned(), label }
    }

    #[test]
    fn every_form_of_the_contract_is_known() {
        use Endpoint::{Environment, Flat, PlainText};
        for (path, expected) in [
            ("/app/dev", Environment(target("app", "dev", ""))),
            ("/a,b/dev,db/main,feature", Environment(target("a,b", "dev,db", "main,feature"))),
            ("/app/dev%2Cdb", Environment(target("app", "dev,db", ""))),
            ("/a%28_%29b/dev/feature(_)x", Environment(target("a/b", "dev", "feature/x"))),
            ("/app/dev/main.yml", Environment(target("app", "dev", "main.yml"))),
            ("/my-service-dev.yml", Flat(target("my-service", "dev", ""), FlatForm::Yaml)),
            ("/main/app-dev.yaml", Flat(target("app", "dev", "main"), FlatForm::Yaml)),
            ("/app-dev.properties", Flat(target("app", "dev", ""), FlatForm::Properties)),
            ("/l(_)x/app-a,b.json", Flat(target("app", "a,b", "l/x"), FlatForm::Json)),
            (
                "/app/dev/main/conf/nginx.conf",
                PlainText(target("app", "dev", "main"), "conf/nginx.conf".into()),
            ),
            ("/app/dev/nginx.conf?useDefaultLabel", PlainText(target("app", "dev", ""), "nginx.conf".into())),
            (
                "/app/dev/a(_)b.txt?x=1&useDefaultLabel=",
                PlainText(target("app", "dev", ""), "a/b.txt".into()),
            ),
            ("/encrypt/status", Endpoint::EncryptStatus),
            ("/key", Endpoint::Key(None)),
            ("/key/app/dev", Endpoint::Key(Some(target("app", "dev", "")))),
            ("/app;v=1/dev", Environment(target("app", "dev", ""))),
        ] {
            assert_eq!(get(path), Ok(expected), "{path}");
        }
        assert_eq!(Endpoint::parse("POST", "/encrypt", None), Ok(Endpoint::Encrypt(None)));
        assert_eq!(
            Endpoint::parse("POST", "/decrypt/app/dev", None),
            Ok(Endpoint::Decrypt(Some(target("app", "dev", ""))))
        );
        assert_eq!(Endpoint::parse("POST", "/monitor", None), Ok(Endpoint::Monitor));
    }

    #[test]
    fn what_no_mapping_takes_is_not_found_or_has_another_method() {
        for path in
            ["/", "/app", "/app.yml", "/app/x.yml", "/app/x.json.y", "//app/dev", "/app/dev/", "app/dev"]
        {
            assert_eq!(get(path), Err(Refusal::NotFound), "{path}");
        }
        assert_eq!(get("/encrypt"), Err(Refusal::Method("POST")));
        assert_eq!(Endpoint::parse("POST", "/app/dev", None), Err(Refusal::Method("GET")));
        assert_eq!(Endpoint::parse("DELETE", "/app/dev", None).map_err(Refusal::status), Err(405));
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in [
            "/../dev",
            "/app/..%2fx",
            "/app/dev/%2e%2e/x",
            "/app/dev/main/../../etc/passwd",
            "/app/dev/a%00b",
            "/app/dev/%2e%2e%2f/x",
            "/(_)etc/dev",
            "/app/dev/(_)x",
            "/app/-dev",
            "/app/dev%",
            "/app/%ff",
            "/app/dev/a%23b",
            "/app/dev/main/%252e%252e/x",
            "/app-de v.yml",
            "/app/dev/main/a%5cb",
            "/./dev",
        ] {
            assert_eq!(get(path).map_err(Refusal::status), Err(400), "{path}");
        }
    }
}
