//! An instance read from JSON, written anew, is the same instance; listings and batches are only read.
#![no_main]

use haechi_eureka::fragment::instance;
use haechi_eureka::replication::{read_list, read_responses, write_list};
use haechi_eureka::{Encoding, Fragment, InstanceInfo, json};
use libfuzzer_sys::fuzz_target;

/// Written and read again. What can't be written (an unknown name of a data center) is settled by the first round.
fn anew(info: &InstanceInfo) -> InstanceInfo {
    let renewal = info.lease_info.map_or(0, |lease| lease.last_renewal);
    let bytes = instance(Encoding::Json, &Fragment::new(info, Encoding::Json), renewal);
    json::read::instance(&bytes).expect("what is written can be read")
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(info) = json::read::instance(bytes) {
        let once = anew(&info);
        assert_eq!(anew(&once), once);
        assert_eq!((once.id(), once.port, &once.metadata), (info.id(), info.port, &info.metadata));
    }
    if let Ok(items) = read_list(bytes) {
        let good: Vec<_> = items.into_iter().filter_map(Result::ok).collect();
        let read = read_list(&write_list(&good)).expect("what is written can be read");
        assert!(read.len() == good.len() && read.iter().all(Result::is_ok));
    }
    let _ = json::read::applications(bytes);
    let _ = read_responses(bytes);
});
