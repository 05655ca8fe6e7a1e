//! Making the engine from a plan, and keeping its secrets fresh.

use std::sync::Arc;

use futures::FutureExt as _;

use crate::config::read_secrets;
use crate::outcome::Secrets;
use crate::plan::{Plan, SecretSource};
use crate::run::step::http::{HttpClients, HttpSetupError};
use crate::run::{Engine, StallLog};
use crate::schedule::Job;

/// An engine for these secrets that heeds this record of stalls.
///
/// # Errors
/// A root certificate that the configuration names cannot be read.
pub fn engine(plan: &Plan, secrets: &Arc<Secrets>, stalls: &Arc<StallLog>) -> Result<Engine, HttpSetupError> {
    let clients = HttpClients::new(&plan.limits)?;
    Ok(Engine::new(clients, plan.limits.clone(), Arc::clone(stalls), Arc::clone(secrets)))
}

/// The chore of reading secrets anew, so that a file that is renewed is used from then on; none where no secret is a file.
pub fn secret_renewal(engine: &Engine, plan: &Arc<Plan>, lookup: fn(&str) -> Option<String>) -> Option<Job> {
    plan.secrets.values().any(|source| matches!(source, SecretSource::File(_))).then(|| {
        let (engine, plan) = (engine.clone(), Arc::clone(plan));
        let run = move || {
            let (engine, plan) = (engine.clone(), Arc::clone(&plan));
            let renew = move || engine.replace_secrets(Arc::new(read_secrets(&plan.secrets, lookup)));
            // A panic has been printed, and the secrets are read again at the next time.
            tokio::task::spawn_blocking(renew).map(drop).boxed()
        };
        Job { name: "secret renewal", cron: "*/10 * * * * *", run: Arc::new(run) }
    })
}
