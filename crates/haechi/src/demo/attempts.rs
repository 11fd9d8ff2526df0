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
    let all = entry["attempts"].as_array().into_iter().flatten();
    let to_it = all.filter(|attempt| attempt["endpoint"] == address);
    to_it.filter_map(|attempt| attempt["at_ms"].as_u64().map(WallTime)).collect()
}
