//! The registry's sentences for people.

use haechi_core::Witness;
use haechi_lease::{Instance, Kept, Preservation};

use crate::convert::Wire;

fn who(instance: &Instance<Wire>) -> String {
    let registration = &instance.registration;
    format!("{} {}", registration.app.as_str().to_lowercase(), registration.id)
}

pub(crate) fn registered(instance: &Instance<Wire>) -> String {
    let at = match instance.registration.endpoint {
        Some(endpoint) => endpoint.address.to_string(),
        None => "no address that requests can be sent to".to_owned(),
    };
    format!("{} registered as {} at {at}", who(instance), instance.status.as_str())
}

pub(crate) fn cancelled(instance: &Instance<Wire>) -> String {
    format!("{} said goodbye", who(instance))
}

pub(crate) fn status_set(instance: &Instance<Wire>) -> String {
    format!("{} is now {} ({})", who(instance), instance.status.as_str(), instance.why)
}

pub(crate) fn evicted(instance: &Instance<Wire>, unheard: bool) -> String {
    let secs = instance.registration.duration.as_secs();
    if unheard {
        format!("{} evicted: restored after a restart and not heard of for {secs} s", who(instance))
    } else {
        format!("{} evicted: no heartbeat for {secs} s", who(instance))
    }
}

pub(crate) fn removed(instance: &Instance<Wire>, witness: Witness) -> String {
    let because = match witness {
        Witness::Exited => "its process exited",
        _ => "a gateway's connection was refused",
    };
    format!("{} removed: {because}", who(instance))
}

pub(crate) fn kept(instance: &Instance<Wire>, witness: Witness, kept: Kept) -> String {
    let because = match kept {
        Kept::HeardSince => "its last heartbeat is newer",
        Kept::Trusted => "it was alive when such evidence last removed it",
    };
    format!("{} stays in spite of evidence ({}): {because}", who(instance), witness.as_str())
}

pub(crate) fn holding(preservation: &Preservation, begins: bool) -> String {
    let Preservation { known, silent, tolerated } = preservation;
    if begins {
        format!(
            "self-preservation begins: {silent} of {known} instances are silent, more than the {tolerated} \
             that can be taken for dead, so none is evicted"
        )
    } else {
        format!("self-preservation ends: {silent} of {known} instances are silent")
    }
}
