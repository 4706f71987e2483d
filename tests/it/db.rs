//! Schemas, grants, limits, sessions, servers and large tables.

mod audit;
mod audit_index;
mod grants;
mod in_memory;
mod large;
mod limits;
mod own_tables;
mod plans;
mod schema;
mod sessions;
mod sid_servers;
mod summary;
