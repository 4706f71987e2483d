//! The parameters of a connection URL. Each is honoured, has no effect here, or is refused by name:
//! ignoring one silently could mean another schema, another server or less security.

use super::DatabaseError;
use super::url::DatabaseUrl;

/// How a parameter is treated.
#[derive(Clone, Copy)]
enum Effect {
    /// Honoured.
    Read,
    /// Ignored: time-outs, buffers and texts are set by this service, the rest is SQLAlchemy's.
    None,
    /// Only these values are accepted: they request what this service does anyway.
    Only(&'static [&'static str]),
    /// Cannot be honoured; the text says what to do.
    Refused(&'static str),
}

use Effect::{None, Only, Read, Refused};

/// TLS here does not check revocation lists.
const NO_REVOCATION: &str = "certificate revocation lists are not supported; remove it";
/// Nobody is there to type a passphrase.
const NO_KEY_PASSWORD: &str = "keys with a password are not supported; use a key without one";
/// libpq's service files hold whole connections.
const NO_SERVICE: &str =
    "service files are not supported; write the settings of the service into the URL";
const CANNOT: &str = "is not supported; remove it, or connect in another way";

/// SQLAlchemy's parameters for `PyMySQL`, and other drivers' names for them.
const MYSQL: &[(&str, Effect)] = &[
    ("user", Read),
    ("password", Read),
    ("passwd", Read),
    ("host", Read),
    ("port", Read),
    ("database", Read),
    ("db", Read),
    ("unix_socket", Read),
    ("charset", Read),
    ("read_default_file", Read),
    ("read_default_group", Read),
    ("ssl", Read),
    ("ssl_ca", Read),
    ("ssl_cert", Read),
    ("ssl_key", Read),
    ("ssl_capath", Read),
    ("ssl_mode", Read),
    ("ssl_disabled", Read),
    ("ssl_check_hostname", Read),
    ("ssl_verify_cert", Read),
    ("ssl_verify_identity", Read),
    ("ssl_cipher", None),
    ("ssl_key_password", Refused(NO_KEY_PASSWORD)),
    ("binary_prefix", None),
    ("client_flag", None),
    ("collation", None),
    ("connect_timeout", None),
    ("connection_timeout", None),
    ("local_infile", None),
    ("allow_local_infile", None),
    ("max_allowed_packet", None),
    ("program_name", None),
    ("read_timeout", None),
    ("write_timeout", None),
    ("sql_mode", None),
    ("use_unicode", None),
    ("plugin", None),
    ("use_pure", None),
    ("init_command", Refused("custom statements are not supported; remove it")),
    ("bind_address", Refused(CANNOT)),
    ("auth_plugin_map", Refused(CANNOT)),
    ("server_public_key", Refused(CANNOT)),
];

/// libpq's, as of PostgreSQL 18.
const POSTGRES: &[(&str, Effect)] = &[
    ("host", Read),
    ("hostaddr", Read),
    ("port", Read),
    ("dbname", Read),
    ("user", Read),
    ("password", Read),
    ("passfile", Read),
    ("options", Read),
    ("application_name", Read),
    ("sslmode", Read),
    ("requiressl", Read),
    ("sslcert", Read),
    ("sslkey", Read),
    ("sslrootcert", Read),
    ("sslpassword", Refused(NO_KEY_PASSWORD)),
    ("sslcrl", Refused(NO_REVOCATION)),
    ("sslcrldir", Refused(NO_REVOCATION)),
    ("service", Refused(NO_SERVICE)),
    ("servicefile", Refused(NO_SERVICE)),
    ("plugin", None),
    ("client_encoding", None),
    ("connect_timeout", None),
    ("fallback_application_name", None),
    ("keepalives", None),
    ("keepalives_count", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("tcp_user_timeout", None),
    ("gssdelegation", None),
    ("gsslib", None),
    ("krbsrvname", None),
    ("load_balance_hosts", None),
    ("sslcompression", None),
    ("sslnegotiation", None),
    ("sslsni", None),
    ("channel_binding", Only(&["disable", "prefer"])),
    ("gssencmode", Only(&["disable", "prefer"])),
    ("replication", Only(&["false", "off", "no", "0"])),
    ("sslcertmode", Only(&["allow"])),
    ("ssl_min_protocol_version", Only(&["TLSv1", "TLSv1.1", "TLSv1.2"])),
    ("ssl_max_protocol_version", Only(&["TLSv1.3"])),
    ("target_session_attrs", Only(&["any", "read-write", "primary"])),
    ("max_protocol_version", None),
    ("min_protocol_version", Only(&["3.0"])),
    ("require_auth", Refused(CANNOT)),
    ("requirepeer", Refused(CANNOT)),
    ("scram_client_key", Refused(CANNOT)),
    ("scram_server_key", Refused(CANNOT)),
    ("sslkeylogfile", Refused(CANNOT)),
    ("oauth_issuer", Refused(CANNOT)),
    ("oauth_client_id", Refused(CANNOT)),
    ("oauth_client_secret", Refused(CANNOT)),
    ("oauth_scope", Refused(CANNOT)),
];

/// Python's `sqlite3.connect`.
const SQLITE: &[(&str, Effect)] = &[
    ("plugin", None),
    ("timeout", None),
    ("check_same_thread", None),
    ("cached_statements", None),
    ("detect_types", None),
    ("isolation_level", None),
    ("uri", Refused("SQLite needs only the path of a file; write sqlite:////path/to/file")),
];

pub(super) fn check_mysql(url: &DatabaseUrl) -> Result<(), DatabaseError> {
    check(url, MYSQL)
}

pub(super) fn check_postgres(url: &DatabaseUrl) -> Result<(), DatabaseError> {
    check(url, POSTGRES)
}

pub(super) fn check_sqlite(url: &DatabaseUrl) -> Result<(), DatabaseError> {
    check(url, SQLITE)
}

fn check(url: &DatabaseUrl, table: &[(&'static str, Effect)]) -> Result<(), DatabaseError> {
    for (name, value) in url.all_parameters() {
        let found = table.iter().find(|(known, _)| *known == name);
        let Some(&(name, effect)) = found else {
            return Err(if value.contains('@') || name.contains('@') {
                DatabaseError::Password
            } else {
                DatabaseError::UnknownParameter(name.to_owned())
            });
        };
        match effect {
            Only(values) if !values.contains(&value) => {
                let reason = format!("only {} is supported", values.join(", "));
                return Err(DatabaseError::Parameter { name, reason });
            }
            Refused(reason) => {
                return Err(DatabaseError::Parameter { name, reason: reason.to_owned() });
            }
            Read | None | Only(_) => {}
        }
    }
    Ok(())
}
