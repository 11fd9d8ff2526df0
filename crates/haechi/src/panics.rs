//! Panics. Each is a bug; it ends the task or the connection that it happens in and nothing else, so that only a count
//! and the log tell of it.

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Counts every panic of the process from now on. It is still written to standard error, with its place.
pub fn count() {
    let write = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        write(panicked);
    }));
}

/// The count, as Prometheus reads it (text format 0.0.4).
pub fn metrics() -> String {
    format!(
        "# HELP haechi_panics_total Panics: bugs, each told of in the log.\n# TYPE haechi_panics_total counter\n\
         haechi_panics_total {}\n",
        COUNT.load(Ordering::Relaxed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_counted_and_what_goes_on_goes_on() {
        count();
        let before = COUNT.load(Ordering::Relaxed);
        assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
        assert!(COUNT.load(Ordering::Relaxed) > before);
        assert!(metrics().lines().last().is_some_and(|line| line != "haechi_panics_total 0"));
    }
}
