//! The documents, letter by letter.
#![allow(clippy::unwrap_used)]

use haechi_eureka::fragment::{application, instance};
use haechi_eureka::replication::{read_list, read_responses, write_list, write_responses};
use haechi_eureka::{
    DataCenter, DecodeError, Encoding, Fragment, InstanceInfo, LeaseInfo, Listing, Port, ReplicationAction,
    ReplicationResponse, json, xml,
};

fn demo() -> InstanceInfo {
    InstanceInfo {
        instance_id: Some("h1:demo:8080".to_owned()),
        host_name: Some("h1".to_owned()),
        app: Some("DEMO".to_owned()),
        ip_addr: Some("10.0.0.1".to_owned()),
        port: Port { number: 8080, enabled: true },
        secure_port: Port { number: 443, enabled: false },
        data_center: Some(DataCenter { name: Some("MyOwn".into()), metadata: [].into() }),
        lease_info: Some(LeaseInfo {
            renewal_interval_secs: 30,
            duration_secs: 90,
            registered: 1_795_289_986_410,
            last_renewal: 1_795_289_986_410,
            service_up: 1_795_289_986_411,
            ..LeaseInfo::default()
        }),
        metadata: [("zone".to_owned(), "z1".to_owned())].into(),
        home_page_url: Some("http://h1:8080/".to_owned()),
        vip_address: Some("demo".to_owned()),
        secure_vip_address: Some("demo-s".to_owned()),
        last_updated: Some(1_795_289_986_411),
        last_dirty: Some(1_795_289_986_330),
        action_type: Some("ADDED".into()),
        ..InstanceInfo::default()
    }
}

/// As recorded from Netflix's server (contract §2).
const DEMO_JSON: &str = concat!(
    r#"{"instanceId":"h1:demo:8080","hostName":"h1","app":"DEMO","ipAddr":"10.0.0.1","status":"UP","#,
    r#""overriddenStatus":"UNKNOWN","port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"#,
    r#""countryId":1,"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","#,
    r#""name":"MyOwn"},"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"#,
    r#""registrationTimestamp":1795289986410,"lastRenewalTimestamp":1795289986410,"evictionTimestamp":0,"#,
    r#""serviceUpTimestamp":1795289986411},"metadata":{"zone":"z1"},"homePageUrl":"http://h1:8080/","#,
    r#""vipAddress":"demo","secureVipAddress":"demo-s","isCoordinatingDiscoveryServer":"false","#,
    r#""lastUpdatedTimestamp":"1795289986411","lastDirtyTimestamp":"1795289986330","actionType":"ADDED"}"#,
);

fn listing(encoding: Encoding, renewal: u64) -> String {
    let fragment = Fragment::new(&demo(), encoding);
    let mut listing = Listing::new(encoding, "1", "UP_1_", 0);
    listing.begin_app("DEMO");
    listing.add(&fragment, renewal);
    listing.end_app();
    String::from_utf8(listing.finish()).unwrap()
}

