//! The randomness seam. Decisions take `&mut Rng`; a process seeds one from [`from_entropy`], a test or a
//! simulation from a number that it prints.

pub use fastrand::Rng;

/// A generator seeded by the operating system. Only start-up code calls this.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub fn from_entropy() -> Rng {
    Rng::new()
}

/// A generator that yields the same sequence for the same seed.
pub fn seeded(seed: u64) -> Rng {
    Rng::with_seed(seed)
}
