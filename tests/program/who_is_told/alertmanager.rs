//! Debian's Alertmanager, alone or with a peer, with one route to the desk that groups by probe.

use super::receivers::Receivers;
use crate::alertmanager::{self, Cluster};
use crate::cli_support::until;
use crate::programs::{Program, free_port};

/// One that runs, or is away.
pub(crate) struct Alertmanager {
    program: Option<Program>,
    folder: tempfile::TempDir,
    port: u16,
    /// Its port for peers and theirs.
    cluster: Option<Cluster>,
}

impl Alertmanager {
    pub(crate) fn start(receivers: &Receivers) -> Self {
        Self::with(receivers, "one", None)
    }

    /// Two that know each other.
    pub(crate) fn pair(receivers: &Receivers) -> (Self, Self) {
        let (first, second) = (free_port(), free_port());
        (Self::with(receivers, "first", Some((first, second))), Self::with(receivers, "second", Some((second, first))))
    }

    fn with(receivers: &Receivers, name: &str, cluster: Option<Cluster>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "route: {{receiver: desk, group_by: [probe], group_wait: 200ms, group_interval: 1s}}\nreceivers:\n- name: desk\n  \
             webhook_configs: [{{url: 'http://{}/am/{name}', send_resolved: true}}]\n",
            receivers.address
        );
        std::fs::write(folder.path().join("alertmanager.yml"), text).unwrap();
        let mut one = Self { program: None, folder, port: free_port(), cluster };
        one.run();
        one
    }

    /// Starts it, or starts it again with its files.
    pub(crate) fn run(&mut self) {
        self.program = Some(alertmanager::start(self.folder.path(), "data", self.port, self.cluster));
        until("Alertmanager listening", || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.program = None;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many alerts it says fire.
    pub(crate) fn firing(&self) -> usize {
        let answer = crate::cli_support::get(&format!("127.0.0.1:{}", self.port), "/api/v2/alerts");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str::<Vec<serde_json::Value>>(body).map_or(0, |alerts| alerts.len())
    }
}