#[test]
fn a_listing_in_json() {
    let expected = format!(
        r#"{{"applications":{{"versions__delta":"1","apps__hashcode":"UP_1_","application":[{{"name":"DEMO","instance":[{DEMO_JSON}]}}]}}}}"#
    );
    assert_eq!(listing(Encoding::Json, 1_795_289_986_410), expected);
    let later = expected
        .replace(r#""lastRenewalTimestamp":1795289986410"#, r#""lastRenewalTimestamp":1795289999999"#);
    assert_eq!(listing(Encoding::Json, 1_795_289_999_999), later, "only the last renewal is written anew");
}

#[test]
fn an_empty_listing() {
    let write = |encoding| String::from_utf8(Listing::new(encoding, "1", "", 0).finish()).unwrap();
    assert_eq!(
        write(Encoding::Json),
        r#"{"applications":{"versions__delta":"1","apps__hashcode":"","application":[]}}"#
    );
    assert_eq!(
        write(Encoding::Xml),
        "<applications><versions__delta>1</versions__delta><apps__hashcode></apps__hashcode></applications>"
    );
    assert_eq!(
        write(Encoding::JsonCompact),
        r#"{"applications":{"application":[],"versions__delta":"1","apps__hashcode":""}}"#
    );
}

#[test]
fn the_compact_form_leaves_out_what_discovery_does_not_need() {
    let text = listing(Encoding::JsonCompact, 0);
    assert_eq!(
        text,
        concat!(
            r#"{"applications":{"application":[{"name":"DEMO","instance":[{"instanceId":"h1:demo:8080","app":"DEMO","#,
            r#""ipAddr":"10.0.0.1","vipAddress":"demo","secureVipAddress":"demo-s","dataCenterInfo":{"@class":"#,
            r#""com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"hostName":"h1","#,
            r#""status":"UP","lastUpdatedTimestamp":1795289986411,"actionType":"ADDED","#,
            r#""port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"}}]}],"#,
            r#""versions__delta":"1","apps__hashcode":"UP_1_"}}"#
        )
    );
}

#[test]
fn one_instance_and_one_application_have_roots() {
    let fragment = Fragment::new(&demo(), Encoding::Json);
    let text = String::from_utf8(instance(Encoding::Json, &fragment, 1_795_289_986_410)).unwrap();
    assert_eq!(text, format!(r#"{{"instance":{DEMO_JSON}}}"#));
    let both = [(&fragment, 1_795_289_986_410), (&fragment, 1_795_289_986_410)].into_iter();
    let text = String::from_utf8(application(Encoding::Json, "DEMO", both)).unwrap();
    assert_eq!(text, format!(r#"{{"application":{{"name":"DEMO","instance":[{DEMO_JSON},{DEMO_JSON}]}}}}"#));
}

#[test]
fn an_instance_in_xml() {
    let mut info = demo();
    info.metadata = [("a_b$c".to_owned(), "<&>\"'".to_owned())].into();
    let fragment = Fragment::new(&info, Encoding::Xml);
    let text = String::from_utf8(instance(Encoding::Xml, &fragment, 1_795_289_986_410)).unwrap();
    for part in [
        "<instance><instanceId>h1:demo:8080</instanceId><hostName>h1</hostName><app>DEMO</app>",
        "<overriddenstatus>UNKNOWN</overriddenstatus><port enabled=\"true\">8080</port>",
        "<dataCenterInfo class=\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\"><name>MyOwn</name>",
        "<lastRenewalTimestamp>1795289986410</lastRenewalTimestamp>",
        "<metadata><a__b_-c>&lt;&amp;&gt;&quot;&apos;</a__b_-c></metadata>",
        "<actionType>ADDED</actionType></instance>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    info.metadata.clear();
    let fragment = Fragment::new(&info, Encoding::Xml);
    let text = String::from_utf8(instance(Encoding::Xml, &fragment, 0)).unwrap();
    assert!(text.contains(r#"<metadata class="java.util.Collections$EmptyMap"/>"#));
}

#[test]
fn amazon_keeps_its_metadata_and_the_compact_form_five_keys_of_it() {
    let keys = ["instance-id", "ami-id", "public-ipv4", "public-hostname", "local-ipv4", "availability-zone"];
    let metadata = keys.iter().map(|k| ((*k).to_owned(), "x".to_owned())).collect();
    let info =
        InstanceInfo { data_center: Some(DataCenter { name: Some("Amazon".into()), metadata }), ..demo() };
    let text = |encoding| String::from_utf8(instance(encoding, &Fragment::new(&info, encoding), 0)).unwrap();
    assert!(
        text(Encoding::Json)
            .contains(r#""@class":"com.netflix.appinfo.AmazonInfo","name":"Amazon","metadata":{"ami-id""#)
    );
    assert!(text(Encoding::Json).contains("ami-id") && !text(Encoding::JsonCompact).contains("ami-id"));
    assert!(text(Encoding::XmlCompact).contains("<public-ipv4>x</public-ipv4>"));
}

#[test]
fn reading_is_lenient_where_netflix_and_its_clients_are() {
    let data_center = r#""dataCenterInfo":{"@class":"com.netflix.appinfo.MyDataCenterInfo","name":"MyOwn"}"#;
    let read = |fields: &str| {
        json::read::instance(format!(r#"{{"instance":{{{data_center},{fields}}}}}"#).as_bytes()).unwrap()
    };
    assert_eq!(read(r#""port":{"$":"8080","@enabled":true}"#).port, Port { number: 8080, enabled: true });
    assert_eq!(read(r#""port":8080"#).port, Port { number: 8080, enabled: true });
    assert_eq!(read(r#""port":null"#).port, Port { number: 7001, enabled: true });
    assert_eq!(
        read(r#""securePort":{"$":1,"@enabled":"TRUE"}"#).secure_port,
        Port { number: 1, enabled: true }
    );
    assert_eq!(read(r#""status":"up""#).status, "UP");
    assert_eq!(read(r#""status":"BROKEN""#).status, "UNKNOWN");
    assert_eq!(read(r#""overriddenstatus":"DOWN""#).overridden_status, "DOWN");
    assert_eq!(read(r#""unknown":{"a":[1,{}]},"also":1"#).status, "UP");
    assert_eq!(read(r#""lastDirtyTimestamp":1"#).last_dirty, Some(1));
    assert_eq!(read(r#""lastDirtyTimestamp":"-1""#).last_dirty, None);
    let lease = read(r#""leaseInfo":{"durationInSecs":0,"renewalIntervalInSecs":"-5"}"#).lease_info.unwrap();
    assert_eq!((lease.duration_secs, lease.renewal_interval_secs), (0, 0), "as if it hadn't said");
    let metadata =
        read(r#""metadata":{"@class":"java.util.Collections$EmptyMap","n":1,"b":true,"nil":null}"#).metadata;
    assert_eq!(metadata, [("b".to_owned(), "true".to_owned()), ("n".to_owned(), "1".to_owned())].into());
}

#[test]
fn ports_in_xml_have_defaults_of_their_own() {
    let read = |ports: &str| {
        let info = xml::read::instance(format!("<instance>{ports}</instance>").as_bytes()).unwrap();
        (info.port, info.secure_port)
    };
    let port = |number, enabled| Port { number, enabled };
    assert_eq!(read("<port>1</port><securePort>2</securePort>"), (port(1, true), port(2, false)));
    assert_eq!(read(r#"<port enabled="false">1</port>"#), (port(1, false), port(7002, false)));
    assert_eq!(read(r#"<securePort enabled="true">2</securePort>"#), (port(7001, true), port(2, true)));
}

#[test]
fn a_listing_of_an_old_server_may_leave_out_arrays() {
    let one = format!(r#"{{"applications":{{"application":{{"name":"DEMO","instance":{DEMO_JSON}}}}}}}"#);
    assert_eq!(json::read::applications(one.as_bytes()).unwrap(), [demo()]);
    assert_eq!(json::read::applications(br#"{"applications":{}}"#).unwrap(), []);
    assert_eq!(json::read::applications(b"{}"), Err(DecodeError::Root("applications")));
}

#[test]
fn batches_go_there_and_back_and_a_bad_item_spoils_only_itself() {
    let text = format!(
        concat!(
            r#"{{"replicationList":[{{"appName":"A","id":"1","lastDirtyTimestamp":7,"overriddenStatus":"UNKNOWN","#,
            r#""status":"UP","action":"Heartbeat"}},{{"appName":"A","id":"2","instanceInfo":{},"action":"Register"}}]}}"#
        ),
        DEMO_JSON
    );
    let items: Vec<_> = read_list(text.as_bytes()).unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(items[0].action, ReplicationAction::Heartbeat);
    assert_eq!((items[0].last_dirty, items[0].status.as_deref()), (Some(7), Some("UP")));
    assert_eq!(items[1].instance_info, Some(demo()));
    assert_eq!(String::from_utf8(write_list(&items)).unwrap(), text);
    let mixed =
        read_list(br#"{"replicationList":[1,{"action":"Cancel","appName":"A","id":"1"},{}]}"#).unwrap();
    assert_eq!(mixed.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false]);
    let responses = [
        ReplicationResponse { status_code: 200, entity: None },
        ReplicationResponse { status_code: 409, entity: Some(demo()) },
    ];
    let text = write_responses(&responses);
    assert!(text.starts_with(br#"{"responseList":[{"statusCode":200},{"statusCode":409,"responseEntity":{"#));
    assert_eq!(read_responses(&text).unwrap(), responses);
}

#[test]
fn the_id_is_the_first_that_is_not_blank() {
    let mut info = demo();
    assert_eq!(info.id(), Some("h1:demo:8080"));
    info.instance_id = Some(" ".to_owned());
    assert_eq!(info.id(), Some("h1"));
    info.data_center = Some(DataCenter {
        name: Some("Amazon".into()),
        metadata: [("instance-id".to_owned(), "i-1".to_owned())].into(),
    });
    assert_eq!(info.id(), Some("i-1"));
    assert_eq!(InstanceInfo::default().id(), None);
}
