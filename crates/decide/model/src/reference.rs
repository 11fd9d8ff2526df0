//! The reference of the file, in Markdown, from its schema.

use std::fmt::Write as _;

use serde_json::Value;

use crate::native::resolved;

/// How the schema's formats are written.
const FORMS: &[(&str, &str)] = &[
    ("duration", "a number and one of `us ms s m h d`: `250ms`, `1.5s`, `2m`"),
    ("size", "a number and one of `B KB KiB MB MiB GB GiB`: `16KiB`"),
    ("socket-address", "an IP address to listen on and a port: `0.0.0.0:8080`, `\"[::1]:8080\"`"),
    ("listen-address", "the same, or the path of a Unix socket: `unix:/run/haechi/web.sock`"),
    ("file-mode", "permissions in octal, as chmod(1) takes them, in quotes: `\"660\"`"),
    (
        "endpoint-address",
        "an IP address to connect to and a port, or the path of a Unix socket: `127.0.0.1:3000`, \
         `unix:/run/app.sock`",
    ),
    ("network", "`192.0.2.7`, `10.0.0.0/8`, `\"2001:db8::/32\"`"),
    ("host-and-port", "`backend.example:80`"),
    ("host-pattern", "`shop.example`, or `\"*.shop.example\"` (in quotes, as YAML's `*` is an alias)"),
    ("path-pattern", "`/hello` exactly, `/hello/**` and all below, `/users/*/orders`"),
    ("path", "`/hello`, without wildcards and query"),
    ("method", "in upper case: `GET`"),
    ("name", "1 to 255 bytes without spaces"),
    ("file", "a file's name, from the folder of the configuration file"),
    ("http-url", "`http://config.example:8888`"),
    ("git-uri", "`https://…`, `ssh://…`, `git@host:path`, `file:///…` or a folder's name"),
    ("hex", "an even number of hexadecimal digits"),
    ("expectation", "`GET https://shop.example/hello/id -> hello`"),
    ("secret", "text that is never shown; `${NAME}` takes it from the environment"),
];

/// `docs/configuration.md`.
pub fn reference() -> String {
    let schema = crate::schema();
    let mut out = String::from(
        "# Configuration\n\n\
         <!-- Written by `BLESS=1 cargo test -p haechi-model --test reference` from the types in \
         crates/decide/model/src/raw. -->\n\n",
    );
    out.push_str(description(&schema));
    out.push_str("\n\nThe smallest file:\n\n```yaml\n");
    out.push_str(include_str!("../tests/golden/good-minimal.yaml"));
    out.push_str(
        "```\n\n`haechi check FILE` says everything that is wrong with a file at once; `haechi schema` prints \
         its JSON Schema\nfor editors. A route, listener or service with a mistake is left out and the rest is \
         applied.\n\nKeys in **bold** are required.\n\n| value | written as |\n| --- | --- |\n",
    );
    for (format, example) in FORMS {
        let _ = writeln!(out, "| {format} | {example} |");
    }
    let mut sections = Sections { root: &schema, seen: Vec::new(), out };
    sections.section("The file", &schema);
    let mut next = 0;
    // A section names types that become sections of their own, further down.
    while let Some(name) = sections.seen.get(next).cloned() {
        next += 1;
        if let Some(definition) = schema.get("$defs").and_then(|defs| defs.get(&name)) {
            sections.section(&name, definition);
        }
    }
    sections.out
}

struct Sections<'a> {
    root: &'a Value,
    /// Types that are named, in the order of their sections.
    seen: Vec<String>,
    out: String,
}

impl Sections<'_> {
    fn section(&mut self, name: &str, schema: &Value) {
        // Writing to a String can't fail.
        let _ = writeln!(self.out, "\n## {name}\n");
        if name != "The file" {
            let _ = writeln!(self.out, "{}\n", description(schema));
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let required = schema.get("required").and_then(Value::as_array);
            self.out.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
            for (key, property) in properties {
                let is_required = required.is_some_and(|all| all.contains(&Value::from(key.as_str())));
                let key = if is_required { format!("**`{key}`**") } else { format!("`{key}`") };
                let kind = self.kind(property);
                let default = property.get("default").map(|d| format!("`{}`", plain(d))).unwrap_or_default();
                let _ =
                    writeln!(self.out, "| {key} | {kind} | {default} | {} |", cell(description(property)));
            }
            return;
        }
        if let Some(words) = schema.get("oneOf").and_then(Value::as_array) {
            for word in words {
                let name = word.get("const").map(plain).unwrap_or_default();
                let _ = writeln!(self.out, "- `{name}`: {}", cell(description(word)));
            }
        }
        for branch in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
            let kind = self.kind(branch);
            let _ = writeln!(self.out, "- {kind}: {}", cell(description(branch)));
        }
    }

    /// What a value is, with links to the sections of types.
    fn kind(&mut self, schema: &Value) -> String {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
            let target = resolved(schema, self.root);
            if let Some(words) = target.get("enum").and_then(Value::as_array) {
                return words.iter().map(|word| format!("`{}`", plain(word))).collect::<Vec<_>>().join(", ");
            }
            if !self.seen.iter().any(|seen| seen == name) {
                self.seen.push(name.to_owned());
            }
            return format!("[{name}](#{})", name.to_lowercase());
        }
        if let Some(items) = schema.get("items") {
            return format!("list of {}", self.kind(items));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|a| a.is_object()) {
            return format!("names with {}", self.kind(values));
        }
        if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            return branches.iter().map(|branch| self.kind(branch)).collect::<Vec<_>>().join(" or ");
        }
        let bounds = match (schema.get("minimum"), schema.get("maximum")) {
            (Some(least), Some(most)) => format!(", {least} to {most}"),
            (Some(least), None) => format!(", at least {least}"),
            _ => String::new(),
        };
        let kind = match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => "true or false",
            Some("integer") => "number",
            Some("object") => "mapping",
            _ => schema.get("format").and_then(Value::as_str).unwrap_or("text"),
        };
        format!("{kind}{bounds}")
    }
}

fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(
        || value.to_string(),
        |text| if text.is_empty() { "\"\"".to_owned() } else { text.to_owned() },
    )
}

/// On one line, as tables need it.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
