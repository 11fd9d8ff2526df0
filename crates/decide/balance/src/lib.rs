//! Which endpoint a request is sent to: round robin, weighted, P2C, ejection. Pure.
