//! docs/configuration.md is what the types say.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/configuration.md");
    let reference = haechi_model::reference();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &reference).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == reference,
        "docs/configuration.md is out of date; write it anew: BLESS=1 cargo test -p haechi-model --test reference"
    );
}
