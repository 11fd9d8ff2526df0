//! The environment document that every Spring client fetches, in both media types.

use std::borrow::Cow;

/// The first media type: values stand bare.
pub const V1_JSON: &str = "application/json";
/// What Spring's own clients ask for: each value is wrapped with its origin.
pub const V2_JSON: &str = "application/vnd.spring-cloud.config-server.v2+json";

/// One of the two forms of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Media {
    /// [`V1_JSON`].
    V1,
    /// [`V2_JSON`].
    V2,
}

impl Media {
    /// What a request's `Accept` prefers; whoever accepts neither gets the first, because clients that ask for
    /// text or nothing in particular read it all the same.
    pub fn accepted(accept: Option<&str>) -> Self {
        let mut best = (Self::V1, 0.0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                V2_JSON | "application/*+json" => Self::V2,
                V1_JSON | "application/*" | "*/*" => Self::V1,
                _ => continue,
            };
            let quality =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let quality: f32 = quality.unwrap_or(0.0);
            if quality > best.1 {
                best = (media, quality);
            }
        }
        best.0
    }

    /// The Content-Type of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::V1 => V1_JSON,
            Self::V2 => V2_JSON,
        }
    }
}

/// A property's value on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A JSON number as it is to be written.
    Number(Cow<'a, str>),
    /// Text.
    Text(Cow<'a, str>),
}

/// One property of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property<'a> {
    /// The flat key.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Scalar<'a>,
    /// `line:column`, where it is known.
    pub origin: Option<String>,
}

/// A property source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<'a> {
    /// Its name; clients look for profiles in it.
    pub name: Cow<'a, str>,
    /// Its properties in order.
    pub properties: Vec<Property<'a>>,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment<'a> {
    /// The application as asked for.
    pub name: &'a str,
    /// The profiles as asked for: Spring puts the whole comma list into one element.
    pub profiles: &'a str,
    /// The label as asked for; none if the request had none.
    pub label: Option<&'a str>,
    /// The version of what was read, if one backend answered.
    pub version: Option<&'a str>,
    /// `""` for git, none where there is no state.
    pub state: Option<&'a str>,
    /// Highest precedence first.
    pub sources: Vec<Source<'a>>,
}

impl Environment<'_> {
    /// Writes the document, fields in Spring's order.
    pub fn to_json(&self, media: Media) -> String {
        let mut out = String::with_capacity(256);
        out.push_str("{\"name\":");
        text(&mut out, self.name);
        out.push_str(",\"profiles\":[");
        text(&mut out, self.profiles);
        out.push_str("],\"label\":");
        optional(&mut out, self.label);
        out.push_str(",\"version\":");
        optional(&mut out, self.version);
        out.push_str(",\"state\":");
        optional(&mut out, self.state);
        out.push_str(",\"propertySources\":[");
        separated(&mut out, &self.sources, |out, source| {
            out.push_str("{\"name\":");
            text(out, &source.name);
            out.push_str(",\"source\":{");
            separated(out, &source.properties, |out, property| {
                text(out, &property.key);
                out.push(':');
                described(out, property, media);
            });
            out.push_str("}}");
        });
        out.push_str("]}");
        out
    }
}

fn described(out: &mut String, property: &Property<'_>, media: Media) {
    match (&property.origin, media) {
        (Some(origin), Media::V2) => {
            out.push_str("{\"value\":");
            scalar(out, &property.value);
            out.push_str(",\"origin\":");
            text(out, origin);
            out.push('}');
        }
        _ => scalar(out, &property.value),
    }
}

fn scalar(out: &mut String, value: &Scalar<'_>) {
    match value {
        Scalar::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Scalar::Number(digits) => out.push_str(digits),
        Scalar::Text(value) => text(out, value),
    }
}

fn optional(out: &mut String, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => out.push_str("null"),
    }
}

fn separated<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
}

fn text(out: &mut String, value: &str) {
    // A str always serializes.
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_decides_the_form() {
        for (accept, media) in [
            (None, Media::V1),
            (Some("*/*"), Media::V1),
            (Some(V2_JSON), Media::V2),
            (Some("application/json, application/vnd.spring-cloud.config-server.v2+json;q=0.5"), Media::V1),
            (Some("application/json;q=0.5,application/vnd.spring-cloud.config-server.v2+json"), Media::V2),
            (Some("text/html"), Media::V1),
            (Some("application/vnd.spring-cloud.config-server.v2+json;q=x"), Media::V1),
        ] {
            assert_eq!(Media::accepted(accept), media, "{accept:?}");
        }
    }

    #[test]
    fn both_forms_are_written_as_spring_writes_them() {
        let property = |key: &'static str, value, origin: Option<&str>| Property {
            key: key.into(),
            value,
            origin: origin.map(str::to_owned),
        };
        let environment = Environment {
            name: "app",
            profiles: "dev,db",
            label: None,
            version: Some("abc"),
            state: Some(""),
            sources: vec![Source {
                name: "file:x.yml".into(),
                properties: vec![
                    property("a", Scalar::Text("\"é\n".into()), Some("1:4")),
                    property("b", Scalar::Number("18446744073709551616".into()), Some("2:4")),
                    property("c", Scalar::Bool(true), None),
                ],
            }],
        };
        let head = r#"{"name":"app","profiles":["dev,db"],"label":null,"version":"abc","state":"","propertySources":[{"name":"file:x.yml","source":{"#;
        assert_eq!(
            environment.to_json(Media::V1),
            format!(r#"{head}"a":"\"é\n","b":18446744073709551616,"c":true}}}}]}}"#)
        );
        let wrapped = r#""a":{"value":"\"é\n","origin":"1:4"},"b":{"value":18446744073709551616,"origin":"2:4"},"c":true"#;
        assert_eq!(environment.to_json(Media::V2), format!("{head}{wrapped}}}}}]}}"));
    }
}
