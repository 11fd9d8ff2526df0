//! What may be done again and how often: the retry budget. Pure.
