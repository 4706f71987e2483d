//! Every parser of the product as a function of bytes, which must neither panic, nor hang, nor use
//! much memory, whatever its input. Uses only the product's public functions.
//!
//! `make fuzz` generates inputs for them, and `make test` runs them on everything that `corpus/`
//! has kept.

mod answers;
mod configuration;
mod locations;
mod peer;
mod requests;
mod tokens;
mod world;

/// A parser.
pub(crate) type Parser = fn(&[u8]);

/// All of them, by the names of their folders in `corpus/`.
pub(crate) const PARSERS: [(&str, Parser); 17] = [
    ("location_uri", locations::uri),
    ("location_encrypted", locations::encrypted),
    ("location_metadata", locations::metadata),
    ("oslo_config", configuration::oslo_config),
    ("database_url", configuration::database_url),
    ("option_file", configuration::option_file),
    ("jwt", tokens::jwt),
    ("jwt_claims", tokens::claims),
    ("key_file", tokens::key_file),
    ("key_server", answers::key_server),
    ("token_review", answers::token_review),
    ("keystone", answers::keystone),
    ("s3", answers::s3),
    ("swift", answers::swift),
    ("cinder", answers::cinder),
    ("rbd_helper", answers::rbd_helper),
    ("request", requests::request),
];

/// Bytes as text, with a placeholder for invalid UTF-8.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// The first line, and the rest.
fn first_line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    end.map_or((data, b""), |end| (&data[..end], &data[end + 1..]))
}
