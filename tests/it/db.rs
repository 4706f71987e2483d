//! Schemas, grants, limits, sessions and servers.

mod grants;
mod limits;
mod schema;
mod sessions;
mod sid_servers;
