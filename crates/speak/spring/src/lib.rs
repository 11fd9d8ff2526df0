//! Spring Cloud Config's wire forms, ciphers and webhook forms, and nothing else.
