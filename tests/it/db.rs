//! Schemas, grants, sessions and servers.

mod grants;
mod schema;
mod sessions;
mod sid_servers;
