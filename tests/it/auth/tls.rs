//! Calls to key and token servers over TLS: good and bad handshakes, and files that are replaced
//! while they are in use.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use glance_revert::config::{ClientCertificates, TlsConfig};
use glance_revert::server::tls::Tls;
use serde_json::json;
use tempfile::TempDir;

use crate::support::canary;
use crate::support::daemon::until;
use crate::support::kubernetes::{self, OPERATOR, Volume, account};
use crate::support::log;
use crate::support::pipe::pipe;
use crate::support::pki::{Authority, Pair, dns};
use crate::support::server::{Says, Server};
use crate::support::tokens::{KEYS, Signer, ec_jwk, token};
use crate::support::verifier::{AUDIENCE, Verifier, ask, claims};

const JWKS: &str = "/keys";
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A TLS server that answers every request successfully, and its files.
struct Site {
    server: Server,
    tls: Arc<Tls>,
    folder: TempDir,
}

impl Site {
    async fn showing(pair: &Pair) -> Self {
        let folder = TempDir::new().unwrap();
        put(folder.path(), pair);
        let tls = Tls::load(&TlsConfig {
            cert_file: folder.path().join("tls.crt"),
            key_file: folder.path().join("tls.key"),
            clients: ClientCertificates::Off,
        });
        let tls = Arc::new(tls.unwrap());
        let server = Server::start_tls(Arc::clone(&tls)).await;
        let key = ec_jwk(&KEYS.p256, "P-256", &json!({"kid": "one", "use": "sig"}));
        server.say(JWKS, Says::Json(json!({ "keys": [key] })));
        let document = json!({"issuer": server.url(""), "jwks_uri": server.url(JWKS)});
        server.say(DISCOVERY, Says::Json(document));
        server.say(kubernetes::PATH, kubernetes::review(&kubernetes::good(OPERATOR)));
        Self { server, tls, folder }
    }

    /// Uses this certificate for new handshakes.
    fn show(&self, pair: &Pair) {
        put(self.folder.path(), pair);
        self.tls.look();
    }

    /// The tokens that the server received, without repetitions in a row.
    fn tokens(&self, path: &str) -> Vec<String> {
        let asked = self.server.asked(path).into_iter();
        let mut tokens: Vec<_> = asked.map(|asked| asked.authorization.unwrap()).collect();
        tokens.dedup();
        tokens
    }
}

fn put(folder: &Path, pair: &Pair) {
    fs::write(folder.join("tls.crt"), &pair.cert).unwrap();
    fs::write(folder.join("tls.key"), &pair.key).unwrap();
}

/// The kind of request to the server.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Jwks,
    Discovery,
    Review,
}

impl Kind {
    /// A configuration section with this name.
    fn section(self, name: &str, server: &str, ca_file: &Path, more: &str) -> String {
        let ca_file = ca_file.display();
        let how = match self {
            Self::Jwks => format!("issuer = https://idp.example\njwks_uri = {server}{JWKS}"),
            Self::Discovery => format!("issuer = {server}"),
            Self::Review => format!(
                "issuer = {}\nmode = tokenreview\nsubjects = {OPERATOR}\napi_server = {server}",
                kubernetes::ISSUER
            ),
        };
        format!("[revert_jwt:{name}]\naudiences = {AUDIENCE}\n{how}\nca_file = {ca_file}\n{more}\n")
    }

