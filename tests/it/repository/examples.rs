//! Runs the scripts of examples/ as an admin would.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use glance_revert::telemetry::metric;

use crate::support::daemon::{DEADLINE, until};
use crate::support::demo::{ALIVE, Demo, GOLDEN, KERNEL, LOST};
use crate::support::keystone::{Keystone, Provider, USER_PASSWORD};
use crate::support::source::folder;

struct Ended {
    code: i32,
    output: String,
    errors: String,
}

fn example(script: &str) -> Command {
    let mut command = Command::new(folder("examples").join(script));
    command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(command: &mut Command, input: &str) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    Ended { code, output: text(output.stdout), errors: text(output.stderr) }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn one_image_is_shown_and_taken_back() {
    let demo = Demo::start().await;
    let revert = || {
        let mut command = example("revert-one.sh");
        command.env("GLANCE_REVERT_URL", &demo.url).arg(demo.header_file()).arg(GOLDEN);
        command
    };
    let declined = run(&mut revert(), "n\n").await;
    assert_eq!(declined.code, 1, "{}", declined.errors);
    let done = run(revert().arg("--yes"), "").await;
    assert_eq!(done.code, 0, "{}{}", done.output, done.errors);
    let image: Value = serde_json::from_str(done.output.lines().last().unwrap()).unwrap();
    assert_eq!(image["status"], "active");
    let again = run(revert().arg("--yes"), "").await;
    assert_eq!(again.code, 0, "{}{}", again.output, again.errors);
    let repeated: Value = serde_json::from_str(again.output.lines().last().unwrap()).unwrap();
    assert_eq!(repeated, image, "an answer that got lost can be had again");
}

#[tokio::test]
async fn a_list_of_images_gives_a_report() {
    let demo = Demo::start().await;
    let mut command = example("revert-list.sh");
    command.env("GLANCE_REVERT_URL", &demo.url).arg(demo.header_file());
    let ids = format!("{GOLDEN}\n{KERNEL}\n\n{LOST}\n{ALIVE}\n");
    let done = run(&mut command, &ids).await;
    assert_eq!(
        done.output,
        format!(
            "{GOLDEN}\t200\t-\n{KERNEL}\t200\t-\n{LOST}\t409\timage.data_missing\n\
             {ALIVE}\t409\timage.already_active\n"
        ),
        "{}",
        done.errors
    );
    assert_eq!(done.code, 1);
}

/// With one connection per image, 300 images took a minute: each needed a handshake and a process.
#[tokio::test]
async fn a_list_of_images_takes_one_connection_and_each_id_has_its_line() {
    let demo = Demo::start().await;
    let (address, connections) = counting_proxy(demo.url.trim_start_matches("http://")).await;
    let mut command = example("revert-list.sh");
    command.env("GLANCE_REVERT_URL", format!("http://{address}")).arg(demo.header_file());
    let unknown = "unknown\n".repeat(40);
    let done = run(&mut command, &format!("{GOLDEN}\n{ALIVE}\nno id\n{unknown}{KERNEL}")).await;
    let lines: Vec<_> = done.output.lines().collect();
    assert_eq!(lines.len(), 44, "{}{}", done.output, done.errors);
    assert_eq!(lines[0], "no id\t-\tno_image_id");
    assert_eq!(lines[43], format!("{KERNEL}\t200\t-"), "a last line without its end");
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    let back = run(&mut command, &format!("{GOLDEN}\n{ALIVE}\n")).await;
    assert_eq!(
        back.output,
        format!("{GOLDEN}\t200\t-\n{ALIVE}\t409\timage.already_active\n"),
        "an answer that got lost can be had again"
    );
    assert_eq!(back.code, 0, "what is back already is no failure");
}

/// Forwards bytes, and counts connections.
async fn counting_proxy(target: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let (target, count) = (target.to_owned(), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, counted) = (listener.local_addr().unwrap(), Arc::clone(&count));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (address, count)
}

#[tokio::test]
async fn the_scrubber_is_watched_by_its_metrics() {
    let demo = Demo::start().await;
    let done = until("the first pass", async || {
        let done = run(example("watch-scrubber.sh").arg(&demo.ops_url), "").await;
        (!done.output.contains("no pass has ended yet")).then_some(done)
    });
    let done = done.await;
    assert_eq!(done.code, 0, "{}{}", done.output, done.errors);
    assert!(
        done.output.contains("glance_revert_scrub_images_scrubbed_total 1\n"),
        "{}",
        done.output
    );
    let mut late = example("watch-scrubber.sh");
    let late = run(late.env("MAX_AGE", "-1").arg(&demo.ops_url), "").await;
    assert_eq!(late.code, 1, "{}", late.output);
}

/// Answers each connection with this text.
async fn metrics_server(text: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 4096]).await.unwrap();
            client.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn the_watcher_of_the_scrubber_fails_where_a_pass_raised_an_alert() {
    let (last, raised) = (metric::SCRUB_LAST_PASS_TIMESTAMP_SECONDS, metric::SCRUB_ALERTS_TOTAL);
    for (alerts, code) in [(0, 0), (1, 1)] {
        let url = metrics_server(format!("{last} 1795348800\n{raised} {alerts}\n")).await;
        let mut watcher = example("watch-scrubber.sh");
        let done = run(watcher.env("MAX_AGE", "9999999999").arg(url), "").await;
        assert_eq!(done.code, code, "{}{}", done.output, done.errors);
    }
}

