//! Faults that come and go, each probe's by its own random timetable, and what is therefore known to have been broken when.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;
use serinus::sandbox::{FaultName, FaultScope, Faults};

use super::now_ms;
use super::target::Target;

/// A time in which a probe had to fail.
#[derive(Debug, Clone)]
pub(crate) struct Period {
    pub(crate) probe: &'static str,
    #[expect(dead_code, reason = "shown with the rest of it where no page came")]
    pub(crate) what: String,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

/// The faults, at work on threads of their own.
pub(crate) struct Mischief {
    stop: Arc<AtomicBool>,
    stretches: Arc<Mutex<Vec<Period>>>,
    lanes: Vec<JoinHandle<()>>,
}

/// How one probe is broken.
struct Lane {
    probe: &'static str,
    on: Range<u64>,
    off: Range<u64>,
    rng: Rng,
}

impl Mischief {
    /// Breaks `load-b`, `load-c` and, by the sandbox's faults, the shipped probes; never `load-a` and `maker`.
    pub(crate) fn start(seed: u64, cells: usize, target: &Target, faults: &Faults) -> Self {
        let mut mischief = Self { stop: Arc::default(), stretches: Arc::default(), lanes: Vec::new() };
        let mut rng = Rng::with_seed(seed);
        for probe in ["load-b", "load-c"] {
            let target = target.clone();
            let lane = Lane { probe, on: 4_000..16_000, off: 6_000..14_000, rng: rng.fork() };
            mischief.lane(lane, move |rng| {
                let one = |rng: &mut Rng| format!("{probe}/{}/c{}", rng.choice(["eu", "us"]).unwrap(), rng.usize(..cells));
                let whom: Vec<String> = (0..rng.usize(1..6)).map(|_| one(rng)).collect();
                target.fail(&whom);
                let target = target.clone();
                (whom.join(" "), Box::new(move || target.mend(&whom)))
            });
        }
        let of_sandbox: [(&str, &[FaultName], Range<u64>); 3] = [
            ("premium-registration", &[FaultName::RegistrationStopsAfterPayment], 15_000..30_000),
            ("playlist-sync", &[FaultName::PlaylistNotSynced, FaultName::PlaylistLostEdits], 40_000..60_000),
            ("segment-copy", &[FaultName::SegmentCopyCapped, FaultName::LookalikeEmpty], 15_000..30_000),
        ];
        for (probe, names, on) in of_sandbox {
            let faults = faults.clone();
            let lane = Lane { probe, on, off: 15_000..30_000, rng: rng.fork() };
            mischief.lane(lane, move |rng| {
                let name = *rng.choice(names).unwrap();
                // Lost edits are those within this time of the product, which goes sixty times as fast.
                faults.set(name, FaultScope::all().with_delay(Duration::from_secs(30)));
                let faults = faults.clone();
                (format!("{name:?}"), Box::new(move || faults.clear(name)))
            });
        }
        mischief
    }

    fn lane(&mut self, mut lane: Lane, break_it: impl Fn(&mut Rng) -> (String, Box<dyn FnOnce() + Send>) + Send + 'static) {
        let (stop, stretches) = (Arc::clone(&self.stop), Arc::clone(&self.stretches));
        self.lanes.push(std::thread::spawn(move || {
            while pause(lane.rng.u64(lane.off.clone()), &stop) {
                let (what, mend) = break_it(&mut lane.rng);
                let from_ms = now_ms();
                pause(lane.rng.u64(lane.on.clone()), &stop);
                let to_ms = now_ms();
                mend();
                stretches.lock().unwrap().push(Period { probe: lane.probe, what, from_ms, to_ms });
            }
        }));
    }

    /// Mends everything; what was broken when.
    pub(crate) fn stop(self) -> Vec<Period> {
        self.stop.store(true, Ordering::SeqCst);
        for lane in self.lanes {
            lane.join().unwrap();
        }
        std::mem::take(&mut self.stretches.lock().unwrap())
    }
}

/// Waits; false if it is over.
fn pause(millis: u64, stop: &AtomicBool) -> bool {
    let end = now_ms() + i64::try_from(millis).unwrap();
    while now_ms() < end && !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
    }
    !stop.load(Ordering::SeqCst)
}
