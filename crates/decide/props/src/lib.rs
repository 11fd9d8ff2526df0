//! Property sources: YAML 1.1 and .properties readers, overlay, placeholders, difference, flat forms. Pure.
