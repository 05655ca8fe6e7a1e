//! Random histories of a small world, driven through all of alerting in simulated time, and judged by what readers believe.
//!
//! | part | is |
//! |---|---|
//! | `truth` | what is so of each canary, by the plainest reading of the rules |
//! | `log` | what happened and what was heard |
//! | `judge` | the invariants, each a function over the two |

mod judge;
mod log;
mod truth;
