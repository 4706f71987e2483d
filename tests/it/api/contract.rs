//! The served document against the running service: schemathesis generates valid and invalid
//! requests from it, and checks every response against the document.

use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use crate::support::daemon::{DEADLINE, Service, Setup};
use crate::support::database::Kind;
use crate::support::env;
use crate::support::world::World;

/// Maximum number of requests per operation. They are the same in each run.
const EXAMPLES: &str = "60";

/// A marker must be an existing image, and a store a configured one; no schema can say which these
/// are.
const KNOWN_MARKER: &str = "[parameters]\n\"query.marker\" = \"b\"\n\"query.store\" = \"file\"\n";

/// Constraints that no schema expresses: ids and a selection exclude each other, one time is later
/// than another or in the future, audit entries have their own ids, and a page of retained images
/// continues where a link of the page before says.
const UNSAID: &str = r#"
[[operations]]
include-path-regex = "/actions/(revert|hold|release|pause)$|/hold$"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 429, "5xx"]

[[operations]]
include-path = "/v2/audit"
[operations.parameters]
"query.marker" = "0192f0c4-0000-7000-8000-000000000000"

[[operations]]
include-path = "/v2/retained-images"
[operations.parameters]
"query.marker" = "2026-11-29T13:30:00.000000_b"
"#;

/// An absent body may also be sent as `null`, as Go's clients do; no schema expresses that.
const NO_BODY: &str = "\
import schemathesis

@schemathesis.hook
def filter_case(context, case):
    return case.body is not None
";

/// An existing image for operations that take an id: generated ids match nothing.
const KNOWN_IMAGE: &str = "[parameters]\n\"query.marker\" = \"b\"\n\"query.store\" = \"file\"\n\
     \"path.image_id\" = \"a\"\n";

/// Runs schemathesis; returns its output, and whether it succeeded.
async fn schemathesis(service: &Service, config: &str, arguments: &[&str]) -> (bool, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let config = format!("{config}{UNSAID}");
    std::fs::write(folder.path().join("schemathesis.toml"), config).unwrap();
    std::fs::write(folder.path().join("no_body.py"), NO_BODY).unwrap();
    let output = Command::new(env::schemathesis())
        .args(["run", &format!("http://{}/openapi.json", service.api)])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES])
        .args(["--checks", "all"])
        .args(["--generation-deterministic", "--continue-on-failure", "--no-color"])
        // Two tokens at once are refused; our own tests cover that.
        .args(["--generation-with-security-parameters", "false"])
        .args(arguments)
        .current_dir(folder.path())
        .env("SCHEMATHESIS_HOOKS", "no_body")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE * 3, output).await.unwrap().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The statuses of the service's responses, from its log.
fn statuses(service: &Service) -> Vec<u64> {
    let lines = service.lines().into_iter();
    let mut found: Vec<_> = lines.filter_map(|line| line["status"].as_u64()).collect();
    found.sort_unstable();
    found
}

async fn holds(config: &str, arguments: impl Fn(&Service) -> Vec<String>) -> Vec<u64> {
    let world = World::new(Kind::Sqlite).await;
    for id in ["a", "b", "c"] {
        world.deleted_image(id).await;
    }
    let revert = "scrubber = false\nauth_failures_per_minute = 1000000\n";
    let setup = Setup::new(&world, &world.db.url(), revert);
    let service = setup.serve().await;
    let arguments = arguments(&service);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (content, text) = schemathesis(&service, config, &arguments).await;
    assert!(content, "{text}");
    let statuses = statuses(&service);
    assert!(statuses.len() > 200, "{} requests: {text}", statuses.len());
    assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
    statuses
}

fn token(service: &Service) -> Vec<String> {
    vec!["--header".to_owned(), format!("Authorization: {}", service.authorization())]
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn the_document_holds_for_an_admin() {
    let statuses = holds(KNOWN_MARKER, token).await;
    assert!(statuses.contains(&200) && statuses.contains(&404), "{statuses:?}");
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn the_document_holds_for_an_admin_who_knows_an_image() {
    let statuses = holds(KNOWN_IMAGE, token).await;
    assert!(statuses.contains(&200) && statuses.contains(&409), "{statuses:?}");
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn the_document_holds_without_a_token() {
    let statuses = holds(KNOWN_IMAGE, |_| Vec::new()).await;
    assert!(statuses.contains(&401) && !statuses.contains(&409), "{statuses:?}");
}
