//! Sends an e-mail in one SMTP session, step by step, so that it is known how far it came.
//!
//! Before the end of the data nobody has taken it. After it, without an answer, the outcome is unknown.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};

use crate::alert::message::{Message, line};
use crate::alert::tries::{Outcome, RefusalKind};
use crate::outcome::{Redactor, Secret};
use crate::plan::SmtpTls;

use super::email::{mail, mailbox};
use super::http::chain;
use super::{refused, unknown};

/// How many partly taken tries are remembered.
const REMEMBERED: usize = 200;

/// How long a server that has taken a message may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A channel's settings with its password.
#[derive(Debug)]
pub(super) struct Server<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: SmtpTls,
    pub(super) login: Option<(&'a str, Secret)>,
    pub(super) from: &'a str,
    pub(super) to: &'a [String],
    pub(super) ca: Option<&'a Path>,
    pub(super) timeout: Duration,
}

/// The recipients who took a try that others have not taken yet, so that nobody gets a repeated try twice. Oldest first.
#[derive(Debug, Default)]
pub(super) struct Partly(Mutex<VecDeque<(String, BTreeSet<String>)>>);

impl Partly {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, BTreeSet<String>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, id: &str) -> BTreeSet<String> {
        self.lock().iter().find(|(known, _)| known == id).map(|(_, taken)| taken.clone()).unwrap_or_default()
    }

    fn remember(&self, id: &str, taken: BTreeSet<String>) {
        self.forget(id);
        let mut known = self.lock();
        known.push_back((id.to_owned(), taken));
        let excess = known.len().saturating_sub(REMEMBERED);
        known.drain(..excess);
    }

    fn forget(&self, id: &str) {
        self.lock().retain(|(known, _)| known != id);
    }
}

/// Sends `message` to every recipient who has not got it yet.
pub(super) async fn send(
    server: &Server<'_>,
    partly: &Partly,
    id: &str,
    first: Option<&str>,
    message: &Message,
    redactor: &Redactor,
) -> Outcome {
    let written = mail(server.from, server.to, id, first, message, SystemTime::now());
    let bytes = match written {
        Ok(mail) => mail.formatted(),
        Err(why) => return refused(RefusalKind::Rejected, why),
    };
    let had = partly.of(id);
    let mut session = Session { asked: false, taken: BTreeSet::new(), later: None, never: Vec::new() };
    let ended = tokio::time::timeout(server.timeout, session.hold(server, &had, &bytes)).await;
    let why = match ended {
        Ok(Ok(())) => None,
        Ok(Err(stop)) => Some(stop),
        Err(_) => Some(Stop { message: format!("not taken within {:?}", server.timeout), said_no: None }),
    };
    let outcome = session.outcome(why, !had.is_empty());
    match &outcome {
        Outcome::Unknown(_) if !session.taken.is_empty() => partly.remember(id, had.into_iter().chain(session.taken).collect()),
        Outcome::Taken => partly.forget(id),
        Outcome::Refused(_) | Outcome::Unknown(_) => {}
    }
    redacted(outcome, redactor)
}

fn redacted(outcome: Outcome, redactor: &Redactor) -> Outcome {
    let clean = |mut refusal: crate::alert::tries::Refusal| {
        refusal.message = redactor.redact(&line(&refusal.message, 500)).into_owned();
        refusal
    };
    match outcome {
        Outcome::Taken => Outcome::Taken,
        Outcome::Refused(refusal) => Outcome::Refused(clean(refusal)),
        Outcome::Unknown(refusal) => Outcome::Unknown(clean(refusal)),
    }
}

/// Why a conversation ended early.
struct Stop {
    message: String,
    /// The kind of the server's refusal; absent if it did not answer.
    said_no: Option<RefusalKind>,
}

/// What is known of a conversation so far.
struct Session {
    /// Whether the data was sent, so that it may have been taken.
    asked: bool,
    /// Who took it.
    taken: BTreeSet<String>,
    /// Why a recipient did not take it now.
    later: Option<String>,
    /// Why recipients never will.
    never: Vec<String>,
}

