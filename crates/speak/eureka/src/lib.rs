//! Eureka's wire forms, JSON and XML, and nothing else.
