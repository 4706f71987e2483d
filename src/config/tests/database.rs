//! The database's connection.

use std::fs;

use secrecy::ExposeSecret;

use crate::config::sections::database::DatabaseError;
use crate::config::{DatabaseConfig, DatabaseKind};

fn database(connection: &str, parameters: &str) -> Result<DatabaseConfig, DatabaseError> {
    DatabaseConfig::parse(connection, parameters)
}

#[test]
fn a_socket_takes_the_place_of_a_host() {
    let mysql = database("mysql+pymysql://u:p@h/g?unix_socket=/run/db.sock", "").unwrap();
    assert_eq!((mysql.host, mysql.socket), (None, Some("/run/db.sock".into())));
    let postgres = database("postgresql+psycopg2://u@/g?host=/run/pg&port=5433", "").unwrap();
    assert_eq!((postgres.host, postgres.socket), (None, Some("/run/pg".into())));
    assert_eq!(postgres.port, Some(5433));
}

#[test]
fn parameters_are_added_to_the_connection() {
    let config =
        database("mysql://u:p@h/g?charset=utf8", "ssl_ca=/ca.pem&charset=utf8mb4").unwrap();
    assert_eq!(config.charset.as_deref(), Some("utf8mb4"));
    assert!(config.tls.verify_identity);
}

#[test]
fn the_option_file_fills_what_the_url_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.cnf");
    let text = "[client]\nuser = file\npassword = 'from file'\nhost = filehost\nport = 3307\n\
                ssl-ca = /ca.pem\nssl = 1\ndefault-character-set = utf8mb4\n";
    fs::write(&file, text).unwrap();
    let url = format!("mysql+pymysql://url@/g?read_default_file={}", file.display());
    let config = database(&url, "").unwrap();
    assert_eq!(config.user.as_deref(), Some("url"));
    assert_eq!(config.password.unwrap().expose_secret(), "from file");
    assert_eq!((config.host.as_deref(), config.port), (Some("filehost"), Some(3307)));
    assert_eq!(config.charset.as_deref(), Some("utf8mb4"));
    assert_eq!(config.tls.ca, Some("/ca.pem".into()));
    assert!(config.tls.required && config.tls.verify_certificate);
    let told = database("mysql://h/g?read_default_file=/nowhere", "").unwrap_err().to_string();
    assert!(told.starts_with("read_default_file=/nowhere: "), "{told}");
}

#[test]
fn sqlite_is_a_file() {
    assert_eq!(database("sqlite:////abs/g.db", "").unwrap().database, "/abs/g.db");
    assert_eq!(database("sqlite:///rel/g.db", "").unwrap().database, "rel/g.db");
    for refused in
        ["sqlite://", "sqlite:///:memory:", "sqlite://rel/g.db", "sqlite:///file:g?uri=1"]
    {
        assert!(database(refused, "").is_err(), "{refused}");
    }
}

#[test]
fn every_spelling_of_a_known_database_is_known_and_no_other() {
    for (scheme, kind) in [
        ("mysql", DatabaseKind::Mysql),
        ("mysql+mysqldb", DatabaseKind::Mysql),
        ("mariadb+pymysql", DatabaseKind::Mysql),
        ("postgresql", DatabaseKind::Postgres),
        ("postgresql+psycopg", DatabaseKind::Postgres),
        ("postgres", DatabaseKind::Postgres),
    ] {
        assert_eq!(database(&format!("{scheme}://u:p@h/g"), "").unwrap().kind, kind, "{scheme}");
    }
    let told = database("oracle://u:hidden@h/g", "").unwrap_err().to_string();
    assert!(told.contains("\"oracle\"") && !told.contains("hidden"), "{told}");
}

#[test]
fn connections_that_cannot_be_followed_say_why() {
    for (url, part) in [
        ("mysql://u:p@ss@h/g", "%40"),
        ("mysql://u:p@h", "no name"),
        ("mysql://u:p@h:99999/g", "65535"),
        ("postgresql://u@/g?host=a&host=b", "several hosts"),
        ("postgresql://u@/g?host=a,b", "several hosts"),
        ("postgresql://u@h:1/g?port=1,2", "several hosts"),
        ("postgresql://a,b/g", "several hosts"),
        ("postgresql://h/", "no name"),
        ("postgresql://u@h/g?service=glance", "service: "),
        ("postgresql://u@h/g?options=-d%205", "options: "),
        ("postgresql://u@h/g?passfile=/nowhere", "passfile=/nowhere: "),
        ("postgresql://u@h/g?target_session_attrs=standby", "target_session_attrs: "),
        ("postgresql://u@h/g?channel_binding=require", "channel_binding: "),
        ("postgresql://u@h/g?search_path=glance", "\"search_path\" is not a known parameter"),
        ("mysql://h/g?init_command=USE%20other", "init_command: "),
        ("mysql://u:p@ss/wo?rd=x@h/g", "percent-encoded"),
        ("sqlite:////g.db?mode=ro", "\"mode\" is not a known parameter"),
        ("mysql://h/g?ssl_capath=/certs", "ssl_ca"),
        ("postgresql://h/g?sslmode=on", "verify-full"),
    ] {
        let told = database(url, "").unwrap_err().to_string();
        assert!(told.contains(part), "{url}: {told}");
    }
}

#[test]
fn libpqs_parameters_are_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let pass = folder.path().join("pass");
    fs::write(&pass, "other:*:*:*:wrong\nh:5433:glance:glance:from file\n").unwrap();
    let url = format!(
        "postgresql+psycopg2://glance@h:5433?options=-csearch_path%3Dimages%20--work_mem%3D1MB\
         &application_name=us&passfile={}&connect_timeout=5&keepalives=1",
        pass.display()
    );
    let config = database(&url, "").unwrap();
    assert_eq!(config.database, "glance", "the user's name, where there is no other");
    assert_eq!(config.password.unwrap().expose_secret(), "from file");
    let settings = [("search_path", "images"), ("work_mem", "1MB")];
    assert_eq!(config.settings, settings.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(config.application_name.as_deref(), Some("us"));
    let address = database("postgresql://u@h/g?hostaddr=10.0.0.1", "").unwrap();
    assert_eq!(address.host.as_deref(), Some("10.0.0.1"));
    let verified = "postgresql://u@h/g?hostaddr=10.0.0.1&sslmode=verify-full";
    assert_eq!(database(verified, "").unwrap().host.as_deref(), Some("h"));
    assert!(database("postgresql://u@h/g?requiressl=1", "").unwrap().tls.required);
}
