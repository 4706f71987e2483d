//! The configuration of the real Glance.

use std::fs;
use std::path::Path;

use super::{GlanceOptions, Stores};

/// Glance's own pipeline, with our filter instead of `auth_token`.
const PASTE: &str = "\
[pipeline:glance-api-test]
pipeline = cors http_proxy_to_wsgi versionnegotiation testauth context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:testauth]
paste.filter_factory = testauth:filter_factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = glance
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
";

/// Creates the folders, and writes `glance-api.conf` and its paste file into `folder`.
pub(super) fn write(folder: &Path, database: &str, port: u16, options: &GlanceOptions<'_>) {
    for name in ["images", "fast", "slow", "staging", "tasks", "locks", "node"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    // An old Glance searches for it by this name next to its configuration.
    fs::write(folder.join("glance-api-paste.ini"), PASTE).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (enabled, stores) = stores(options.stores, &path, options.more);
    let key = options
        .encryption_key
        .map_or(String::new(), |key| format!("metadata_encryption_key = {key}\n"));
    let text = format!(
        "[DEFAULT]
delayed_delete = {delayed_delete}
scrub_time = {scrub_time}
show_multiple_locations = True
show_image_direct_url = True
node_staging_uri = file://{node}
worker_self_reference_url = http://127.0.0.1:{port}
{enabled}{key}
[database]
connection = {database}

[paste_deploy]
flavor = test
config_file = {paste}

[oslo_concurrency]
lock_path = {locks}

[image_format]
require_image_format_match = False

[import_filtering_opts]
allowed_hosts = 127.0.0.1

[image_import_opts]
image_import_plugins = []

{stores}",
        delayed_delete = if options.at_once { "False" } else { "True" },
        scrub_time = options.scrub_time,
        node = path("node"),
        paste = path("glance-api-paste.ini"),
        locks = path("locks"),
    );
    fs::write(folder.join("glance-api.conf"), text).unwrap();
}

/// The store options of `[DEFAULT]`, and the sections of the stores.
fn stores(
    stores: Stores,
    path: &impl Fn(&str) -> String,
    more: &[(&str, &str, String)],
) -> (String, String) {
    match stores {
        Stores::Single => {
            let images = path("images");
            let text = format!(
                "[glance_store]\nstores = file,http\ndefault_store = file\n\
                 filesystem_store_datadir = {images}\n"
            );
            (String::new(), text)
        }
        Stores::Multi => {
            let section = |section: &str, name: &str| {
                format!("[{section}]\nfilesystem_store_datadir = {}\n", path(name))
            };
            let sections = [
                "[glance_store]\ndefault_backend = fast\n[web]\n".to_owned(),
                section("fast", "fast"),
                section("slow", "slow"),
                section("os_glance_staging_store", "staging"),
                section("os_glance_tasks_store", "tasks"),
            ];
            let named = more.iter().map(|(name, kind, _)| format!(", {name}:{kind}"));
            let named = named.collect::<String>();
            let more = more.iter().map(|(name, _, options)| format!("[{name}]\n{options}\n"));
            let sections = sections.into_iter().chain(more).collect::<String>();
            (format!("enabled_backends = fast:file, slow:file, web:http{named}\n"), sections)
        }
    }
}
