//! JSON Schemas that steps name: read and compiled once each, however many steps use them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::source::{SourceFile, Span};

use super::file::{self, LARGEST_SIDE_FILE};
use super::json_place;

/// The schemas compiled so far.
#[derive(Debug, Default)]
pub(super) struct Contracts {
    known: Mutex<HashMap<PathBuf, Compiled>>,
}

type Compiled = Result<Arc<jsonschema::Validator>, Broken>;

/// Why a file is not a schema, and where.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) message: String,
    /// The place in the schema's file, if it could be read.
    pub(super) place: Option<(Arc<SourceFile>, Span)>,
}

impl Contracts {
    /// The files that were read or tried.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The compiled schema of a file. References to other documents are refused: loading asks no network.
    pub(super) fn get(&self, path: &Path) -> Compiled {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(path.to_owned()).or_insert_with(|| compile(path)).clone()
    }
}

fn compile(path: &Path) -> Compiled {
    let bytes =
        file::read(path, LARGEST_SIDE_FILE, false).map_err(|unread| Broken { message: unread.to_string(), place: None })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Broken { message: format!("cannot read {}: it is not UTF-8", path.display()), place: None })?;
    let file = Arc::new(SourceFile::new(path, text));
    let broken = |message: String, span: Span| Broken { message, place: Some((Arc::clone(&file), span)) };
    let schema: serde_json::Value = serde_json::from_str(file.text()).map_err(|error| {
        let at = json_place::of_line(file.text(), error.line(), error.column());
        broken(format!("this is not JSON: {error}"), Span { start: at, end: at })
    })?;
    let validator = jsonschema::options().offline().should_validate_formats(true).build(&schema).map_err(|error| {
        let span = json_place::of_pointer(file.text(), error.instance_path().as_str());
        broken(format!("this is not a JSON Schema: {error}"), span)
    })?;
    Ok(Arc::new(validator))
}
