//! Kinds of steps: what each is called, and which names its result has.
//!
//! Whoever wants to know something of a kind asks here or [`Action`](super::Action), and does not match on kinds.

use super::{dns, exec, http, tcp};

/// What a step can do. A `parallel` is no kind: it only holds steps that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::VariantArray)]
pub enum StepKind {
    /// One HTTP request.
    Http,
    /// One question to a name server.
    Dns,
    /// What is sent and read over a TCP connection.
    Tcp,
    /// One run of a program.
    Exec,
}

impl StepKind {
    /// Every kind there is.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The key of a step that has it, such as `http`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Exec => "exec",
        }
    }

    /// What a step of it asks, for people.
    pub fn request(self) -> &'static str {
        match self {
            Self::Http => "the request",
            Self::Dns => "the question",
            Self::Tcp => "the TCP exchange",
            Self::Exec => "the command",
        }
    }

    /// Names in scope where the step's own result is looked at, which is in `expect`, `guard` and `capture`.
    pub fn result_names(self) -> &'static [&'static str] {
        match self {
            Self::Http => http::RESULT_NAMES,
            Self::Dns => dns::RESULT_NAMES,
            Self::Tcp => tcp::RESULT_NAMES,
            Self::Exec => exec::RESULT_NAMES,
        }
    }

    /// The kinds whose results know this name.
    pub fn knowing(name: &str) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |kind| kind.result_names().contains(&name))
    }
}
