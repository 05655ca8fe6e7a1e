//! A question with everything filled in: what is asked, whom, over what.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::ProtoError;
use hickory_proto::rr::{Name, RecordType};

use crate::plan::expr::{Destination, EvalError};
use crate::plan::{DnsAction, DnsTransport, dns_name, dns_server};
use crate::run::dns::Question;
use crate::run::step::kind::Setting;

/// What is asked.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) name: Name,
    pub(super) record: RecordType,
    pub(super) recursion: bool,
    /// Who is asked, one after the other until one answers; at least one.
    pub(super) servers: Vec<SocketAddr>,
    /// Whether it goes over TCP from the start.
    pub(super) tcp: bool,
    /// The address to send from.
    pub(super) from: Option<IpAddr>,
    /// How long one server is waited for, as the machine waits.
    pub(super) patience: Duration,
    /// How often each is asked.
    pub(super) rounds: usize,
}

impl Query {
    /// Fills in the templates.
    ///
    /// # Errors A template has no value, or its value is no name or no server.
    pub(super) fn render(action: &DnsAction, setting: &Setting<'_>) -> Result<Self, EvalError> {
        let machine = setting.session.names();
        let cannot = |what: &str, text: &str, why: String| EvalError { message: format!("`{text}` cannot be {what}: {why}") };
        let text = action.name.render(setting.scope, Destination::Header)?;
        let name = dns_name(&text, action.record).map_err(|why| cannot("asked for", &text, why))?;
        let servers = match &action.server {
            Some(server) => {
                let text = server.render(setting.scope, Destination::Header)?;
                vec![dns_server(&text).map_err(|why| cannot("the name server", &text, why))?]
            }
            None => machine.servers.clone(),
        };
        Ok(Self {
            name,
            record: action.record,
            recursion: action.recursion,
            servers,
            tcp: action.transport == DnsTransport::Tcp,
            from: setting.device.settings.local_address,
            patience: machine.timeout,
            rounds: machine.attempts,
        })
    }

    /// The question, with an id of its own. Its AD flag asks whether the answer was authenticated (RFC 6840, section 5.7).
    pub(super) fn question(&self) -> Result<Question, ProtoError> {
        Question::new(&self.name, self.record, |flags| {
            flags.recursion_desired = self.recursion;
            flags.authentic_data = true;
        })
    }

    /// It in one line, asked of this server.
    pub(super) fn asked(&self, server: SocketAddr, tcp: bool) -> String {
        format!("{} {} at {server} over {}", self.record, self.name.to_ascii(), transport(tcp))
    }

    /// It as name servers' tools write it.
    pub(super) fn sent(&self) -> String {
        let flags = if self.recursion { "rd ad" } else { "ad" };
        format!(";; flags: {flags}\n;{} IN {}\n", self.name.to_ascii(), self.record)
    }
}

/// The word for it, also OpenTelemetry's.
pub(super) fn transport(tcp: bool) -> &'static str {
    if tcp { "tcp" } else { "udp" }
}
