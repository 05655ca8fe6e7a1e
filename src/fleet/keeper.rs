//! The task that keeps a process in its fleet: it renews leases, takes over and stands down, and brings what others report.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use metrics::gauge;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::alert::{Alerts, Event};
use crate::history::{
    Commit, Epoch, FactsPage, Fenced, HANDED_IN, LeaseAnswer, LeaseName, ReadError, RestoredState, StartState, Store, TOLD_ALONE,
};

use super::clock::ClockSkew;
use super::differing::Differing;
use super::instance::{Announcing, InstanceInfo};
use super::member::{ASK, Member};
use super::reach::{Reach, RegionLost, Turn};
use super::watch::LeaseWatch;

/// How often the facts of others are looked for.
const LOOK: Duration = Duration::from_millis(200);

/// How often who evaluates looks which regions are heard of.
const LISTEN: Duration = Duration::from_secs(2);

/// What the task starts with.
pub struct KeeperParts {
    /// Who this process is.
    pub member: Member,
    /// The epoch of its region's lease.
    pub region: Epoch,
    /// The evaluator's lease, for whoever has to know whether this process evaluates.
    pub evaluator: LeaseWatch,
    /// The store itself.
    pub store: Arc<dyn Store>,
    /// After how long without an answer of the store this process speaks for its own region.
    pub alone_after: Duration,
    /// Who evaluates.
    pub alerts: Alerts,
}

/// The task. The leases run out once it is gone.
pub struct Keeper {
    member: Member,
    announcing: Announcing,
    task: KeeperTask,
    lost: watch::Receiver<bool>,
}

impl Keeper {
    /// Keeps the leases from now on, on the runtime it is called on. The process says that it is there until this ends.
    pub fn start(parts: KeeperParts, announcing: Announcing) -> Self {
        let (lost, region_lost) = watch::channel(false);
        let member = parts.member.clone();
        let rounds = Rounds {
            fenced: member.fleet.fenced(),
            lost,
            region_asked: Instant::now(),
            evaluator_asked: None,
            listened: None,
            handed_in: None,
            evaluates: None,
            skew: ClockSkew::default(),
            differing: Differing::default(),
            reach: Reach::new(parts.alone_after),
            trouble: false,
            parts,
        };
        Self { member, announcing, task: KeeperTask(tokio::spawn(rounds.run())), lost: region_lost }
    }

    /// Becomes true when another process probes this one's region.
    pub fn lost(&self) -> watch::Receiver<bool> {
        self.lost.clone()
    }

    /// Ends it and gives the leases up. To be called when nothing is to be written any more.
    pub async fn stop(self) {
        let Self { member, announcing, mut task, lost: _ } = self;
        announcing.stop().await;
        task.0.abort();
        // That it was cut is what was asked for.
        let _cut = (&mut task.0).await;
        member.leave().await;
    }
}

/// Ends when it is dropped.
struct KeeperTask(JoinHandle<()>);

impl Drop for KeeperTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The longest pause between two renewals of a lease.
const RENEWAL: Duration = Duration::from_secs(5);

/// How long it may take until what a process handed to the store while it was away is written.
const CATCHES_UP: Duration = Duration::from_secs(2);

struct Rounds {
    parts: KeeperParts,
    fenced: watch::Receiver<Fenced>,
    lost: watch::Sender<bool>,
    region_asked: Instant,
    evaluator_asked: Option<Instant>,
    listened: Option<Instant>,
    /// When it was last looked what of this process's time alone was taken over.
    handed_in: Option<Instant>,
    /// Under which epoch this process evaluates, and the cursor of the facts.
    evaluates: Option<(Epoch, i64)>,
    skew: ClockSkew,
    differing: Differing,
    reach: Reach,
    /// Whether it was said that the store does not answer.
    trouble: bool,
}

