//! Types, schema and validator say the same.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use haechi_core::units::show_duration;
use haechi_model::{Source, Unchecked, raw, read, schema};
use haechi_route::GatewayConfig;
use serde_json::Value;

fn gateway_of(text: &str) -> GatewayConfig {
    let folder = Path::new("/");
    let reading = read(&Source { text, folder, variable: &|_| None, files: &Unchecked });
    assert!(!reading.has_errors(), "{:#?}", reading.diagnostics);
    reading.lowered.unwrap().gateway.unwrap()
}

const MINIMAL: &str = include_str!("golden/good-minimal.yaml");

/// Calls `see` with every schema in a schema, and what it is called.
fn every_schema(value: &Value, name: &str, see: &mut impl FnMut(&str, &serde_json::Map<String, Value>)) {
    let Some(object) = value.as_object() else { return };
    see(name, object);
    for key in ["properties", "$defs"] {
        for (name, child) in object.get(key).and_then(Value::as_object).into_iter().flatten() {
            every_schema(child, name, see);
        }
    }
    for key in ["items", "additionalProperties"] {
        object.get(key).into_iter().for_each(|child| every_schema(child, name, see));
    }
    for key in ["anyOf", "oneOf"] {
        let branches = object.get(key).and_then(Value::as_array).into_iter().flatten();
        branches.for_each(|child| every_schema(child, name, see));
    }
}

#[test]
fn the_schema_uses_no_keyword_that_the_validator_does_not_know() {
    const KNOWN: &[&str] = &[
        "$schema",
        "$defs",
        "$ref",
        "title",
        "description",
        "default",
        "type",
        "format",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "anyOf",
        "oneOf",
        "enum",
        "const",
        "minimum",
        "maximum",
        "writeOnly",
        "x-isolated",
    ];
    every_schema(&schema(), "the file", &mut |name, object| {
        for key in object.keys() {
            assert!(KNOWN.contains(&key.as_str()), "{key} in {name}");
        }
        let type_is_one = object.get("type").is_none_or(Value::is_string);
        assert!(type_is_one, "{name} is nullable or has several types");
    });
}

#[test]
fn every_key_is_described() {
    let schema = schema();
    every_schema(&schema, "the file", &mut |name, object| {
        for (key, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            assert!(property.get("description").is_some(), "{key} in {name}");
        }
    });
}

/// Compares every default in the schema with what lowering did where nothing was written.
fn check_defaults(full: &Value, schema: &Value, root: &Value, path: &str, checked: &mut usize) {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next());
    let schema = name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema);
    // Lists below `anyOf` (endpoints) hold nothing that has a default.
    if let (Some(items), Some(child)) = (full.as_array(), schema.get("items")) {
        for item in items {
            check_defaults(item, child, root, path, checked);
        }
    }
    for (key, value) in full.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let child = schema.get("properties").and_then(|p| p.get(key)).or(schema.get("additionalProperties"));
        let Some(child) = child else { continue };
        if let Some(default) = child.get("default") {
            assert_eq!(value, default, "{path}.{key}");
            *checked += 1;
        }
        check_defaults(value, child, root, &format!("{path}.{key}"), checked);
    }
}

#[test]
fn the_defaults_in_the_schema_are_those_of_lowering() {
    let full = serde_json::to_value(haechi_model::gateway_in_full(&gateway_of(MINIMAL))).unwrap();
    let schema = schema();
    let mut checked = 0;
    check_defaults(&full, &schema, &schema, "", &mut checked);
    assert!(checked >= 25, "{checked}");
}

#[test]
fn a_gateway_written_as_yaml_is_read_back_the_same() {
    let everything = include_str!("golden/good-everything.yaml").replace("${SHOP_PORT}", "8080");
    for text in [MINIMAL, &everything] {
        let config = gateway_of(text);
        let mut written = haechi_model::gateway_yaml(&config);
        if text != MINIMAL {
            written.push_str("registry: { listen: 127.0.0.1:8761 }\n");
        }
        assert_eq!(gateway_of(&written), config, "{written}");
    }
}

#[test]
fn yaml_for_a_person_has_no_defaults_in_it() {
    assert_eq!(
        haechi_model::gateway_yaml(&gateway_of(MINIMAL)),
        "gateway:\n  listeners:\n    - name: web\n      listen: 0.0.0.0:8080\n  routes:\n    - name: all\n      \
         match:\n        path: /**\n      service: app\nservices:\n  app:\n    endpoints: [127.0.0.1:3000, 127.0.0.1:3001]\n"
    );
}

