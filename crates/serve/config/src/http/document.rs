//! The environment document and the flat forms.

use std::sync::Arc;

use haechi_props::{Entry, Placeholders, PropertySource, Value, forms, overlay};
use haechi_spring::environment::Media;
use haechi_spring::{Environment as Document, FlatForm, Property, Scalar, Source, Target};
use haechi_web::{Request, Response};

use super::respond;
use crate::cache::{Answer, Key};
use crate::checkout::Question;
use crate::environment::{Environment, OVERRIDES};
use crate::error::Error;
use crate::server::Inner;

pub(super) async fn environment(server: &Inner, target: &Target, request: &Request) -> Response {
    let media = Media::accepted(request.header("accept"));
    let form = match media {
        Media::V1 => "v1",
        Media::V2 => "v2",
    };
    let write = |environment: &Environment| Ok(to_json(environment, media));
    reply(server, target, request, form, media.content_type(), write).await
}

pub(super) async fn flat(server: &Inner, target: &Target, form: FlatForm, request: &Request) -> Response {
    let resolved = resolves(request);
    let (name, content_type) = match (form, resolved) {
        (FlatForm::Yaml, true) => ("yml", "text/plain"),
        (FlatForm::Yaml, false) => ("yml, as written", "text/plain"),
        (FlatForm::Properties, true) => ("properties", "text/plain"),
        (FlatForm::Properties, false) => ("properties, as written", "text/plain"),
        (FlatForm::Json, true) => ("json", "application/json"),
        (FlatForm::Json, false) => ("json, as written", "application/json"),
    };
    let write = |environment: &Environment| {
        let flat = overlay(&environment.sources);
        let placeholders = resolved.then(|| Placeholders::new(&environment.sources));
        let written = match form {
            FlatForm::Yaml => forms::yaml(&flat, placeholders.as_ref()),
            FlatForm::Properties => forms::properties(&flat, placeholders.as_ref()),
            FlatForm::Json => forms::json(&flat, placeholders.as_ref()),
        };
        written.map_err(|e| match e.status() {
            400 => Error::Placeholder(e.to_string()),
            _ => Error::Internal(e.to_string()),
        })
    };
    reply(server, target, request, name, content_type, write).await
}

/// Whether placeholders are to be resolved: by default.
pub(super) fn resolves(request: &Request) -> bool {
    !matches!(request.query_value("resolvePlaceholders"), Ok(Some(value)) if value.eq_ignore_ascii_case("false"))
}

async fn reply(
    server: &Inner,
    target: &Target,
    request: &Request,
    form: &'static str,
    content_type: &'static str,
    write: impl Fn(&Environment) -> Result<String, Error>,
) -> Response {
    match written(server, target, form, content_type, write).await {
        Ok(answer) => respond::success(answer),
        Err(error) => respond::failure(server, &error, request),
    }
}

/// From memory, if the versions that it was written from are those of now.
pub(super) async fn written(
    server: &Inner,
    target: &Target,
    form: &'static str,
    content_type: &'static str,
    write: impl Fn(&Environment) -> Result<String, Error>,
) -> Result<Answer, Error> {
    let question = Question::new(target);
    server.check(&question)?;
    let found = server.sources.find(&question).await?;
    let stamps: Vec<u64> = found.iter().flat_map(|f| &f.checkouts).map(|c| c.version.stamp).collect();
    let key = Key {
        form,
        name: question.name.clone(),
        profiles: question.profile.clone(),
        label: question.label.clone(),
    };
    if let Some(answer) = server.cache.get(&key, &stamps) {
        return Ok(answer);
    }
    let environment = server.assemble(&question, &found)?;
    let body = write(&environment)?;
    let answer = Answer { content_type, body: body.into(), warnings: Arc::from(environment.warnings) };
    server.cache.put(key, stamps, answer.clone());
    Ok(answer)
}

/// The document in one of its two forms.
pub(super) fn to_json(environment: &Environment, media: Media) -> String {
    let document = Document {
        name: &environment.name,
        profiles: &environment.profiles,
        label: environment.label.as_deref(),
        version: environment.version.as_deref(),
        state: environment.state,
        sources: environment.sources.iter().map(source).collect(),
    };
    document.to_json(media)
}

fn source(source: &PropertySource) -> Source<'_> {
    let mut properties: Vec<_> = source.source.iter().map(|(key, entry)| property(key, entry)).collect();
    if source.name == OVERRIDES {
        for property in &mut properties {
            property.origin = Some("Config server overrides".into());
        }
    }
    Source { name: source.name.as_str().into(), properties }
}

fn property<'a>(key: &'a str, entry: &'a Entry) -> Property<'a> {
    let value = match &entry.value {
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Text(text) => Scalar::Text(text.as_str().into()),
        // JSON has no word for what isn't a number; Jackson writes these as text too.
        Value::Float(number) if !number.is_finite() => Scalar::Text(entry.value.to_string().into()),
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) => Scalar::Number(entry.value.to_string().into()),
    };
    Property { key: key.into(), value, origin: entry.origin.map(|origin| origin.to_string()) }
}
