//! From method and path to a resource.

use http::Method;

/// What is asked for. Names are decoded and in the case in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    Apps,
    Delta,
    App(&'a str),
    Register(&'a str),
    Instance(&'a str, &'a str),
    InstanceById(&'a str),
    Renew(&'a str, &'a str),
    Cancel(&'a str, &'a str),
    SetStatus(&'a str, &'a str),
    DeleteStatus(&'a str, &'a str),
    Metadata(&'a str, &'a str),
    Vip(&'a str),
    SecureVip(&'a str),
    Batch,
    Status,
    Asg,
    Overrides,
    Dashboard,
    LastN,
    /// For followers in other processes.
    Facts,
    Evidence,
}

impl Resource<'_> {
    /// Whether it tells who is registered.
    pub fn is_read(self) -> bool {
        matches!(
            self,
            Self::Apps
                | Self::Delta
                | Self::App(_)
                | Self::Vip(_)
                | Self::SecureVip(_)
                | Self::Instance(..)
                | Self::InstanceById(_)
        )
    }
}

/// What a method and a path lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routed<'a> {
    To(Resource<'a>),
    NotFound,
    /// With the methods that are allowed.
    NotAllowed(&'static str),
}

/// Finds the resource. Below the prefix (usually `eureka`, as Spring has it), a version may stand as Netflix has it:
/// `/eureka/v2`.
pub(crate) fn route<'a>(method: &Method, segments: &'a [String], prefix: &[String]) -> Routed<'a> {
    let below: Option<Vec<&str>> =
        segments.strip_prefix(prefix).map(|rest| rest.iter().map(String::as_str).collect());
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] => only(method, &Method::GET, Resource::Dashboard),
        ["lastn"] => only(method, &Method::GET, Resource::LastN),
        ["serverinfo", "statusoverrides"] => only(method, &Method::GET, Resource::Overrides),
        ["haechi", "facts"] => only(method, &Method::GET, Resource::Facts),
        ["haechi", "evidence"] => only(method, &Method::POST, Resource::Evidence),
        _ => match below.as_deref() {
            Some(["v1" | "v2", rest @ ..] | rest) => eureka(method, rest),
            None => Routed::NotFound,
        },
    }
}

fn eureka<'a>(method: &Method, rest: &[&'a str]) -> Routed<'a> {
    match *rest {
        ["apps"] => only(method, &Method::GET, Resource::Apps),
        ["apps", "delta"] => only(method, &Method::GET, Resource::Delta),
        ["apps", app] => match *method {
            Method::GET => Routed::To(Resource::App(app)),
            Method::POST => Routed::To(Resource::Register(app)),
            _ => Routed::NotAllowed("GET, HEAD, POST"),
        },
        ["apps", app, id] => match *method {
            Method::GET => Routed::To(Resource::Instance(app, id)),
            Method::PUT => Routed::To(Resource::Renew(app, id)),
            Method::DELETE => Routed::To(Resource::Cancel(app, id)),
            _ => Routed::NotAllowed("GET, HEAD, PUT, DELETE"),
        },
        ["apps", app, id, "status"] => match *method {
            Method::PUT => Routed::To(Resource::SetStatus(app, id)),
            Method::DELETE => Routed::To(Resource::DeleteStatus(app, id)),
            _ => Routed::NotAllowed("PUT, DELETE"),
        },
        ["apps", app, id, "metadata"] => only(method, &Method::PUT, Resource::Metadata(app, id)),
        ["instances", id] => only(method, &Method::GET, Resource::InstanceById(id)),
        ["vips", vip] => only(method, &Method::GET, Resource::Vip(vip)),
        ["svips", vip] => only(method, &Method::GET, Resource::SecureVip(vip)),
        ["peerreplication", "batch"] => only(method, &Method::POST, Resource::Batch),
        ["status"] => only(method, &Method::GET, Resource::Status),
        ["serverinfo", "statusoverrides"] => only(method, &Method::GET, Resource::Overrides),
        ["asg", _, "status"] => only(method, &Method::PUT, Resource::Asg),
        _ => Routed::NotFound,
    }
}

fn only<'a>(method: &Method, allowed: &Method, resource: Resource<'a>) -> Routed<'a> {
    if method == allowed {
        return Routed::To(resource);
    }
    Routed::NotAllowed(match *allowed {
        Method::GET => "GET, HEAD",
        Method::POST => "POST",
        _ => "PUT",
    })
}
