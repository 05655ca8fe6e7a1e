//! What the documentation shows works: the README's probe and service, and the configuration of the container.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use serde_json::json;
use serinus::config;
use serinus::outcome::{Reason, Verdict};
use serinus::sandbox::{Sandbox, SandboxConfig};

use crate::journey::Journey;
use crate::target::{Answer, Target};

fn project(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced TOML blocks of a page.
fn toml_blocks(page: &str) -> Vec<&str> {
    page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Loads a service's file with these variables set and wants no problem at all, and so many canaries.
fn loads_without_a_word(file: &Path, variables: &[&str], canaries: usize) {
    let environment = variables.iter().map(|name| ((*name).to_owned(), "a-secret-of-some-length".to_owned()));
    let loaded = config::load(file, environment);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics.render(false));
    let service = loaded.service.expect("it is valid");
    assert_eq!(service.plan.canaries.len(), canaries);
}

#[test]
fn the_probe_of_the_readme_is_valid_as_it_stands() {
    let page = project("README.md");
    let [probe, service] = toml_blocks(&page)[..] else { panic!("the README has one probe and one service") };
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("probes")).unwrap();
    fs::write(directory.path().join("probes/order.toml"), probe).unwrap();
    fs::write(directory.path().join("serinus.toml"), service).unwrap();
    loads_without_a_word(&directory.path().join("serinus.toml"), &["CANARY_PASSWORD", "SLACK_WEBHOOK"], 1);
}

#[test]
fn the_containers_configuration_is_valid_beside_the_shipped_probes() {
    let directory = tempfile::tempdir().unwrap();
    let probes = directory.path().join("probes");
    fs::create_dir(&probes).unwrap();
    let shipped = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("probes")).unwrap().map(|entry| entry.unwrap().path());
    for probe in shipped.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        fs::copy(&probe, probes.join(probe.file_name().unwrap())).unwrap();
    }
    let file = directory.path().join("serinus.toml");
    fs::write(&file, project("docker/serinus.toml")).unwrap();
    loads_without_a_word(&file, &["METRICS_TOKEN", "CANARY_PASSWORD"], 17);
}

#[test]
fn the_service_of_the_config_readme_is_valid_as_it_stands() {
    let page = project("config/README.md");
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    let probes = directory.path().join("probes");
    fs::create_dir(&config).unwrap();
    fs::create_dir(&probes).unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/playlist_sync.toml"), probes.join("playlist_sync.toml")).unwrap();
    fs::write(config.join("serinus.toml"), toml_blocks(&page)[0]).unwrap();
    loads_without_a_word(&config.join("serinus.toml"), &["CANARY_PASSWORD", "SLACK_WEBHOOK"], 24);
}

#[test]
fn prometheus_takes_the_rules_of_the_config_readme() {
    let page = project("config/README.md");
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2, "rules of objectives, and alerts");
    let directory = tempfile::tempdir().unwrap();
    for rules in blocks {
        let file = directory.path().join("rules.yml");
        fs::write(&file, rules).unwrap();
        let checked = std::process::Command::new("promtool").args(["check", "rules"]).arg(&file).output();
        let checked = checked.expect("promtool of Debian's package `prometheus` is there");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[tokio::test]
async fn the_examples_of_a_feed_a_long_poll_and_pages_work_and_notice_what_is_missing() {
    let page = project("probes/README.md");
    let section =
        page.split("\n### Feeds, long polls and pages\n").nth(1).expect("there is a section").split("\n### ").next().unwrap();
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let journey = Journey::at(&format!("http://{}", sandbox.address()));
    let examples = toml_blocks(section);
    assert_eq!(examples.len(), 3);
    for example in &examples {
        let ran = journey.run(example).await;
        ran.assert_passed();
        assert!(ran.cleanup.is_none_or(|cleanup| cleanup.result == serinus::outcome::CleanupResult::Clean));
    }
    // A message that never comes, another one than that, a page that is left out.
    for (example, right, wrong, step) in [
        (examples[0], "== sent", "== sent + ['another']", "everything arrives once, in order"),
        (examples[1], "text = \"hello\"", "text = \"hullo\"", "wait"),
        (examples[2], "page_size = \"5\"", "page_size = \"5\", kind = \"source\"", "nothing was left out"),
    ] {
        assert!(example.contains(right), "{example}");
        let shorter =
            example.replace("within = \"10s\"", "within = \"1500ms\"").replace("timeout = \"5000\"", "timeout = \"500\"");
        let broken = shorter.replace(right, wrong);
        let ran = journey.run(&broken).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Expectation), "{:?}", ran.report.cause);
        assert_eq!(ran.cause().step.as_deref(), Some(step));
    }
    sandbox.shutdown().await;
}

