//! TOML files into a plan, or into diagnostics that say what to do.
