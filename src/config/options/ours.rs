//! `[revert]` and `[revert_jwt:<name>]`.

use super::OptionSpec;

/// `[revert]`.
pub const REVERT: &[OptionSpec] = &[
    OptionSpec::new(
        "bind",
        "address and port",
        "127.0.0.1:9393",
        "Where the API listens. Another address than loopback needs TLS, or allow_plaintext.",
    ),
    OptionSpec::new(
        "ops_bind",
        "address and port",
        "127.0.0.1:9394",
        "Where probes and metrics are served. No secrets there, but do not open it to the world.",
    ),
    OptionSpec::new(
        "allow_plaintext",
        "boolean",
        "false",
        "Lets bind be another address than loopback: without TLS, tokens can be read on the way.",
    ),
    OptionSpec::unset(
        "tls_cert_file",
        "absolute path",
        "/etc/glance/tls/tls.crt",
        "The API's certificate and the intermediate ones, in PEM. Read again when it changes.",
    ),
    OptionSpec::unset(
        "tls_key_file",
        "absolute path",
        "/etc/glance/tls/tls.key",
        "The certificate's private key in PEM. Read again when it changes.",
    ),
    OptionSpec::unset(
        "tls_client_auth",
        "off, optional or required",
        "required",
        "Whether clients show certificates, beside their tokens; unset is off.",
    ),
    OptionSpec::unset(
        "tls_client_ca_file",
        "absolute path",
        "/etc/glance/tls/clients-ca.crt",
        "The authorities of clients' certificates, in PEM. Read again when it changes.",
    ),
    OptionSpec::new(
        "tls_client_allowed_sans",
        "list of DNS names, URIs, email addresses",
        "",
        "One of them must be in a client's certificate; empty takes all that are good.",
    ),
    OptionSpec::new(
        "trusted_proxies",
        "list of addresses and networks",
        "",
        "Peers whose X-Forwarded-For or Forwarded is believed; needs [oslo_middleware] \
         enable_proxy_headers_parsing.",
    ),
    OptionSpec::new(
        "auth_failures_per_minute",
        "integer, 1 or more",
        "20",
        "So many refused tokens a minute are answered 401 for each client, more are 429.",
    ),
    OptionSpec::new(
        "verify",
        "exists, checksum or none",
        "exists",
        "How a revert proves that the data is there, where the request does not say.",
    ),
    OptionSpec::new(
        "lock_wait",
        "seconds",
        "5",
        "How long a revert waits for its image while a scrub pass holds it.",
    ),
    OptionSpec::new(
        "scrubber",
        "boolean",
        "true",
        "Whether this process also scrubs; false runs the API alone.",
    ),
    OptionSpec::new(
        "location_window",
        "seconds",
        "60",
        "How long before its image a location may have been deleted and still come back with it.",
    ),
    OptionSpec::new(
        "delete_grace",
        "seconds",
        "60",
        "How long a DELETE may stay half done before it counts as interrupted.",
    ),
    OptionSpec::new(
        "absent_brake",
        "integer, 1 or more",
        "20",
        "So many absent objects in a row stop a store for the pass: it may not be mounted.",
    ),
    OptionSpec::new(
        "any_file_name",
        "boolean",
        "false",
        "Lets a scrub touch files and objects that are not named after their image.",
    ),
    OptionSpec::new(
        "http_verify_hosts",
        "list of host names",
        "",
        "Hosts that a revert may ask about http and https locations.",
    ),
    OptionSpec::new(
        "location_credentials_hosts",
        "list of host names",
        "",
        "Hosts of stores for which keys in old locations may be used where no option sets any.",
    ),
    OptionSpec::new(
        "store_timeout",
        "seconds, more than 0",
        "30",
        "How long one call to a store may take.",
    ),
    OptionSpec::new(
        "db_pool_size",
        "integer, 2 to 1000",
        "16",
        "Connections to the database. A lock holds one while its work uses another.",
    ),
    OptionSpec::new(
        "request_timeout",
        "seconds, more than lock_wait",
        "60",
        "How long a request may take; reading data for checksum is not counted.",
    ),
    OptionSpec::new(
        "max_connections",
        "integer, 1 or more",
        "1024",
        "Open connections to the API.",
    ),
    OptionSpec::new(
        "shutdown_grace",
        "seconds",
        "60",
        "How long requests under way may take to end after the signal to stop.",
    ),
    OptionSpec::new(
        "allowed_projects",
        "list of project ids",
        "",
        "Keystone projects whose admins may call; system lets tokens of the system scope in. Empty: \
         all of them.",
    ),
    OptionSpec::new("log_format", "text or json", "text", "How log lines are written."),
];

/// `[revert_jwt:<name>]`.
pub const REVERT_JWT: &[OptionSpec] = &[
    OptionSpec::unset(
        "issuer",
        "text, required",
        "https://keycloak.example.org/realms/cloud",
        "Compared with the token's iss, byte by byte.",
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
        "How tokens are proved: by the issuer's keys, or by asking a Kubernetes API server.",
    ),
    OptionSpec::unset(
        "jwks_uri",
        "https URL",
        "https://keycloak.example.org/realms/cloud/protocol/openid-connect/certs",
        "The issuer's keys. Without this and both files they are found by discovery.",
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
        "The API server that is asked with mode = tokenreview.",
    ),
    OptionSpec::unset(
        "ca_file",
        "absolute path",
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "Certificates (PEM) that the server with the keys is trusted by, in place of the system's. \
         With tokenreview the API server's, and the pod's own by default.",
    ),
    OptionSpec::unset(
        "token_file",
        "absolute path",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "A bearer token for the server with the keys, as a Kubernetes API server wants one. \
         With tokenreview for the API server, and the pod's own by default.",
    ),
    OptionSpec::new(
        "algorithms",
        "list",
        "RS256, PS256, ES256, ES384, EdDSA",
        "Accepted signatures; there are no others to choose from.",
    ),
    OptionSpec::new(
        "role_claims",
        "list of JSON pointers",
        "/roles, /realm_access/roles",
        "Where a token lists its roles, as arrays of strings. Not with tokenreview.",
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
        "Callers who are admins by their sub; NS:NAME is short for \
         system:serviceaccount:NS:NAME. No wildcards.",
    ),
    OptionSpec::new(
        "leeway",
        "seconds, at most 300",
        "30",
        "How far the issuer's clock and ours may differ.",
    ),
    OptionSpec::new(
        "require_at_jwt",
        "boolean",
        "false",
        "Refuses tokens whose header typ is not at+jwt.",
    ),
];