impl Session {
    async fn hold(&mut self, server: &Server<'_>, had: &BTreeSet<String>, bytes: &[u8]) -> Result<(), Stop> {
        let mut connection = connect(server).await?;
        let from = address(server.from)?;
        let to: Vec<(&String, Address)> =
            server.to.iter().filter(|to| !had.contains(*to)).map(|to| Ok((to, address(to)?))).collect::<Result<_, Stop>>()?;
        let plain = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        let mut parameters = Vec::new();
        if !plain(&from) || to.iter().any(|(_, to)| !plain(to)) {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !bytes.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        connection.command(MailFrom::new(Some(from), parameters)).await.map_err(|error| stop(&error))?;
        let mut accepted = BTreeSet::new();
        for (name, to) in to {
            match connection.command(Rcpt::new(to, Vec::new())).await {
                Ok(_) => {
                    accepted.insert(name.clone());
                }
                Err(error) if error.is_permanent() => self.never.push(format!("for <{name}>: {}", chain(&error))),
                Err(error) if error.is_transient() => self.later = Some(format!("for <{name}>: {}", chain(&error))),
                Err(error) => return Err(stop(&error)),
            }
        }
        if accepted.is_empty() {
            return Ok(());
        }
        connection.command(Data).await.map_err(|error| stop(&error))?;
        self.asked = true;
        connection.message(bytes).await.map_err(|error| {
            let stop = stop(&error);
            if error.is_permanent() { Stop { said_no: Some(RefusalKind::Unreadable), ..stop } } else { stop }
        })?;
        self.taken = accepted;
        // It is taken, however the session ends.
        let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
        Ok(())
    }

    /// The outcome of a session that ended with `stop`; `had` if somebody took it on an earlier attempt.
    fn outcome(&self, stop: Option<Stop>, had: bool) -> Outcome {
        let some = had || !self.taken.is_empty();
        // If somebody has it already, it is repeated as it is for the others and not made anew.
        let no = |kind, message| if some { unknown(kind, message) } else { refused(kind, message) };
        match (stop.filter(|_| self.taken.is_empty()), &self.later) {
            (Some(Stop { message, said_no: Some(kind) }), _) => no(kind, message),
            (Some(Stop { message, said_no: None }), _) if self.asked => unknown(RefusalKind::Unreachable, message),
            (Some(Stop { message, said_no: None }), _) => no(RefusalKind::Unreachable, message),
            (None, Some(later)) => no(RefusalKind::Unreachable, later.clone()),
            (None, None) if self.never.is_empty() => Outcome::Taken,
            (None, None) if some => {
                tracing::warn!("a message by e-mail was taken for some recipients only; {}", line(&self.never.join("; "), 500));
                Outcome::Taken
            }
            (None, None) => refused(RefusalKind::Rejected, self.never.join("; ")),
        }
    }
}

fn stop(error: &lettre::transport::smtp::Error) -> Stop {
    let said_no = if error.is_permanent() || error.is_client() {
        Some(RefusalKind::Rejected)
    } else {
        error.is_transient().then_some(RefusalKind::Unreachable)
    };
    Stop { message: chain(error), said_no }
}

fn address(text: &str) -> Result<Address, Stop> {
    mailbox(text).map(|mailbox| mailbox.email).map_err(|message| Stop { message, said_no: Some(RefusalKind::Rejected) })
}

async fn connect(server: &Server<'_>) -> Result<AsyncSmtpConnection, Stop> {
    let domain = server.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
    let name = ClientId::Domain(line(domain, 255));
    let wrapped = if server.tls == SmtpTls::Implicit { Some(parameters(server).await?) } else { None };
    let to = (server.host, server.port);
    let mut connection = AsyncSmtpConnection::connect_tokio1(to, Some(server.timeout), &name, wrapped, None)
        .await
        .map_err(|error| stop(&error))?;
    if server.tls == SmtpTls::StartTls {
        connection.starttls(parameters(server).await?, &name).await.map_err(|error| stop(&error))?;
    }
    if let Some((user, password)) = &server.login {
        let credentials = Credentials::new((*user).to_owned(), password.expose().to_owned());
        connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| stop(&error))?;
    }
    Ok(connection)
}

/// Reads the certificates off the runtime's thread.
async fn parameters(server: &Server<'_>) -> Result<TlsParameters, Stop> {
    let host = server.host.to_owned();
    let ca = server.ca.map(Path::to_owned);
    let made = tokio::task::spawn_blocking(move || {
        let mut builder = TlsParameters::builder(host);
        if let Some(path) = ca {
            let unusable = |error: &dyn std::fmt::Display| format!("cannot read the certificate `{}`: {error}", path.display());
            let pem = std::fs::read(&path).map_err(|error| unusable(&error))?;
            builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| unusable(&error))?);
        }
        builder.build_rustls().map_err(|error| format!("cannot set TLS up: {error}"))
    });
    // A file that is being replaced may be there the next time.
    let passing = |message| Stop { message, said_no: Some(RefusalKind::Unreachable) };
    match made.await {
        Ok(parameters) => parameters.map_err(passing),
        Err(error) => Err(passing(format!("cannot set TLS up: {error}"))),
    }
}
