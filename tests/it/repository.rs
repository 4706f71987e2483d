//! Rules for the repository: layers, documents, deployments, examples.

mod deploy;
mod docs;
mod docs_generated;
mod docs_lines;
mod docs_night;
mod examples;
mod floors;
mod lines;
