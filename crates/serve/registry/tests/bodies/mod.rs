//! Bodies from the short notation of `tests/compare/eureka_bodies.py`.

use serde_json::{Map, Value, json};

const DIRTY: u64 = 1_700_000_000_000;

fn instance() -> Value {
    json!({
        "instanceId": "h1:demo:8080", "hostName": "h1", "app": "DEMO", "ipAddr": "10.0.0.1", "status": "UP",
        "overriddenStatus": "UNKNOWN",
        "port": {"$": 8080, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"}, "countryId": 1,
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": 90},
        "metadata": {"zone": "z1"}, "homePageUrl": "http://h1:8080/", "statusPageUrl": "http://h1:8080/info",
        "healthCheckUrl": "http://h1:8080/health", "vipAddress": "demo", "secureVipAddress": "demo-s",
        "isCoordinatingDiscoveryServer": "false",
        "lastUpdatedTimestamp": DIRTY.to_string(), "lastDirtyTimestamp": DIRTY.to_string()
    })
}

fn is_number(key: &str, value: &str) -> bool {
    let numeric = ["countryId", "leaseInfo.", "port.$", "securePort.$"].iter().any(|n| key.starts_with(n));
    numeric && value.parse::<i64>().is_ok()
}

fn place<'a>(instance: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut at = instance;
    for step in path {
        let members = at.as_object_mut().unwrap();
        at = members.entry(*step).or_insert_with(|| json!({}));
    }
    at.as_object_mut().unwrap()
}

fn changed<'a>(changes: impl Iterator<Item = &'a str>) -> Value {
    let mut instance = instance();
    for change in changes {
        if let Some(gone) = change.strip_prefix('-') {
            let path: Vec<&str> = gone.split('.').collect();
            let (last, path) = path.split_last().unwrap();
            place(&mut instance, path).shift_remove(*last);
            continue;
        }
        let (key, value) = change.split_once('=').unwrap();
        let key = if key == "id" { "instanceId" } else { key };
        let new = if is_number(key, value) { json!(value.parse::<i64>().unwrap()) } else { json!(value) };
        let path: Vec<&str> = key.split('.').collect();
        let (last, path) = path.split_last().unwrap();
        place(&mut instance, path).insert((*last).to_owned(), new);
    }
    instance
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn xml(name: &str, value: &Value) -> String {
    let Some(members) = value.as_object() else {
        return format!("<{name}>{}</{name}>", escaped(&plain(value)));
    };
    if let Some(number) = members.get("$") {
        return format!("<{name} enabled=\"{}\">{}</{name}>", plain(&members["@enabled"]), plain(number));
    }
    let class = members.get("@class").map(|c| format!(" class=\"{}\"", plain(c))).unwrap_or_default();
    let inner: String =
        members.iter().filter(|(key, _)| *key != "@class").map(|(key, v)| xml(key, v)).collect();
    format!("<{name}{class}>{inner}</{name}>")
}

fn batch_item(words: &str) -> Value {
    let mut words = words.split(' ');
    let (action, address) = (words.next().unwrap(), words.next().unwrap());
    let (app, id) = address.split_once('/').unwrap();
    let changes: Vec<&str> = words.collect();
    let mut item = json!({
        "appName": app, "id": id, "lastDirtyTimestamp": DIRTY, "overriddenStatus": "UNKNOWN", "status": "UP",
        "action": action
    });
    for change in changes.iter().filter_map(|c| c.strip_prefix("item.")) {
        let (key, value) = change.split_once('=').unwrap();
        item[key] = value.parse::<u64>().map_or_else(|_| json!(value), |n| json!(n));
    }
    if action == "Register" {
        let names = [format!("app={app}"), format!("id={id}")];
        let of_instance = changes.iter().copied().filter(|c| !c.starts_with("item."));
        item["instanceInfo"] = changed(names.iter().map(String::as_str).chain(of_instance));
    }
    item
}

/// The body that `text` stands for.
pub fn expand(text: &str) -> String {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let words = rest.split(' ').filter(|w| !w.is_empty());
    match kind {
        "@json" => json!({"instance": changed(words)}).to_string(),
        "@bare-json" => changed(words).to_string(),
        "@xml" => xml("instance", &changed(words)),
        "@batch" => {
            let items: Vec<Value> = rest.split(" ; ").map(batch_item).collect();
            json!({"replicationList": items}).to_string()
        }
        _ => text.to_owned(),
    }
}
