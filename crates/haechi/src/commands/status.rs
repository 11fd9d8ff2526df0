//! `haechi status`: asks the admin port and says it for people.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use haechi_web::client;
use serde_json::Value;

use crate::cli::{Format, StatusArgs};

/// GETs JSON from the admin port.
pub async fn ask(admin: &str, path_and_query: &str) -> anyhow::Result<Value> {
    let scheme = if admin.contains("://") { "" } else { "http://" };
    let url = format!("{scheme}{}{path_and_query}", admin.trim_end_matches('/'));
    let http = client::client(Duration::from_secs(2), Duration::from_secs(10))?;
    let response = http.get(&url).send().await.with_context(|| {
        format!("can't ask {url}; is Haechi running, with an admin port there? Name another with --admin URL")
    })?;
    let status = response.status();
    let body = response.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {}", body.trim());
    serde_json::from_str(&body)
        .with_context(|| format!("{url} did not answer with JSON; is that Haechi's admin port?"))
}

/// Runs the command.
pub async fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let overview = ask(&args.admin, "/api/overview").await?;
    match args.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&overview)?),
        Format::Text => print!("{}", text(&overview)),
    }
    let healthy = overview["problems"].as_array().is_some_and(Vec::is_empty);
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

fn text(overview: &Value) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        // Writing to a String can't fail.
        let _ = writeln!(out, "{text}");
    };
    line(format!(
        "haechi {}, generation {}, up {} s",
        string(overview, "version"),
        overview["generation"],
        overview["uptime_s"]
    ));
    for part in list(overview, "parts") {
        let mark = if part["ok"] == true { "✓" } else { "✗" };
        let (name, listen) = (string(part, "name"), string(part, "listen"));
        line(format!("{mark} {name:<10} {listen:<24} {}", string(part, "state")).trim_end().to_owned());
    }
    for service in list(overview, "services") {
        line(format!("\nservice {} ({})", string(service, "name"), string(service, "source")));
        if list(service, "endpoints").next().is_none() {
            line("  no endpoint is known".to_owned());
        }
        for endpoint in list(service, "endpoints") {
            line(format!(
                "  {:<22} {:<14} {:>10} requests {:>6} failed  {}",
                string(endpoint, "address"),
                string(endpoint, "state"),
                endpoint["requests"],
                endpoint["failures"],
                string(endpoint, "why")
            ));
        }
    }
    if list(overview, "routes").next().is_some() {
        line("\nroutes".to_owned());
    }
    for route in list(overview, "routes") {
        line(format!(
            "  {:<28} {:<28} → {:<24} {:>10} requests {:>6} 5xx  ({})",
            string(route, "name"),
            string(route, "matches"),
            string(route, "to"),
            route["requests"],
            route["errors"],
            string(route, "origin")
        ));
    }
    if list(overview, "certificates").next().is_some() {
        line("\ncertificates".to_owned());
    }
    for certificate in list(overview, "certificates") {
        let days = certificate["seconds_left"].as_i64().unwrap_or_default() / 86_400;
        let names: Vec<&str> = list(certificate, "names").filter_map(Value::as_str).collect();
        line(format!(
            "  {:<28} {:>5} days left  {}  ({})",
            string(certificate, "listener"),
            days,
            names.join(", "),
            string(certificate, "file")
        ));
    }
    if list(overview, "ordered").next().is_some() {
        line("\nordered certificates".to_owned());
    }
    for ordered in list(overview, "ordered") {
        let next = match ordered["next_s"].as_u64().unwrap_or_default() {
            0 => "now".to_owned(),
            seconds if seconds < 86_400 => format!("in {} minutes", seconds / 60),
            seconds => format!("in {} days", seconds / 86_400),
        };
        line(format!(
            "  {:<28} {:<10} next order {next}  {}",
            string(ordered, "name"),
            string(ordered, "state"),
            string(ordered, "why")
        ));
    }
    if list(overview, "warnings").next().is_some() {
        line("\nwarnings".to_owned());
    }
    for warning in list(overview, "warnings") {
        line(format!("  {}", warning.as_str().unwrap_or_default()));
    }
    if list(overview, "problems").next().is_some() {
        line("\nproblems".to_owned());
    }
    for problem in list(overview, "problems") {
        line(format!("  ! {}", problem.as_str().unwrap_or_default()));
    }
    out
}
