//! The listeners of a service at its start: the address first, so that a second instance ends before it probes, then who may do what,
//! and what is answered before anything else has started.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::history::{Fleet, StartState, Store};
use crate::outcome::{LinkKey, Secrets};
use crate::plan::{Service, StatusPlace};
use crate::telemetry::{Format, Metrics, Telemetry, Tracer};
use crate::web::{AccessState, ApiSlot, Bound, Hosts, ListenError, ListenerTls, RenderMetrics, RouterState, StatusPages};

use super::access::access;
use super::running::StartError;
use super::started::Started;
use super::traces::exporter;

/// What is there once something answers.
pub(super) struct Listening {
    pub(super) access: Arc<AccessState>,
    /// The key of links in pages.
    pub(super) links: LinkKey,
    /// What the listener answers with.
    pub(super) shared: RouterState,
    pub(super) telemetry: Arc<Telemetry>,
    /// Where it answers.
    pub(super) address: SocketAddr,
}

/// What is listened on, before anything answers there.
struct Listeners {
    bound: Bound,
    /// The status page's own.
    public: Option<Bound>,
    tls: Option<ListenerTls>,
}

impl Listeners {
    fn bind(service: &Service, status_page: Option<&StatusPlace>) -> Result<Self, ListenError> {
        let bound = Bound::to(service.listen.address)?;
        let public = match status_page {
            Some(StatusPlace::Address(address)) => Some(Bound::to(*address)?),
            Some(StatusPlace::Path(_)) | None => None,
        };
        let tls = service.listen.tls.as_ref().map(ListenerTls::read).transpose().map_err(ListenError::Tls)?;
        Ok(Self { bound, public, tls })
    }
}

/// Starts to answer, and notes it in `started`.
pub(super) async fn listen(
    service: &Service,
    secrets: &Secrets,
    start_state: &StartState,
    store: &Arc<dyn Store>,
    fleet: Option<Arc<dyn Fleet>>,
    started: &mut Started,
) -> Result<Listening, StartError> {
    let status_page = Arc::new(StatusPages::new(service.status_page.clone()));
    let Listeners { bound, public, tls } = Listeners::bind(service, status_page.place())?;
    let tracer = tracer(service, secrets, bound.address())?;
    let telemetry = Arc::new(Telemetry::new(Metrics::new(&service.plan), tracer));
    started.telemetry = Some(Arc::clone(&telemetry));
    let hosts = Arc::new(Hosts::new(service.listen.hosts.clone(), service.alerting.public_url.as_deref()));
    let (access, links) = access(service, secrets, start_state, store, fleet, &hosts).await?;
    let shared = RouterState {
        render: renderer(&telemetry),
        access: Arc::clone(&access),
        hosts,
        ready: Arc::default(),
        api: Arc::<ApiSlot>::default(),
        status_page: Arc::clone(&status_page),
    };
    let address = started.server.insert(bound.serve(shared.clone(), tls)?).address();
    let alone = |bound: Bound| bound.serve_status_page(status_page, Arc::clone(&shared.api));
    started.status_page = public.map(alone).transpose()?;
    Ok(Listening { access, links, shared, telemetry, address })
}

fn tracer(service: &Service, secrets: &Secrets, address: SocketAddr) -> Result<Option<Tracer>, StartError> {
    let Some(traces) = &service.traces else { return Ok(None) };
    let config = exporter(traces, &service.plan, secrets, address)?;
    Tracer::start(config).map(Some).map_err(StartError::Traces)
}

fn renderer(telemetry: &Arc<Telemetry>) -> Arc<RenderMetrics> {
    let telemetry = Arc::clone(telemetry);
    Arc::new(move |accept| {
        let format = Format::negotiate(accept);
        (format.content_type(), telemetry.render(format))
    })
}
