//! The processes that share a store: which of them probes a region, and which evaluates for all.
//!
//! There is no consensus here. PostgreSQL keeps the leases, with an epoch each, and refuses in every commit what is written under an
//! earlier epoch (`history`, [`Fleet`](crate::history::Fleet)). A process that was killed, frozen or cut off is replaced when its lease has
//! run out by the clock of the server, and nobody has to agree with it on that. What a process may do between two answers of the store
//! follows from its own steady clock ([`LeaseWatch`]), with a margin.
//!
//! | file | owns |
//! |---|---|
//! | `member` | who this process is, and taking the lease of its region |
//! | `watch` | whether a lease is certain now, without asking |
//! | `reach` | when a process goes on alone, and when it is one of the fleet again |
//! | `keeper` | the task that renews leases, takes over and stands down, and brings the facts of others |
//! | `journal` | what goes to the process's own disk, and handing that in |
//! | `followed` | pauses and mutes of the whole fleet in the journal |
//! | `spool` | what ran before the store was reached |
//! | `clock` | how far this machine's clock is from the store's |
//! | `instance` | what a process says of itself, and saying it |
//! | `lately` | what was read a moment ago, for many who ask |
//! | `roster` | who is in the fleet: regions, instances, and what differs between them |
//! | `differing` | what of that who evaluates says in the log |
//! | `requests` | the task that does what other processes ask of this one |
//!
//! It decides nothing about incidents: it tells `alert` whether this process evaluates. What is asked of it by others is done by the verbs
//! of the API, which `app` hands in.

mod clock;
mod differing;
mod followed;
mod instance;
mod journal;
mod keeper;
mod lately;
mod member;
mod reach;
mod requests;
mod roster;
mod spool;
mod watch;

pub use followed::keep_followed;
pub use instance::{Announcing, InstanceInfo, differing};
pub use journal::{JournalledLedger, hand_in_cleanups, hand_in_states, is_anything_open};
pub use keeper::{Keeper, KeeperParts};
pub use lately::Lately;
pub use member::Member;
pub use requests::{Answerer, Answering, DoAsked};
pub use roster::{Instance, Prober, Roster, RosterReader, UNKNOWN_AFTER};
pub use spool::Spool;
pub use watch::LeaseWatch;
