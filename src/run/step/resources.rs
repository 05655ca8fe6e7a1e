//! Whether a run may open one more file, as the last ones are reserved for the listener, pages and the store; and which errors
//! say that the machine is out of resources.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::OnceLock;

use rustix::process::{Resource, getrlimit};

use crate::plan::FileShares;

/// "Too many open files", as the system says it.
const EMFILE: i32 = 24;

/// A file that is duplicated to get a descriptor's number.
static NOTHING: OnceLock<File> = OnceLock::new();

/// Fails as the system would if only the reserved files are left. It costs three system calls, under a microsecond.
pub(in crate::run::step) fn ensure_file_available() -> io::Result<()> {
    let nothing = if let Some(nothing) = NOTHING.get() {
        nothing
    } else {
        let opened = File::open("/dev/null")?;
        NOTHING.get_or_init(|| opened)
    };
    // The copy has the number that a socket would get now: the lowest one that is free. If none is free, there is no copy.
    let number = nothing.try_clone().ok().and_then(|copy| u64::try_from(copy.as_raw_fd()).ok());
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if number.is_some_and(|number| number < FileShares::of(limit).runs) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(EMFILE))
    }
}

/// Errors of the operating system that mean this machine has run out of something. Numbers of Linux, where the service
/// runs; elsewhere they are other errors and read as `connect`.
const OUT_OF_RESOURCES: [i32; 4] = [
    12,  // ENOMEM
    23,  // ENFILE
    24,  // EMFILE
    105, // ENOBUFS
];

/// No port is left to connect from, or this machine cannot use the address. Only the first is a lack of resources.
const EADDRNOTAVAIL: i32 = 99;

/// Whether this machine or process has run out of something.
pub(super) fn out_of_resources(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(EADDRNOTAVAIL) => no_port_is_left(),
        Some(code) => OUT_OF_RESOURCES.contains(&code),
        None => false,
    }
}

/// It is tried out, because the error alone would excuse a target that can never be reached from here.
fn no_port_is_left() -> bool {
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    tokio::net::TcpSocket::new_v4().and_then(|socket| socket.bind(any)).is_err()
}
