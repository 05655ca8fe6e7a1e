//! What a probe file may refer to in the service's file, and what the probes share: contracts, files and device settings.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::plan::{DeviceSettings, Limits, Redaction, Region, RequestDefaults, SecretSource};

use crate::source::SourceFile;

use super::alert::Alert;
use super::contract::Contracts;
use super::file::{self, LARGEST_RUNBOOK};
use super::value_kind::FilePath;
use super::{Diagnostic, Diagnostics};

/// The part of the service that probes and templates refer to.
#[derive(Debug)]
pub(super) struct ServiceContext {
    /// Every region there is.
    pub(super) regions: Vec<Arc<Region>>,
    /// Names of the regions that this process runs.
    pub(super) active: Vec<Arc<str>>,
    /// Whether other processes run the others, and one judges them together.
    pub(super) in_fleet: bool,
    pub(super) secrets: BTreeMap<Arc<str>, SecretSource>,
    pub(super) limits: Limits,
    /// The alert rules that a probe's own are laid over.
    pub(super) alert: Alert,
    /// When the configuration is read.
    pub(super) now: SystemTime,
    /// The device settings that a probe's own are laid over.
    pub(super) device: DeviceSettings,
    /// What every device adds to requests, as far as it does not say otherwise.
    pub(super) requests: RequestDefaults,
    /// The personal values that are masked in every probe's runs.
    pub(super) redact: Option<Arc<Redaction>>,
    pub(super) contracts: Contracts,
    pub(super) files: Mutex<HashMap<PathBuf, bytes::Bytes>>,
    runbooks: Mutex<HashMap<PathBuf, Option<Arc<str>>>>,
    libraries: Mutex<HashMap<PathBuf, Result<Arc<SourceFile>, Diagnostic>>>,
    names_of_vars: HashSet<Arc<str>>,
    settings: Mutex<HashMap<DeviceSettings, Arc<DeviceSettings>>>,
}

impl ServiceContext {
    pub(super) fn new(
        regions: Vec<Arc<Region>>,
        active: Vec<Arc<str>>,
        secrets: BTreeMap<Arc<str>, SecretSource>,
        limits: Limits,
    ) -> Self {
        let names = regions.iter().flat_map(|region| region.vars.iter().map(|(name, _)| Arc::clone(name)));
        Self {
            names_of_vars: names.collect(),
            regions,
            active,
            in_fleet: false,
            secrets,
            limits,
            alert: Alert::default(),
            now: SystemTime::now(),
            device: DeviceSettings::default(),
            requests: RequestDefaults::default(),
            redact: None,
            contracts: Contracts::default(),
            files: Mutex::default(),
            runbooks: Mutex::default(),
            libraries: Mutex::default(),
            settings: Mutex::default(),
        }
    }

    /// A library of steps, which is read once.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn shared_steps(&self, path: &Path) -> Result<Arc<SourceFile>, Diagnostic> {
        let mut known = self.libraries.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || file::source(path, false).map(Arc::new).map_err(|problem| *problem);
        known.entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// The text of a runbook, which is read once however many probes name it; each of them hears why it cannot be read.
    pub(super) fn runbook(&self, named: FilePath<'_>, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
        let path = named.resolved();
        let mut known = self.runbooks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(text)) = known.get(&path) {
            return Some(Arc::clone(text));
        }
        let text = file::named_text(&path, LARGEST_RUNBOOK, named.span, diagnostics).map(Arc::from);
        known.insert(path, text.clone());
        text
    }

    /// The files that probes name and that were read, or tried: contracts, parts of bodies, runbooks, and libraries of steps.
    pub(super) fn files_read(&self) -> Vec<PathBuf> {
        let mut files = self.contracts.files();
        files.extend(self.files.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned());
        files.extend(self.runbooks.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned());
        files.extend(self.libraries.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned());
        files.sort();
        files
    }

    /// Whether any region has a variable of this name.
    pub(super) fn has_var(&self, name: &str) -> bool {
        self.names_of_vars.contains(name)
    }

    /// The variables of the service.
    pub(super) fn var_names(&self) -> impl Iterator<Item = &str> {
        self.regions.iter().flat_map(|region| region.vars.iter().map(|(name, _)| &**name))
    }

    /// One shared copy of equal settings, so that clients can be cached by address.
    pub(super) fn shared(&self, settings: DeviceSettings) -> Arc<DeviceSettings> {
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(settings).or_insert_with_key(|settings| Arc::new(settings.clone())))
    }
}

/// Whether a region has a variable of this name.
pub(super) fn has(region: &Region, name: &str) -> bool {
    region.vars.iter().any(|(known, _)| &**known == name)
}