#[test]
fn raw_types_written_as_yaml_are_read_back_the_same() {
    let file = haechi_model::gateway_in_full(&gateway_of(MINIMAL));
    let value = serde_json::to_value(&file).unwrap();
    let text = haechi_model::yaml(&value);
    let again = haechi_model::gateway_in_full(&gateway_of(&text));
    assert_eq!(again, file);
    assert_eq!(serde_json::from_value::<raw::File>(value).unwrap(), file);
}

#[test]
fn effective_values_say_where_they_came_from() {
    let config = gateway_of(MINIMAL);
    let all = haechi_model::effective(&config, MINIMAL);
    let of = |path: &str| all.iter().find(|e| e.path == path).unwrap();
    let listen = of("gateway.listeners[web].listen");
    assert_eq!((listen.value.as_str(), listen.written.unwrap().line), ("0.0.0.0:8080", 2));
    let connect = of("gateway.routes[all].timeouts.connect");
    assert_eq!((connect.value.as_str(), connect.written), ("1s", None));
    assert_eq!(of("services.app.endpoints[1]").written.unwrap().line, 5);
}

#[test]
fn the_defaults_of_registry_and_config_server_are_those_of_lowering() {
    let text = "registry: { listen: 127.0.0.1:1, peers: { urls: [http://a/eureka] }, snapshot: { path: x } }\n\
                config: { listen: 127.0.0.1:2, git: { uri: https://a/b }, encrypt: { key: k } }\n";
    let folder = Path::new("/");
    let reading = read(&Source { text, folder, variable: &|_| None, files: &Unchecked });
    let lowered = reading.lowered.unwrap();
    let schema = schema();
    let documented = |section: &str, key: &str| {
        let default = &schema["$defs"][section]["properties"][key]["default"];
        default.as_str().map_or_else(|| default.to_string(), str::to_owned)
    };
    let upgrade = lowered.upgrade;
    let registry = lowered.registry.unwrap();
    let peers = registry.peers.unwrap();
    let haechi_model::lowered::ConfigServerConfig { sources, encrypt, accept_empty, .. } =
        lowered.config.unwrap();
    let haechi_model::lowered::ConfigSource::Git(git) = &sources[0] else { panic!("{sources:?}") };
    let git = &git.default;
    let encrypt = encrypt.unwrap();
    for (section, key, effective) in [
        ("Upgrade", "start-timeout", show_duration(upgrade.start_timeout)),
        ("Upgrade", "drain-timeout", show_duration(upgrade.drain_timeout)),
        ("Upgrade", "idle-timeout", show_duration(upgrade.idle_timeout)),
        ("Registry", "prefix", registry.prefix),
        ("Registry", "delta-retention", show_duration(registry.delta_retention)),
        ("Registry", "max-instances", registry.max_instances.to_string()),
        ("Lease", "eviction-interval", show_duration(registry.eviction_interval)),
        ("SelfPreservation", "threshold-percent", registry.self_preservation_percent.unwrap().to_string()),
        ("Lease", "renewal-interval", show_duration(registry.renewal_interval)),
        ("Peers", "batch-size", peers.batch_size.to_string()),
        ("Peers", "batch-delay", show_duration(peers.batch_delay)),
        ("Peers", "queue", peers.queue.to_string()),
        ("Peers", "connect-timeout", show_duration(peers.connect_timeout)),
        ("Peers", "timeout", show_duration(peers.timeout)),
        ("ConfigServer", "accept-empty", accept_empty.to_string()),
        ("Git", "label", git.label.clone()),
        ("Git", "try-master", git.try_master.to_string()),
        ("Git", "refresh", show_duration(git.refresh)),
        ("Git", "timeout", show_duration(git.timeout)),
        ("Git", "clone-on-start", git.clone_on_start.to_string()),
        ("Git", "strict-host-key-checking", git.ssh.strict_host_key_checking.to_string()),
        ("Encrypt", "enabled", encrypt.enabled.to_string()),
        ("Encrypt", "prefix-invalid-properties", encrypt.prefix_invalid_properties.to_string()),
        ("Rsa", "strong", encrypt.rsa.strong.to_string()),
        ("Rsa", "salt", encrypt.rsa.salt),
    ] {
        assert_eq!(effective, documented(section, key), "{section}.{key}");
    }
}
