//! The gateway: accept, read, match, pick, attempt, answer.