/// A music server in memory that speaks as much of the Subsonic API as the recipe asks for.
async fn music_server(loses_edits: bool) -> Target {
    let playlists: Mutex<BTreeMap<String, (String, Vec<String>)>> = Mutex::default();
    Target::start(move |seen| {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        let all = |key: &str| pairs.iter().filter(|(name, _)| name == key).map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let one = |key: &str| all(key).pop().unwrap_or_default();
        let mut playlists = playlists.lock().unwrap();
        let of = |ids: &[String]| ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>();
        let gone = json!({ "error": { "code": 70, "message": "Playlist not found" } });
        let known = ["u", "v", "c", "f"].map(one) == ["canary", "1.16.1", "serinus", "json"] && one("p") == "hunter22";
        let mut answer = match seen.path.strip_prefix("/rest/").filter(|_| known) {
            Some("ping.view") => json!({}),
            Some("getRandomSongs.view") => json!({ "randomSongs": { "song": of(&["s1", "s2", "s3"].map(str::to_owned)) } }),
            Some("createPlaylist.view") => {
                playlists.insert("7".to_owned(), (one("name"), all("songId")));
                json!({ "playlist": { "id": "7" } })
            }
            Some("getPlaylists.view") => {
                let lists: Vec<_> = playlists.iter().map(|(id, (name, _))| json!({ "id": id, "name": name })).collect();
                json!({ "playlists": { "playlist": lists } })
            }
            Some("getPlaylist.view") => match playlists.get(&one("id")) {
                Some((name, songs)) => json!({ "playlist": { "name": name, "entry": of(songs) } }),
                None => gone,
            },
            Some("updatePlaylist.view") => {
                if let Some((_, songs)) = playlists.get_mut(&one("playlistId")).filter(|_| !loses_edits) {
                    for at in all("songIndexToRemove") {
                        songs.remove(at.parse().unwrap());
                    }
                    songs.extend(all("songIdToAdd"));
                }
                json!({})
            }
            Some("deletePlaylist.view") => match playlists.remove(&one("id")) {
                Some(_) => json!({}),
                None => gone,
            },
            _ => json!({ "error": { "code": 40, "message": "Wrong username or password" } }),
        };
        answer["status"] = if answer.get("error").is_some() { "failed" } else { "ok" }.into();
        Answer::json(200, &json!({ "subsonic-response": answer }).to_string())
    })
    .await
}

#[tokio::test]
async fn the_recipe_of_a_music_server_works_and_notices_a_lost_edit() {
    let page = project("probes/README.md");
    let section = page.split("\n### A music server\n").nth(1).expect("there is a recipe");
    let recipe = toml_blocks(section)[0];
    let (_, steps) = recipe.split_once("deadline = \"30s\"\n").expect("it has a head");
    for (loses_edits, failed) in [(false, None), (true, Some("the edit is kept"))] {
        let target = music_server(loses_edits).await;
        let steps = steps.replace("{{ music }}", "{{ api }}");
        let ran = Journey::new(&target).secret("music_password", Some("hunter22")).run(&steps).await;
        assert_eq!(ran.report.cause.as_ref().and_then(|cause| cause.step.as_deref()), failed, "{:?}", ran.report.cause);
        assert_eq!(ran.cleanup.expect("it created something").result, serinus::outcome::CleanupResult::Clean);
        assert!(target.seen().iter().all(|seen| seen.query.is_empty() && seen.path.starts_with("/rest/")));
    }
}

#[test]
fn the_shared_steps_of_the_probes_readme_are_valid_as_they_stand() {
    let page = project("probes/README.md");
    let section = page.split("\n### Shared steps\n").nth(1).expect("there is a section");
    let [library, uses] = toml_blocks(section)[..2] else { panic!("a library and its use") };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("probes/lib")).unwrap();
    fs::write(at("probes/lib/sign_in.toml"), library).unwrap();
    let head = "name = \"a\"\nowner = \"o\"\nrunbook = \"https://runbooks.example.com\"\nevery = \"1m\"\ndeadline = \"9s\"\n[devices.phone]\n";
    fs::write(at("probes/a.toml"), format!("{head}{uses}")).unwrap();
    let service = "probes = [\"probes/**/*.toml\"]\nnotify.none = true\n[vars]\napi = \"https://api.example.com\"\n\
        [secrets]\ncanary_password = { env = \"CANARY_PASSWORD\" }\n";
    fs::write(at("serinus.toml"), service).unwrap();
    loads_without_a_word(&at("serinus.toml"), &["CANARY_PASSWORD"], 1);
}

#[tokio::test]
async fn the_recipes_work() {
    let page = project("probes/README.md");
    let section = page.split("\n## Recipes\n").nth(1).expect("there is a section").split("\n###").next().unwrap();
    let sandbox = Sandbox::start(SandboxConfig { speed: 20.0, ..SandboxConfig::default() }).await.unwrap();
    let recipes = toml_blocks(section);
    assert_eq!(recipes.len(), 4);
    for recipe in recipes {
        let ran = Journey::at(&format!("http://{}", sandbox.address())).deadline("3m").run(recipe).await;
        ran.assert_passed();
        assert!(ran.cleanup.is_none_or(|cleanup| cleanup.result == serinus::outcome::CleanupResult::Clean));
    }
    sandbox.shutdown().await;
}