impl Rounds {
    async fn run(mut self) {
        let mut rounds = tokio::time::interval(LOOK);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            let round = self.round().await;
            if round.is_err() || !self.parts.store.status().writable {
                self.reach.fails(Instant::now());
            }
            if let Err(error) = round
                && !std::mem::replace(&mut self.trouble, true)
            {
                let error = &error;
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "the store does not answer about the fleet; it is asked on"
                );
            }
            self.mind_the_others(Instant::now()).await;
            let certain = self.evaluates.is_some() && self.parts.evaluator.is_certain(Instant::now(), SystemTime::now());
            gauge!("serinus_fleet_evaluates").set(if certain { 1.0 } else { 0.0 });
        }
    }

    /// Goes on alone where the store has not answered, or taken anything, for long, and joins the others when it does.
    async fn mind_the_others(&mut self, now: Instant) {
        let still_ends = self.parts.alerts.backlog().alone;
        match self.reach.turn(now, still_ends) {
            Some(Turn::GoAlone(away)) => {
                tracing::error!(
                    "the store of the fleet does not answer: this process pages by itself for what fails in its region"
                );
                self.evaluates = None;
                self.parts.evaluator.lose();
                self.parts.alerts.alone(away);
            }
            Some(Turn::TryToJoin) if self.has_caught_up().await && self.is_evaluated().await => {
                tracing::info!("the store of the fleet answers again, and somebody evaluates");
                self.parts.alerts.rejoin(true);
                self.reach.joins(now);
            }
            Some(Turn::TryToJoin) | None => {}
        }
        gauge!("serinus_fleet_alone").set(if self.reach.is_cut() { 1.0 } else { 0.0 });
    }

    /// Whether everything that was handed to the store is written: then whoever evaluates knows of what fails here.
    async fn has_caught_up(&self) -> bool {
        let written = self.parts.store.commit(Commit::default());
        tokio::time::timeout(CATCHES_UP, written).await.is_ok_and(|written| written.is_ok())
    }

    /// Whether a process evaluates: another one, or this one as soon as it has ended what it told alone, for which it has to be able to
    /// read what there is to evaluate.
    async fn is_evaluated(&mut self) -> bool {
        match self.ask(LeaseName::Evaluator).await {
            Ok((LeaseAnswer::Held(_), ..)) => matches!(self.read_in_time().await, Ok(Some(_))),
            Ok((LeaseAnswer::HeldBy { .. }, ..)) => true,
            Err(_) => false,
        }
    }

    async fn round(&mut self) -> Result<(), ReadError> {
        self.heed_fences();
        let renewal = (self.parts.member.lasts / 4).min(RENEWAL);
        if self.region_asked.elapsed() >= renewal {
            self.region_asked = Instant::now();
            self.region().await?;
        }
        let pause = if self.evaluates.is_some() { renewal } else { ASK };
        if self.reach.may_ask_to_evaluate(Instant::now()) && self.evaluator_asked.is_none_or(|asked| asked.elapsed() >= pause) {
            self.evaluator_asked = Some(Instant::now());
            self.evaluator().await?;
        }
        if self.evaluates.is_some() {
            if self.listened.is_none_or(|listened| listened.elapsed() >= LISTEN) {
                self.listen().await?;
                self.listened = Some(Instant::now());
            }
            self.differing.look(&self.parts.member).await?;
            self.bring_facts().await?;
        }
        if self.parts.alerts.backlog().hands_in && self.handed_in.is_none_or(|asked| asked.elapsed() >= ASK) {
            self.handed_in = Some(Instant::now());
            self.hear_what_was_taken_over().await?;
        }
        Ok(())
    }

    /// What this process told alone is its own to take back once whoever evaluates has it.
    async fn hear_what_was_taken_over(&self) -> Result<(), ReadError> {
        let mut taken = Vec::new();
        for RestoredState { key, json, .. } in self.parts.member.fleet.states_of(&[HANDED_IN]).await? {
            if let Some((region, id)) = key.split_once(' ')
                && *region == *self.parts.member.name
                && let Ok(version) = json.parse()
            {
                taken.push((id.to_owned(), version));
            }
        }
        if !taken.is_empty() {
            self.parts.alerts.event(Event::HandedIn(taken));
        }
        Ok(())
    }

    /// The store refuses what is written under an earlier epoch, which says for certain that another process has the lease.
    fn heed_fences(&mut self) {
        let fenced = *self.fenced.borrow_and_update();
        if fenced.region {
            self.lose_region();
        }
        if self.evaluates.is_some_and(|(epoch, _)| fenced.evaluator.is_some_and(|refused| refused >= epoch)) {
            self.stand_down();
        }
    }

    async fn region(&mut self) -> Result<(), ReadError> {
        match self.ask(self.parts.member.region()).await?.0 {
            LeaseAnswer::Held(epoch) if epoch == self.parts.region => {}
            LeaseAnswer::Held(_) | LeaseAnswer::HeldBy { .. } => self.lose_region(),
        }
        Ok(())
    }

    /// Another process probes this region. What this one told alone is ended first.
    fn lose_region(&mut self) {
        match self.reach.loses_region(Instant::now()) {
            // Nothing of it can be written any more.
            RegionLost::JoinsFirst => self.parts.alerts.rejoin(false),
            RegionLost::StillEnds => {}
            RegionLost::Ends => {
                self.lost.send_replace(true);
            }
        }
    }

    async fn evaluator(&mut self) -> Result<(), ReadError> {
        let (answer, asked, wall) = self.ask(LeaseName::Evaluator).await?;
        match answer {
            // It is renewed for this process, which begins once it has ended what it told alone.
            LeaseAnswer::Held(_) if !self.reach.is_among() => {}
            LeaseAnswer::Held(epoch) => {
                if self.evaluates.is_none_or(|(known, _)| known != epoch) {
                    self.take_over(epoch).await?;
                }
                if self.evaluates.is_some() {
                    self.reach.is_evaluated();
                    self.parts.evaluator.confirm(asked, wall);
                }
            }
            LeaseAnswer::HeldBy { .. } if self.evaluates.is_some() => self.stand_down(),
            LeaseAnswer::HeldBy { .. } => self.reach.is_evaluated(),
        }
        Ok(())
    }

    async fn ask(&mut self, name: LeaseName) -> Result<(LeaseAnswer, Instant, SystemTime), ReadError> {
        let (asked, wall) = (Instant::now(), SystemTime::now());
        let (answer, server_ms) = self.parts.member.take(name).await?;
        self.trouble = false;
        if self.parts.store.status().writable {
            self.reach.answers();
        }
        self.skew.take(server_ms, wall, asked.elapsed());
        Ok((answer, asked, wall))
    }

    /// What the fleet knows. Leases have to be renewed meanwhile: who cannot read it in time lets somebody else try, and has nothing.
    async fn read_in_time(&self) -> Result<Option<(StartState, FactsPage)>, ReadError> {
        let (store, fleet) = (&self.parts.store, &self.parts.member.fleet);
        let read = async { Ok::<_, ReadError>((store.start_state(SystemTime::now()).await?, fleet.facts().await?)) };
        if let Ok(Ok(known)) = tokio::time::timeout(self.parts.member.lasts / 2, read).await {
            return Ok(Some(known));
        }
        tracing::warn!("what the fleet knows cannot be read in time: another process may evaluate");
        self.parts.member.fleet.release_lease(LeaseName::Evaluator, self.parts.member.holder.clone()).await?;
        Ok(None)
    }

    async fn take_over(&mut self, epoch: Epoch) -> Result<(), ReadError> {
        let Some((remembered, page)) = self.read_in_time().await? else {
            self.reach.cannot_read(Instant::now());
            return Ok(());
        };
        let own = &*self.parts.member.name;
        // What this process itself told alone is handed in as that of others is.
        let is_handed_in = |key: &str| key.strip_prefix(TOLD_ALONE).is_some_and(|id| id.starts_with('/'));
        let others = page.facts.into_iter().filter(|fact| fact.region != own || is_handed_in(&fact.key)).collect();
        self.parts.alerts.take_over(epoch, remembered, others);
        tracing::info!(epoch = epoch.0, "this process evaluates for the fleet");
        self.evaluates = Some((epoch, page.next));
        self.listened = None;
        Ok(())
    }

    fn stand_down(&mut self) {
        self.parts.evaluator.lose();
        self.parts.alerts.stand_down();
        self.evaluates = None;
        tracing::info!("another process evaluates for the fleet");
    }

    /// Which regions a process has spoken for, and how long ago.
    async fn listen(&mut self) -> Result<(), ReadError> {
        let mut heard = Vec::new();
        for lease in self.parts.member.fleet.leases().await? {
            if let LeaseName::Region(_) = lease.name {
                match serde_json::from_str::<InstanceInfo>(&lease.info) {
                    Ok(info) => heard.extend(info.regions.into_iter().map(|region| (region, lease.renewed))),
                    Err(error) => {
                        tracing::error!(holder = lease.holder, %error, "what an instance tells of itself cannot be read");
                    }
                }
            }
        }
        self.parts.alerts.event(Event::RegionsHeard(heard));
        Ok(())
    }

    async fn bring_facts(&mut self) -> Result<(), ReadError> {
        while let Some((epoch, cursor)) = self.evaluates {
            let page = self.parts.member.fleet.facts_since(cursor).await?;
            self.evaluates = Some((epoch, page.next));
            if !page.facts.is_empty() {
                self.parts.alerts.event(Event::FactsOfOthers(page.facts));
            }
            if !page.more {
                break;
            }
        }
        Ok(())
    }
}
