//! The verifier from the outside: tokens and key files, good and hostile.

mod claims;
mod forgery;
mod headers;
mod keyfiles;
mod keysets;
mod mint;
mod support;
mod tokens;
