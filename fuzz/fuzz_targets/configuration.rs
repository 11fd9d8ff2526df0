//! A configuration file is taken or refused with words that can be shown; what is taken has nothing left that
//! the gateway would refuse, and means the same when it is written anew.
#![no_main]

use std::path::Path;

use haechi_model::{Renderings, Source, Unchecked, gateway_yaml, read};
use libfuzzer_sys::fuzz_target;

fn source(text: &str) -> Source<'_> {
    Source { text, folder: Path::new("/etc/haechi"), variable: &|_| None, files: &Unchecked }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let reading = read(&source(text));
    let renderings = Renderings { file: "haechi.yaml", text };
    let shown = renderings.text(&reading.diagnostics, false);
    assert_eq!(shown.is_empty(), reading.diagnostics.is_empty());
    let Some(lowered) = reading.lowered else {
        assert!(!shown.is_empty());
        return;
    };
    let Some(gateway) = lowered.gateway.filter(|gateway| !gateway.listeners.is_empty()) else { return };
    let errors = haechi_route::lint(&gateway).into_iter().filter(|p| p.severity == haechi_route::Severity::Error);
    assert_eq!(errors.count(), 0);
    let again = format!("{}registry: {{ listen: \"127.0.0.1:0\" }}\n", gateway_yaml(&gateway));
    let again = read(&source(&again)).lowered.and_then(|lowered| lowered.gateway);
    assert_eq!(again, Some(gateway));
});
