//! Whether a run may open one more file, or whether what is left is kept for the listener, pages and the store.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::OnceLock;

use rustix::process::{Resource, getrlimit};

use crate::plan::FileShares;

/// "Too many open files", as the system says it.
const EMFILE: i32 = 24;

/// A file to ask for a number with.
static NOTHING: OnceLock<File> = OnceLock::new();

/// Fails as the system would, where only the last files are left. It costs three calls of the system, under a microsecond.
pub(in crate::run::step) fn for_one_more() -> io::Result<()> {
    let nothing = if let Some(nothing) = NOTHING.get() {
        nothing
    } else {
        let opened = File::open("/dev/null")?;
        NOTHING.get_or_init(|| opened)
    };
    // The copy has the number that a socket would get now: the lowest one that is free. Where none is, the system also says that
    // the bound itself is no number to begin at.
    let number = nothing.try_clone().ok().and_then(|copy| u64::try_from(copy.as_raw_fd()).ok());
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if number.is_some_and(|number| number < FileShares::of(limit).runs) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(EMFILE))
    }
}
