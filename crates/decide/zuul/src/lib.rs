//! Zuul and Ribbon properties read as routes and services. Pure.
