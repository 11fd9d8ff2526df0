//! The registry's state: leases, overrides, deltas, self-preservation, merge from peers. Pure.
