//! The readers take anything, and what is written is read back.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use haechi_eureka::fragment::instance;
use haechi_eureka::replication::{read_list, read_responses};
use haechi_eureka::{DataCenter, Encoding, Fragment, InstanceInfo, LeaseInfo, Port, json, xml};
use proptest::prelude::*;

/// Text that XML 1.0 can hold, without blanks at its ends.
fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9:/._<>&\"'$ 가-힣😀-]{0,20}[a-z]".prop_map(|s| s.trim().to_owned())
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text())
}

fn port() -> impl Strategy<Value = Port> {
    (any::<u16>(), any::<bool>()).prop_map(|(number, enabled)| Port { number, enabled })
}

fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-zA-Z0-9_$ .:가-힣😀-]{0,8}", "[a-z<>&\r\n\t ]{0,12}", 0..4)
}

fn data_center() -> impl Strategy<Value = DataCenter> {
    prop_oneof![
        Just(DataCenter { name: Some("MyOwn".into()), metadata: BTreeMap::new() }),
        map().prop_map(|metadata| DataCenter { name: Some("Amazon".into()), metadata }),
    ]
}

fn lease() -> impl Strategy<Value = LeaseInfo> {
    let time = || 0..i64::MAX as u64;
    (1..i32::MAX as u32, 1..i32::MAX as u32, time(), time(), time(), time()).prop_map(
        |(renewal_interval_secs, duration_secs, registered, last_renewal, evicted, service_up)| LeaseInfo {
            renewal_interval_secs,
            duration_secs,
            registered,
            last_renewal,
            evicted,
            service_up,
        },
    )
}

prop_compose! {
    fn info()(
        names in (maybe(), maybe(), maybe(), maybe(), maybe(), maybe()),
        urls in (maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe()),
        statuses in (prop::sample::select(vec!["UP", "DOWN", "STARTING", "OUT_OF_SERVICE", "UNKNOWN"]),
                     prop::sample::select(vec!["UP", "OUT_OF_SERVICE", "UNKNOWN"])),
        ports in (port(), port()),
        country_id in any::<i32>(),
        data_center in prop::option::of(data_center()),
        lease_info in prop::option::of(lease()),
        metadata in map(),
        is_coordinating in any::<bool>(),
        times in (prop::option::of(0..i64::MAX as u64), prop::option::of(0..i64::MAX as u64)),
    ) -> InstanceInfo {
        InstanceInfo {
            instance_id: names.0, host_name: names.1, app: names.2, app_group_name: names.3, ip_addr: names.4,
            sid: names.5.filter(|s| s != "na"), status: statuses.0.into(), overridden_status: statuses.1.into(),
            port: ports.0, secure_port: ports.1, country_id, data_center, lease_info, metadata,
            home_page_url: urls.0, status_page_url: urls.1, health_check_url: urls.2,
            secure_health_check_url: urls.3, vip_address: urls.4, secure_vip_address: urls.5, is_coordinating,
            last_updated: times.0, last_dirty: times.1, action_type: None, asg_name: urls.6,
        }
    }
}

fn document(info: &InstanceInfo, encoding: Encoding) -> Vec<u8> {
    let renewal = info.lease_info.map_or(0, |l| l.last_renewal);
    instance(encoding, &Fragment::new(info, encoding), renewal)
}

fn read_all(bytes: &[u8]) {
    let _ = json::read::instance(bytes);
    let _ = json::read::applications(bytes);
    let _ = xml::read::instance(bytes);
    let _ = xml::read::applications(bytes);
    let _ = read_list(bytes);
    let _ = read_responses(bytes);
}

proptest! {
    #[test]
    fn what_is_written_in_json_is_read_back(info in info()) {
        prop_assert_eq!(json::read::instance(&document(&info, Encoding::Json)), Ok(info));
    }

    #[test]
    fn what_is_written_in_xml_is_read_back(info in info()) {
        prop_assert_eq!(xml::read::instance(&document(&info, Encoding::Xml)), Ok(info));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn no_damage_to_a_document_makes_a_reader_panic(
        info in info(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for encoding in Encoding::ALL {
            let mut bytes = document(&info, encoding);
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            read_all(&bytes);
            read_all(&bytes[..cut.index(bytes.len())]);
        }
    }
}
