//! Who makes a request, as far as it says. It decides nothing about what he asks for, but for links, which open two pages.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Uri, header};

use crate::base::time::{epoch_ms, since_epoch};
use crate::outcome::visible;

use super::arrival::Client;
use super::caller::{Caller, LinkScope, Role, Via};
use super::cookie;
use super::session::{Session, Source};
use super::state::AccessState;

/// Letters of a name that a proxy gives.
const LONGEST_NAME: usize = 200;

/// The time by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) steady: Instant,
    pub(super) wall: SystemTime,
}

impl Now {
    /// What they say.
    pub(super) fn read() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// Seconds since the epoch.
    pub(super) fn seconds(self) -> u64 {
        since_epoch(self.wall).as_secs()
    }
}

/// What a request says of who makes it.
#[derive(Debug)]
pub(super) enum Asked {
    /// He is known.
    By(Box<Identified>),
    /// It says nothing.
    ByNobody,
    /// Its token is none of ours.
    Wrong,
    /// Too many were wrong; this long nobody listens.
    TooOften(Duration),
}

/// Somebody who is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identified {
    pub(super) caller: Caller,
    /// What a session that he gives himself stands and falls with; none for who is known by a link, or not at all.
    pub(super) source: Option<Source>,
    /// Which browser or user it is, for the token of its forms.
    pub(super) form_owner: Option<String>,
    /// His session, where it lasts longer from now on.
    pub(super) renewed: Option<Session>,
}

impl Identified {
    fn plain(name: &str, role: Role, via: Via) -> Self {
        Self { caller: Caller { name: name.into(), role, via }, source: None, form_owner: None, renewed: None }
    }

    fn asked(self) -> Asked {
        Asked::By(Box::new(self))
    }
}

/// Who makes a request. A token that is wrong is counted.
pub(super) fn identify(access: &AccessState, client: Client, uri: &Uri, headers: &HeaderMap, now: Now) -> Asked {
    let user = access.user_header().filter(|_| client.by_proxy).and_then(|(header, role)| Some((user(headers, header)?, role)));
    // A proxy that says who asks may leave its own bearer token in place.
    if let Some(offered) = bearer(headers).filter(|_| access.asks_who() && user.is_none()) {
        return by_token(access, client.address, offered, now);
    }
    let session = session(access, headers, now);
    if let Some(known) = of_browser(session, user, now) {
        return known.asked();
    }
    // What a proxy brings without a name is a stranger's, though the listener itself asks nobody.
    if !access.asks_who() && !client.by_proxy {
        return Identified::plain("anybody", Role::Read, Via::Open).asked();
    }
    match link(access, uri, now) {
        Some(scope) => Identified::plain("by link", Role::Read, Via::Link(scope)).asked(),
        None => Asked::ByNobody,
    }
}

