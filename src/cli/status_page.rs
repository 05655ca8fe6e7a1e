//! `serinus export status-page DIR`: a copy of the public status page, for a bucket or a web server.
//!
//! Each file is replaced in one step, the page itself last, so that whoever serves or uploads the folder never has half of one. Where
//! the service cannot be asked, the copy that lies there is made to say that nothing is known: an old page must not look well.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::web::{PublicPage, status_page_copy};

use super::args::ServiceArgs;
use super::client::Client;
use super::exit::Failure;
use super::{Exit, Printer};

/// The file that a later copy is made of where the service cannot be asked.
const DATA: &str = "status.json";

pub(crate) async fn export(
    printer: &Printer,
    config: Option<&Path>,
    folder: &Path,
    service: &ServiceArgs,
) -> Result<Exit, Failure> {
    let asked = async {
        let answer = Client::new(service, config)?.get(&["status-page"], &[]).await?;
        serde_json::from_value::<PublicPage>(answer).map_err(|error| {
            Failure::prober(format!("the service tells of its status page what this version cannot read: {error}"))
        })
    };
    // Whatever the reason is, also a token that is not valid any more, nothing is known of how things are.
    let page = asked.await.map_err(|failure| without_service(folder, failure))?;
    write(folder, &page)?;
    printer.note(&format!("wrote the status page to {}", folder.display()));
    Ok(Exit::Well)
}

/// Makes the copy that is there say that nothing is known.
fn without_service(folder: &Path, failure: Failure) -> Failure {
    let kept = fs::read(folder.join(DATA)).ok().and_then(|kept| serde_json::from_slice::<PublicPage>(&kept).ok());
    let Some(page) = kept else { return failure };
    let became = match write(folder, &page.unknown()) {
        Ok(()) => format!("the copy in {} says now that nothing is known", folder.display()),
        Err(another) => another.message,
    };
    Failure { message: format!("{}; {became}", failure.message), ..failure }
}

fn write(folder: &Path, page: &PublicPage) -> Result<(), Failure> {
    let cannot = |what: &Path, error: std::io::Error| Failure::prober(format!("cannot write {}: {error}", what.display()));
    let files = status_page_copy(page).map_err(|error| Failure::prober(format!("the status page cannot be made: {error}")))?;
    fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    // The page comes first in the list, and refers to the others.
    for file in files.iter().rev() {
        let path = folder.join(file.name);
        replace(folder, &path, &file.body).map_err(|error| cannot(&path, error))?;
    }
    Ok(())
}

/// Writes a file under another name and then gives it its own.
fn replace(folder: &Path, path: &Path, body: &[u8]) -> std::io::Result<()> {
    let mut new = tempfile_in(folder)?;
    let written = new.1.write_all(body).and_then(|()| new.1.sync_all()).and_then(|()| fs::rename(&new.0, path));
    written.inspect_err(|_| drop(fs::remove_file(&new.0)))
}

/// A new file with a name that nobody else uses, readable by all, as a web server needs it.
fn tempfile_in(folder: &Path) -> std::io::Result<(std::path::PathBuf, fs::File)> {
    let path = folder.join(format!(".{}.tmp", ulid::Ulid::generate()));
    let file = fs::File::create_new(&path)?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_without_its_service_says_that_nothing_is_known_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let page: PublicPage = serde_json::from_value(serde_json::json!({
            "title": "Shop", "intro": null, "as_of_ms": 1_795_392_000_000_i64, "is_stale": false, "is_partial": false, "days": 1,
            "components": [{ "name": "Basket", "summary": null, "state": "operational", "regions": [], "history": [], "share": 1.0 }],
            "incidents": [], "more_incidents": 0, "maintenance": [],
        }))
        .unwrap();
        write(folder.path(), &page).unwrap();
        let index = || fs::read_to_string(folder.path().join("index.html")).unwrap();
        assert!(index().contains("All systems are operational"));
        let failure = without_service(folder.path(), Failure::prober("cannot ask"));
        assert!(failure.message.starts_with("cannot ask; the copy in") && failure.exit == Exit::Prober, "{}", failure.message);
        assert!(index().contains("Nothing is known right now") && !index().contains("operational"));
        assert!(index().contains("23 November 2026"), "it says when things were known last");
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["feed.atom", "index.html", "status.css", "status.json"]);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(without_service(empty.path(), Failure::prober("cannot ask")).message, "cannot ask");
    }
}
