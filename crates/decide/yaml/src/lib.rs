//! A bounded YAML tree that knows line and column of everything in it. Pure.
