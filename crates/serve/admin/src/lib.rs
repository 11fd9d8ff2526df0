//! The admin port and the console.
