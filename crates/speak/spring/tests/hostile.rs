//! What holds for any request.

use haechi_spring::{Endpoint, monitor};
use proptest::prelude::*;

fn pathish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "/",
        "[a-z]{1,3}",
        "\\.\\.",
        "\\.",
        "%2[eEfF]",
        "%5c",
        "%25",
        "\\(_\\)",
        "%28_%29",
        "-",
        ",",
        "\\.yml",
        "#",
        ";",
        "%",
        "\\PC",
        "encrypt",
        "key",
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Nothing that is let through can name a parent directory or an absolute path.
    #[test]
    fn no_path_climbs(path in pathish()) {
        for method in ["GET", "POST"] {
            let (target, file) = match Endpoint::parse(method, &path, Some("useDefaultLabel")) {
                Ok(Endpoint::Environment(target) | Endpoint::Flat(target, _)) => (target, String::new()),
                Ok(Endpoint::PlainText(target, file)) => (target, file),
                _ => continue,
            };
            let label = target.label.clone().unwrap_or_default();
            for part in [&target.name, &target.profiles, &label, &file] {
                prop_assert!(!part.contains("..") && !part.starts_with('/') && !part.contains('\0'), "{path}: {part}");
            }
        }
    }

    #[test]
    fn no_webhook_panics(text in "\\PC{0,80}", paths in prop::collection::vec("[a-z./\\\\-]{0,20}", 0..10)) {
        let body = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
        let _ = monitor::changed_paths(|_| Some("push"), &body);
        let services = monitor::services(paths.iter().map(String::as_str));
        let distinct: std::collections::HashSet<_> = services.iter().collect();
        prop_assert_eq!(distinct.len(), services.len());
    }
}
