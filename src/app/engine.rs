//! Making an engine from a plan, for the demo and for commands that run without the service.

use std::sync::Arc;

use crate::outcome::Secrets;
use crate::plan::Plan;
use crate::run::step::http::{HttpClients, HttpSetupError};
use crate::run::{Engine, StallLog};

/// An engine with these secrets. Its runs look stalls up in `stalls`.
///
/// # Errors
/// A root certificate that the configuration names cannot be read.
pub fn engine(plan: &Plan, secrets: &Arc<Secrets>, stalls: &Arc<StallLog>) -> Result<Engine, HttpSetupError> {
    let clients = HttpClients::new(&plan.limits)?;
    Ok(Engine::new(clients, plan.limits.clone(), Arc::clone(stalls), Arc::clone(secrets)))
}
