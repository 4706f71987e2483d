//! oslo.config files, held against oslo's and Glance's own reading of them.

mod deployers;
mod oslo;
mod parts;
mod swift;
mod upstream;
mod watched_files;
