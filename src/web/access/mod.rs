//! Who may do what at the listener.
//!
//! A request is asked in this order who makes it: a bearer token, a session, a trusted proxy, the key of a page's link; without any
//! token configured everybody may look and nobody may act. The guard of a route puts the [`Caller`] into the request's extensions,
//! with the [`FormToken`] that its forms need, and refuses whoever may not. [`arrive`] runs before all routes, and says where a
//! request came from and under which [`Base`] its links are. A handler of a page's form takes [`Form`], which has looked at
//! everything that keeps other sites from sending it. A `GET` never acts.
//!
//! Nothing here knows what the routes do. One more way to be known is a variant of [`Via`] and a line of `identify`.

mod arrival;
mod caller;
mod codes;
mod cookie;
mod failures;
mod form;
mod guard;
mod headers;
mod identify;
mod login;
mod next;
mod origin;
mod refusal;
mod root_key;
mod session;
mod state;

pub(super) use arrival::{Arrival, Base, arrive};
pub(super) use caller::{Caller, Via};
pub(super) use form::{Form, FormToken};
pub(super) use guard::{api_changes, api_own, api_reads, pages};
pub(super) use headers::{as_it_says, secured};
pub(super) use login::{__path_login_code, login_code, public as login_routes};
pub(super) use next::safe as own_page;
pub use root_key::{RootKey, restored_root_key, shared_root_key};
#[cfg(test)]
pub(super) use state::testing;
pub(crate) use state::{AccessState, Token};

#[cfg(test)]
mod tests;
