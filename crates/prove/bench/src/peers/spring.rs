//! Spring's own servers, built by `tests/originals/build.sh`. The JVM compiles as it likes: figures are taken
//! after a warm-up.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::machine::child::Child;
use crate::peers::install;

/// Memory the JVM may use for objects; enough for every load here, so that collecting is rare.
const HEAP: &str = "-Xmx1g";

/// Starts a jar on a port with Spring properties as arguments.
pub fn start(
    core: usize,
    jar: &Path,
    folder: &Path,
    port: u16,
    arguments: &[String],
) -> Result<Child, Error> {
    if !jar.is_file() {
        return Err(Error::Missing(format!("{} (tests/originals/build.sh)", jar.display())));
    }
    std::fs::create_dir_all(folder)?;
    let java = install::find("java").ok_or_else(|| Error::Missing("java".to_owned()))?;
    let mut args = vec![HEAP.to_owned(), "-jar".to_owned(), jar.display().to_string()];
    args.push(format!("--server.port={port}"));
    args.push("--server.address=127.0.0.1".to_owned());
    args.extend_from_slice(arguments);
    Ok(Child::start(&core.to_string(), &java, &args, &folder.join("output"))?)
}

/// Where `tests/originals/build.sh` puts the jars.
pub fn originals() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/originals")
}
