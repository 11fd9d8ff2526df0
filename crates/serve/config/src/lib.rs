//! The config server, wire-compatible with Spring Cloud Config.
