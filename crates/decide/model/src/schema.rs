//! The JSON Schema (2020-12) of the file, from the types in [`crate::raw`].

use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema, as `haechi schema` prints it and as [`crate::validate`] reads it.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<crate::raw::File>().to_value();
    tidy(&mut schema);
    schema
}

/// Takes out what the derived schema says and the file doesn't mean: that an optional key may be `null` (leave
/// it out instead), the width of an integer (its bounds say it), and defaults that are Rust's and not ours.
fn tidy(value: &mut Value) {
    let Value::Object(object) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(tidy);
        }
        return;
    };
    // `properties` maps names to schemas: a property may well be called `default` or `format`.
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for property in properties.values_mut() {
            tidy(property);
        }
    }
    for (key, part) in object.iter_mut() {
        if key != "properties" && key != "default" {
            tidy(part);
        }
    }
    let is_schema = ["type", "$ref", "anyOf", "oneOf"].iter().any(|key| object.contains_key(*key));
    if !is_schema || object.get("properties").is_some_and(|p| p.get("type").is_some() && object.len() == 1) {
        return;
    }
    let integer_width =
        |format: &Value| format.as_str().is_some_and(|f| f.starts_with("int") || f.starts_with("uint"));
    if object.get("format").is_some_and(integer_width) {
        object.shift_remove("format");
    }
    let empty = |default: &Value| match default {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    };
    if object.get("default").is_some_and(empty) {
        object.shift_remove("default");
    }
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type") != Some(&Value::from("null")));
        if branches.len() == 1
            && let Some(Value::Object(only)) = branches.pop()
        {
            object.shift_remove("anyOf");
            for (key, part) in only {
                object.entry(key).or_insert(part);
            }
        }
    }
}
