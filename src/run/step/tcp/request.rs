//! An exchange with everything filled in.

use minijinja::Value;
use regex::bytes::Regex;

use crate::plan::expr::{Destination, EvalError};
use crate::plan::{StartTls, TcpAction, TcpTarget, Template, TlsSettings, Until};

/// The connection of a step that names none.
const DEFAULT: &str = "default";

/// Bytes that may be sent at once.
const MOST_SENT: usize = 8 << 20;

/// What is to be done over which connection.
#[derive(Debug)]
pub(super) struct TcpRequest {
    /// The name under which the device keeps the connection.
    pub(super) name: String,
    /// Where a new one leads; that of an earlier step is taken up if absent.
    pub(super) target: Option<TcpTarget>,
    pub(super) starttls: Option<StartTls>,
    pub(super) tls: Option<TlsRequest>,
    pub(super) greeting: Option<ReadEnd>,
    pub(super) send: Option<Vec<u8>>,
    pub(super) read: Option<ReadEnd>,
    pub(super) close: bool,
    /// Bytes that may be read at once.
    pub(super) most: usize,
}

/// How TLS begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TlsRequest {
    pub(super) settings: TlsSettings,
    /// Protocols that are offered (ALPN).
    pub(super) alpn: Vec<String>,
}

/// Where reading ends.
#[derive(Debug)]
pub(super) enum ReadEnd {
    /// With this text.
    Text(Vec<u8>),
    /// With a line that matches.
    Line(Regex),
    /// After so many bytes.
    Bytes(usize),
    /// With the connection.
    Close,
}

impl TcpRequest {
    /// Fills in the templates. `device` is what the device says of TLS.
    pub(super) fn render(action: &TcpAction, device: &TlsSettings, scope: &Value, most: usize) -> Result<Self, EvalError> {
        let text = |template: &Template| template.render(scope, Destination::Text);
        let name = action.connection.as_ref().map_or_else(|| Ok(DEFAULT.to_owned()), text)?;
        let target = action.connect.as_ref().map(|connect| target(&text(connect)?)).transpose()?;
        let send = action.send.as_ref().map(|payload| {
            let what = |why: String| EvalError { message: format!("`tcp.send`: {why}") };
            let bytes = payload.bytes(text(payload.template())?).map_err(what)?;
            if bytes.len() > MOST_SENT { Err(what(format!("it is more than {MOST_SENT} bytes"))) } else { Ok(bytes) }
        });
        let tls = match (&action.tls, action.starttls) {
            (Some(changes), _) => Some(TlsRequest { settings: changes.over(device), alpn: changes.alpn.clone() }),
            (None, Some(_)) => Some(TlsRequest { settings: device.clone(), alpn: Vec::new() }),
            (None, None) => None,
        };
        Ok(Self {
            name,
            target,
            starttls: action.starttls,
            tls,
            greeting: action.greeting.as_ref().map(|until| end(until, scope)).transpose()?,
            send: send.transpose()?,
            read: action.read.as_ref().map(|until| end(until, scope)).transpose()?,
            close: action.close,
            most: action.response_bytes.unwrap_or(most),
        })
    }
}

fn target(text: &str) -> Result<TcpTarget, EvalError> {
    TcpTarget::parse(text).map_err(|why| EvalError { message: format!("`tcp.connect`: `{text}` cannot be connected to: {why}") })
}

fn end(until: &Until, scope: &Value) -> Result<ReadEnd, EvalError> {
    Ok(match until {
        Until::Text(template) => {
            let text = template.render(scope, Destination::Text)?;
            if text.is_empty() {
                return Err(EvalError { message: "`until`: it is empty, so that nothing would be read".to_owned() });
            }
            ReadEnd::Text(text.into_bytes())
        }
        Until::Line(pattern) => ReadEnd::Line(pattern.clone()),
        Until::Bytes(bytes) => ReadEnd::Bytes(*bytes),
        Until::Close => ReadEnd::Close,
    })
}
