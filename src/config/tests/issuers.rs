//! Issuers of JWTs.

use std::time::Duration;

use super::{DATABASE, load, load_with, refused};
use crate::config::{JwtAccess, JwtKeyFile, JwtKeyServer, JwtProof};

fn issuer(options: &str) -> String {
    format!("[revert_jwt:idp]\nissuer = https://i\naudiences = a\n{options}")
}

#[test]
fn an_issuer_has_defaults_for_all_but_its_name_its_audience_and_its_keys() {
    let config = load(&issuer("jwks_file = /keys.json\n"));
    let idp = &config.issuers[0];
    assert_eq!((idp.name.as_str(), idp.issuer.as_str()), ("idp", "https://i"));
    assert_eq!(idp.proof, JwtProof::File(JwtKeyFile::Jwks("/keys.json".into())));
    assert_eq!(idp.algorithms, ["RS256", "PS256", "ES256", "ES384", "EdDSA"]);
    assert_eq!(idp.role_claims, ["/roles", "/realm_access/roles"]);
    assert_eq!(idp.admin_roles, ["glance-revert-admin"]);
    assert_eq!(idp.leeway, Duration::from_secs(30));
    assert!(idp.subjects.is_empty() && !idp.require_at_jwt);
}

#[test]
fn keys_are_found_by_discovery_where_no_option_says_where_they_are() {
    let server = |options: &str| match load(&issuer(options)).issuers.remove(0).proof {
        JwtProof::Server(server) => server,
        other @ (JwtProof::File(_) | JwtProof::TokenReview(_)) => panic!("{other:?}"),
    };
    assert_eq!(server(""), JwtKeyServer { jwks_uri: None, access: JwtAccess::default() });
    assert_eq!(server("jwks_uri =\njwks_file =\n").jwks_uri, None);
    let kubernetes = server("jwks_uri = https://k/openid/v1/jwks\nca_file = /ca\ntoken_file = /t");
    let access = JwtAccess { ca_file: Some("/ca".into()), token_file: Some("/t".into()) };
    let jwks_uri = Some("https://k/openid/v1/jwks".to_owned());
    assert_eq!(kubernetes, JwtKeyServer { jwks_uri, access });
    let told = refused("[revert_jwt:ci]\nissuer = ci\naudiences = a\n");
    assert!(told.contains("jwks_uri, jwks_file or public_key_file"), "{told}");
}

#[test]
fn a_service_account_may_be_written_short() {
    let text = "subjects = openstack:operator, alice, auth0:Bob, system:serviceaccount:a-b:c.d";
    assert_eq!(
        load(&issuer(text)).issuers[0].subjects,
        [
            "openstack:operator",
            "alice",
            "auth0:Bob",
            "system:serviceaccount:a-b:c.d",
            "system:serviceaccount:openstack:operator",
        ]
    );
}

#[test]
fn weak_issuers_are_refused() {
    for (options, part) in [
        ("jwks_file = /k\nalgorithms = RS256, HS256", "HS256: not accepted"),
        ("jwks_file = /k\nalgorithms = none", "none: not accepted"),
        ("jwks_file = /k\nalgorithms =", "must name at least one"),
        ("jwks_file = /k\npublic_key_file = /p", "not both"),
        ("jwks_file = /k\njwks_uri = https://i/k", "not both"),
        ("jwks_uri = https://i/k\npublic_key_file = /p", "not both"),
        ("jwks_file = /k\nca_file = /c", "is for keys from a server"),
        ("public_key_file = /k\ntoken_file = /t", "is for keys from a server"),
        ("jwks_file = keys.json", "absolute"),
        ("jwks_file = /k\napi_server = https://k", "is for mode = tokenreview"),
        ("mode = review", "neither jwks nor tokenreview"),
        ("mode = tokenreview", "list ServiceAccounts as NS:NAME"),
        ("mode = tokenreview\nsubjects = a:b\njwks_uri = https://k", "has no effect"),
        ("mode = tokenreview\nsubjects = a:b\nadmin_roles = x", "has no effect"),
        ("jwks_file = /k\nleeway = 3600", "at most 300 seconds"),
        ("jwks_file = /k\nrole_claims = roles", "JSON pointers"),
        ("jwks_file = /k\nsubjects = system:serviceaccount:*", "no wildcards"),
        ("jwks_file = /k\nsubjects = system:serviceaccount:openstack", "NS:NAME"),
        ("jwks_file = /k\nsubjects = system:serviceaccount:openstack:", "NS:NAME"),
        ("jwks_file = /k\nadmin_roles =", "no caller could be an admin"),
        ("jwks_file = /k\njwks_url = x", "the nearest known one is jwks_uri"),
    ] {
        let told = refused(&issuer(options));
        assert!(told.contains(part), "{options}: {told}");
    }
    let told = refused("[revert_jwt:idp]\n");
    assert!(told.contains("issuer (") && told.contains("audiences ("), "{told}");
    assert!(refused("[revert_jwt:]\n").contains("name the issuer"));
}

#[test]
fn two_issuers_that_could_be_confused_are_refused() {
    let second =
        "jwks_file = /k\n[revert_jwt:i-dp]\nissuer = https://i\naudiences = a\njwks_file = /k\n";
    assert!(refused(&issuer(second)).contains("is also the issuer of \"idp\""));
    let text = "[revert_jwt:a-b]\nissuer = 1\n[revert_jwt:a_b]\nissuer = 2\n";
    assert!(refused(text).contains("are the same in the environment"));
}

#[test]
fn the_environment_sets_issuers_of_the_files_and_brings_its_own() {
    let config = load_with(
        &[DATABASE, "[revert_jwt:My-IdP]\nissuer = https://file\naudiences = a\n"],
        &[
            ("OS_REVERT_JWT_MY_IDP__JWKS_FILE", "/keys.json"),
            ("OS_REVERT_JWT_K8S__ISSUER", "https://cluster"),
            ("OS_REVERT_JWT_K8S__AUDIENCES", "glance-revert"),
            ("OS_REVERT_JWT_K8S__PUBLIC_KEY_FILE", "/key.pem"),
        ],
    )
    .unwrap();
    let names: Vec<&str> = config.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
    assert_eq!(names, ["my-idp", "k8s"]);
    assert_eq!(config.issuers[0].proof, JwtProof::File(JwtKeyFile::Jwks("/keys.json".into())));
    assert_eq!(config.issuers[1].issuer, "https://cluster");
}
