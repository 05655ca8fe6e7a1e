//! All of it in front of some routes, asked as browsers and programs do.

use std::sync::Arc;

use axum::body::Body;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use http::{HeaderMap, Request, StatusCode};
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::base::time::now_ms;
use crate::plan::Role;

use super::state::testing::{asking, trusting};
use super::*;

const TOKENS: [(&str, &str, Role); 2] = [("ops", "ops-secret", Role::Act), ("wall", "wall-secret", Role::Read)];
const OWN: (&str, &str) = ("origin", "http://x");
const HTML: (&str, &str) = ("accept", "text/html,*/*;q=0.8");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    why: String,
    hours: u8,
}

async fn who(
    Extension(caller): Extension<Caller>,
    Extension(Base(base)): Extension<Base>,
    Extension(form): Extension<FormToken>,
) -> String {
    let via = format!("{:?}", caller.via);
    let via = via.split('(').next().unwrap();
    format!("{} {} {via} {base} {}", caller.name, if caller.may_act() { "acts" } else { "looks" }, form.0)
}

async fn act(form: Form<Fields>) -> String {
    format!("{} {} {}", form.caller.name, form.fields.why, form.fields.hours)
}

fn site(access: &Arc<AccessState>) -> Router {
    let guard = || Arc::clone(access);
    let people = Router::new()
        .route("/", get(who))
        .route("/incidents/{id}", get(who))
        .route("/runs/{id}", get(who))
        .route("/act", post(act))
        .route_layer(middleware::from_fn_with_state(guard(), pages));
    let reads = Router::new().route("/api/v1/x", get(who));
    let reads = reads.route_layer(middleware::from_fn_with_state(guard(), api_reads));
    let changes = Router::new().route("/api/v1/y", post(who));
    let changes = changes.route_layer(middleware::from_fn_with_state(guard(), api_changes));
    let own = Router::new().route("/api/v1/login-codes", post(login_code));
    let own = own.route_layer(middleware::from_fn_with_state(guard(), api_own));
    let all = people.merge(reads).merge(changes).merge(login_routes(guard())).merge(own);
    let all = all.layer(middleware::map_response(secured));
    Router::new().fallback_service(all).layer(middleware::from_fn_with_state(guard(), arrive))
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What the browser sends back from now on.
    fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    fn form(&self) -> &str {
        self.body.rsplit(' ').next().unwrap()
    }
}

