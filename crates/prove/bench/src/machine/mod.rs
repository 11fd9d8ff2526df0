//! The machine that measures: cores, processes, their CPU time and memory.

pub mod child;
pub mod cores;
pub mod limits;
pub mod usage;
