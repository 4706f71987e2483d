//! TLS parameters as `PyMySQL` (through SQLAlchemy), libpq and the MySQL client interpret them.

use std::path::PathBuf;

use super::option_file::OptionFile;
use super::url::DatabaseUrl;
use super::{DatabaseError, DatabaseTls};

/// The MySQL client's `ssl-mode`; SQLAlchemy hands `ssl_mode` to mysqlclient.
const MYSQL_MODES: &str = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY";
const POSTGRES_MODES: &str = "disable, allow, prefer, require, verify-ca, verify-full";

/// `PyMySQL`: a CA alone turns on all verification; `ssl_verify_cert` and `ssl_verify_identity`, if
/// given, decide what is verified, even nothing; a certificate without a CA only encrypts.
pub(super) fn mysql(url: &DatabaseUrl, file: &OptionFile) -> Result<DatabaseTls, DatabaseError> {
    if url.parameter("ssl_disabled").is_some_and(|value| is_true(&value)) {
        return Ok(DatabaseTls::default());
    }
    if url.parameter("ssl_capath").or_else(|| file.get("ssl-capath")).is_some() {
        return Err(DatabaseError::CaFolder);
    }
    let tls = mysql_files(url, file);
    let has_files = tls.ca.is_some() || tls.certificate.is_some() || tls.key.is_some();
    let (verify, identity) =
        (url.parameter("ssl_verify_cert"), url.parameter("ssl_verify_identity"));
    if verify.is_some() || identity.is_some() {
        let verify_identity = identity.is_some_and(|value| is_true(&value));
        let verify_certificate = verify_identity || verify.is_some_and(|value| is_true(&value));
        return Ok(DatabaseTls { required: true, verify_certificate, verify_identity, ..tls });
    }
    if let Some(mode) = url.parameter("ssl_mode").or_else(|| file.get("ssl-mode")) {
        return mysql_mode(tls, mode);
    }
    let verify_certificate = tls.ca.is_some() || file.is_on("ssl-verify-server-cert");
    let check_hostname = url.parameter("ssl_check_hostname").is_none_or(|value| is_true(&value));
    let asked = url.parameter("ssl").is_some_and(|value| is_true(&value)) || file.is_on("ssl");
    Ok(DatabaseTls {
        required: has_files || verify_certificate || asked,
        verify_certificate,
        verify_identity: verify_certificate && check_hostname,
        ..tls
    })
}

fn mysql_files(url: &DatabaseUrl, file: &OptionFile) -> DatabaseTls {
    let path = |parameter: &str, option: &str| {
        url.parameter(parameter).or_else(|| file.get(option)).map(PathBuf::from)
    };
    DatabaseTls {
        ca: path("ssl_ca", "ssl-ca"),
        certificate: path("ssl_cert", "ssl-cert"),
        key: path("ssl_key", "ssl-key"),
        ..DatabaseTls::default()
    }
}

fn mysql_mode(tls: DatabaseTls, mode: String) -> Result<DatabaseTls, DatabaseError> {
    let (required, verify_certificate, verify_identity) = match mode.to_uppercase().as_str() {
        "DISABLED" | "PREFERRED" => (false, false, false),
        "REQUIRED" => (true, false, false),
        "VERIFY_CA" => (true, true, false),
        "VERIFY_IDENTITY" => (true, true, true),
        _ => {
            let (name, known) = ("ssl_mode", MYSQL_MODES);
            return Err(DatabaseError::Word { name, value: mode, known });
        }
    };
    Ok(DatabaseTls { required, verify_certificate, verify_identity, ..tls })
}

