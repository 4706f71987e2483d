//! Glance's own options of `[DEFAULT]`.

use std::time::Duration;

use secrecy::SecretString;

use crate::config::declare::options;
use crate::config::options::{boolean, integer, optional_whole_seconds, parsed, whole_seconds};
use crate::config::oslo::{DEFAULT_GROUP, Origin, types};
use crate::config::reader::Reader;
use crate::config::scrub_time::{self, Beside, ScrubTime};

options! {
    /// Glance's own options of `[DEFAULT]`.
    DEFAULT: DefaultOptions {
        /// Makes Glance keep the data of deleted images until they are scrubbed.
        delayed_delete: bool = boolean(false);
        /// How long a deleted image can be reverted. Unset, nothing is scrubbed.
        scrub_time: Option<Duration> = optional_whole_seconds().example("604800");
        /// Images scrubbed at a time.
        scrub_pool_size: usize = integer(1, i64::MAX, "1");
        /// The pause between two scrubber passes.
        wakeup_time: Duration = whole_seconds("300");
        /// The key with which Glance encrypts locations.
        metadata_encryption_key: Option<SecretString> =
            parsed("text of 16, 24 or 32 bytes", None, key, || None).secret();
        /// Glance's stores; each has a section of its own.
        enabled_backends: Vec<(String, String)> =
            parsed("dictionary name:type", None, types::dictionary, Vec::new)
                .example("fast:file, web:http");
        /// Whether image documents list locations.
        show_multiple_locations: bool = boolean(false);
        /// Whether image documents have a direct_url.
        show_image_direct_url: bool = boolean(false);
        /// Whether debug lines are logged.
        debug: bool = boolean(false);
    }
}

/// Glance's options.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are Glance's options, one by one")]
pub struct GlanceConfig {
    /// `delayed_delete`; false means that Glance never makes an image `pending_delete`.
    pub delayed_delete: bool,
    /// Where it is written; `None` if nothing sets it.
    pub delayed_delete_origin: Option<Origin>,
    /// `scrub_time`: how long a deleted image can be reverted.
    pub scrub_time: ScrubTime,
    /// Warnings about `scrub_time`, for example that another file says otherwise.
    pub scrub_time_warnings: Vec<String>,
    /// `scrub_pool_size`: images scrubbed at a time.
    pub scrub_pool_size: usize,
    /// `wakeup_time`: the pause between two passes; zero is allowed, as in Glance.
    pub wakeup_time: Duration,
    /// `metadata_encryption_key`.
    pub metadata_encryption_key: Option<SecretString>,
    /// Whether `enabled_backends` is set (the multi-store form).
    pub multi_store: bool,
    /// `show_multiple_locations`.
    pub show_multiple_locations: bool,
    /// `show_image_direct_url`.
    pub show_image_direct_url: bool,
    /// `debug`.
    pub debug: bool,
}

/// `least` is `[revert] min_scrub_time`, `beside` the files of upstream's scrubber.
pub(in crate::config) fn read(
    reader: &mut Reader<'_>,
    least: Duration,
    beside: &[Beside],
) -> GlanceConfig {
    let misspelled = scrub_time::misspelled(reader.settings());
    let mut section = reader.section(&[DEFAULT_GROUP]);
    let (scrub_time, mut scrub_time_warnings) =
        scrub_time::decide(section.get(&DEFAULT.scrub_time), beside, least);
    if scrub_time == ScrubTime::Unset {
        scrub_time_warnings.extend(misspelled);
    }
    GlanceConfig {
        delayed_delete: section.get(&DEFAULT.delayed_delete),
        delayed_delete_origin: section.origin(&DEFAULT.delayed_delete),
        scrub_time,
        scrub_time_warnings,
        scrub_pool_size: section.get(&DEFAULT.scrub_pool_size),
        wakeup_time: section.get(&DEFAULT.wakeup_time),
        metadata_encryption_key: section.get(&DEFAULT.metadata_encryption_key),
        multi_store: !section.get(&DEFAULT.enabled_backends).is_empty(),
        show_multiple_locations: section.get(&DEFAULT.show_multiple_locations),
        show_image_direct_url: section.get(&DEFAULT.show_image_direct_url),
        debug: section.get(&DEFAULT.debug),
    }
}

/// Empty means unset.
fn key(text: &str) -> Result<Option<SecretString>, String> {
    match text.len() {
        0 => Ok(None),
        16 | 24 | 32 => Ok(Some(text.into())),
        _ => Err("must be 16, 24 or 32 bytes long (AES)".to_owned()),
    }
}
