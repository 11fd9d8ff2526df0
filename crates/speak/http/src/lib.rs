//! The HTTP/1 engine's codec: strict heads, framing, rewriting by range copy.
