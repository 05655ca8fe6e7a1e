//! A network for each process, with a cable to each of those it talks to, so that any pair can be cut apart.
//!
//! All of it is within a namespace that the benchmark has for itself, so that nothing of the machine's own network changes.

use super::namespace::{Namespace, run};

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

/// Makes the addresses of the database, the target and the pager, in the namespace that this process is in.
pub(crate) fn begin() {
    run("ip link set lo up");
    for address in [STORE, TARGET, PAGER] {
        run(&format!("ip addr add {address}/32 dev lo"));
    }
}

/// The network of one process.
pub(crate) struct Network {
    number: usize,
    namespace: Namespace,
}

impl Network {
    pub(crate) fn new(number: usize) -> Self {
        let network = Self { number, namespace: Namespace::new() };
        for cable in Cable::ALL {
            network.lay(cable);
        }
        network
    }

    fn lay(&self, cable: Cable) {
        let subnet = self.subnet(cable);
        self.namespace.lay([&self.end_here(cable), cable.name()], &subnet);
        if let Some(address) = cable.leads_to() {
            self.namespace.within(&format!("ip route add {address}/32 via {subnet}.1"));
        }
    }

    /// The name of the end that the process does not see.
    fn end_here(&self, cable: Cable) -> String {
        format!("{}{}", cable.name(), self.number)
    }

    fn subnet(&self, cable: Cable) -> String {
        format!("10.{}.{}", 20 + cable as usize, self.number)
    }

    /// The process whose network this is, for `nsenter`.
    pub(crate) fn pid(&self) -> String {
        self.namespace.pid()
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
