//! How incidents end.

use crate::alert::incident::Incident;
use crate::alert::{Action, Moment, Occasion, Scope, describe};

use super::Desk;
use super::join::row;

impl Desk {
    /// Ends an incident that was taken out of the list: every key is resolved, and what was attached to it speaks for itself.
    pub(super) fn close(&mut self, mut incident: Incident, why: &str, now: Moment) {
        self.send_all(&mut incident, Action::Resolve, Occasion::Resolved, now);
        for told in &mut incident.keys.told {
            told.resolved = true;
        }
        self.unlink(&incident);
        incident.attached.clear();
        incident.critical = None;
        self.by_id.remove(&incident.id);
        self.changed.remove(&incident.scope);
        self.touch_attached(&incident.scope);
        self.commit.timeline.push(row(&incident.id, "resolved", why.to_owned(), now));
        self.commit.incidents.push(incident.to_row(describe::title(&incident), true, now));
    }

    /// Ends an incident because nothing is left that it could be about.
    pub(super) fn end(&mut self, scope: &Scope, why: &str, now: Moment) {
        let Some(mut incident) = self.incidents.remove(scope) else { return };
        if let Some(at) = incident.due.take() {
            self.agenda.remove(&(at, scope.clone()));
        }
        incident.note(why.to_owned());
        self.close(incident, why, now);
    }
}
