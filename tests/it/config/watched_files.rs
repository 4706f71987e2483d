//! Each option that names a file with keys, certificates, a token or more options: if the path is
//! not a regular file of reasonable size, the result is an error that names the option, and never a
//! hang.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use futures::future::join_all;
use glance_revert::auth::DemoIssuer;

use crate::support::binary::ConfigFile;
use crate::support::pipe::pipe;
use crate::support::pki::Authority;

const DEADLINE: Duration = Duration::from_mins(1);

/// The options, and the text by which an error names each one.
const OPTIONS: [(&str, &str); 21] = [
    ("tls_cert_file", "[revert] tls_cert_file = FILE"),
    ("tls_key_file", "[revert] tls_key_file = FILE"),
    ("tls_client_ca_file", "[revert] tls_client_ca_file = FILE"),
    ("alert_webhook_secret_file", "alert_webhook_secret_file = FILE"),
    ("alert_webhook_ca_file", "[revert] alert_webhook_ca_file: FILE"),
    ("jwks_file", "[revert_jwt:test] jwks_file = FILE"),
    ("public_key_file", "[revert_jwt:test] public_key_file = FILE"),
    ("jwks ca_file", "[revert_jwt:test] ca_file = FILE"),
    ("jwks token_file", "[revert_jwt:test] token_file = FILE"),
    ("tokenreview ca_file", "[revert_jwt:test] ca_file = FILE"),
    ("tokenreview token_file", "[revert_jwt:test] token_file = FILE"),
    ("cafile", "[keystone_authtoken] cafile, certfile: FILE"),
    ("certfile", "[keystone_authtoken] cafile, certfile: FILE"),
    ("keyfile", "[keystone_authtoken] cafile, certfile: FILE"),
    ("https_ca_certificates_file", "store http: https_ca_certificates_file: FILE"),
    ("s3_store_cacert", "store s3: s3_store_cacert: FILE"),
    ("swift_store_cacert", "store swift: swift_store_cacert: FILE"),
    ("cinder_ca_certificates_file", "store cinder: cinder_ca_certificates_file: FILE"),
    ("swift_store_config_file", "FILE"),
    ("read_default_file", "read_default_file=FILE: "),
    ("passfile", "passfile=FILE: "),
];

const TLS: &str = "tls_cert_file = FOLDER/tls.crt\ntls_key_file = FOLDER/tls.key\n";
const KEYS: &str = "jwks_file = FOLDER/jwks.json\n";
const WEBHOOK: &str = "alert_webhook = https://127.0.0.1:1/\n";
const SERVER: &str = "jwks_uri = https://127.0.0.1:1/keys\n";
const KEYSTONE: &str = "[keystone_authtoken]\nauth_type = none\nauth_url = https://127.0.0.1:1\n\
                        http_request_max_retries = 0\n";
const SWIFT: &str = "[glance_store]\nstores = swift\nswift_store_auth_address = https://127.0.0.1:1/v3\n\
                     swift_store_user = a:b\nswift_store_key = c\n";
const CINDER: &str = "[glance_store]\nstores = cinder\n\
                      cinder_store_auth_address = https://127.0.0.1:1/v3\ncinder_store_user_name = a\n\
                      cinder_store_user_domain_name = b\ncinder_store_password = c\n\
                      cinder_store_project_name = d\ncinder_store_project_domain_name = e\n";
const S3: &str = "[glance_store]\nstores = s3\ns3_store_host = https://127.0.0.1:1\n\
                  s3_store_bucket = b\ns3_store_access_key = k\ns3_store_secret_key = s\n";

/// A configuration that is valid except for the file that the option names.
fn configuration(option: &str) -> String {
    let file = option.split(' ').next_back().unwrap();
    let set = format!("{file} = FOLDER/file\n");
    let (mut revert, mut issuer, mut more) = (String::new(), KEYS.to_owned(), String::new());
    let mut database = "sqlite:///FOLDER/empty.db";
    match option {
        "tls_cert_file" | "tls_key_file" => {
            let good = TLS.lines().find(|line| !line.starts_with(option)).unwrap();
            revert = format!("{good}\n{set}");
        }
        "tls_client_ca_file" => revert = format!("{TLS}tls_client_auth = required\n{set}"),
        "alert_webhook_secret_file" => revert = format!("{WEBHOOK}{set}"),
        "alert_webhook_ca_file" => {
            revert = format!("{WEBHOOK}alert_webhook_secret_file = FOLDER/tls.key\n{set}");
        }
        "jwks_file" | "public_key_file" => issuer = set,
        "jwks ca_file" | "jwks token_file" => issuer = format!("{SERVER}{set}"),
        "tokenreview ca_file" | "tokenreview token_file" => {
            let good = if file == "ca_file" {
                "token_file = FOLDER/token"
            } else {
                "ca_file = FOLDER/tls.crt"
            };
            issuer = format!("mode = tokenreview\nsubjects = s\n{good}\n{set}");
        }
        "keyfile" => more = format!("{KEYSTONE}certfile = FOLDER/tls.crt\n{set}"),
        "cafile" | "certfile" => more = format!("{KEYSTONE}{set}"),
        "https_ca_certificates_file" => {
            "http_verify_hosts = 127.0.0.1\n".clone_into(&mut revert);
            more = format!("[glance_store]\nstores = http\n{set}");
        }
        "s3_store_cacert" => more = format!("{S3}{set}"),
        "swift_store_cacert" => more = format!("{SWIFT}{set}"),
        "cinder_ca_certificates_file" => more = format!("{CINDER}{set}"),
        "swift_store_config_file" => more = format!("[glance_store]\nstores = swift\n{set}"),
        "read_default_file" => database = "mysql://127.0.0.1:1/g?read_default_file=FOLDER/file",
        "passfile" => database = "postgresql://u@127.0.0.1:1/g?passfile=FOLDER/file",
        other => panic!("{other}"),
    }
    format!(
        "[database]\nconnection = {database}\n[revert]\nscrubber = false\n{revert}\
         [revert_jwt:test]\nissuer = https://i\naudiences = a\n{issuer}{more}"
    )
}

