//! The file a person writes: typed model, JSON Schema, diagnostics, lowering. Pure.
