//! The `serinus` command.

fn main() {}
