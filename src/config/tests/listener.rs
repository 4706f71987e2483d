//! `[revert]`: addresses, proxies, TLS.

use std::path::PathBuf;

use super::{load, refused};
use crate::config::{ClientCertificates, ClientTrust, SubjectName};

const PROXY_HEADERS: &str = "[oslo_middleware]\nenable_proxy_headers_parsing = True\n";

#[test]
fn listening_on_every_address_without_tls_needs_an_option() {
    assert!(refused("[revert]\nbind = 0.0.0.0:9393\n").contains("set allow_plaintext = true"));
    let config = load("[revert]\nbind = [::]:9393\nallow_plaintext = true\nops_bind = 0.0.0.0:1\n");
    assert_eq!(config.listeners.bind.to_string(), "[::]:9393");
    assert!(refused("[revert]\nbind = localhost:9393\n").contains("write 127.0.0.1:9393"));
    assert!(refused("[revert]\nbind = 127.0.0.1:9394\n").contains("must differ from bind"));
}

#[test]
fn proxies_are_addresses_and_networks() {
    let trusted = |list: &str| {
        load(&format!("{PROXY_HEADERS}[revert]\ntrusted_proxies = {list}\n"))
            .listeners
            .trusted_proxies
    };
    let found: Vec<_> =
        trusted("10.0.0.7, 10.1.0.0/24,fd00::/8").iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.7/32", "10.1.0.0/24", "fd00::/8"]);
    assert_eq!(trusted(""), []);
    for list in ["proxy.example.org", "10.0.0.0/33", "10.0.0.7:80", "*"] {
        let told = refused(&format!("{PROXY_HEADERS}[revert]\ntrusted_proxies = {list}\n"));
        assert!(told.contains("write 10.0.0.7 or 10.0.0.0/24"), "{told}");
    }
}

#[test]
fn proxies_that_nobody_would_listen_to_are_refused() {
    let told = refused("[revert]\ntrusted_proxies = 10.0.0.7\n");
    assert!(told.contains("enable_proxy_headers_parsing is false; set it to true"), "{told}");
}

const PAIR: &str = "[revert]\ntls_cert_file = /etc/tls.crt\ntls_key_file = /etc/tls.key\n";

#[test]
fn tls_is_a_pair_of_files_and_opens_every_address() {
    assert_eq!(load("").listeners.tls, None);
    let tls = load(&format!("{PAIR}bind = 0.0.0.0:9393\n")).listeners.tls.unwrap();
    assert_eq!(tls.cert_file, PathBuf::from("/etc/tls.crt"));
    assert_eq!(tls.key_file, PathBuf::from("/etc/tls.key"));
    assert_eq!(tls.clients, ClientCertificates::Off);
}

#[test]
fn client_certificates_need_an_authority_and_may_need_a_name() {
    let ca_file = PathBuf::from("/etc/ca.crt");
    let set = "tls_client_ca_file = /etc/ca.crt\n";
    let of = |text: &str| load(&format!("{PAIR}{text}")).listeners.tls.unwrap().clients;
    let trust = |allowed| ClientTrust { ca_file: ca_file.clone(), allowed };
    let optional = of(&format!("{set}tls_client_auth = optional\n"));
    assert_eq!(optional, ClientCertificates::Optional(trust(vec![])));
    let names =
        "tls_client_allowed_sans = Undo.example.org, spiffe://Cluster/sa, Ops@example.org\n";
    let required = of(&format!("{set}{names}tls_client_auth = required\n"));
    let allowed = vec![
        SubjectName::Dns("undo.example.org".to_owned()),
        SubjectName::Uri("spiffe://Cluster/sa".to_owned()),
        SubjectName::Email("Ops@example.org".to_owned()),
    ];
    assert_eq!(required, ClientCertificates::Required(trust(allowed)));
}

#[test]
fn half_of_a_tls_setup_is_refused() {
    for (text, told) in [
        ("[revert]\ntls_cert_file = /c\n", "must be set if tls_cert_file is set"),
        ("[revert]\ntls_key_file = /k\n", "must be set if tls_key_file is set"),
        ("[revert]\ntls_cert_file = c\ntls_key_file = /k\n", "must be an absolute path"),
        (
            "[revert]\ntls_client_auth = required\ntls_client_ca_file = /c\n",
            "needs tls_cert_file and tls_key_file",
        ),
    ] {
        let refused = refused(text);
        assert!(refused.contains(told), "{refused}");
    }
    for (text, told) in [
        ("tls_client_auth = required\n", "must be set unless tls_client_auth is off"),
        ("tls_client_auth = yes\n", "\"yes\" is none of off, optional, required"),
        ("tls_client_ca_file = /c\n", "has no effect while tls_client_auth is off"),
        ("tls_client_allowed_sans = a\n", "has no effect while tls_client_auth is off"),
        (
            "tls_client_auth = optional\ntls_client_ca_file = /c\ntls_client_allowed_sans = *.a\n",
            "must be whole names, without wildcards",
        ),
    ] {
        let refused = refused(&format!("{PAIR}{text}"));
        assert!(refused.contains(told), "{refused}");
    }
}
