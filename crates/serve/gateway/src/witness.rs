//! What a failed attempt says of its endpoint.

use haechi_core::{Evidence, Witness};

use crate::failure::Failure;
use crate::service::{Picked, Service};
use crate::worker::Worker;

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
