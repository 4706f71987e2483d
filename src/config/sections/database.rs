//! `[database]`: Glance's connection URL, parsed into settings.
//!
//! SQLAlchemy splits the URL ([`url`]), and the driver that the URL names interprets its
//! parameters. The rules are `PyMySQL`'s and psycopg2's, so that Glance and this service always
//! reach the same database.

mod libpq;
mod option_file;
mod parameters;
mod tls;
pub mod url;

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::config::declare::options;
use crate::config::options::{Opt, nonempty, parsed, text_or};
use crate::config::reader::Reader;
use crate::files::read_options;
use option_file::OptionFile;
use url::{DatabaseUrl, UrlError};

options! {
    /// `[database]`.
    DATABASE: DatabaseOptions {
        /// Glance's database.
        connection: String =
            connection().example("mysql+pymysql://glance:PASSWORD@database.example.org/glance");
        /// Parameters added to the connection's own.
        connection_parameters: Option<String> = text_or("name=value&name=value", "").secret();
    }
}

const fn connection() -> Opt<String> {
    let parse = |text: &str| {
        nonempty(text).map_err(|fault| {
            format!(
                "{fault}; name Glance's own glance-api.conf with --config-file, or set \
                 OS_DATABASE__CONNECTION"
            )
        })
    };
    parsed("SQLAlchemy URL", None, parse, String::new).required().secret()
}

/// Which family of database Glance uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// MariaDB, MySQL, Galera.
    Mysql,
    /// PostgreSQL.
    Postgres,
    /// SQLite, a file.
    Sqlite,
}

/// `[database] connection`, parsed as SQLAlchemy does.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// From the scheme.
    pub kind: DatabaseKind,
    /// Host name or address; `None` for the default (`localhost`) or a socket.
    pub host: Option<String>,
    /// Port; `None` for the default.
    pub port: Option<u16>,
    /// `unix_socket` (MySQL) or a `host` that is a folder (PostgreSQL).
    pub socket: Option<PathBuf>,
    /// User name, percent-decoded.
    pub user: Option<String>,
    /// Password, percent-decoded.
    pub password: Option<SecretString>,
    /// The database's name; for SQLite the file's path.
    pub database: String,
    /// `charset`.
    pub charset: Option<String>,
    /// What PostgreSQL's `options` set for each session, `search_path` for example.
    pub settings: Vec<(String, String)>,
    /// PostgreSQL's `application_name`.
    pub application_name: Option<String>,
    /// TLS.
    pub tls: DatabaseTls,
}

/// TLS settings of the connection URL and of `read_default_file`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseTls {
    /// Whether the connection must be encrypted.
    pub required: bool,
    /// Whether the server's certificate must be valid.
    pub verify_certificate: bool,
    /// Whether the server's name must be in its certificate.
    pub verify_identity: bool,
    /// `ssl_ca`, `sslrootcert`; `None` for the system's.
    pub ca: Option<PathBuf>,
    /// `ssl_cert`, `sslcert`.
    pub certificate: Option<PathBuf>,
    /// `ssl_key`, `sslkey`.
    pub key: Option<PathBuf>,
}