    /// An admin's token, different for each call.
    fn token(self, server: &str) -> String {
        let signed = |issuer: &str| {
            token(r#"{"alg":"ES256","kid":"one"}"#, &claims(issuer, &json!({})), Signer::P256)
        };
        match self {
            Self::Jwks => signed("https://idp.example"),
            Self::Discovery => signed(server),
            Self::Review => account(&json!({"jti": uuid::Uuid::new_v4().to_string()})),
        }
    }
}

fn ours() -> String {
    format!("Bearer {}", canary::SERVICE_ACCOUNT_TOKEN)
}

/// Creates the file with our token, for sections that need one.
fn token_file(folder: &TempDir) -> String {
    let path = folder.path().join("token");
    fs::write(&path, canary::SERVICE_ACCOUNT_TOKEN).unwrap();
    format!("token_file = {}", path.display())
}

fn ca_file(folder: &TempDir, authority: &Authority) -> std::path::PathBuf {
    let path = folder.path().join("ca.crt");
    fs::write(&path, authority.pem()).unwrap();
    path
}

#[tokio::test]
async fn a_server_whose_certificate_is_good_is_asked() {
    let authority = Authority::new("ours");
    let folder = TempDir::new().unwrap();
    let ca_file = ca_file(&folder, &authority);
    for (kind, paths) in [
        (Kind::Jwks, &[JWKS][..]),
        (Kind::Discovery, &[DISCOVERY, JWKS]),
        (Kind::Review, &[kubernetes::PATH]),
    ] {
        let site = Site::showing(&authority.server()).await;
        let server = site.server.url("");
        let section = kind.section("good", &server, &ca_file, &token_file(&folder));
        let verifier = Verifier::start(&section);
        until("a good answer", async || {
            (verifier.answer(&kind.token(&server)).await == "admin").then_some(())
        })
        .await;
        for path in paths {
            assert_eq!(site.tokens(path), [ours()], "{kind:?} {path}");
        }
    }
}

/// Certificates that must not be trusted, each with the expected error.
fn bad_pairs(authority: &Authority) -> Vec<(&'static str, Pair, &'static str)> {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let own = Pair { cert: own.cert.pem(), key: own.signing_key.serialize_pem() };
    vec![
        (
            "same-name",
            Authority::new("ours").server(),
            "issued by an authority that is not trusted here",
        ),
        (
            "wrong-ca",
            Authority::new("other").server(),
            "issued by an authority that is not trusted here",
        ),
        ("self-signed", own, "issued by an authority that is not trusted here"),
        ("expired", authority.server_until(2020), "certificate expired at 2020-12-31T00:00:00Z"),
        (
            "wrong-name",
            authority.issue(vec![dns("other.example")]),
            "certificate is not for 127.0.0.1, but for other.example",
        ),
    ]
}

/// A request to the server must fail, and the log must say why.
async fn is_unavailable(kind: Kind, name: &str, server: &str, ca_file: &Path, words: &str) {
    let folder = TempDir::new().unwrap();
    let name = format!("{name}-{kind:?}").to_lowercase();
    let verifier = Verifier::start(&kind.section(&name, server, ca_file, &token_file(&folder)));
    assert!(verifier.jwt.trials().await.remove(0).result.unwrap_err().contains(words));
    let header = format!("Bearer {}", kind.token(server));
    let answer = ask(&verifier.api(), header.as_bytes()).await;
    answer.assert_error(503, "auth.unavailable");
    assert_eq!(answer.header("retry-after"), Some("5"));
    let lines = log::lines_of(answer.request_id());
    let told = lines.iter().find_map(|line| line["cause"].as_str()).unwrap();
    assert!(told.starts_with(&format!("[revert_jwt:{name}]: ")) && told.contains(words), "{told}");
}

#[tokio::test]
async fn a_server_without_a_valid_certificate_gets_no_request_and_the_log_says_why() {
    let authority = Authority::new("ours");
    let folder = TempDir::new().unwrap();
    let ca_file = ca_file(&folder, &authority);
    for kind in [Kind::Jwks, Kind::Discovery, Kind::Review] {
        for (name, pair, words) in bad_pairs(&authority) {
            let site = Site::showing(&pair).await;
            is_unavailable(kind, name, &site.server.url(""), &ca_file, words).await;
            for path in [JWKS, DISCOVERY, kubernetes::PATH] {
                assert_eq!(site.server.asked(path).len(), 0, "{kind:?} {name}");
            }
        }
        let plain = Server::start().await;
        let url = plain.url("").replace("http:", "https:");
        is_unavailable(kind, "plain", &url, &ca_file, "does not use TLS").await;
    }
}

const BOTH: [Kind; 2] = [Kind::Jwks, Kind::Review];

impl Kind {
    /// Makes one request; returns whether it was answered.
    async fn asks(self, verifier: &Verifier, site: &Site) -> bool {
        match self {
            Self::Jwks | Self::Discovery => verifier.jwt.trials().await.remove(0).result.is_ok(),
            Self::Review => verifier.answer(&self.token(&site.server.url(""))).await == "admin",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Jwks | Self::Discovery => JWKS,
            Self::Review => kubernetes::PATH,
        }
    }
}

#[tokio::test]
async fn a_volume_that_is_turned_to_its_next_version_counts_from_the_next_question() {
    for kind in BOTH {
        let (first, second) = (Authority::new("ours"), Authority::new("ours"));
        let site = Site::showing(&first.server()).await;
        let mut volume = Volume::new(&[("ca.crt", &first.pem()), ("token", "first")]);
        let more = format!("token_file = {}", volume.path("token").display());
        let ca_file = volume.path("ca.crt");
        let section = kind.section("volume", &site.server.url(""), &ca_file, &more);
        let verifier = Verifier::start(&section);
        assert!(kind.asks(&verifier, &site).await);

        let stranger = Authority::new("ours");
        volume.put(&[("ca.crt", &stranger.pem()), ("token", "second")]);
        assert!(!kind.asks(&verifier, &site).await, "the old authority is trusted no more");
        site.show(&second.server());
        volume.put(&[("ca.crt", &second.pem()), ("token", "third")]);
        assert!(kind.asks(&verifier, &site).await);
        let both = format!("{}{}", first.pem(), second.pem());
        site.show(&first.server());
        volume.put(&[("ca.crt", &both), ("token", "fourth")]);
        assert!(kind.asks(&verifier, &site).await, "one file may have several authorities");
        let shown = site.tokens(kind.path());
        assert_eq!(shown, ["Bearer first", "Bearer third", "Bearer fourth"], "{kind:?}");
    }
}

#[tokio::test]
async fn files_that_are_written_over_or_moved_into_place_count_from_the_next_question() {
    type Replace = fn(&Path, &str);
    let written: Replace = |path, text| fs::write(path, text).unwrap();
    let moved: Replace = |path, text| {
        fs::write(path.with_extension("new"), text).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    // Preserves the modification time, as `cp -p` and `rsync -t` do; the length is also the same.
    let dated: Replace = |path, text| {
        let before = fs::metadata(path).unwrap();
        let modified = before.modified().unwrap();
        // a write within one tick of the file system's clock would be indistinguishable from the
        // last one
        while fs::metadata(path).unwrap().ctime_nsec() == before.ctime_nsec() {
            fs::write(path, text).unwrap();
            fs::File::open(path).unwrap().set_modified(modified).unwrap();
        }
    };
    for (kind, replace) in
        BOTH.into_iter().flat_map(|kind| [written, moved, dated].map(|r| (kind, r)))
    {
        let [first, stranger, second] = authorities_of_one_length();
        let site = Site::showing(&first.server()).await;
        let folder = TempDir::new().unwrap();
        let (ca_file, token) = (ca_file(&folder, &first), token_file(&folder));
        let section = kind.section("replaced", &site.server.url(""), &ca_file, &token);
        let verifier = Verifier::start(&section);
        assert!(kind.asks(&verifier, &site).await);
        replace(&ca_file, &stranger.pem());
        assert!(!kind.asks(&verifier, &site).await, "the old authority is trusted no more");
        site.show(&second.server());
        replace(&ca_file, &second.pem());
        replace(&folder.path().join("token"), "next");
        assert!(kind.asks(&verifier, &site).await);
        assert_eq!(site.tokens(kind.path()), [ours(), "Bearer next".to_owned()], "{kind:?}");
    }
}

/// The lengths of signatures, and so of certificates, differ by a byte or two.
fn authorities_of_one_length() -> [Authority; 3] {
    let first = Authority::new("ours");
    let alike = || {
        let mut others = std::iter::repeat_with(|| Authority::new("ours"));
        others.find(|other| other.pem().len() == first.pem().len()).unwrap()
    };
    let (second, third) = (alike(), alike());
    [first, second, third]
}

#[tokio::test]
async fn files_that_are_broken_for_a_moment_leave_the_old_ones_in_use() {
    for kind in BOTH {
        let authority = Authority::new("ours");
        let site = Site::showing(&authority.server()).await;
        let folder = TempDir::new().unwrap();
        let (ca_file, token) = (ca_file(&folder, &authority), token_file(&folder));
        let token_file = folder.path().join("token");
        let name = format!("broken-{kind:?}").to_lowercase();
        let section = kind.section(&name, &site.server.url(""), &ca_file, &token);
        let verifier = Verifier::start(&section);
        assert!(kind.asks(&verifier, &site).await);
        let half = &authority.pem()[..authority.pem().len() / 2];
        let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in ["", "garbage", half, not_der, "a\nb", "\u{e4}"] {
            fs::write(&ca_file, text).unwrap();
            fs::write(&token_file, if text == "garbage" { "two words" } else { "" }).unwrap();
            assert!(kind.asks(&verifier, &site).await, "{kind:?} {text}");
        }
        for file in [&ca_file, &token_file] {
            fs::remove_file(file).unwrap();
            pipe(file);
        }
        assert!(kind.asks(&verifier, &site).await, "{kind:?} with pipes");
        for file in [&ca_file, &token_file] {
            fs::remove_file(file).unwrap();
        }
        let before = warnings(&name);
        for _ in 0..3 {
            assert!(kind.asks(&verifier, &site).await, "{kind:?} without files");
        }
        assert_eq!(warnings(&name) - before, 2, "once for each file");
        assert_eq!(site.tokens(kind.path()), [ours()], "{kind:?}");

        fs::write(&ca_file, Authority::new("ours").pem()).unwrap();
        fs::write(&token_file, "next").unwrap();
        assert!(!kind.asks(&verifier, &site).await, "{kind:?}: good files count at once");
        fs::write(&ca_file, authority.pem()).unwrap();
        assert!(kind.asks(&verifier, &site).await);
        assert_eq!(site.tokens(kind.path()), [ours(), "Bearer next".to_owned()], "{kind:?}");
    }
}

/// How often the log said that the old file stays in use.
fn warnings(section: &str) -> usize {
    let about = |line: &serde_json::Value| {
        line["section"] == section && line["message"].as_str().unwrap().contains("stays in use")
    };
    log::all().into_iter().filter(about).count()
}

#[tokio::test]
async fn files_that_cannot_be_used_at_the_start_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let ca_file = ca_file(&folder, &Authority::new("ours"));
    let token = token_file(&folder);
    let refused = |kind: Kind| {
        let section = kind.section("start", "https://127.0.0.1:1", &ca_file, &token);
        Verifier::try_start(&section).unwrap_err().to_string()
    };
    fs::write(folder.path().join("token"), "two words").unwrap();
    for kind in BOTH {
        let told = refused(kind);
        assert!(told.starts_with("[revert_jwt:start] token_file = /"), "{told}");
        assert!(told.ends_with("has no token: it must be one line of visible ASCII"), "{told}");
    }
    fs::write(&ca_file, "garbage").unwrap();
    for kind in BOTH {
        let told = refused(kind);
        assert!(told.starts_with("[revert_jwt:start] ca_file: /"), "{told}");
        assert!(told.ends_with("holds no PEM certificate"), "{told}");
    }
}
