//! The registrations and the idempotency keys that made them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::bounded::Bounded;
use super::record::{Registration, Submission};

/// Registrations by id. Keys go with the registration they made, so that neither outgrows the bound.
#[derive(Debug)]
pub(super) struct Store(Mutex<Tables>);

#[derive(Debug)]
struct Tables {
    registrations: Bounded<Registration>,
    keys: Bounded<(Submission, Arc<str>)>,
}

/// What became of a submission.
#[derive(Debug)]
pub(super) enum Submitted {
    /// It made this registration.
    Created(Registration),
    /// The same submission had made this one before.
    Replayed(Registration),
    /// Another submission has used the key.
    KeyTaken,
}

impl Store {
    pub(super) fn new(most: usize) -> Self {
        Self(Mutex::new(Tables { registrations: Bounded::new(most, usize::MAX), keys: Bounded::new(most, usize::MAX) }))
    }

    /// Makes a registration unless the key has made one already.
    pub(super) fn submit(&self, submission: &Submission, make: impl FnOnce() -> Registration) -> Submitted {
        let mut tables = self.lock();
        if let Some((earlier, id)) = submission.key().and_then(|key| tables.keys.get(key)) {
            if earlier != submission {
                return Submitted::KeyTaken;
            }
            if let Some(registration) = tables.registrations.get(id) {
                return Submitted::Replayed(registration.clone());
            }
        }
        let registration = make();
        let id = Arc::clone(&registration.id);
        for (_, gone) in tables.registrations.put(Arc::clone(&id), registration.clone(), 0) {
            tables.forget_key(&gone);
        }
        if let Some(key) = &registration.idempotency_key {
            tables.keys.put(Arc::clone(key), (submission.clone(), id), 0);
        }
        Submitted::Created(registration)
    }

    pub(super) fn get(&self, id: &str) -> Option<Registration> {
        self.lock().registrations.get(id).cloned()
    }

    /// Changes a registration that is still there.
    pub(super) fn change<T>(&self, id: &str, change: impl FnOnce(&mut Registration) -> T) -> Option<T> {
        self.lock().registrations.get_mut(id).map(change)
    }

    pub(super) fn remove(&self, id: &str) {
        let mut tables = self.lock();
        if let Some(gone) = tables.registrations.remove(id) {
            tables.forget_key(&gone);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().registrations.len()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn forget_key(&mut self, registration: &Registration) {
        if let Some(key) = &registration.idempotency_key {
            self.keys.remove(key);
        }
    }
}
