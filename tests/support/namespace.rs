//! A network that a program has for itself, and cables to it. Making one needs root, or a namespace in which this user counts as root.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a tool.
pub(crate) fn run(line: &str) {
    let mut words = line.split(' ');
    let program = words.next().expect("a line has a word");
    let output = Command::new(program).args(words).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").output();
    let output =
        output.unwrap_or_else(|error| panic!("`{program}` cannot be started ({error}): install `iproute2` and `iptables`"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A network, held by a process that sleeps.
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    /// One in which nothing but loopback is up.
    pub(crate) fn new() -> Self {
        let holder = Command::new("unshare").args(["--net", "sleep", "7200"]).stdin(Stdio::null()).spawn();
        let namespace = Self { holder: holder.expect("`unshare` is of Debian's package `util-linux`") };
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let theirs = format!("/proc/{}/ns/net", namespace.pid());
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read_link(&theirs).unwrap() == own {
            assert!(Instant::now() < deadline, "unshare takes for ever");
            std::thread::sleep(Duration::from_millis(10));
        }
        namespace.within("ip link set lo up");
        namespace
    }

    /// Lays a cable from this process's network, where it has the first address of a subnet, to this one, where it has the second. The
    /// names are those of its ends.
    pub(crate) fn lay(&self, [here, there]: [&str; 2], subnet: &str) {
        run(&format!("ip link add {here} type veth peer name {there} netns {}", self.pid()));
        run(&format!("ip addr add {subnet}.1/24 dev {here}"));
        run(&format!("ip link set {here} up"));
        self.within(&format!("ip addr add {subnet}.2/24 dev {there}"));
        self.within(&format!("ip link set {there} up"));
    }

    /// Runs a tool in it.
    pub(crate) fn within(&self, line: &str) {
        run(&format!("nsenter -t {} -n {line}", self.pid()));
    }

    /// The process whose network it is, for `nsenter`.
    pub(crate) fn pid(&self) -> String {
        self.holder.id().to_string()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
