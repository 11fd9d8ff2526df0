//! What Eureka's clients send.

use std::io::Write as _;

use crate::load::Workload;
use crate::load::connection::{Answer, Failure};

/// Services that the instances are spread over.
const SERVICES: u64 = 50;

/// What is done with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// POST of the whole instance, as Spring's client writes it.
    Register,
    /// PUT, every 30 seconds by default.
    Heartbeat,
    /// PUT of a status override: a change that every client must learn of.
    TakeOut,
}

/// An action on instances in turn.
#[derive(Debug, Clone, Copy)]
pub struct Instances {
    /// What is done.
    pub action: Action,
    /// How many instances there are.
    pub count: u64,
    /// Request number n is about instance n × `stride`.
    pub stride: u64,
    /// `lastDirtyTimestamp` of all of them.
    pub dirty: u64,
}

impl Workload for Instances {
    fn request<'a>(&'a self, number: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let instance = number * self.stride % self.count;
        let (service, dirty) = (instance % SERVICES, self.dirty);
        let path = format!("/eureka/apps/SERVICE-{service}");
        let id = format!("host-{instance}.example:service-{service}:8080");
        let (method, target, body) = match self.action {
            Action::Register => ("POST", path, body(instance, &id, service, dirty)),
            Action::Heartbeat => {
                ("PUT", format!("{path}/{id}?status=UP&lastDirtyTimestamp={dirty}"), String::new())
            }
            Action::TakeOut => (
                "PUT",
                format!("{path}/{id}/status?value=OUT_OF_SERVICE&lastDirtyTimestamp={dirty}"),
                String::new(),
            ),
        };
        scratch.clear();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        // Writing to a vector can't fail.
        let _ = write!(
            scratch,
            "{method} {target} HTTP/1.1\r\nHost: registry\r\nAccept: application/json\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        scratch
    }

    fn check(&self, answer: &Answer) -> Result<(), Failure> {
        let wanted = if self.action == Action::Register { 204 } else { 200 };
        if answer.status == wanted {
            return Ok(());
        }
        Err(Failure::Wrong(format!("status {}, not {wanted}", answer.status)))
    }
}

/// The leases are an hour long: nothing expires while measuring, whoever's turn it is.
fn body(instance: u64, id: &str, service: u64, dirty: u64) -> String {
    let host = format!("host-{instance}.example");
    let address = format!("10.{}.{}.{}", instance >> 16 & 255, instance >> 8 & 255, instance & 255);
    format!(
        r#"{{"instance":{{"instanceId":"{id}","hostName":"{host}","app":"SERVICE-{service}","ipAddr":"{address}","status":"UP","overriddenStatus":"UNKNOWN","port":{{"$":8080,"@enabled":"true"}},"securePort":{{"$":443,"@enabled":"false"}},"countryId":1,"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},"leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":3600,"registrationTimestamp":0,"lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0}},"metadata":{{"management.port":"8080","zone":"zone-{zone}"}},"homePageUrl":"http://{host}:8080/","statusPageUrl":"http://{host}:8080/actuator/info","healthCheckUrl":"http://{host}:8080/actuator/health","vipAddress":"service-{service}","secureVipAddress":"service-{service}","isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"{dirty}","lastDirtyTimestamp":"{dirty}"}}}}"#,
        zone = instance % 3
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_valid_json_of_the_announced_length() {
        let workload = Instances { action: Action::Register, count: 10, stride: 1, dirty: 1 };
        let mut scratch = Vec::new();
        let text = String::from_utf8(workload.request(13, &mut scratch).to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["instance"]["instanceId"], "host-3.example:service-3:8080");
    }
}
