//! Which exchanges of a device overlap. Alone, an exchange that is connecting has sent nothing; in company, its request may
//! have gone over a connection that another exchange handed back meanwhile, without any hook being called.

use std::sync::atomic::{AtomicU64, Ordering};

/// Exchanges of one device.
#[derive(Debug, Default)]
pub(super) struct Company {
    begun: AtomicU64,
    open: AtomicU64,
}

/// One exchange, while it lasts.
#[derive(Debug)]
pub(super) struct Guest<'a> {
    company: &'a Company,
    ticket: u64,
    met_others: bool,
}

impl Company {
    /// An exchange begins.
    pub(super) fn enter(&self) -> Guest<'_> {
        let met_others = self.open.fetch_add(1, Ordering::SeqCst) > 0;
        let ticket = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        Guest { company: self, ticket, met_others }
    }
}

impl Guest<'_> {
    /// Whether no other exchange was going on at any time since this one began.
    pub(super) fn alone(&self) -> bool {
        !self.met_others && self.company.begun.load(Ordering::SeqCst) == self.ticket
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.company.open.fetch_sub(1, Ordering::SeqCst);
    }
}
