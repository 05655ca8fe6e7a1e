//! What explains what.