/// A fake kubectl records how it is called.
#[tokio::test]
async fn a_serviceaccounts_token_is_asked_for_with_our_audience() {
    let work = TempDir::new().unwrap();
    let kubectl = work.path().join("kubectl");
    fs::write(&kubectl, "#!/bin/sh\necho \"$*\" | tr ' ' _\n").unwrap();
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
    let header = work.path().join("header");
    let path = format!("{}:/usr/bin:/bin", work.path().display());
    let mut command = example("token-from-serviceaccount.sh");
    let done = run(command.env("PATH", path).args(["glance", "admin"]).arg(&header), "").await;
    assert_eq!(done.code, 0, "{}", done.errors);
    assert_eq!(
        fs::read_to_string(&header).unwrap(),
        "Authorization: Bearer \
         --namespace_glance_create_token_admin_--audience_glance-revert_--duration_10m\n"
    );
    assert_eq!(mode(&header), 0o600);
}

#[tokio::test]
#[ignore = "needs a Keystone; make test"]
async fn a_keystone_token_is_had_from_the_variables_of_an_rc_file() {
    let keystone = Keystone::shared(Provider::Fernet).await;
    let (user, project) = keystone.user_with("admin").await;
    let project = keystone.admin(Method::GET, &format!("/projects/{project}"), None).await;
    let work = TempDir::new().unwrap();
    let header = work.path().join("header");
    let log_in = |password: &str| {
        let mut command = example("token-from-keystone.sh");
        command
            .env("OS_AUTH_URL", format!("{}/v3", keystone.url))
            .env("OS_USERNAME", &user.name)
            .env("OS_PASSWORD", password)
            .env("OS_PROJECT_NAME", project["project"]["name"].as_str().unwrap())
            .arg(&header);
        command
    };
    let done = run(&mut log_in(USER_PASSWORD), "").await;
    assert_eq!((done.code, done.output.as_str()), (0, ""), "{}", done.errors);
    assert_eq!(mode(&header), 0o600);
    let text = fs::read_to_string(&header).unwrap();
    let token = text.trim().strip_prefix("X-Auth-Token: ").unwrap();
    let asked = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("{}/v3/auth/tokens", keystone.url))
        .header("X-Auth-Token", token)
        .header("X-Subject-Token", token)
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), 200);
    let refused = run(&mut log_in("wrong"), "").await;
    assert_eq!(refused.code, 1);
    assert!(refused.errors.contains("answered 401: no token"), "{}", refused.errors);
}
