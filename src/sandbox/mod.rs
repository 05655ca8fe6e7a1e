//! The simulated product and its faults.
