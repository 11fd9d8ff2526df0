//! What a failed attempt says of its endpoint.

use std::ops::Deref;

use haechi_core::{Evidence, Instant, Witness};

use crate::failure::Failure;
use crate::service::{Picked, PickedOf, Service};
use crate::worker::Worker;

/// The endpoint's machine says that nobody has its UDP port. That ejects it here, at once. The registry doesn't hear of
/// it: whoever guesses the port of a session can forge such a message (RFC 5927 has it of TCP), and would remove the
/// instance for everybody.
pub(crate) fn refused<S: Deref<Target = Service>>(picked: PickedOf<S>, now: Instant) {
    picked.failed(now, Witness::Refused);
}

/// Datagrams don't reach the endpoint, as far as the kernel knows. The registry doesn't hear of that either.
pub(crate) fn unreachable<S: Deref<Target = Service>>(picked: PickedOf<S>, now: Instant) {
    picked.failed(now, Witness::TimedOut);
}

/// Draws conclusions about the endpoint from an attempt that failed so, and tells the registry.
pub(crate) fn conclude(worker: &Worker, service: &Service, picked: Picked<'_>, failure: Failure) {
    let witness = match failure {
        Failure::Refused => Witness::Refused,
        Failure::ConnectTimeout | Failure::Unreachable | Failure::FirstByteTimeout => Witness::TimedOut,
        Failure::Closed => Witness::Reset,
        Failure::Handshake | Failure::Certificate => {
            // What is wrong with its TLS is between it and this gateway; the registry doesn't hear of it.
            return picked.failed(worker.now(), Witness::Reset);
        }
        _ => return,
    };
    // Instances of the registry have one.
    let (address, at) = (picked.endpoint.address.tcp(), worker.now());
    picked.failed(at, witness);
    if let (Some(subscriber), Some(name), Some(address)) =
        (&worker.subscriber, service.registered_name(), address)
    {
        subscriber.report(Evidence { service: name.clone(), address, witness, at });
    }
}
