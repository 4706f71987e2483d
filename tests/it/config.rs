//! oslo.config files, compared with oslo's and Glance's own parsers.

mod deployers;
mod oslo;
mod parts;
mod swift;
mod upstream;
mod watched_files;
