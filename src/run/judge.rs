//! The strict judge.