fn by_token(access: &AccessState, client: IpAddr, offered: &str, now: Now) -> Asked {
    let wait = access.failures.wait(client, now.steady);
    match (access.token(offered), wait) {
        (Some((number, _)), Some(wait)) if !access.failures.has_proven(client, number) => Asked::TooOften(wait),
        (Some((number, token)), _) => {
            access.failures.proved(client, number, now.steady);
            let source = Some(Source::Token(Arc::clone(&token.name)));
            Identified { source, ..Identified::plain(&token.name, token.role, Via::Bearer) }.asked()
        }
        // Whoever is not listened to is not counted further, so that one client alone locks nobody else out.
        (None, Some(wait)) => Asked::TooOften(wait),
        (None, None) => {
            access.failures.failed(client, now.steady);
            Asked::Wrong
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = offered.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The name in a header that only the proxy may have written: where it stands twice, somebody else wrote one of them.
fn user(headers: &HeaderMap, header: &str) -> Option<String> {
    let mut said = headers.get_all(header).iter();
    let (Some(name), None) = (said.next(), said.next()) else { return None };
    let name = String::from_utf8_lossy(name.as_bytes());
    let name: String = visible(name.trim()).chars().take(LONGEST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

/// The session of a request, with the role it has now.
fn session(access: &AccessState, headers: &HeaderMap, now: Now) -> Option<(Session, Role)> {
    let opened = |value| Session::opened(value, now.seconds(), |source| Some(access.standing(source)?.1));
    let session = cookie::values(headers).find_map(opened)?;
    let role = session.role().min(access.standing(&session.source)?.0);
    Some((session, role))
}

/// Who sits at a browser. A proxy knows his name better than the token that he logged in with; that may allow more.
fn of_browser(session: Option<(Session, Role)>, user: Option<(String, Role)>, now: Now) -> Option<Identified> {
    match (session, user) {
        (Some((session, role)), user) if user.as_ref().is_none_or(|(_, of_user)| role > *of_user) => {
            let name = user.map_or_else(|| Arc::clone(&session.name), |(name, _)| name.into());
            Some(Identified {
                caller: Caller { name, role, via: Via::Session },
                form_owner: Some(format!("session {}", session.id)),
                renewed: session.renewed(now.seconds()),
                source: Some(session.source),
            })
        }
        (_, Some((name, role))) => Some(Identified {
            form_owner: Some(format!("user {name}")),
            source: Some(Source::Proxy),
            ..Identified::plain(&name, role, Via::Proxy)
        }),
        (_, None) => None,
    }
}

/// What the key of a page's link opens: its incident's page, or one of a run, which looks itself whether the run is one of the
/// incident's. The updates of a page are part of it, and so is the state of the prober, which every page shows.
fn link(access: &AccessState, uri: &Uri, now: Now) -> Option<LinkScope> {
    if uri.path() == "/live" {
        let page = format!("/{}", query(uri, "page")?).parse::<Uri>().ok().filter(|page| page.path() != "/live")?;
        return link(access, &page, now);
    }
    let query = |wanted| query(uri, wanted);
    let key = query("key")?;
    let path = uri.path().strip_prefix('/')?;
    let (page, id) = path.split_once('/').filter(|(_, id)| !id.is_empty() && !id.contains('/')).unwrap_or((path, ""));
    let incident = match (page, id) {
        ("incidents" | "runs", "") => return None,
        ("incidents", id) => id.to_owned(),
        ("runs", _) | ("pulse", "") => query("incident")?,
        _ => return None,
    };
    let is_right = access.links().verify(&incident, &key, epoch_ms(now.wall));
    is_right.then(|| LinkScope { incident: incident.into(), key: key.into() })
}

/// A parameter of a request.
fn query(uri: &Uri, wanted: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::state::testing::{asking, trusting};
    use super::*;

    const CLIENT: Client = Client { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), secure: false, by_proxy: false };

    fn headers(said: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn who(access: &AccessState, client: Client, uri: &str, said: &[(&'static str, &str)]) -> Result<Caller, &'static str> {
        match identify(access, client, &uri.parse().unwrap(), &headers(said), Now::read()) {
            Asked::By(known) => Ok(known.caller),
            Asked::ByNobody => Err("nobody"),
            Asked::Wrong => Err("wrong"),
            Asked::TooOften(_) => Err("too often"),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with what may be refused")]
    fn caller(name: &str, role: Role, via: Via) -> Result<Caller, &'static str> {
        Ok(Caller { name: name.into(), role, via })
    }

    #[test]
    fn each_token_has_its_name_and_its_role_and_no_other_word_opens_anything() {
        let access = asking(&[("wall", "wall-secret", Role::Read), ("ops", "ops-secret", Role::Act)]);
        let bearer = |value: &str| who(&access, CLIENT, "/", &[("authorization", value)]);
        assert_eq!(bearer("Bearer wall-secret"), caller("wall", Role::Read, Via::Bearer));
        assert_eq!(bearer("bearer  ops-secret "), caller("ops", Role::Act, Via::Bearer));
        assert_eq!(bearer("Bearer ops-secre"), Err("wrong"));
        assert_eq!((bearer("Basic ops-secret"), who(&access, CLIENT, "/", &[])), (Err("nobody"), Err("nobody")));
        assert_eq!(who(&access, CLIENT, "/?token=ops-secret", &[]), Err("nobody"), "a token in a URL ends up in logs");
    }

    #[test]
    fn without_a_token_everybody_looks_and_nobody_acts() {
        for said in [&[][..], &[("authorization", "Bearer whatever")]] {
            let known = who(&asking(&[]), CLIENT, "/", said).unwrap();
            assert_eq!((known.via.clone(), known.may_act()), (Via::Open, false));
        }
    }

    #[test]
    fn who_was_wrong_too_often_is_not_listened_to_unless_he_used_the_token_before() {
        let access = asking(&[("ops", "ops-secret", Role::Act), ("wall", "wall-secret", Role::Read)]);
        let bearer = |value| who(&access, CLIENT, "/", &[("authorization", value)]);
        assert!(bearer("Bearer ops-secret").is_ok());
        let wrong: Vec<_> = (0..12).map(|_| bearer("Bearer guess").unwrap_err()).collect();
        assert_eq!(wrong[..10], ["wrong"; 10]);
        assert_eq!(wrong[10..], ["too often"; 2]);
        assert_eq!(bearer("Bearer wall-secret"), Err("too often"), "guessing on finds nothing");
        assert!(bearer("Bearer ops-secret").is_ok(), "a script beside Prometheus does not keep it out");
        let other = Client { address: [192, 0, 2, 1].into(), ..CLIENT };
        assert!(who(&access, other, "/", &[("authorization", "Bearer wall-secret")]).is_ok());
    }

    fn cookie_of(access: &AccessState, source: &Source, role: Role) -> String {
        let session = Session::begin("ops".into(), source.clone(), role, Now::read().seconds());
        format!("serinus_session={}", session.sealed(&access.standing(source).unwrap().1))
    }

    #[test]
    fn a_session_allows_what_its_token_allows_now_and_ends_with_it() {
        let access = asking(&[("ops", "ops-secret", Role::Act)]);
        let cookie = cookie_of(&access, &Source::Token("ops".into()), Role::Act);
        let ask = |access: &AccessState| who(access, CLIENT, "/", &[("cookie", &cookie)]);
        assert_eq!(ask(&access), caller("ops", Role::Act, Via::Session));
        assert_eq!(ask(&access.asking_instead(&[("ops", "ops-secret", Role::Read)])), caller("ops", Role::Read, Via::Session));
        assert_eq!(ask(&access.asking_instead(&[("ops", "another-secret", Role::Act)])), Err("nobody"));
        assert_eq!(ask(&access.asking_instead(&[("other", "ops-secret", Role::Act)])), Err("nobody"));
    }

    #[test]
    fn the_name_that_a_proxy_gives_counts_from_that_proxy_alone_and_once() {
        let access = trusting(&["10.0.0.1"]);
        let behind = Client { by_proxy: true, ..CLIENT };
        let mut map = HeaderMap::new();
        map.insert("x-forwarded-user", http::HeaderValue::from_bytes(b"ann \xc2\x9b[2J").unwrap());
        assert!(!user(&map, "x-forwarded-user").unwrap().contains('\u{9b}'));
        assert_eq!(who(&access, CLIENT, "/", &[("x-forwarded-user", "ann")]).unwrap().via, Via::Open);
        assert_eq!(who(&access, behind, "/", &[("x-forwarded-user", "ann")]), caller("ann", Role::Act, Via::Proxy));
        let twice = [("x-forwarded-user", "ann"), ("x-forwarded-user", "bob")];
        for said in [&twice[..], &[("x-forwarded-user", " ")], &[]] {
            assert_eq!(who(&access, behind, "/", said), Err("nobody"), "{said:?}");
        }
        let long = "a".repeat(5_000);
        assert_eq!(who(&access, behind, "/", &[("x-forwarded-user", &long)]).unwrap().name.len(), LONGEST_NAME);
    }

    #[test]
    fn a_link_opens_its_incident_and_its_runs_and_nothing_else() {
        let access = asking(&[("ops", "ops-secret", Role::Act)]);
        let key = access.links().sign("01A", epoch_ms(SystemTime::now()) + 3_600_000);
        let ask = |uri: &str| who(&access, CLIENT, &uri.replace("KEY", &key), &[]);
        let scope = || Via::Link(LinkScope { incident: "01A".into(), key: key.as_str().into() });
        assert_eq!(ask("/incidents/01A?key=KEY"), caller("by link", Role::Read, scope()));
        assert_eq!(ask("/runs/01R?key=KEY&incident=01A"), caller("by link", Role::Read, scope()));
        assert_eq!(ask("/live?page=incidents%2F01A%3Fkey%3DKEY"), caller("by link", Role::Read, scope()));
        assert_eq!(ask("/live?page=pulse%3Fkey%3DKEY%26incident%3D01A"), caller("by link", Role::Read, scope()));
        for other in [
            "/incidents/01B?key=KEY",
            "/incidents?key=KEY",
            "/incidents/01A/x?key=KEY",
            "/incidents/01A?key=KEYx",
            "/incidents/01A?key=",
            "/incidents/01A",
            "/runs/01R?key=KEY",
            "/runs/01R?key=KEY&incident=01B",
            "/probes/01A?key=KEY",
            "/api/v1/incidents/01A?key=KEY",
            "/?key=KEY&incident=01A",
            "/live?key=KEY&incident=01A",
            "/live?page=incidents%2F01B%3Fkey%3DKEY",
            "/live?page=pulse%3Fkey%3DKEY%26incident%3D01B",
            "/live?page=pulse",
            "/incidents?key=KEY&incident=01A",
            "/runs?key=KEY&incident=01A",
            "/live?page=live%3Fpage%3Dincidents%252F01A%253Fkey%253DKEY",
            "/live?page=",
        ] {
            assert_eq!(ask(other), Err("nobody"), "{other}");
        }
    }
}
