//! What a service starts on: its store, or, where the store of its fleet cannot be reached, the journal on its own disk.
//!
//! Owns the decision which of the two, and asking for the store until it answers. It starts nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::{OpenError, OpenedStore, Sharing, Spool, is_anything_open, open_journal, open_store, store_in_memory};
use crate::history::Store;
use crate::plan::Service;

use super::super::exit::Failure;
use super::super::logs::chain;

/// For how long a start asks a database that does not answer before it goes on without, and how often.
const ASKS: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// How long opening a store may take, a new one's tables included.
const OPENED_WITHIN: Duration = Duration::from_secs(20);

/// How often a process that goes on without its store asks for it.
const AGAIN: Duration = Duration::from_secs(3);

/// What a service starts on.
pub(super) enum Place {
    /// Its store.
    Store(OpenedStore),
    /// The journal, until the store answers; or until what an earlier process told alone is ready to be handed in, where the store is here already.
    Journal(Arc<dyn Store>, Option<OpenedStore>),
}

/// Finds what the service starts on. `spool` goes with the store of a fleet.
pub(super) async fn place(service: &Service, spool: &Arc<Spool>) -> Result<Place, Failure> {
    let began = Instant::now();
    let opened = loop {
        match open(service).await {
            Ok(opened) => break opened,
            Err(Opening::Away(_)) if began.elapsed() < ASKS => tokio::time::sleep(PAUSE).await,
            Err(Opening::Away(error)) => {
                let Some(journal) = journal(service) else { return Err(Failure::prober(error)) };
                tracing::error!(
                    error,
                    "the store of the fleet cannot be reached: this process goes on alone, and pages by itself for what fails in its region"
                );
                return Ok(Place::Journal(journal, None));
            }
            Err(Opening::Failed(failure)) => return Err(failure),
        }
    };
    let Some(journal) = journal(service) else { return Ok(Place::Store(opened)) };
    if is_anything_open(&*journal).await {
        tracing::info!("what an earlier process told alone is made ready to be handed in first");
        return Ok(Place::Journal(journal, Some(opened)));
    }
    Ok(Place::Store(opened.with_journal(Some(journal), spool)))
}

/// Resolves when the store answers.
pub(super) async fn reached(service: &Service) -> OpenedStore {
    let mut told = None;
    loop {
        tokio::time::sleep(AGAIN).await;
        match open(service).await {
            Ok(opened) => return opened,
            Err(Opening::Away(_)) => {}
            Err(Opening::Failed(Failure { message, .. })) => {
                if told.as_ref() != Some(&message) {
                    tracing::error!(
                        error = message,
                        "the store of the fleet answers and cannot be used; this process goes on alone"
                    );
                }
                told = Some(message);
            }
        }
    }
}

/// The store of a fleet with the journal of this process, which has been closed since.
pub(super) fn with_journal(opened: OpenedStore, service: &Service, spool: &Arc<Spool>) -> OpenedStore {
    opened.with_journal(journal(service), spool)
}

/// The journal, where the service is one of a fleet. Without one it goes on.
fn journal(service: &Service) -> Option<Arc<dyn Store>> {
    let (fleet, store) = service.fleet.as_ref().zip(service.store.as_ref())?;
    match open_journal(fleet, store) {
        Ok(journal) => Some(journal),
        Err(error) => {
            let (error, journal) = (chain(&error), fleet.journal.display());
            tracing::error!(
                error,
                %journal,
                "this process has no journal: while the database is away it does not start, and its runs create nothing; see `fleet.journal`"
            );
            None
        }
    }
}

/// Why a store was not opened.
enum Opening {
    /// It may be there later.
    Away(String),
    Failed(Failure),
}

/// Opens the store. A disk that is full is told of, and the service goes on from memory.
async fn open(service: &Service) -> Result<OpenedStore, Opening> {
    let in_memory = || OpenedStore { store: store_in_memory(), sharing: Sharing::Own };
    let Some(settings) = &service.store else { return Ok(in_memory()) };
    // A database may take a connection and answer nothing on it, or hold a lock on what the tables are looked up by.
    let Ok(opened) = tokio::time::timeout(OPENED_WITHIN, open_store(settings, service.fleet.as_ref())).await else {
        return Err(Opening::Away(format!("it did not answer within {} s", OPENED_WITHIN.as_secs())));
    };
    match opened {
        Ok(opened) => Ok(opened),
        Err(OpenError::File(error)) if error.is_full() => {
            let error = chain(&error);
            tracing::error!(
                error,
                "the disk is full: probing and paging go on from memory, and a restart forgets what happens now"
            );
            Ok(in_memory())
        }
        Err(OpenError::File(error)) if error.is_misnamed() => Err(Opening::Failed(Failure::usage(chain(&error)))),
        Err(error) if error.is_away() => Err(Opening::Away(chain(&error))),
        Err(error) => Err(Opening::Failed(Failure::prober(chain(&error)))),
    }
}
