//! Steps of the kind `dns`: what they see of an answer, what they make of one that never comes or is broken, and that everything else
//! of a step works around them. All name servers are on loopback.

mod answers;
mod hostile;
mod semantics;

use std::net::SocketAddr;

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};

use crate::dns_server::{DnsServer, Say};
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

/// A step that asks for `host.test`, to which a test adds its keys.
const ASK: &str = "[[step]]\nname = \"ask\"\ndns.name = \"host.test\"\ndns.type = \"A\"\n";

/// The address of a server, for steps that name it.
fn address(server: &DnsServer) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.names().port))
}

/// A journey whose machine asks this server, and whose steps know it as `ns`.
async fn journey(server: &DnsServer) -> Journey {
    at(address(server)).await.names(server.names())
}

/// A journey whose steps know what listens there as `ns`.
async fn at(address: SocketAddr) -> Journey {
    let unused = Target::start(|_| Answer::json(200, "{}")).await;
    Journey::new(&unused).head(&format!("[vars]\nns = \"{address}\""))
}

/// One run against a server.
async fn run(server: &DnsServer, steps: &str) -> Ran {
    journey(server).await.run(steps).await
}

/// An answer with these records, each of a name that ends with a dot.
fn records(records: Vec<(&'static str, RData)>) -> Say {
    Say::Shaped(Box::new(move |answer: &mut Message| {
        for (name, data) in records {
            answer.add_answer(Record::from_rdata(name.parse().unwrap(), 60, data));
        }
    }))
}
