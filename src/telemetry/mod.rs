//! Finished runs as metrics, traces and log lines.
