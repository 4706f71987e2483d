//! `[revert]` and `[revert_jwt:<name>]`.

use super::OptionSpec;

/// `[revert]`.
pub const REVERT: &[OptionSpec] = &[
    OptionSpec::new(
        "bind",
        "address and port",
        "127.0.0.1:9393",
        "Where the API listens. An address other than loopback needs TLS or allow_plaintext.",
    ),
    OptionSpec::new(
        "ops_bind",
        "address and port",
        "127.0.0.1:9394",
        "Where probes and metrics listen, without authentication. Keep it off the world.",
    ),
    OptionSpec::new(
        "allow_plaintext",
        "boolean",
        "false",
        "Allows bind to be an address other than loopback without TLS. Tokens can then be read on the way.",
    ),
    OptionSpec::unset(
        "tls_cert_file",
        "absolute path",
        "/etc/glance/tls/tls.crt",
        "The API's certificate and its intermediates, in PEM. Read again when it changes.",
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
        "Whether clients must show certificates, in addition to their tokens. Unset means off.",
    ),
    OptionSpec::unset(
        "tls_client_ca_file",
        "absolute path",
        "/etc/glance/tls/clients-ca.crt",
        "CA certificates that clients' certificates must come from, in PEM. Read again when it changes.",
    ),
    OptionSpec::new(
        "tls_client_allowed_sans",
        "list of DNS names, URIs, email addresses",
        "",
        "A client's certificate must have one of these names. Empty: any valid certificate.",
    ),
    OptionSpec::new(
        "trusted_proxies",
        "list of addresses and networks",
        "",
        "Proxies whose X-Forwarded-For or Forwarded is believed. Needs [oslo_middleware] \
         enable_proxy_headers_parsing.",
    ),
    OptionSpec::new(
        "auth_failures_per_minute",
        "integer, 1 or more",
        "20",
        "Refused tokens that a client may send in a minute; further ones are answered 429.",
    ),
    OptionSpec::new(
        "verify",
        "exists, checksum or none",
        "exists",
        "How a revert verifies the data if the request does not say.",
    ),
    OptionSpec::new(
        "lock_wait",
        "seconds",
        "5",
        "How long a revert waits for an image that a pass or another revert holds.",
    ),
    OptionSpec::new(
        "scrubber",
        "boolean",
        "true",
        "Whether this process scrubs. false: it serves the API only.",
    ),
    OptionSpec::new(
        "delete_grace",
        "seconds",
        "60",
        "How long a DELETE of Glance's may stay half done before it counts as interrupted.",
    ),
    OptionSpec::new(
        "absent_limit",
        "integer, 1 or more",
        "20",
        "Consecutive missing objects after which a store is skipped for the rest of the pass.",
    ),
    OptionSpec::new(
        "min_scrub_time",
        "seconds",
        "3600",
        "Nothing is scrubbed while scrub_time is less than this.",
    ),
    OptionSpec::new(
        "max_images_per_pass",
        "integer, 1 or more",
        "1000",
        "A pass that would destroy more images destroys none, until somebody accepts the number.",
    ),
    OptionSpec::unset(
        "max_bytes_per_pass",
        "integer, bytes",
        "1099511627776",
        "The same for the sum of the images' sizes. Unset: any number.",
    ),
    OptionSpec::new(
        "first_pass_delay",
        "seconds",
        "60",
        "How long after its start the service scrubs for the first time.",
    ),
    OptionSpec::new(
        "any_file_name",
        "boolean",
        "false",
        "Allows a pass to destroy files and objects that are not named after their image.",
    ),
    OptionSpec::new(
        "http_verify_hosts",
        "list of host or host:port",
        "",
        "Hosts that a revert may ask about http and https locations; without a port, on the scheme's own.",
    ),
    OptionSpec::new(
        "location_credentials_hosts",
        "list of host or host:port",
        "",
        "Store hosts for which keys in old locations may be used if no option sets keys.",
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
        "Connections to the database. One of them holds all locks.",
    ),
    OptionSpec::new(
        "request_timeout",
        "seconds, more than lock_wait",
        "60",
        "How long a request may take. Reading data for checksum does not count.",
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
        "How long requests and the pass may take to end after the signal to stop.",
    ),
    OptionSpec::new(
        "allowed_projects",
        "list of project ids",
        "",
        "Keystone projects whose admins may call; the word system allows tokens of the system scope. \
         Empty: all.",
    ),
    OptionSpec::new("log_format", "text or json", "text", "How log lines are written."),
];

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