fn folder_of(option: &str) -> ConfigFile {
    let config = ConfigFile::new(&configuration(option));
    let pair = Authority::new("ours").server();
    config.put("empty.db", "");
    config.put("tls.crt", &pair.cert);
    config.put("tls.key", &pair.key);
    config.put("token", "t");
    config.put("jwks.json", &DemoIssuer::generate("https://i", "a").unwrap().jwks());
    config
}

/// The errors of `check` for a configuration that it refuses.
fn refused(config: &ConfigFile) -> String {
    let (succeeded, text) = checked(config);
    assert!(!succeeded, "{text}");
    text
}

/// Whether `check` succeeds, and its output; panics if it does not end.
fn checked(config: &ConfigFile) -> (bool, String) {
    let mut check = Command::new(env!("CARGO_BIN_EXE_glance-revert"));
    check.env_clear().args(["check", "--config-file"]).arg(config.file("glance.conf"));
    let check = check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stdout, stderr } = ended(check);
    let text = [stdout, stderr].concat();
    (status.success(), String::from_utf8(text).unwrap())
}

fn ended(mut child: Child) -> Output {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("check hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

async fn is_told(words: &'static str, make: fn(&Path)) {
    let one = |(option, told): (&'static str, &'static str)| {
        tokio::task::spawn_blocking(move || {
            let config = folder_of(option);
            let file = config.file("file");
            make(&file);
            let told = told.replace("FILE", file.to_str().unwrap());
            let text = refused(&config);
            let line = text.lines().find(|line| line.contains(&told));
            let line = line.unwrap_or_else(|| panic!("{option}: {text}"));
            assert!(line.contains(words), "{option}: {line}");
        })
    };
    let ended = join_all(OPTIONS.map(one)).await;
    let failed: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_is_an_error_that_names_the_option() {
    is_told("is not a regular file", pipe).await;
}

#[tokio::test]
async fn a_folder_in_the_place_of_a_file_is_an_error_that_names_the_option() {
    is_told("is not a regular file", |path| fs::create_dir(path).unwrap()).await;
}

#[tokio::test]
async fn a_huge_file_is_an_error_that_names_the_option_and_is_not_read() {
    is_told("is larger than", |path| File::create(path).unwrap().set_len(1 << 40).unwrap()).await;
}

#[tokio::test]
async fn a_link_to_nothing_is_an_error_that_names_the_option() {
    is_told("cannot be read: No such file", |path| {
        std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap();
    })
    .await;
}

/// This file is not named by an option but found at its default path.
fn scrubber_file(make: fn(&Path)) -> (String, String) {
    let config = folder_of("jwks_file");
    config.put("file", &DemoIssuer::generate("https://i", "a").unwrap().jwks());
    make(&config.file("glance-scrubber.conf"));
    let (_, text) = checked(&config);
    let mut lines = text.lines().filter(|line| line.contains("glance-scrubber.conf"));
    let line = |line: Option<&str>| line.unwrap_or_else(|| panic!("{text}")).to_owned();
    (line(lines.next()), line(lines.next()))
}

#[test]
fn an_unreadable_scrubber_file_stops_the_scrubbing_and_never_blocks() {
    let huge: fn(&Path) = |path| File::create(path).unwrap().set_len(1 << 40).unwrap();
    for (make, words) in [(pipe as fn(&Path), "is not a regular file"), (huge, "is larger than")] {
        let (broken, cause) = scrubber_file(make);
        assert!(broken.contains("BROKEN") && broken.contains("nothing is scrubbed"), "{broken}");
        assert!(cause.contains(words), "{cause}");
    }
}