async fn ask(access: &Arc<AccessState>, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (method, uri) = request.split_once(' ').unwrap();
    let peer = Arrival { peer: [192, 0, 2, 1].into(), tls: false };
    let mut built = Request::builder().method(method).uri(uri).extension(peer);
    if !headers.iter().any(|(name, _)| *name == "host") {
        built = built.header("host", "x");
    }
    if method == "POST" && !headers.iter().any(|(name, _)| *name == "content-type") {
        built = built.header("content-type", "application/x-www-form-urlencoded");
    }
    let built = headers.iter().fold(built, |built, (name, value)| built.header(*name, *value));
    let answer = site(access).oneshot(built.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = String::from_utf8(axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn log_in(access: &Arc<AccessState>, body: &str) -> Answer {
    ask(access, "POST /login", &[OWN], body).await
}

#[tokio::test]
async fn who_is_not_known_logs_in_and_comes_back_to_the_page_that_he_wanted() {
    let access = Arc::new(asking(&TOKENS));
    let answer = ask(&access, "GET /incidents/01A?a=b", &[HTML], "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/login?next=incidents%2F01A%3Fa%3Db"));
    let page = ask(&access, "GET /login?next=incidents%2F01A%3Fa%3Db", &[HTML], "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("name=\"next\" value=\"incidents/01A?a=b\"") && page.body.contains("name=\"token\""),
        "{}",
        page.body
    );
    assert!(
        page.header("content-security-policy").starts_with("default-src 'none'; ") && page.header("cache-control") == "no-store"
    );
    let answer = log_in(&access, "token=ops-secret&next=incidents%2F01A%3Fa%3Db").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/incidents/01A?a=b"));
    assert!(answer.header("set-cookie").ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"), "{:?}", answer.headers);
    let cookie = answer.cookie();
    let answer = ask(&access, "GET /incidents/01A", &[HTML, ("cookie", &cookie)], "").await;
    assert!(answer.body.starts_with("ops acts Session / ") && answer.form().len() == 22, "{}", answer.body);
    let answer = ask(&access, "POST /logout", &[OWN, ("cookie", &cookie)], "").await;
    assert!(answer.header("set-cookie").starts_with("serinus_session=; Path=/; Max-Age=0;"), "{:?}", answer.headers);
    let answer = ask(&access, "GET /api/v1/x", &[], "").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_and_nothing_that_he_wrote_is_markup() {
    let access = Arc::new(asking(&TOKENS));
    for next in ["//evil.example", "https://evil.example", "/%5Cevil.example", "%22%3E%3Cscript%3E"] {
        let answer = log_in(&access, &format!("token=ops-secret&next={next}")).await;
        assert_eq!(answer.header("location"), "/", "{next}");
    }
    let page = ask(&access, "GET /login?code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", &[HTML], "").await;
    assert!(!page.body.contains("<script"), "{}", page.body);
}

#[tokio::test]
async fn a_link_with_a_code_logs_nobody_in_until_its_form_is_sent_and_then_once() {
    let access = Arc::new(asking(&TOKENS));
    let code = access.new_code(Role::Act, "ann");
    for _ in 0..2 {
        let page = ask(&access, &format!("GET /login?code={code}"), &[HTML], "").await;
        assert!(page.body.contains(&code) && page.header("set-cookie").is_empty(), "a GET changes nothing");
    }
    let answer = log_in(&access, &format!("code={code}")).await;
    let known = ask(&access, "GET /", &[("cookie", &answer.cookie())], "").await;
    assert!(known.body.starts_with("ann acts Session "), "{}", known.body);
    let again = log_in(&access, &format!("code={code}")).await;
    assert_eq!((again.status, again.header("set-cookie")), (StatusCode::UNAUTHORIZED, ""));
}

#[tokio::test]
async fn a_code_that_somebody_gives_away_lets_nobody_do_more_than_he_may() {
    let access = Arc::new(asking(&TOKENS));
    let json = ("content-type", "application/json");
    for (token, body, expected) in [
        ("ops-secret", "{}", "ops acts Session"),
        ("ops-secret", r#"{"role":"read"}"#, "ops looks Session"),
        ("wall-secret", r#"{"role":"act"}"#, "wall looks Session"),
    ] {
        let bearer = format!("Bearer {token}");
        let answer = ask(&access, "POST /api/v1/login-codes", &[("authorization", &bearer), json], body).await;
        let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let left = said["expires_ms"].as_i64().unwrap() - now_ms();
        assert!((590_000..=600_000).contains(&left), "{said}");
        let code = said["url"].as_str().unwrap().strip_prefix("http://x/login?code=").unwrap();
        let cookie = log_in(&access, &format!("code={code}")).await.cookie();
        let known = ask(&access, "GET /", &[("cookie", &cookie)], "").await;
        assert!(known.body.starts_with(expected), "{}", known.body);
    }
    assert_eq!(ask(&access, "POST /api/v1/login-codes", &[json], "{}").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&Arc::new(asking(&[])), "POST /api/v1/login-codes", &[json], "{}").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_is_wrong_too_often_is_told_when_to_try_again_even_if_he_is_right_then() {
    let access = Arc::new(asking(&TOKENS));
    for _ in 0..10 {
        assert_eq!(log_in(&access, "token=guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let answer = log_in(&access, "token=ops-secret").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=60).contains(&answer.header("retry-after").parse::<u32>().unwrap()));
}

#[tokio::test]
async fn a_form_is_taken_from_our_own_page_with_its_token_by_who_may_act() {
    let access = Arc::new(asking(&TOKENS));
    let cookie = log_in(&access, "token=ops-secret").await.cookie();
    let ops = ("cookie", cookie.as_str());
    let form = ask(&access, "GET /", &[ops], "").await.form().to_owned();
    let body = format!("form={form}&why=it+is+%26+late&hours=2");
    let answer = ask(&access, "POST /act", &[OWN, ops], &body).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "ops it is & late 2"));
    let status = async |headers: &[(&str, &str)], body: &str| ask(&access, "POST /act", headers, body).await.status.as_u16();
    assert_eq!(status(&[ops], &body).await, 403, "it says nothing of where it comes from");
    assert_eq!(status(&[("origin", "http://evil.example"), ops], &body).await, 403);
    assert_eq!(status(&[OWN, ("sec-fetch-site", "cross-site"), ops], &body).await, 403);
    assert_eq!(status(&[("referer", "http://x/incidents/01A"), ops], &body).await, 200);
    assert_eq!(status(&[OWN, ops], "why=a&hours=2").await, 403, "it has no token");
    assert_eq!(status(&[OWN, ops], &body.replace(&form, "AAAAAAAAAAAAAAAAAAAAAA")).await, 403);
    assert_eq!(status(&[OWN, ops, ("content-type", "text/plain")], &body).await, 415);
    assert_eq!(status(&[OWN, ops], &format!("form={form}&why=a&hours=x")).await, 422);
    assert_eq!(status(&[OWN], &body).await, 401);
    assert_eq!(status(&[OWN, ("authorization", "Bearer ops-secret")], &body).await, 403, "a program uses the API");
    let other = log_in(&access, "token=ops-secret").await.cookie();
    assert_eq!(status(&[OWN, ("cookie", &other)], &body).await, 403, "the token is another session's");
    let wall = log_in(&access, "token=wall-secret").await.cookie();
    let seen = ask(&access, "GET /", &[("cookie", &wall)], "").await;
    assert_eq!((seen.form(), status(&[OWN, ("cookie", &wall)], &body).await), ("", 403));
    let refused = ask(&access, "POST /act", &[OWN, HTML, ("cookie", &wall)], &body).await;
    assert!(
        refused.header("content-type").starts_with("text/html") && refused.body.contains("you may only look"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn programs_change_something_with_a_token_that_may_and_browsers_from_our_own_pages() {
    let access = Arc::new(asking(&TOKENS));
    let cookie = log_in(&access, "token=ops-secret").await.cookie();
    let (ops, json) = (("cookie", cookie.as_str()), ("content-type", "application/json"));
    let status = async |headers: &[(&str, &str)]| ask(&access, "POST /api/v1/y", headers, "{}").await.status.as_u16();
    assert_eq!(status(&[("authorization", "Bearer ops-secret"), json]).await, 200);
    assert_eq!(status(&[("authorization", "Bearer wall-secret"), json]).await, 403);
    assert_eq!(status(&[json]).await, 401);
    assert_eq!(status(&[ops, json, OWN]).await, 200);
    assert_eq!(status(&[ops, json]).await, 403);
    assert_eq!(status(&[ops, json, ("origin", "http://evil.example")]).await, 403);
    assert_eq!(status(&[ops, OWN]).await, 415, "a form of another page could be sent so");
    assert_eq!(ask(&access, "GET /api/v1/x", &[ops], "").await.status, StatusCode::OK);
    let open = ask(&Arc::new(asking(&[])), "POST /api/v1/y", &[json, OWN], "{}").await;
    assert!(open.status == StatusCode::FORBIDDEN && open.body.contains("listen.token"), "{}", open.body);
}

#[tokio::test]
async fn the_key_of_a_link_opens_its_incident_and_nothing_is_done_with_it() {
    let access = Arc::new(asking(&TOKENS));
    let key = access.links().sign("01A", now_ms() + 1);
    let seen = ask(&access, &format!("GET /incidents/01A?key={key}"), &[HTML], "").await;
    assert_eq!((seen.status, &*seen.body), (StatusCode::OK, "by link looks Link / "));
    let run = ask(&access, &format!("GET /runs/01R?key={key}&incident=01A"), &[HTML], "").await;
    assert_eq!(run.status, StatusCode::OK);
    for other in ["/", "/incidents/01B", "/act", "/api/v1/x", "/runs/01R"] {
        let method = if other == "/act" { "POST" } else { "GET" };
        let answer = ask(&access, &format!("{method} {other}?key={key}"), &[OWN], "why=a&hours=1").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{other}");
    }
    let session = log_in(&access, "token=ops-secret").await.cookie();
    let seen = ask(&access, &format!("GET /incidents/01A?key={key}"), &[("cookie", &session)], "").await;
    assert!(seen.body.starts_with("ops acts Session"), "who is known is himself: {}", seen.body);
}

#[tokio::test]
async fn behind_a_proxy_pages_are_below_the_public_path_and_cookies_are_secure() {
    let access = Arc::new(trusting(&["192.0.2.1"]));
    access.hosts().set_public(Some("https://ops.example.com/serinus"));
    let by_proxy = [("x-forwarded-user", "ann"), ("x-forwarded-proto", "https"), ("host", "10.0.0.7:9464")];
    for path in ["/", "/serinus", "/serinus/", "/serinus/incidents/01A", "/incidents/01A"] {
        let seen = ask(&access, &format!("GET {path}"), &by_proxy, "").await;
        assert!(seen.body.starts_with("ann acts Proxy /serinus/ "), "{path}: {}", seen.body);
    }
    let form = ask(&access, "GET /", &by_proxy, "").await.form().to_owned();
    let sent = [&by_proxy[..], &[("origin", "https://ops.example.com")]].concat();
    let done = ask(&access, "POST /serinus/act", &sent, &format!("form={form}&why=a&hours=1")).await;
    assert_eq!(done.body, "ann a 1");
    let code = access.new_code(Role::Read, "wall");
    let answer = ask(&access, "POST /serinus/login", &sent, &format!("code={code}&next=incidents/01A")).await;
    assert_eq!(answer.header("location"), "/serinus/incidents/01A");
    assert!(answer.header("set-cookie").ends_with("; Path=/serinus/; Max-Age=34560000; HttpOnly; SameSite=Lax; Secure"));
    // The name of a stranger's header says nothing.
    let stranger = Arc::new(trusting(&["10.0.0.0/8"]));
    let seen = ask(&stranger, "GET /", &[("x-forwarded-user", "ann")], "").await;
    assert!(seen.body.starts_with("anybody looks Open / "), "{}", seen.body);
}
