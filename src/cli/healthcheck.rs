//! `serinus healthcheck`: whether a service answers that it is ready, for an image without a shell or an HTTP client.

use std::path::Path;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use crate::config::process_environment;

use super::args::HealthcheckArgs;
use super::client::{DEFAULT, configured, http_client};
use super::exit::Failure;
use super::logs::chain;
use super::style::printable;
use super::{Exit, Printer};

/// How long the service may take to answer. Less than the image's `HEALTHCHECK` waits, so that this says what is wrong.
const PATIENCE: Duration = Duration::from_secs(2);

/// The route that says whether a service probes.
const READY: &str = "/readyz";

/// Bytes of an answer that are shown.
const SHOWN: usize = 300;

/// Asks, and ends with 0 where the answer is 200, with 1 otherwise.
pub(crate) async fn healthcheck(printer: &Printer, config: Option<&Path>, args: &HealthcheckArgs) -> Result<Exit, Failure> {
    let url = asked(args.url.as_deref(), config, process_environment())?;
    let unwell = |message: String| Failure { exit: Exit::ProbeFailed, message };
    let answer = http_client(PATIENCE)?.get(url.clone()).send().await;
    let mut answer = answer.map_err(|error| unwell(format!("{url} does not answer: {}", chain(&error.without_url()))))?;
    let status = answer.status();
    // The status decides; how the body goes on is only shown.
    let said = answer.chunk().await.ok().flatten().unwrap_or_default();
    let said = String::from_utf8_lossy(&said[..said.len().min(SHOWN)]);
    let line = format!("{url} answers {}: {}", status.as_u16(), printable(said.trim_end()));
    if status != StatusCode::OK {
        return Err(unwell(line));
    }
    printer.data(&line);
    Ok(Exit::Well)
}

/// The URL to ask: the given one, or the address of the configured listener. Without a path, `/readyz` is asked.
fn asked(given: Option<&str>, config: Option<&Path>, environment: Vec<(String, String)>) -> Result<Url, Failure> {
    let of_service = || config.and_then(|config| configured(config, environment)).map_or(DEFAULT, |(address, _token)| address);
    let text = given.map_or_else(|| format!("http://{}", of_service()), str::to_owned);
    let url = text.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"));
    let mut url = url.ok_or_else(|| Failure::usage(format!("`{text}` is not a URL; write it like http://{DEFAULT}{READY}")))?;
    if url.path() == "/" {
        url.set_path(READY);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_of_the_configuration_is_asked_whether_it_is_ready_unless_another_url_is_given() {
        let image = Path::new("docker/serinus.toml");
        let moved = vec![("SERINUS_LISTEN__ADDRESS".to_owned(), "[::]:9000".to_owned())];
        for (given, config, environment, expected) in [
            (None, None, Vec::new(), "http://127.0.0.1:9464/readyz"),
            (None, Some(image), Vec::new(), "http://127.0.0.1:9464/readyz"),
            (None, Some(image), moved, "http://[::1]:9000/readyz"),
            (None, Some(Path::new("there-is-none.toml")), Vec::new(), "http://127.0.0.1:9464/readyz"),
            (Some("http://127.0.0.1:7100/healthz"), Some(image), Vec::new(), "http://127.0.0.1:7100/healthz"),
            (Some("http://sandbox:7100"), None, Vec::new(), "http://sandbox:7100/readyz"),
        ] {
            assert_eq!(asked(given, config, environment).unwrap().as_str(), expected, "{given:?}");
        }
        for wrong in ["sandbox:7100", "127.0.0.1", "ftp://127.0.0.1/", ""] {
            assert_eq!(asked(Some(wrong), None, Vec::new()).unwrap_err().exit, Exit::Usage, "{wrong}");
        }
    }
}
