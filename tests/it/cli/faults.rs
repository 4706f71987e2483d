//! Failures of the command line: the exit code, the message, and secrets that must never be
//! printed.

use std::net::TcpListener;
use std::process::Command;

use crate::support::binary::{ConfigFile, Run, glance_revert};

/// A password in the database's URL.
const PASSWORD: &str = "pw-4f8d1c";
/// A key of 16 bytes, as AES requires.
const KEY: &str = "key-93a7-b5e2-c1";

/// An address without a listener, unless another program takes the port meanwhile.
fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn with_database(scheme: &str) -> ConfigFile {
    ConfigFile::new(&format!(
        "[DEFAULT]\ndebug = True\nscrub_time = 604800\nmetadata_encryption_key = {KEY}\n\
         [database]\nconnection = {scheme}://glance:{PASSWORD}@127.0.0.1:{}/glance\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = FOLDER\n",
        dead_port()
    ))
}

fn assert_no_secret(run: &Run) {
    let printed = format!("{}{}", run.stdout, run.stderr);
    for secret in [PASSWORD, KEY] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn an_unavailable_database_is_not_a_failed_revert() {
    let commands = [&["list"][..], &["show", "a"], &["revert", "a"], &["scrub"]];
    let configs = ["mysql+pymysql", "postgresql+psycopg2"].map(with_database);
    let cases = configs.iter().flat_map(|config| commands.map(|command| (config, command)));
    // in parallel, because each waits for the database as long as in real use
    std::thread::scope(|scope| {
        for (config, command) in cases {
            scope.spawn(move || {
                let run = config.run(command);
                assert_eq!((run.exit, run.stdout.as_str()), (Some(69), ""), "{command:?}: {run:?}");
                assert!(run.stderr.contains("the database is unavailable"), "{run:?}");
                assert!(run.stderr.contains("Connection refused"), "{run:?}");
                assert_no_secret(&run);
            });
        }
    });
}

#[test]
fn programs_get_an_answer_for_an_image_whose_database_is_away() {
    let run = with_database("mysql+pymysql").run(&["revert", "a", "--json"]);
    assert_eq!(run.exit, Some(69));
    assert_eq!(run.json()["reason"], "db.unavailable");
    assert_no_secret(&run);
}

#[test]
fn many_reverts_stop_at_the_first_where_the_database_is_away() {
    let run = with_database("mysql+pymysql").run(&["revert", "a", "b", "c", "--json"]);
    assert_eq!(run.exit, Some(69));
    assert_eq!(run.json_lines().len(), 1, "{run:?}");
    assert!(run.stderr.contains("2 of 3 images were not tried; the first is b"), "{run:?}");
}

#[test]
fn the_most_talkative_log_has_no_secret() {
    let run = with_database("postgresql").run(&["check", "--log", "trace"]);
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert!(run.stdout.contains("BROKEN"), "{run:?}");
    assert_no_secret(&run);
}

#[test]
fn a_wrong_configuration_is_refused_by_file_and_option() {
    let good = "[database]\nconnection = sqlite:////nowhere/glance.db\n";
    let cases = [
        ("[revert]\nlockwait = 5\n", "lockwait", "lock_wait"),
        ("[revert]\nlock_wait = soon\n", "lock_wait", "soon"),
        ("[revert]\nbind = 0.0.0.0:9393\n", "bind", "allow_plaintext"),
        ("[revert]\nverify = perhaps\n", "verify", "checksum"),
        ("[revert_jwt:x]\nissuer = i\n", "[revert_jwt:x]", "audiences"),
        ("[DEFAULT]\nscrub_time = tomorrow\n", "scrub_time", "tomorrow"),
        ("[DEFAULT]\nenabled_backends = fast\n", "enabled_backends", "name:value"),
    ];
    for (wrong, option, hint) in cases {
        let config = ConfigFile::new(&format!("{good}{wrong}"));
        let file = config.file("glance.conf");
        for command in ["serve", "check", "list"] {
            let run = config.run(&[command]);
            assert_eq!((run.exit, run.stdout.as_str()), (Some(64), ""), "{wrong}: {run:?}");
            for named in [option, hint, file.to_str().unwrap()] {
                assert!(run.stderr.contains(named), "{named} in {run:?}");
            }
        }
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let config = ConfigFile::new("[revert]\nlockwait = 5\nverify = perhaps\n");
    let run = config.run(&["check"]);
    for named in ["lockwait", "verify", "connection"] {
        assert!(run.stderr.contains(named), "{named} in {run:?}");
    }
    assert_eq!(run.stderr.lines().count(), 3, "a line each: {run:?}");
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let run = glance_revert(&["check", "--config-file", "/nowhere/glance-api.conf"]);
    assert_eq!(run.exit, Some(64));
    assert!(run.stderr.contains("/nowhere/glance-api.conf does not exist"), "{run:?}");
    let run =
        ConfigFile::new("[database]\nconnection = sqlite:////nowhere/glance.db\n").run(&["list"]);
    assert_eq!(run.exit, Some(64));
    assert!(run.stderr.contains("/nowhere/glance.db"), "{run:?}");
}

#[test]
fn serve_refuses_to_start_if_nobody_could_call() {
    let config = ConfigFile::new("[database]\nconnection = mysql://127.0.0.1:1/glance\n");
    let run = config.run(&["serve"]);
    assert_eq!(run.exit, Some(64));
    assert!(run.stderr.contains("[revert_jwt:<name>]"), "{run:?}");
}

#[test]
fn a_refused_secret_is_not_quoted() {
    let url = format!("mysql+pymysql://glance:{PASSWORD}@127.0.0.1");
    let cases = [
        format!("[database]\nconnection = {url}:no-port/glance\n"),
        format!("[database]\nconnection = nosuch+{url}/glance\n"),
        format!("[database]\nconnection = glance:{PASSWORD}\n"),
        format!("[database]\nconnection = {url}/glance?ssl_ca={PASSWORD}&nonsense={PASSWORD}\n"),
        format!("[database]\nconnection = {url}/glance?ssl_verify_cert={PASSWORD}\n"),
        format!(
            "[DEFAULT]\nmetadata_encryption_key = {KEY}-too-long\n[database]\nconnection = {url}/g\n"
        ),
        format!("[DEFAULT]\nmetadata_encryption_key = ${KEY}\n[database]\nconnection = {url}/$g\n"),
    ];
    for case in cases {
        let run = ConfigFile::new(&case).run(&["check"]);
        assert!(
            matches!(run.exit, Some(1 | 64)) && !run.stderr.is_empty() | !run.stdout.is_empty()
        );
        assert_no_secret(&run);
    }
}

#[test]
fn an_unreachable_server_is_unhealthy() {
    let address = format!("127.0.0.1:{}", dead_port());
    for arguments in [&["healthcheck"][..], &["healthcheck", "--live"]] {
        let run = glance_revert(&[arguments, &["--address", &address]].concat());
        assert_eq!(run.exit, Some(1));
        assert!(run.stderr.contains(&address), "{run:?}");
    }
}

#[test]
fn health_can_be_asked_on_a_machine_without_ca_certificates() {
    let address = format!("127.0.0.1:{}", dead_port());
    let run = Command::new(env!("CARGO_BIN_EXE_glance-revert"))
        .env_clear()
        .envs([("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")])
        .args(["healthcheck", "--address", &address])
        .output()
        .unwrap();
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(told.contains("did not answer"), "{told}");
}

#[test]
fn the_printed_openapi_document_is_the_committed_one() {
    for (arguments, committed) in [
        (&["openapi"][..], include_str!("../../../openapi/openapi.json")),
        (&["openapi", "--format", "yaml"], include_str!("../../../openapi/openapi.yaml")),
    ] {
        let run = glance_revert(arguments);
        assert_eq!(run.exit, Some(0));
        assert!(run.stdout == committed, "run `glance-revert openapi --write openapi`");
    }
}
