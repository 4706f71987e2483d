//! Glance's own options of `[DEFAULT]`.

use std::time::Duration;

use secrecy::SecretString;

use super::options;
use super::oslo::{DEFAULT_GROUP, Origin};
use super::reader::Reader;
use super::scrub_time::{self, Beside, ScrubTime};

/// Glance's options.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are Glance's options, one by one")]
pub struct GlanceConfig {
    /// `delayed_delete`; false means that Glance never makes an image `pending_delete`.
    pub delayed_delete: bool,
    /// Where that is written; `None` where nothing sets it.
    pub delayed_delete_origin: Option<Origin>,
    /// `scrub_time`: how long a deleted image can be reverted, if somebody says it.
    pub scrub_time: ScrubTime,
    /// What an operator should know of `scrub_time`: another file says another one, for example.
    pub scrub_time_warnings: Vec<String>,
    /// `scrub_pool_size`: images scrubbed at a time, at least 1.
    pub scrub_pool_size: usize,
    /// `wakeup_time`: the pause between two passes; Glance allows 0.
    pub wakeup_time: Duration,
    /// `metadata_encryption_key`: 16, 24 or 32 bytes.
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

/// `least` is `[revert] min_scrub_time`, `beside` what upstream's scrubber was told.
pub(super) fn read(reader: &mut Reader<'_>, least: Duration, beside: &[Beside]) -> GlanceConfig {
    let misspelled = scrub_time::misspelled(reader.settings());
    let mut section = reader.section(&[DEFAULT_GROUP], options::DEFAULT);
    let key = section.text("metadata_encryption_key").filter(|key| !key.is_empty());
    if key.as_ref().is_some_and(|key| !matches!(key.len(), 16 | 24 | 32)) {
        section.problem("metadata_encryption_key", "must be 16, 24 or 32 bytes long (AES)");
    }
    let said = section.read("scrub_time", scrub_time::parse).flatten();
    let (scrub_time, mut scrub_time_warnings) = scrub_time::decide(said, beside, least);
    if scrub_time == ScrubTime::Unset {
        scrub_time_warnings.extend(misspelled);
    }
    let delayed_delete_origin = section.origin("delayed_delete");
    GlanceConfig {
        delayed_delete_origin,
        delayed_delete: section.boolean("delayed_delete"),
        scrub_time,
        scrub_time_warnings,
        scrub_pool_size: section.integer("scrub_pool_size", 1..=i64::MAX),
        wakeup_time: section.whole_seconds("wakeup_time"),
        metadata_encryption_key: key.map(SecretString::from),
        multi_store: !section.dictionary("enabled_backends").is_empty(),
        show_multiple_locations: section.boolean("show_multiple_locations"),
        show_image_direct_url: section.boolean("show_image_direct_url"),
        debug: section.boolean("debug"),
    }
}
