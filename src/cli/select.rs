//! Which canaries `serinus test` runs: probes by path or name, narrowed by region, cell and step.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::engine;
use crate::config::{Loaded, load, load_probes, process_environment, read_secrets};
use crate::plan::{Canary, Cell, Service};
use crate::run::StallLog;
use crate::schedule::Runner;

use super::Printer;
use super::args::{CellFilter, TestArgs};
use super::config::{accept, required, variable};
use super::exit::Failure;
use super::logs::chain;
use super::test::only;

/// Canaries and what runs them.
pub(crate) struct Selection {
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) canaries: Vec<Arc<Canary>>,
}

/// Loads the probes that the arguments name. The runs check this record of stalls. Each argument must give at least one canary. The
/// files that were read are added to `read`, whatever came of it.
pub(crate) fn choose(
    printer: &Printer,
    config: Option<&Path>,
    args: &TestArgs,
    stalls: &Arc<StallLog>,
    read: &mut Vec<PathBuf>,
) -> Result<Vec<Selection>, Failure> {
    let (paths, names): (Vec<&String>, Vec<&String>) = args.probes.iter().partition(|probe| is_path(probe));
    let mut services = Vec::new();
    if !paths.is_empty() {
        let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
        read.extend(paths.iter().filter(|path| !path.is_dir()).cloned());
        let loaded = load_probes(&paths, config, process_environment());
        services.push(noted(printer, loaded, read, (config, &paths))?);
    }
    if !names.is_empty() {
        let loaded = load(required(config)?, process_environment()).paging_nobody();
        let mut service = noted(printer, loaded, read, (config, &[]))?;
        known(&service, &names)?;
        let wanted = |name: &str| names.iter().any(|wanted| **wanted == name);
        let plan = Arc::get_mut(&mut service.plan).expect("nobody else holds a plan that was just loaded");
        plan.probes.retain(|probe| wanted(&probe.name));
        plan.canaries.retain(|canary| wanted(&canary.probe.name));
        services.push(service);
    }
    if !args.only.is_empty() {
        services = only::steps(printer, services, &args.only)?;
    }
    services.iter().map(|service| narrowed(service, args, stalls)).collect()
}

/// What was loaded, if it is valid; its files are noted. `from` is the service's file and the paths of probes that were given.
fn noted(
    printer: &Printer,
    loaded: Loaded,
    read: &mut Vec<PathBuf>,
    from: (Option<&Path>, &[PathBuf]),
) -> Result<Service, Failure> {
    for file in &loaded.files {
        if !read.contains(file) {
            read.push(file.clone());
        }
    }
    accept(printer, loaded, from.0, from.1)
}

/// Whether an argument is a path rather than a probe's name, which holds no slash and ends in no `.toml`.
fn is_path(probe: &str) -> bool {
    probe.contains('/') || Path::new(probe).extension().is_some_and(|extension| extension == "toml") || Path::new(probe).exists()
}

fn known(service: &Service, names: &[&String]) -> Result<(), Failure> {
    let probes: Vec<&str> = service.plan.probes.iter().map(|probe| &*probe.name).collect();
    match names.iter().find(|name| !probes.contains(&name.as_str())) {
        Some(unknown) => Err(Failure::usage(format!(
            "there is no enabled probe `{unknown}`; there {}",
            match probes.as_slice() {
                [] => "is none at all".to_owned(),
                [only] => format!("is only {only}"),
                many => format!("are {}", many.join(", ")),
            }
        ))),
        None => Ok(()),
    }
}

fn narrowed(service: &Service, args: &TestArgs, stalls: &Arc<StallLog>) -> Result<Selection, Failure> {
    let of_probes: Vec<&Arc<Canary>> = service.plan.canaries.iter().collect();
    let here = |canary: &Canary| args.region.is_empty() || args.region.iter().any(|region| **region == *canary.region.name);
    let regions: BTreeSet<&str> = of_probes.iter().map(|canary| &*canary.region.name).collect();
    if let Some(unknown) = args.region.iter().find(|region| !regions.contains(region.as_str())) {
        let regions: Vec<&str> = regions.into_iter().collect();
        return Err(Failure::usage(format!("there is no region `{unknown}` here; there is {}", regions.join(", "))));
    }
    let canaries: Vec<Arc<Canary>> = of_probes
        .iter()
        .filter(|canary| here(canary) && matches(&canary.cell, &args.cell))
        .map(|canary| Arc::clone(canary))
        .collect();
    if canaries.is_empty() {
        let cells: BTreeSet<String> = of_probes.iter().map(|canary| canary.cell.to_string()).collect();
        let cells: Vec<String> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
        let there =
            if cells.is_empty() { "the probe has no matrix".to_owned() } else { format!("the cells are {}", cells.join(" ")) };
        return Err(Failure::usage(format!("--cell leaves nothing to run; {there}")));
    }
    let secrets = Arc::new(read_secrets(&service.plan.secrets, variable));
    let runner = engine(&service.plan, &secrets, stalls).map_err(|error| Failure::usage(chain(&error)))?;
    Ok(Selection { runner: Arc::new(runner), canaries })
}

fn matches(cell: &Cell, filters: &[CellFilter]) -> bool {
    filters.iter().all(|filter| cell.get(&filter.key).is_some_and(|value| value.to_string() == filter.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CellValue;

    #[test]
    fn a_cell_must_match_every_filter_by_the_values_text() {
        let cell = Cell(vec![("platform".into(), CellValue::Text("ios".into())), ("tracks".into(), CellValue::Integer(10))]);
        let filters = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<CellFilter>>();
        assert!(matches(&cell, &[]));
        assert!(matches(&cell, &filters(&["tracks=10", "platform=ios"])));
        assert!(!matches(&cell, &filters(&["tracks=10", "platform=android"])));
        assert!(!matches(&cell, &filters(&["size=10"])));
    }

    #[test]
    fn a_name_is_no_path() {
        assert!(is_path("probes/a.toml") && is_path("a.toml"));
        assert!(!is_path("premium-registration"));
    }
}