/// Why a connection is refused. Shows no part of it that may be secret.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLAlchemy would not parse it either.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// An unsupported kind of database.
    #[error(
        "{0:?} is not a supported database; use mysql+pymysql, postgresql+psycopg2 or \
         sqlite, or a variant of them"
    )]
    Scheme(String),
    /// `sqlite://`, `sqlite:///:memory:`.
    #[error("a database in memory cannot be shared with Glance; write sqlite:////path/to/file")]
    Memory,
    /// `sqlite://host/file`, `sqlite:///file:..`.
    #[error("SQLite needs only the path of a file; write sqlite:////path/to/file")]
    SqliteForm,
    /// No database name in the URL or its parameters.
    #[error("the database has no name; write it after the host: ..@host/glance")]
    NoDatabase,
    /// Most likely because of an unescaped `@`.
    #[error("the host has an `@`; write an `@` in the password as %40")]
    Host,
    /// Several hosts, as libpq takes them.
    #[error("names several hosts; name only the one that Glance writes to, or a proxy")]
    SeveralHosts,
    /// A parameter that cannot be honoured.
    #[error("{name}: {reason}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What to do.
        reason: String,
    },
    /// Neither the driver nor this service knows the parameter.
    #[error("{0:?} is not a known parameter; remove it")]
    UnknownParameter(String),
    /// Parameters that look like the rest of a password.
    #[error("an `@` in the parameters: `@`, `/` and `?` in a password must be percent-encoded")]
    Password,
    /// The `passfile` cannot be used.
    #[error("passfile={path}: {reason}; make it readable here, as it is for Glance")]
    PassFile {
        /// Its path, as in the URL.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a number, or too large.
    #[error("the port is not a number up to 65535")]
    Port,
    /// A word that the driver does not know.
    #[error("{name}={value:?} is unknown; choose from {known}")]
    Word {
        /// The parameter.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        known: &'static str,
    },
    /// `ssl_capath`.
    #[error("ssl_capath, a folder of certificates, cannot be used; name one file with ssl_ca")]
    CaFolder,
    /// The file of `read_default_file`; ignoring it would silently change TLS or the password.
    #[error("read_default_file={path}: {reason}; make it readable here, as it is for Glance")]
    OptionFile {
        /// As the URL has it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the section; `None` if it has a problem, which is noted.
pub(in crate::config) fn read(reader: &mut Reader<'_>) -> Option<DatabaseConfig> {
    let mut section = reader.section(&["database"]);
    let parameters = section.get(&DATABASE.connection_parameters).unwrap_or_default();
    let connection = section.get(&DATABASE.connection);
    if connection.is_empty() {
        return None;
    }
    match DatabaseConfig::parse(&connection, &parameters) {
        Ok(database) => Some(database),
        Err(error) => {
            section.problem(&DATABASE.connection, error.to_string());
            None
        }
    }
}

impl DatabaseConfig {
    /// Parses `[database] connection` and `connection_parameters`. Reads the file that
    /// `read_default_file` names.
    ///
    /// # Errors
    /// The connection cannot be made from here, or not the way Glance makes it.
    pub fn parse(connection: &str, parameters: &str) -> Result<Self, DatabaseError> {
        let mut url = DatabaseUrl::parse(connection)?;
        url.add_query(parameters);
        let dialect = url.scheme.split('+').next().unwrap_or_default();
        match dialect {
            "mysql" | "mariadb" => mysql(&url),
            "postgresql" | "postgres" => postgres(&url),
            "sqlite" => sqlite(url),
            _ => Err(DatabaseError::Scheme(url.scheme)),
        }
    }
}

fn sqlite(url: DatabaseUrl) -> Result<DatabaseConfig, DatabaseError> {
    parameters::check_sqlite(&url)?;
    if url.host.is_some() || url.user.is_some() || url.port.is_some() {
        return Err(DatabaseError::SqliteForm);
    }
    let database = url.database.unwrap_or_default();
    if database.is_empty() || database == ":memory:" {
        return Err(DatabaseError::Memory);
    }
    if database.starts_with("file:") {
        return Err(DatabaseError::SqliteForm);
    }
    Ok(DatabaseConfig {
        kind: DatabaseKind::Sqlite,
        host: None,
        port: None,
        socket: None,
        user: None,
        password: None,
        database,
        charset: None,
        settings: Vec::new(),
        application_name: None,
        tls: DatabaseTls::default(),
    })
}

/// `PyMySQL`: parameters override the URL's own parts, the option file fills what is then empty,
/// and a socket is preferred to a host.
fn mysql(url: &DatabaseUrl) -> Result<DatabaseConfig, DatabaseError> {
    parameters::check_mysql(url)?;
    let file = default_file(url)?;
    let or_file = |value: Option<String>, name: &str| value.or_else(|| file.get(name));
    let password = first(url, &["password", "passwd"])
        .or_else(|| url.password.as_ref().map(|secret| secret.expose_secret().to_owned()))
        .filter(|password| !password.is_empty());
    let socket = or_file(url.parameter("unix_socket"), "socket").map(PathBuf::from);
    let host = or_file(host(url)?, "host");
    let database = first(url, &["database", "db"]).or_else(|| present(url.database.clone()));
    Ok(DatabaseConfig {
        kind: DatabaseKind::Mysql,
        host: host.filter(|_| socket.is_none()),
        port: or_file(port(url), "port").map(|port| number(&port)).transpose()?,
        socket,
        user: or_file(user(url), "user"),
        password: or_file(password, "password").map(SecretString::from),
        database: or_file(database, "database").ok_or(DatabaseError::NoDatabase)?,
        charset: or_file(url.parameter("charset"), "default-character-set"),
        settings: Vec::new(),
        application_name: None,
        tls: tls::mysql(url, &file)?,
    })
}

/// psycopg2: parameters override the URL's own parts; a host that is a path is the folder of a
/// socket; a missing database name defaults to the user's.
fn postgres(url: &DatabaseUrl) -> Result<DatabaseConfig, DatabaseError> {
    parameters::check_postgres(url)?;
    let (host, port) = postgres_host(url)?;
    let port = port.map(|port| number(&port)).transpose()?;
    let user = user(url);
    let database = first(url, &["dbname"]).or_else(|| present(url.database.clone()));
    let database = database.or_else(|| user.clone()).ok_or(DatabaseError::NoDatabase)?;
    let tls = tls::postgres(url)?;
    let address = url.parameter("hostaddr");
    if address.as_ref().is_some_and(|address| address.contains(',')) {
        return Err(DatabaseError::SeveralHosts);
    }
    let (socket, host) = match host {
        Some(folder) if folder.starts_with('/') => (Some(PathBuf::from(folder)), None),
        // Connect by name, not `hostaddr`, where the certificate's name is verified.
        Some(name) if tls.verify_identity => (None, Some(name)),
        host => (None, address.or(host)),
    };
    let password = url.parameter("password").map(SecretString::from);
    let password = match (password.or_else(|| url.password.clone()), url.parameter("passfile")) {
        (None, Some(path)) => {
            let whose = libpq::Whose {
                host: host.as_deref().unwrap_or("localhost"),
                port: port.unwrap_or(5432),
                database: &database,
                user: user.as_deref().unwrap_or_default(),
            };
            libpq::password(Path::new(&path), &whose)?
        }
        (password, _) => password,
    };
    Ok(DatabaseConfig {
        kind: DatabaseKind::Postgres,
        host,
        port,
        socket,
        user,
        password,
        database,
        charset: None,
        settings: libpq::settings(&url.parameter("options").unwrap_or_default())?,
        application_name: url.parameter("application_name"),
        tls,
    })
}

/// Host and port; SQLAlchemy takes `host=name:port` apart.
fn postgres_host(url: &DatabaseUrl) -> Result<(Option<String>, Option<String>), DatabaseError> {
    let (host, port) = (host(url)?, port(url));
    if port.as_ref().is_some_and(|port| port.contains(',')) {
        return Err(DatabaseError::SeveralHosts);
    }
    if let Some((name, own_port)) = host.as_deref().and_then(|host| host.split_once(':'))
        && url.parameter("host").is_some()
        && !own_port.contains(':')
        && !name.starts_with('/')
    {
        let port = present(Some(own_port.to_owned())).or(port);
        return Ok((present(Some(name.to_owned())), port));
    }
    Ok((host, port))
}

fn default_file(url: &DatabaseUrl) -> Result<OptionFile, DatabaseError> {
    let group = url.parameter("read_default_group");
    let path = match (url.parameter("read_default_file"), &group) {
        (Some(path), _) => path,
        (None, Some(_)) => "/etc/my.cnf".to_owned(),
        (None, None) => return Ok(OptionFile::default()),
    };
    let group = group.unwrap_or_else(|| "client".to_owned());
    match read_options(Path::new(&path)) {
        Ok(text) => Ok(OptionFile::parse(&text, &group)),
        Err(error) => {
            Err(DatabaseError::OptionFile { path: path.into(), reason: error.to_string() })
        }
    }
}

fn user(url: &DatabaseUrl) -> Option<String> {
    url.parameter("user").or_else(|| present(url.user.clone()))
}

fn host(url: &DatabaseUrl) -> Result<Option<String>, DatabaseError> {
    let host = url.parameter("host").or_else(|| present(url.host.clone()));
    if url.parameters("host").count() > 1 || host.as_ref().is_some_and(|host| host.contains(',')) {
        return Err(DatabaseError::SeveralHosts);
    }
    match host {
        Some(host) if host.contains('@') => Err(DatabaseError::Host),
        host => Ok(host),
    }
}

fn port(url: &DatabaseUrl) -> Option<String> {
    url.parameter("port").or_else(|| url.port.map(|port| port.to_string()))
}

fn number(port: &str) -> Result<u16, DatabaseError> {
    port.trim().parse().map_err(|_| DatabaseError::Port)
}

fn first(url: &DatabaseUrl, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| url.parameter(name))
}

fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
