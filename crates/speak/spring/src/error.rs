//! Spring Boot's error document.

use haechi_core::WallTime;

/// `{"timestamp":…,"status":…,"error":…[,"message":…],"path":…}`, as Boot's `BasicErrorController` writes it.
pub fn error_json(at: WallTime, status: u16, message: Option<&str>, path: &str) -> String {
    // Boot writes the offset as digits: 2026-11-21T21:38:13.042+00:00.
    let timestamp = at.to_string().replace('Z', "+00:00");
    let mut document = serde_json::Map::new();
    document.insert("timestamp".to_owned(), timestamp.into());
    document.insert("status".to_owned(), status.into());
    document.insert("error".to_owned(), reason(status).into());
    if let Some(message) = message {
        document.insert("message".to_owned(), message.into());
    }
    document.insert("path".to_owned(), path.into());
    serde_json::Value::Object(document).to_string()
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_boots() {
        assert_eq!(
            error_json(WallTime(1_795_297_093_042), 404, None, "/app/dev/gone"),
            r#"{"timestamp":"2026-11-21T21:38:13.042+00:00","status":404,"error":"Not Found","path":"/app/dev/gone"}"#
        );
    }
}
