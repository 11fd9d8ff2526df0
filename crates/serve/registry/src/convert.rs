//! Between the wire's instance and the registry's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use haechi_core::{InstanceId, InvalidName, ServiceName, WallTime};
use haechi_eureka::{Encoding, Fragment, InstanceInfo, LeaseInfo};
use haechi_lease::{Details, Endpoint, Instance, Registration, Status};

use crate::options::Options;

/// What was sent, kept for what goes out again.
#[derive(Debug)]
pub(crate) struct Wire(pub InstanceInfo);

/// An instance's documents, each written when first asked for.
#[derive(Debug, Default)]
pub(crate) struct Fragments([OnceLock<Fragment>; Encoding::ALL.len()]);

impl Details for Wire {
    type Memo = Fragments;
}

/// The document of an instance.
pub(crate) fn fragment(instance: &Instance<Wire>, encoding: Encoding) -> &Fragment {
    instance.memo.0[encoding as usize].get_or_init(|| Fragment::new(&info(instance), encoding))
}

/// Why a registration was refused, in the words of `ApplicationResource.addInstance`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("Missing {0}")]
    Missing(&'static str),
    #[error("Mismatched appName, expecting {expected} but was {sent}")]
    Mismatch { expected: String, sent: String },
    #[error(transparent)]
    Name(#[from] InvalidName),
}

fn present(value: Option<&str>, what: &'static str) -> Result<(), Invalid> {
    if value.is_none_or(|v| v.trim().is_empty()) { Err(Invalid::Missing(what)) } else { Ok(()) }
}

/// Checks a registration in Eureka's order. `expected` is the application in the path, if there was one.
pub(crate) fn registration(
    mut info: InstanceInfo,
    expected: Option<&str>,
    options: &Options,
) -> Result<Registration<Wire>, Invalid> {
    let id = info.id().ok_or(Invalid::Missing("instanceId"))?.to_owned();
    present(info.host_name.as_deref(), "hostname")?;
    present(info.ip_addr.as_deref(), "ip address")?;
    present(info.app.as_deref(), "appName")?;
    let app = info.app.as_deref().unwrap_or_default().to_uppercase();
    if let Some(expected) = expected.map(str::to_uppercase).filter(|expected| *expected != app) {
        return Err(Invalid::Mismatch { expected, sent: app });
    }
    let data_center = info.data_center.as_mut().ok_or(Invalid::Missing("dataCenterInfo"))?;
    if data_center.name.is_none() {
        return Err(Invalid::Missing("dataCenterInfo Name"));
    }
    if data_center.is_amazon() && !data_center.metadata.contains_key("instance-id") {
        data_center.metadata.insert("instance-id".to_owned(), id.clone());
    }
    let lease = info.lease_info.unwrap_or_default();
    info.app = Some(app.clone());
    Ok(Registration {
        app: ServiceName::new(&app)?,
        id: InstanceId::new(&id)?,
        status: status(&info.status),
        overridden: status(&info.overridden_status),
        last_dirty: info.last_dirty.map(WallTime),
        renewal_interval: secs_or(lease.renewal_interval_secs, options.renewal_interval),
        duration: secs_or(lease.duration_secs, options.lease_duration),
        endpoint: endpoint(&info),
        vips: InstanceInfo::vip_names(info.vip_address.as_deref()),
        secure_vips: InstanceInfo::vip_names(info.secure_vip_address.as_deref()),
        metadata: Arc::new(std::mem::take(&mut info.metadata)),
        details: Arc::new(Wire(info)),
    })
}

/// 0 is "not said".
fn secs_or(secs: u32, default: Duration) -> Duration {
    if secs == 0 { default } else { Duration::from_secs(secs.into()) }
}

fn status(word: &str) -> Status {
    Status::parse(word).unwrap_or(Status::Unknown)
}

/// Where to send requests: the plain port if it is enabled, else the secure one. `localhost` is what some
/// clients send for their address; other names aren't looked up, because whoever asked would have to wait.
fn endpoint(info: &InstanceInfo) -> Option<Endpoint> {
    let ip: IpAddr = match info.ip_addr.as_deref()?.trim() {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        address => address.parse().ok()?,
    };
    let (port, secure) =
        if info.port.enabled { (info.port.number, false) } else { (info.secure_port.number, true) };
    let open = port != 0 && (!secure || info.secure_port.enabled);
    open.then(|| Endpoint { address: SocketAddr::new(ip, port), secure })
}

/// An instance as the wire shows it: as registered, with what the registry decides
/// (`decorateInstanceInfo`).
pub(crate) fn info(instance: &Instance<Wire>) -> InstanceInfo {
    let registration = &instance.registration;
    InstanceInfo {
        status: instance.status.as_str().into(),
        overridden_status: instance.overridden.as_str().into(),
        lease_info: Some(LeaseInfo {
            renewal_interval_secs: whole_secs(registration.renewal_interval),
            duration_secs: whole_secs(registration.duration),
            registered: instance.registered.0,
            last_renewal: instance.last_renewal().0,
            evicted: instance.evicted.0,
            service_up: instance.service_up.0,
        }),
        metadata: (*registration.metadata).clone(),
        last_updated: Some(instance.last_updated.0),
        last_dirty: Some(instance.last_dirty.0),
        action_type: Some(instance.action.as_str().into()),
        ..registration.details.0.clone()
    }
}

fn whole_secs(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
