//! Self checks of a prober whose own network is up or down, by real endpoints on loopback.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serinus::plan::{Limits, SelfCheckSettings};
use serinus::run::SelfCheck;
use serinus::run::step::http::HttpClients;

/// An address that nothing listens on.
pub(crate) fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A self check of these URLs.
pub(crate) fn self_check(endpoints: &[String]) -> SelfCheck {
    let settings = SelfCheckSettings {
        endpoints: endpoints.iter().map(|endpoint| url::Url::parse(endpoint).unwrap()).collect(),
        every: Duration::from_secs(5),
        timeout: Duration::from_millis(300),
    };
    SelfCheck::start(&settings, HttpClients::new(&Limits::default()).unwrap()).unwrap()
}

/// A self check whose endpoints are all away.
pub(crate) fn network_down() -> SelfCheck {
    self_check(&[closed(), closed()].map(|address| format!("tcp://{address}")))
}
