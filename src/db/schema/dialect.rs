//! Differences in creating tables between the three families of databases.

use sqlx::migrate::Migrate;
use sqlx::mysql::MySql;
use sqlx::postgres::Postgres;
use sqlx::sqlite::Sqlite;

use crate::db::dialect::Dialect;

/// How to create tables in a family of databases.
pub(in crate::db) trait SchemaDialect: Dialect<Connection: Migrate> {
    /// Creates the table of migrations, with the columns that sqlx needs, unless it exists.
    const MIGRATIONS_TABLE: &'static str;
    /// The type of a time.
    const TIME_TYPE: &'static str;
    /// The text after the columns of a table.
    const TABLE_OPTIONS: &'static str = "";

    /// Bytes as a literal, from their hexadecimal digits.
    fn bytes(hex: &str) -> String;
}

impl SchemaDialect for MySql {
    const MIGRATIONS_TABLE: &'static str = "CREATE TABLE IF NOT EXISTS revert_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
) ENGINE = InnoDB;";
    const TIME_TYPE: &'static str = "DATETIME(6)";
    /// Times and ids are compared with Glance's, in any collation: of a binary and another
    /// collation the binary one applies, and of two Unicode character sets the larger one.
    const TABLE_OPTIONS: &'static str =
        " ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin";

    fn bytes(hex: &str) -> String {
        format!("X'{hex}'")
    }
}

impl SchemaDialect for Postgres {
    const MIGRATIONS_TABLE: &'static str = "CREATE TABLE IF NOT EXISTS revert_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
);";
    const TIME_TYPE: &'static str = "TIMESTAMP";

    fn bytes(hex: &str) -> String {
        format!("'\\x{hex}'")
    }
}

impl SchemaDialect for Sqlite {
    const MIGRATIONS_TABLE: &'static str = "CREATE TABLE IF NOT EXISTS revert_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);";
    const TIME_TYPE: &'static str = "DATETIME";

    fn bytes(hex: &str) -> String {
        format!("X'{hex}'")
    }
}
