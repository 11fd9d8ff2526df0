//! The service registry, wire-compatible with Eureka.