/// libpq: `require` also verifies the certificate if a root certificate is named; the root `system`
/// means the system's CAs and verifies everything.
pub(super) fn postgres(url: &DatabaseUrl) -> Result<DatabaseTls, DatabaseError> {
    let root = url.parameter("sslrootcert");
    let system = root.as_deref() == Some("system");
    let ca = root.filter(|_| !system).map(PathBuf::from);
    let is_required = url.parameter("requiressl").is_some_and(|value| value.starts_with('1'));
    let default = match (system, is_required) {
        (true, _) => "verify-full",
        (false, true) => "require",
        (false, false) => "prefer",
    };
    let mode = url.parameter("sslmode").unwrap_or_else(|| default.to_owned());
    let (required, verify_certificate, verify_identity) = match mode.as_str() {
        "disable" | "allow" | "prefer" => (false, false, false),
        "require" => (true, ca.is_some(), false),
        "verify-ca" => (true, true, false),
        "verify-full" => (true, true, true),
        _ => {
            let (name, known) = ("sslmode", POSTGRES_MODES);
            return Err(DatabaseError::Word { name, value: mode, known });
        }
    };
    Ok(DatabaseTls {
        required,
        verify_certificate,
        verify_identity,
        ca,
        certificate: url.parameter("sslcert").map(PathBuf::from),
        key: url.parameter("sslkey").map(PathBuf::from),
    })
}

/// The words that `PyMySQL` reads as true; any other value that is not clearly false asks for more
/// security (`required`).
fn is_true(value: &str) -> bool {
    !["", "0", "false", "off", "no", "none"].contains(&value.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_mysql(query: &str, file: &str) -> DatabaseTls {
        let url = DatabaseUrl::parse(&format!("mysql://h/d?{query}")).unwrap();
        mysql(&url, &OptionFile::parse(file, "client")).unwrap()
    }

    fn of_postgres(query: &str) -> DatabaseTls {
        postgres(&DatabaseUrl::parse(&format!("postgresql://h/d?{query}")).unwrap()).unwrap()
    }

    /// Encrypted, certificate verified, name verified.
    fn asks(tls: &DatabaseTls) -> (bool, bool, bool) {
        (tls.required, tls.verify_certificate, tls.verify_identity)
    }

    #[test]
    fn a_ca_alone_turns_on_all_verification() {
        let tls = of_mysql("ssl_ca=/ca.pem", "");
        assert_eq!(tls.ca, Some(PathBuf::from("/ca.pem")));
        assert_eq!(asks(&tls), (true, true, true));
        assert_eq!(asks(&of_mysql("", "[client]\nssl-ca=/ca.pem\nssl=1")), (true, true, true));
        let unchecked = of_mysql("ssl_ca=/ca.pem&ssl_check_hostname=false", "");
        assert_eq!(asks(&unchecked), (true, true, false));
    }

    #[test]
    fn explicit_verification_parameters_override_the_mode() {
        assert_eq!(asks(&of_mysql("ssl_verify_cert=true", "")), (true, true, false));
        assert_eq!(asks(&of_mysql("ssl_ca=/c&ssl_verify_cert=false", "")), (true, false, false));
        assert_eq!(asks(&of_mysql("ssl_verify_identity=1", "")), (true, true, true));
    }

    #[test]
    fn encryption_alone_verifies_nothing() {
        assert_eq!(asks(&of_mysql("ssl_cert=/c&ssl_key=/k", "")), (true, false, false));
        assert_eq!(asks(&of_mysql("", "[client]\nssl")), (true, false, false));
        assert_eq!(asks(&of_mysql("", "")), (false, false, false));
    }

    #[test]
    fn postgres_modes_are_those_of_libpq() {
        assert_eq!(asks(&of_postgres("")), (false, false, false));
        assert_eq!(asks(&of_postgres("sslmode=require")), (true, false, false));
        assert_eq!(asks(&of_postgres("sslmode=require&sslrootcert=/c")), (true, true, false));
        assert_eq!(asks(&of_postgres("sslmode=verify-full&sslrootcert=/c")), (true, true, true));
        assert_eq!(asks(&of_postgres("sslrootcert=system")), (true, true, true));
    }

    #[test]
    fn unknown_modes_are_refused() {
        let url = DatabaseUrl::parse("postgresql://h/d?sslmode=on").unwrap();
        assert!(postgres(&url).unwrap_err().to_string().contains("verify-full"));
    }
}
