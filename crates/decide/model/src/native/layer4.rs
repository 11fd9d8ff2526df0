//! Routes of what is passed on unread.

use haechi_route::config::{GatewayConfig, HostPattern, Layer4, Layer4Route, ListenerProtocol};

use super::duration;
use crate::raw;

pub(super) const fn protocol(protocol: ListenerProtocol) -> raw::ListenerProtocol {
    match protocol {
        ListenerProtocol::Http => raw::ListenerProtocol::Http,
        ListenerProtocol::Layer4(Layer4::Tcp) => raw::ListenerProtocol::Tcp,
        ListenerProtocol::Layer4(Layer4::Tls) => raw::ListenerProtocol::Tls,
        ListenerProtocol::Layer4(Layer4::Udp) => raw::ListenerProtocol::Udp,
    }
}

fn of(config: &GatewayConfig, kind: Layer4) -> impl Iterator<Item = &Layer4Route> {
    config.layer4.iter().filter(move |route| route.kind == kind)
}

fn name(route: &Layer4Route) -> raw::Name {
    raw::Name(route.name.as_str().to_owned())
}

fn timeouts(route: &Layer4Route) -> raw::Layer4Timeouts {
    raw::Layer4Timeouts {
        connect: Some(duration(route.connect_timeout)),
        idle: Some(duration(route.idle_timeout)),
    }
}

pub(super) fn tcp(config: &GatewayConfig) -> Vec<raw::TcpRoute> {
    let one = |route: &Layer4Route| raw::TcpRoute {
        name: name(route),
        listener: route.listener.clone(),
        service: route.service.as_str().to_owned(),
        timeouts: Some(timeouts(route)),
        attempts: Some(route.attempts),
    };
    of(config, Layer4::Tcp).map(one).collect()
}

pub(super) fn tls(config: &GatewayConfig) -> Vec<raw::TlsRoute> {
    let host = |host: &HostPattern| {
        raw::HostPattern(match host {
            HostPattern::Exact(host) => host.clone(),
            HostPattern::Suffix(suffix) => format!("*{suffix}"),
        })
    };
    let one = |route: &Layer4Route| raw::TlsRoute {
        name: name(route),
        listener: route.listener.clone(),
        hosts: route.hosts.iter().map(host).collect(),
        service: route.service.as_str().to_owned(),
        timeouts: Some(timeouts(route)),
        attempts: Some(route.attempts),
    };
    of(config, Layer4::Tls).map(one).collect()
}

pub(super) fn udp(config: &GatewayConfig) -> Vec<raw::UdpRoute> {
    let one = |route: &Layer4Route| raw::UdpRoute {
        name: name(route),
        listener: route.listener.clone(),
        service: route.service.as_str().to_owned(),
        timeouts: Some(raw::UdpTimeouts { idle: Some(duration(route.idle_timeout)) }),
    };
    of(config, Layer4::Udp).map(one).collect()
}
