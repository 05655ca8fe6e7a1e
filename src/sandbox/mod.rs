//! The sandbox: a small product with state, asynchronous stages and real races, which can be broken while it runs.
//!
//! It is what the shipped probes, the demonstration and the drills run against. It holds no canned answers: a registration
//! really moves from queue to queue, a replica really lags, an edit is really lost. Owns its state, its workers and its
//! listener, and must use nothing of the prober. All state is in memory and bounded: the oldest entities are forgotten.
//!
//! Every delay, a fault's included, is in product time and divided by [`SandboxConfig::speed`]. Ids, sizes, jitter, and whom a
//! fault with a share hits follow from [`SandboxConfig::seed`]. It refuses to listen on anything but loopback unless
//! [`SandboxConfig::allow_remote`] is set, since whoever reaches it can switch faults.
//!
//! # Routes
//! Bodies are JSON. Refusals are `{"error": {"code", "message"}}`: 400 for what is no JSON, 404 for what is not there (unknown
//! routes included), 405, 413 above 2 MiB, 415 without `content-type: application/json`, 422 for what makes no sense.
//! Requests say where they come from in `x-region` and `x-platform`, or in the query's `region` and `platform`.
//!
//! | route | does |
//! |---|---|
//! | `GET /healthz` | that it is up, its seed and speed, how many entities it holds |
//! | `GET /faults`, `DELETE /faults` | all faults and which are on; switches all off |
//! | `GET`, `PUT`, `DELETE /faults/NAME` | one fault; on, with an optional scope (below); off |
//! | `GET /v1/plans`, `/v1/plans/{id}` | plans with `billable` and `amounts` by currency; `premium-canary` is not billable |
//! | `POST /v1/registrations` | `user_id`, `plan_id`, `currency`, `platform`, optional `region`, `payment_token`; 201. With an `idempotency-key`, a repetition gives the same registration and `idempotent-replayed: true` |
//! | `GET`, `DELETE /v1/registrations/{id}` | `status` is `initiated`, `authorized`, `captured`, `activated` or `failed`; ids of its payment, account and receipt. 409 on deleting a billable one |
//! | `GET /v1/payments/{id}`, `/v1/accounts/{id}`, `/v1/receipts/{id}` | each stage as it sees the registration |
//! | `GET /v1/warehouse/registrations/{id}` | `rows`: none until it is loaded, then one with every field of the data contract |
//! | `GET /v1/queues` | how many registrations wait before each stage |
//! | `POST /v1/sessions` | signs a device in by `user` and `password`; gives `token` (bearer) and a `session` cookie |
//! | `GET`, `DELETE /v1/sessions/current` | who is signed in; signs out |
//! | `GET`, `POST /v1/playlists` | the user's playlists as the device's replica has them; a new one of `title` and `tracks` |
//! | `GET`, `PUT`, `DELETE /v1/playlists/{id}` | read (from the replica), replace `title` or `tracks`, delete |
//! | `POST /v1/playlists/{id}/tracks` | adds `track`; `version` may say which version the device has seen |
//! | `GET /v1/site-groups` | the site groups |
//! | `GET /v1/segments` | narrowed by `site_group`, `kind` (`source`, `copy`, `lookalike`), `standing`, `source_id`; with `page_size` (1 to 100) a page, whose `next_page_token` is the next one's `page_token`. The last page has none; 410 where the page is no more |
//! | `GET`, `DELETE /v1/segments/{id}` | `size`, `source_size`, `expected_size`, `job_status`, …; 403 on deleting a standing one |
//! | `POST /v1/segments/{id}/copy` | to `site_group`; 202 with `job_id` and `segment_id` |
//! | `POST /v1/segments/{id}/lookalike` | of `ratio` times the size; 202 with `job_id` and `segment_id` |
//! | `POST /v1/feed` | sends an event of `room` and `text`; 201. It can be read a moment later |
//! | `GET /v1/feed` | `events` after the cursor `since`, the oldest first, and the cursor `next_batch` behind them; without `since` the newest. Narrowed by `room`, at most `limit` (20). Where there are none, the answer comes with the next one, or after `timeout` milliseconds (none) |
//! | `DELETE /v1/feed` | forgets the events of `room` |
//! | `GET /v1/jobs/{id}` | `status` is `queued`, `running` or `succeeded` |
//!
//! Playlist edits that arrive together are merged. `if-match` with an older version's `etag` is refused with 412. The standing
//! copies of segments are filled anew once a minute of product time, after their sources have drifted a little.
//!
//! # Faults
//! A scope is `{"share": 0.4, "region": "eu", "platform": "ios", "delay": "30s"}`, each part optional: all requests, all regions
//! and platforms, the fault's own delay. A fault limited to a region leaves alone what does not say its region.
//!
//! | fault | what it does | share of | own `delay` |
//! |---|---|---|---|
//! | `registration-stops-after-payment` | the activation's message is acknowledged and forgotten; every call answers 200 | registrations | |
//! | `payment-errors` | `/v1/payments/{id}` answers 500, payments make no progress until it ends | registrations | |
//! | `payment-timeouts` | `/v1/payments/{id}` hangs, then answers 504; payments make no progress until it ends | registrations | 1m |
//! | `warehouse-lag` | rows appear so long after the receipt | registrations | 10m |
//! | `renamed-field` | rows carry `plan` where `plan_id` should be | registrations | |
//! | `stopped-consumer` | nobody consumes the activation queue; the backlog drains when it ends | registrations | |
//! | `playlist-lost-edits` | of edits so close together only the last survives; all answer 200 | playlists | 500ms |
//! | `playlist-not-synced` | what an affected user writes on one device never reaches the others | users | |
//! | `segment-copy-capped` | copies hold 10,000 users at most; the job succeeded | segments | |
//! | `lookalike-empty` | lookalikes hold nobody; the job succeeded | segments | |
//!
//! [`Incident`] says which of them make the incidents that the shipped probes must notice.

mod bounded;
mod fault;
mod feed;
mod incident;
mod origin;
mod playlist;
mod queue;
mod registration;
mod reply;
mod seed;
mod segment;
mod server;
mod state;
mod time_scale;

pub use fault::{FaultName, FaultScope, FaultScopeError, Faults, UnknownFault};
pub use incident::{Incident, UnknownIncident};
pub use server::{Sandbox, SandboxConfig};
