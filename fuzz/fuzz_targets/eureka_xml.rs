//! An instance read from XML, written anew, is the same instance; listings are only read.
#![no_main]

use haechi_eureka::fragment::instance;
use haechi_eureka::{Encoding, Fragment, InstanceInfo, xml};
use libfuzzer_sys::fuzz_target;

/// Written and read again. What XML can't hold (control characters by number) is settled by the first round.
fn anew(info: &InstanceInfo) -> InstanceInfo {
    let renewal = info.lease_info.map_or(0, |lease| lease.last_renewal);
    let bytes = instance(Encoding::Xml, &Fragment::new(info, Encoding::Xml), renewal);
    xml::read::instance(&bytes).expect("what is written can be read")
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(info) = xml::read::instance(bytes) {
        let once = anew(&info);
        assert_eq!(anew(&once), once);
        assert_eq!((once.port, once.status), (info.port, info.status));
    }
    let _ = xml::read::applications(bytes);
});
