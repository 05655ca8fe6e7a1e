//! A network for each process, with a cable to each of those it talks to, so that any pair can be cut apart.
//!
//! All of it is within a namespace that the benchmark has for itself, so that nothing of the machine's own network changes.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the database, the target and the pager are found, from every process.
pub(crate) const STORE: &str = "10.9.0.1";
pub(crate) const TARGET: &str = "10.9.0.2";
pub(crate) const PAGER: &str = "10.9.0.3";

/// What a process talks to, each over a cable of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cable {
    Store,
    Target,
    Pager,
    /// Over which the benchmark asks it. It is never cut.
    Watch,
}

impl Cable {
    const ALL: [Self; 4] = [Self::Store, Self::Target, Self::Pager, Self::Watch];

    fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Target => "target",
            Self::Pager => "pager",
            Self::Watch => "watch",
        }
    }

    /// The address at its far end; the benchmark has none.
    fn leads_to(self) -> Option<&'static str> {
        match self {
            Self::Store => Some(STORE),
            Self::Target => Some(TARGET),
            Self::Pager => Some(PAGER),
            Self::Watch => None,
        }
    }
}

/// Runs a tool.
pub(crate) fn run(line: &str) {
    let mut words = line.split(' ');
    let program = words.next().expect("a line has a word");
    let output = Command::new(program).args(words).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").output();
    let output =
        output.unwrap_or_else(|error| panic!("`{program}` cannot be started ({error}): install `iproute2` and `iptables`"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the addresses of the database, the target and the pager, in the namespace that this process is in.
pub(crate) fn begin() {
    run("ip link set lo up");
    for address in [STORE, TARGET, PAGER] {
        run(&format!("ip addr add {address}/32 dev lo"));
    }
}

/// The network of one process, held by one that sleeps.
pub(crate) struct Network {
    number: usize,
    holder: Child,
}

impl Network {
    pub(crate) fn new(number: usize) -> Self {
        let holder = Command::new("unshare").args(["--net", "sleep", "7200"]).stdin(Stdio::null()).spawn();
        let network = Self { number, holder: holder.expect("`unshare` is of Debian's package `util-linux`") };
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let theirs = format!("/proc/{}/ns/net", network.holder.id());
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read_link(&theirs).unwrap() == own {
            assert!(Instant::now() < deadline, "unshare takes for ever");
            std::thread::sleep(Duration::from_millis(10));
        }
        network.within("ip link set lo up");
        for cable in Cable::ALL {
            network.lay(cable);
        }
        network
    }

    fn lay(&self, cable: Cable) {
        let (name, here, subnet) = (cable.name(), self.end_here(cable), self.subnet(cable));
        run(&format!("ip link add {here} type veth peer name {name} netns {}", self.holder.id()));
        run(&format!("ip addr add {subnet}.1/24 dev {here}"));
        run(&format!("ip link set {here} up"));
        self.within(&format!("ip addr add {subnet}.2/24 dev {name}"));
        self.within(&format!("ip link set {name} up"));
        if let Some(address) = cable.leads_to() {
            self.within(&format!("ip route add {address}/32 via {subnet}.1"));
        }
    }

    /// The name of the end that the process does not see.
    fn end_here(&self, cable: Cable) -> String {
        format!("{}{}", cable.name(), self.number)
    }

    fn subnet(&self, cable: Cable) -> String {
        format!("10.{}.{}", 20 + cable as usize, self.number)
    }

    fn within(&self, line: &str) {
        run(&format!("nsenter -t {} -n {line}", self.holder.id()));
    }

    /// The process whose network this is, for `nsenter`.
    pub(crate) fn pid(&self) -> String {
        self.holder.id().to_string()
    }

    /// Where the process listens for the benchmark.
    pub(crate) fn listens(&self) -> String {
        format!("{}.2:9464", self.subnet(Cable::Watch))
    }

    /// Unplugs the far end: what is sent is lost, and nobody says so.
    pub(crate) fn cut(&self, cable: Cable) {
        run(&format!("ip link set {} down", self.end_here(cable)));
    }

    pub(crate) fn mend(&self, cable: Cable) {
        run(&format!("ip link set {} up", self.end_here(cable)));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
