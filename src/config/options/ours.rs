//! `[revert_jwt:<name>]`.

use super::OptionSpec;

/// `[revert_jwt:<name>]`.
pub const REVERT_JWT: &[OptionSpec] = &[
    OptionSpec::unset(
        "issuer",
        "text, required",
        "https://keycloak.example.org/realms/cloud",
        "The token's iss must equal this, byte by byte.",
    ),
    OptionSpec::unset(
        "audiences",
        "list, required",
        "glance-revert",
        "One of them must be in the token's aud.",
    ),
    OptionSpec::new(
        "mode",
        "jwks or tokenreview",
        "jwks",
        "How tokens are verified: by the issuer's keys, or by asking a Kubernetes API server.",
    ),
    OptionSpec::unset(
        "jwks_uri",
        "https URL",
        "https://keycloak.example.org/realms/cloud/protocol/openid-connect/certs",
        "Where the issuer's keys are. Without this and without a file they are found by discovery.",
    ),
    OptionSpec::unset(
        "jwks_file",
        "absolute path",
        "/etc/glance/automation.jwks.json",
        "In place of jwks_uri: the issuer's keys as a JSON Web Key Set. Read again when it changes.",
    ),
    OptionSpec::unset(
        "public_key_file",
        "absolute path",
        "/etc/glance/automation.pub.pem",
        "In place of jwks_uri: the issuer's one public key in PEM. Read again when it changes.",
    ),
    OptionSpec::new(
        "api_server",
        "https URL",
        "https://kubernetes.default.svc",
        "The API server to ask, with mode = tokenreview.",
    ),
    OptionSpec::unset(
        "ca_file",
        "absolute path",
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "CA certificates (PEM) for the server with the keys, in place of the system's. With \
         tokenreview for the API server; default: the pod's own.",
    ),
    OptionSpec::unset(
        "token_file",
        "absolute path",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "A bearer token to send to the server with the keys, as a Kubernetes API server wants one. \
         With tokenreview for the API server; default: the pod's own.",
    ),
    OptionSpec::new(
        "algorithms",
        "list",
        "RS256, PS256, ES256, ES384, EdDSA",
        "Accepted signature algorithms. No others can be chosen.",
    ),
    OptionSpec::new(
        "role_claims",
        "list of JSON pointers",
        "/roles, /realm_access/roles",
        "Where a token has its roles, as arrays of strings. Not with tokenreview.",
    ),
    OptionSpec::new(
        "admin_roles",
        "list",
        "glance-revert-admin",
        "Roles that make a caller an admin. Not with tokenreview.",
    ),
    OptionSpec::new(
        "subjects",
        "list",
        "",
        "Callers that are admins by their sub. NS:NAME stands for system:serviceaccount:NS:NAME. No \
         wildcards.",
    ),
    OptionSpec::new(
        "leeway",
        "seconds, at most 300",
        "30",
        "How much the issuer's clock and ours may differ.",
    ),
    OptionSpec::new(
        "require_at_jwt",
        "boolean",
        "false",
        "Refuses tokens whose header typ is not at+jwt.",
    ),
];
