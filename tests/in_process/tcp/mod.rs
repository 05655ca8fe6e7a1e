//! Steps of `tcp`, on the real engine against servers on loopback that say what a test wants them to.

mod ends;
mod hostile;
mod kept;
mod paths;
mod readme;
mod secure;
mod shown;
mod starttls;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::http_server::{Stream, Target, raw, silence};
use crate::journey::Journey;

/// What a server does next with a connection.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// It says this.
    Say(&'static str),
    /// It reads exactly this, and closes the connection if anything else comes.
    Hear(&'static str),
    /// It holds the connection open and does nothing.
    Hang,
}

use Act::{Hang, Hear, Say};

/// A server that does the same with each connection and then closes it.
async fn server(acts: &'static [Act]) -> Target {
    behind(None, acts).await
}

/// The same behind TLS.
async fn behind(tls: Option<TlsAcceptor>, acts: &'static [Act]) -> Target {
    raw(tls, move |mut visit| Box::pin(async move { play(&mut visit.stream, acts).await })).await
}

async fn play(stream: &mut Stream, acts: &[Act]) {
    for act in acts {
        match act {
            Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Hear(wanted) => {
                let mut heard = vec![0; wanted.len()];
                if stream.read_exact(&mut heard).await.is_err() || heard != wanted.as_bytes() {
                    return;
                }
            }
            Hang => silence().await,
        }
    }
}

/// A probe whose `api` is that server, as `HOST:PORT`.
fn journey(target: &Target) -> Journey {
    Journey::at(&target.address.to_string())
}

/// The keys of a step, each a line.
fn step(name: &str, keys: &[&str]) -> String {
    format!("[[step]]\nname = \"{name}\"\n{}\n", keys.join("\n"))
}

/// Opens the connection.
const CONNECT: &str = "tcp.connect = '{{ api }}'";
