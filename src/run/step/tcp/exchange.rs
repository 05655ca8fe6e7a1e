//! One attempt from beginning to end: a connection is opened or taken up, and given back if all went well.

use crate::run::step::TransportError;

use super::answer::TcpAnswer;
use super::connection::Connection;
use super::device::{Kept, TcpDevice};
use super::request::TcpRequest;
use super::underway::{Doing, Underway};

impl TcpDevice {
    /// Makes an attempt. Where it fails or is dropped, its connection is closed.
    pub(super) async fn exchange(&self, request: &TcpRequest, underway: &Underway) -> Result<TcpAnswer, TransportError> {
        underway.enter(Doing::Turn);
        let kept = self.kept(&request.name);
        let mut kept = kept.lock().await;
        let before = std::mem::replace(&mut *kept, Kept::Taken);
        let (mut connection, mut greeting) = match (&request.target, before) {
            (Some(target), before) => {
                drop(before);
                let opened = self.open(target, request, underway).await?;
                (opened.connection, opened.greeting)
            }
            (None, Kept::Open(connection)) => (self.taken_up(connection, request, underway).await?, None),
            (None, before) => {
                let absence = before.absence(&request.name);
                underway.blame(&absence);
                *kept = before;
                return Err(absence);
            }
        };
        if let Some(end) = &request.greeting {
            underway.enter(Doing::Greeting);
            greeting = Some(connection.read(end, request.most, underway).await?);
        }
        if let Some(bytes) = &request.send {
            if request.target.is_none() {
                connection.is_silent(underway)?;
            }
            underway.enter(Doing::Send);
            connection.write(bytes, underway, Underway::sent).await?;
        }
        let mut received = None;
        if let Some(end) = &request.read {
            underway.enter(Doing::Answer);
            received = Some(connection.read(end, request.most, underway).await?);
        }
        let answer = TcpAnswer::new((greeting, received), connection.peer, connection.tls.clone(), underway.finish());
        *kept = if request.close {
            connection.close().await;
            Kept::Closed
        } else {
            Kept::Open(connection)
        };
        Ok(answer)
    }

    async fn taken_up(
        &self,
        connection: Connection,
        request: &TcpRequest,
        underway: &Underway,
    ) -> Result<Connection, TransportError> {
        underway.connected(connection.peer, connection.tls.clone());
        match &request.tls {
            Some(tls) => self.secured(connection, tls, underway).await,
            None => Ok(connection),
        }
    }
}
