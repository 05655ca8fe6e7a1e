//! Programs of Debian's packages that run beside a test, and ports for them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A program that ends with the test.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    /// Starts it; one that is missing is a failed test that names the package.
    pub(crate) fn start(program: &str, arguments: &[impl AsRef<OsStr>], package: &str) -> Self {
        let child =
            Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        Self(
            child.unwrap_or_else(|error| panic!("`{program}` cannot be started ({error}): install Debian's package `{package}`")),
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port for a program that cannot choose one itself. No other test of this process is given it, and it is not one of those that
/// the kernel hands out to whoever asks for any (32768 and above).
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let port = fastrand::u16(16_000..32_000);
        if given.insert(port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
