//! Regions, cells and canaries: what is scheduled.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;

use super::Probe;

/// A place the probes run from, with the values that differ there.
#[derive(Debug)]
pub struct Region {
    /// Its name, a metric label value.
    pub name: Arc<str>,
    /// `[vars]` overlaid with `[regions.NAME.vars]`, by name.
    pub vars: Vec<(Arc<str>, Value)>,
}

/// One value of a matrix key.
#[derive(Debug, Clone, PartialEq)]
pub enum CellValue {
    /// A string.
    Text(Arc<str>),
    /// A whole number.
    Integer(i64),
    /// A finite number with a fraction.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

impl fmt::Display for CellValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

/// One combination of a probe's matrix values, keys in the order of the file. Empty for a probe without a matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell(pub Vec<(Arc<str>, CellValue)>);

impl Cell {
    /// The value of a matrix key.
    pub fn get(&self, key: &str) -> Option<&CellValue> {
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
    }
}

impl fmt::Display for Cell {
    /// `platform=ios,size=large`; empty for the empty cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, value)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

/// Who a canary is: `probe/region` or `probe/region/platform=ios`. Editing a probe keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CanaryId(Arc<str>);

impl CanaryId {
    /// The id of one probe, region and cell.
    pub fn new(probe: &str, region: &str, cell: &Cell) -> Self {
        let id = if cell.0.is_empty() { format!("{probe}/{region}") } else { format!("{probe}/{region}/{cell}") };
        Self(id.into())
    }

    /// An id that was read back from where [`as_str`](Self::as_str) was written.
    pub fn read_back(id: &str) -> Self {
        Self(id.into())
    }

    /// The id that was once written as this text; it need not be of any canary there is.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hash that is the same in every process and version (FNV-1a, then a finaliser so that near ids lie far apart):
    /// phases of ticks come from it.
    pub fn stable_hash(&self) -> u64 {
        let fnv = self
            .0
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 33)
    }
}

impl fmt::Display for CanaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A probe in a region for a cell: the thing that has ticks, a streak and a page.
#[derive(Debug)]
pub struct Canary {
    /// Its identity.
    pub id: CanaryId,
    /// What it does.
    pub probe: Arc<Probe>,
    /// Where from.
    pub region: Arc<Region>,
    /// For which combination of matrix values; shared by the regions.
    pub cell: Arc<Cell>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_probe_region_and_cell() {
        let cell = Cell(vec![("platform".into(), CellValue::Text("ios".into())), ("tracks".into(), CellValue::Integer(10))]);
        assert_eq!(CanaryId::new("sync", "eu", &cell).as_str(), "sync/eu/platform=ios,tracks=10");
        assert_eq!(CanaryId::new("sync", "eu", &Cell::default()).as_str(), "sync/eu");
    }

    #[test]
    fn the_hash_of_an_id_never_changes() {
        // A change here moves every phase of every fleet at its next upgrade.
        let id = CanaryId::new("sync", "eu", &Cell::default());
        assert_eq!(id.stable_hash(), CanaryId::new("sync", "eu", &Cell::default()).stable_hash());
        assert_ne!(id.stable_hash(), CanaryId::new("sync", "us", &Cell::default()).stable_hash());
    }
}
