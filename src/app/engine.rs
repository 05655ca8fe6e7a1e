//! Making the engine of a demo from a plan.

use std::sync::Arc;

use crate::outcome::Secrets;
use crate::plan::Plan;
use crate::run::step::http::{HttpClients, HttpSetupError};
use crate::run::{Engine, StallLog};

/// An engine for these secrets that heeds this record of stalls.
///
/// # Errors
/// A root certificate that the configuration names cannot be read.
pub fn engine(plan: &Plan, secrets: &Arc<Secrets>, stalls: &Arc<StallLog>) -> Result<Engine, HttpSetupError> {
    let clients = HttpClients::new(&plan.limits)?;
    Ok(Engine::new(clients, plan.limits.clone(), Arc::clone(stalls), Arc::clone(secrets)))
}
