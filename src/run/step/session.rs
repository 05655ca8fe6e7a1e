//! What outlives a step: what a device keeps for one run, and what the process keeps for all runs.
//!
//! The module doc of `step` says what belongs where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::plan::{Device, DeviceSettings, Plan};

use super::exec::ExecPool;
use super::http::{HttpClients, HttpDevice};
use super::tcp::{TcpDevice, TcpPool};
use crate::run::dns::Settings as NameSettings;

/// What the process keeps for all runs: a part for each kind that needs one. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::run) struct Pool {
    http: HttpClients,
    tcp: TcpPool,
    pub(in crate::run) exec: ExecPool,
}

impl Pool {
    /// The pool of all kinds. The roots and the look-ups are those of the HTTP clients.
    pub(in crate::run) fn new(http: HttpClients) -> Self {
        let tcp = TcpPool::new(http.roots(), http.dns());
        Self { http, tcp, exec: ExecPool::default() }
    }

    /// Frees what no canary of `plan` uses. What is asked for again is made again.
    pub(in crate::run) fn retire_all_but(&self, plan: &Plan) {
        let probes = plan.canaries.iter().map(|canary| &canary.probe);
        self.http.retire_all_but(probes.flat_map(|probe| probe.devices.values()).map(|device| &*device.settings));
        self.tcp.retire();
    }
}

/// What one device keeps from step to step of one run: a part for each kind that needs one, made at its first use.
#[derive(Debug)]
pub(in crate::run) struct Session {
    pool: Pool,
    settings: Arc<DeviceSettings>,
    http: OnceLock<Arc<HttpDevice>>,
    tcp: OnceLock<Arc<TcpDevice>>,
}

impl Session {
    /// Cookies, connections and tokens.
    pub(super) fn http(&self) -> &Arc<HttpDevice> {
        self.http.get_or_init(|| Arc::new(self.pool.http.device(&self.settings)))
    }

    /// Open connections.
    pub(super) fn tcp(&self) -> &Arc<TcpDevice> {
        self.tcp.get_or_init(|| Arc::new(TcpDevice::new(&self.pool.tcp, &self.settings)))
    }

    /// What the machine says about name servers.
    pub(super) fn names(&self) -> Arc<NameSettings> {
        self.pool.http.dns().settings()
    }

    /// The pool for programs, which is the same for all devices.
    pub(super) fn exec(&self) -> &ExecPool {
        &self.pool.exec
    }
}

/// The sessions of one run's devices, each made at its device's first use. They end with the run and its cleanup.
#[derive(Debug)]
pub(in crate::run) struct Sessions {
    pool: Pool,
    of_devices: Mutex<HashMap<Arc<str>, Arc<Session>>>,
}

impl Sessions {
    /// Those of a run that has not begun.
    pub(in crate::run) fn new(pool: &Pool) -> Self {
        Self { pool: pool.clone(), of_devices: Mutex::default() }
    }

    /// The session of the device of this name.
    pub(in crate::run) fn of(&self, name: &Arc<str>, device: &Device) -> Arc<Session> {
        let mut sessions = self.of_devices.lock().unwrap_or_else(PoisonError::into_inner);
        let (pool, settings) = (&self.pool, &device.settings);
        let make = || Session { pool: pool.clone(), settings: Arc::clone(settings), http: OnceLock::new(), tcp: OnceLock::new() };
        Arc::clone(sessions.entry(Arc::clone(name)).or_insert_with(|| Arc::new(make())))
    }
}
