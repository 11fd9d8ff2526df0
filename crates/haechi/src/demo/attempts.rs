//! Attempts by the gateway's own access log: the story's witness of what was sent where, and when.

use std::io::BufRead as _;
use std::path::Path;

use anyhow::Context as _;
use haechi_core::WallTime;
use serde_json::Value;

/// When attempts were sent to the instance on this port.
pub fn to(log: &Path, port: u16) -> anyhow::Result<Vec<WallTime>> {
    let file = std::fs::File::open(log).with_context(|| format!("can't read {}", log.display()))?;
    let mut sent = Vec::new();
    for line in std::io::BufReader::new(file).lines() {
        // The last line may still be on its way to the disk.
        let Ok(entry) = serde_json::from_str::<Value>(&line?) else { continue };
        sent.extend(attempts(&entry, &format!("127.0.0.1:{port}")));
    }
    Ok(sent)
}

fn attempts(entry: &Value, address: &str) -> Vec<WallTime> {
    let failed = entry["failed"].as_array().into_iter().flatten();
    let mut times: Vec<WallTime> = failed
        .filter(|attempt| attempt["endpoint"] == address)
        .filter_map(|attempt| time(&attempt["time"]))
        .collect();
    if entry["endpoint"] == address && entry["error"].is_null() {
        // The line's time is the end of the answer; the attempt began after the pick.
        let after_pick = entry["total_us"]
            .as_u64()
            .unwrap_or_default()
            .saturating_sub(entry["pick_us"].as_u64().unwrap_or_default());
        times.extend(time(&entry["time"]).map(|end| WallTime(end.0.saturating_sub(after_pick / 1000))));
    }
    times
}

fn time(value: &Value) -> Option<WallTime> {
    WallTime::from_rfc3339(value.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn failed_attempts_count_at_their_own_time_and_the_answered_one_at_its_begin() {
        let entry = json!({
            "time": "2026-11-21T21:38:13.100Z", "endpoint": "127.0.0.1:2", "pick_us": 20_000, "total_us": 50_000,
            "failed": [{ "endpoint": "127.0.0.1:1", "time": "2026-11-21T21:38:13.050Z", "error": "connection_refused" }],
        });
        assert_eq!(
            attempts(&entry, "127.0.0.1:1"),
            [WallTime::from_rfc3339("2026-11-21T21:38:13.050Z").unwrap()]
        );
        assert_eq!(
            attempts(&entry, "127.0.0.1:2"),
            [WallTime::from_rfc3339("2026-11-21T21:38:13.070Z").unwrap()]
        );
        assert_eq!(attempts(&entry, "127.0.0.1:3"), []);
    }
}
