//! `haechi explain`.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use haechi_admin::Question;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::status::ask;
use crate::cli::{ExplainArgs, Format};
use crate::process::explain;
use crate::reading::ConfigFile;

/// Runs the command: by a file, or by asking a running Haechi.
pub async fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let question = question(args)?;
    let answer = if let Some(path) = &args.file {
        let file = ConfigFile::read(path)?;
        if !file.diagnostics().is_empty() {
            eprintln!("{}", file.rendered());
        }
        let Some(gateway) = file.lowered().and_then(|lowered| lowered.gateway.as_ref()) else {
            bail!("{} has no gateway that could be served", path.display());
        };
        explain::explain(gateway, &question, &|service| explain::endpoints_in_file(gateway, service))
    } else {
        ask(&args.admin, &format!("/api/explain?{}", query(&question))).await?
    };
    match args.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&answer)?),
        Format::Text => print!("{}", answer["text"].as_str().unwrap_or_default()),
    }
    Ok(if answer["route"].is_null() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `GET /hello/id`, `/hello/id` or `GET https://shop.example/hello/id`.
fn question(args: &ExplainArgs) -> anyhow::Result<Question> {
    let mut words = args.request.split_whitespace();
    let (method, target) = match (words.next(), words.next(), words.next()) {
        (Some(target), None, None) => ("GET", target),
        (Some(method), Some(target), None) => (method, target),
        _ => bail!("write a method and a path: haechi explain 'GET /hello/id'"),
    };
    ensure!(
        target.starts_with('/') || target.contains("://"),
        "{target:?} is neither a path nor a URL; write, for example, 'GET /hello/id'"
    );
    let mut headers = Vec::new();
    for header in &args.headers {
        let Some((name, value)) = header.split_once(':') else {
            bail!("{header:?} is no header; write 'Name: value'")
        };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(Question { method: method.to_owned(), target: target.to_owned(), headers })
}

fn query(question: &Question) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut query = format!("method={}&target={}", encode(&question.method), encode(&question.target));
    for (name, value) in &question.headers {
        query.push_str("&header=");
        query.push_str(&encode(&format!("{name}: {value}")));
    }
    query
}
