//! When runs start.
