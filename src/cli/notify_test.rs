//! `serinus notify-test`: do pages arrive? Sends a marked one through the true path, and ends it again.
//!
//! With `--output json` it prints one object: `delivered` (whether every channel took it) and `channels`, a list of `{channel,
//! kind, severity, key, delivered, error}`; `error` is `null` if it was delivered.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::alert::channel::{HttpClient, Tested, send_test};
use crate::config::{load, process_environment, read_secrets};

use super::args::{NotifyTestArgs, Output};
use super::config::{accept, required, variable};
use super::exit::Failure;
use super::{Exit, Printer};

pub(crate) async fn notify_test(printer: &Printer, config: Option<&Path>, args: &NotifyTestArgs) -> Result<Exit, Failure> {
    let service = accept(printer, load(required(config)?, process_environment()), config, &[])?;
    let secrets = Arc::new(read_secrets(&service.plan.secrets, variable));
    let client = HttpClient::new(&service.plan.limits.extra_roots).map_err(|error| Failure::usage(error.to_string()))?;
    let progress = printer.progress("sending a test page");
    let tested = send_test(&client, &service.alerting, &secrets, args.channel.as_deref()).await;
    drop(progress);
    let tested = tested.map_err(|error| Failure::usage(error.to_string()))?;
    let all = tested.iter().all(|tested| tested.result.is_ok());
    match args.output {
        Output::Human => {
            for tested in &tested {
                printer.data(&told(tested));
            }
        }
        Output::Json => {
            let channels: Vec<Value> = tested.iter().map(object).collect();
            printer.data(&format!("{:#}", json!({ "delivered": all, "channels": channels })));
        }
    }
    Ok(if all { Exit::Well } else { Exit::Prober })
}

fn told(tested: &Tested) -> String {
    let (name, kind) = (&tested.channel.name, tested.channel.kind.as_str());
    match &tested.result {
        Ok(()) => format!("{name} ({kind}): delivered a test page of severity {}, and its end", tested.channel.least),
        Err(trouble) => format!("{name} ({kind}): NOT delivered: {trouble}"),
    }
}

fn object(tested: &Tested) -> Value {
    json!({
        "channel": &*tested.channel.name,
        "kind": tested.channel.kind.as_str(),
        "severity": tested.channel.least.as_str(),
        "key": tested.key,
        "delivered": tested.result.is_ok(),
        "error": tested.result.as_ref().err().map(ToString::to_string),
    })
}
