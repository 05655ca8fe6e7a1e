//! One attempt from beginning to end: a connection is opened or taken up, and given back if all went well.

use crate::run::step::TransportError;

use super::answer::TcpAnswer;
use super::connection::Connection;
use super::device::{NamedConnection, TcpDevice};
use super::progress::{Activity, Progress};
use super::request::TcpRequest;

impl TcpDevice {
    /// Makes an attempt. Where it fails or is dropped, its connection is closed.
    pub(super) async fn attempt(&self, request: &TcpRequest, progress: &Progress) -> Result<TcpAnswer, TransportError> {
        progress.enter(Activity::WaitForConnection);
        let kept = self.connection(&request.name);
        let mut kept = kept.lock().await;
        let before = std::mem::replace(&mut *kept, NamedConnection::Taken);
        let (mut connection, mut greeting) = match (&request.target, before) {
            (Some(target), before) => {
                drop(before);
                let opened = self.open(target, request, progress).await?;
                (opened.connection, opened.greeting)
            }
            (None, NamedConnection::Open(connection)) => (self.taken_up(connection, request, progress).await?, None),
            (None, before) => {
                let unavailable = before.unavailable(&request.name);
                progress.blame(&unavailable);
                *kept = before;
                return Err(unavailable);
            }
        };
        if let Some(end) = &request.greeting {
            progress.enter(Activity::Greeting);
            greeting = Some(connection.read(end, request.most, progress).await?);
        }
        if let Some(bytes) = &request.send {
            if request.target.is_none() {
                connection.is_silent(progress)?;
            }
            progress.enter(Activity::Send);
            connection.write(bytes, progress, Progress::wrote_payload).await?;
        }
        let mut received = None;
        if let Some(end) = &request.read {
            progress.enter(Activity::Answer);
            received = Some(connection.read(end, request.most, progress).await?);
        }
        let answer = TcpAnswer::new((greeting, received), connection.peer, connection.tls.clone(), progress.finish());
        *kept = if request.close {
            connection.close().await;
            NamedConnection::Closed
        } else {
            NamedConnection::Open(connection)
        };
        Ok(answer)
    }

    async fn taken_up(
        &self,
        connection: Connection,
        request: &TcpRequest,
        progress: &Progress,
    ) -> Result<Connection, TransportError> {
        progress.connected(connection.peer, connection.tls.clone());
        match &request.tls {
            Some(tls) => self.secured(connection, tls, progress).await,
            None => Ok(connection),
        }
    }
}
