//! The scheduler's thread against a real runtime and a runner that does what each test says. Short real intervals; every wait
//! ends with an event, and no assertion is about how fast this machine is.

mod absence;
mod apply;
mod ends;
mod frozen;
mod skipped;
mod support;
mod ticks;
