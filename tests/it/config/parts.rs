//! Configurations with which Glance starts, and how this service treats them: a part that cannot be
//! used is skipped and reported; only what could activate a wrong image or destroy wrong data
//! prevents the start.

use glance_revert::auth::DemoIssuer;

use crate::config::upstream::ask;
use crate::support::binary::{ConfigFile, Run, glance_revert};
use crate::support::database::Kind;
use crate::support::world::World;

const ISSUER: &str = "https://issuer.example.org";

/// How a file is treated.
enum Becomes {
    /// `check` reports no wrong option.
    Good,
    /// `serve` starts, and `check` has a row for this part that names this option.
    Broken(&'static str, &'static str),
    /// Nothing starts; the error contains this text.
    Refused(&'static str),
}

use Becomes::{Broken, Good, Refused};

/// A name, lines that are added to a valid file, and the expected treatment. `FOLDER` is a folder
/// with images and account files.
const FILES: &[(&str, &str, Becomes)] = &[
    (
        "an S3 store without a bucket",
        "[glance_store]\nstores = file,s3\ns3_store_host = https://s3.example.org\n",
        Broken("store s3", "s3_store_bucket"),
    ),
    (
        "an S3 store with an empty host",
        "[glance_store]\nstores = file,s3\ns3_store_host =\ns3_store_bucket = glance\n",
        Broken("store s3", "s3_store_host"),
    ),
    (
        "an S3 backend with half of its keys",
        "[DEFAULT]\nenabled_backends = fast:file, far:s3\n[glance_store]\ndefault_backend = fast\n\
         [fast]\nfilesystem_store_datadir = FOLDER\n\
         [far]\ns3_store_host = https://s3.example.org\ns3_store_bucket = glance\n\
         s3_store_access_key = abc\n",
        Broken("store far", "[far] s3_store_secret_key"),
    ),
    (
        "the Swift of the sample file",
        "[glance_store]\nstores = file,swift\n\
         swift_store_auth_address = 127.0.0.1:5000/v2.0/\nswift_store_user = jdoe:jdoe\n\
         swift_store_key = a86850deb2742ec3cb41518e26aa2d89\n",
        Broken("store swift", "swift_store_auth_address"),
    ),
    (
        "a Swift store whose file of accounts is not there",
        "[glance_store]\nstores = file,swift\nswift_store_config_file = FOLDER/none.conf\n",
        Broken("store swift", "swift_store_config_file"),
    ),
    (
        "a Swift backend whose reference is not in its file",
        "[DEFAULT]\nenabled_backends = fast:file, far:swift\n\
         [glance_store]\ndefault_backend = fast\n[fast]\nfilesystem_store_datadir = FOLDER\n\
         [far]\nswift_store_config_file = FOLDER/accounts.conf\ndefault_swift_reference = ref7\n",
        Broken("store far", "[far] default_swift_reference"),
    ),
    (
        "a backend of a type that nobody has any more",
        "[DEFAULT]\nenabled_backends = fast:file, old:sheepdog\n\
         [glance_store]\ndefault_backend = fast\n[fast]\nfilesystem_store_datadir = FOLDER\n",
        Broken("store old", "enabled_backends"),
    ),
    ("a list of stores with a hole", "[glance_store]\nstores = file,,http\n", Good),
    ("a store that nobody has any more", "[glance_store]\nstores = file,sheepdog\n", Good),
    (
        "a CA of the http store that is not there",
        "[glance_store]\nstores = file,http\nhttps_ca_certificates_file = FOLDER/none.pem\n\
         [revert]\nhttp_verify_hosts = example.org\n",
        Broken("store http", "https_ca_certificates_file"),
    ),
    (
        "half a catalog entry of Cinder",
        "[glance_store]\nstores = file,cinder\ncinder_catalog_info = volume:cinder\n",
        Broken("store cinder", "cinder_catalog_info"),
    ),
    (
        "a Cinder that is called by its old name of a region",
        "[glance_store]\nstores = file,cinder\nos_region_name = RegionTwo\n",
        Good,
    ),
    (
        "a second data directory that is relative",
        "[DEFAULT]\nenabled_backends = fast:file, slow:file\n\
         [glance_store]\ndefault_backend = fast\n[fast]\nfilesystem_store_datadir = FOLDER\n\
         [slow]\nfilesystem_store_datadir = images\n",
        Broken("store slow", "filesystem_store_datadir"),
    ),
    (
        "a second backend whose folder has two priorities",
        "[DEFAULT]\nenabled_backends = fast:file, slow:file\n\
         [glance_store]\ndefault_backend = fast\n[fast]\nfilesystem_store_datadir = FOLDER\n\
         [slow]\nfilesystem_store_datadirs = FOLDER:1\nfilesystem_store_datadirs = FOLDER:2\n",
        Broken("store slow", "filesystem_store_datadirs"),
    ),
    (
        "a time-out of Ceph's that is no number",
        "[glance_store]\nstores = file,rbd\nrados_connect_timeout = never\n",
        Broken("store rbd", "rados_connect_timeout"),
    ),
    (
        "a folder below another option of Glance's",
        "[DEFAULT]\nimage_cache_dir = FOLDER\n\
         [glance_store]\nfilesystem_store_datadir = $image_cache_dir/images\n",
        Good,
    ),
    (
        "a folder below an option of Glance's that has its default",
        "[glance_store]\nfilesystem_store_datadir = /srv/${image_cache_driver}/$digest_algorithm\n",
        Good,
    ),
    (
        "a backend with the name of our own section",
        "[DEFAULT]\nenabled_backends = revert:file\n[glance_store]\ndefault_backend = revert\n\
         [revert]\nfilesystem_store_datadir = FOLDER\nfilesystem_thin_provisioning = true\n\
         store_description = that which comes back\n",
        Good,
    ),
    (
        "a Keystone with its address alone",
        "[keystone_authtoken]\nauth_url = http://127.0.0.1:1\n",
        Broken("keystone", "auth_type"),
    ),
    (
        "a login at Keystone that is not offered here",
        "[keystone_authtoken]\nauth_url = http://127.0.0.1:1\nauth_type = v3oidcpassword\n",
        Broken("keystone", "auth_type"),
    ),
    (
        "a user of Keystone's without a domain",
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:1\n\
         username = glance\npassword = pw\nproject_name = service\nproject_domain_id = default\n",
        Broken("keystone", "user_domain_name"),
    ),
    (
        "a CA that is not there, beside https",
        "[keystone_authtoken]\nauth_type = password\nauth_url = https://127.0.0.1:1\n\
         user_id = u\npassword = pw\nproject_id = p\ncafile = FOLDER/none.pem\n",
        Broken("keystone", "cafile"),
    ),
    (
        "a CA that is not there, beside http",
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:1\n\
         user_id = u\npassword = pw\nproject_id = p\ncafile = FOLDER/none.pem\n",
        Good,
    ),
    (
        "a certificate alone, beside http",
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:1\n\
         user_id = u\npassword = pw\nproject_id = p\ncertfile = FOLDER/none.pem\n",
        Good,
    ),
    (
        "a key of Keystone's certificate alone, beside https",
        "[keystone_authtoken]\nauth_type = password\nauth_url = https://127.0.0.1:1\n\
         user_id = u\npassword = pw\nproject_id = p\nkeyfile = FOLDER/none.pem\n",
        Good,
    ),
    (
        "a negative time for tokens",
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:1\n\
         user_id = u\npassword = pw\nproject_id = p\ntoken_cache_time = -5\n",
        Good,
    ),
    (
        "a Keystone in the words of ten years ago",
        "[keystone_authtoken]\nauth_plugin = v3password\nauth_url = http://127.0.0.1:1\n\
         user_name = glance\nuser_domain_name = Default\npassword = pw\n\
         tenant_name = service\nproject_domain_name = Default\n",
        Good,
    ),
    (
        "the same with dashes, in another section",
        "[keystone_authtoken]\nauth_section = service_user\n[service_user]\n\
         auth_plugin = password\nauth_url = http://127.0.0.1:1\nuser-name = glance\n\
         user_domain_name = Default\npassword = pw\ntenant-id = 0123\n",
        Good,
    ),
    (
        "a key of the wrong length",
        "[DEFAULT]\nmetadata_encryption_key = short\n",
        Refused("metadata_encryption_key"),
    ),
    (
        "a backend with a name that Glance keeps",
        "[DEFAULT]\nenabled_backends = fast:file, os_glance_x:file\n",
        Refused("os_glance_"),
    ),
    ("an option of ours, misspelled", "[revert]\nlock_wiat = 5\n", Refused("lock_wait")),
    (
        "a database in memory",
        "[database]\nconnection = sqlite://\n",
        Refused("[database] connection"),
    ),
    (
        "a retention rule that says nothing about which images",
        "[revert_retention:all]\norder = 1\nscrub_time = 7200\n",
        Refused("[revert_retention:all]"),
    ),
    (
        "an issuer of ours without its audiences",
        "[revert_jwt:other]\nissuer = https://other.example.org\n",
        Refused("audiences"),
    ),
];

fn configured(world: &World, more: &str) -> ConfigFile {
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 604800\n\
         [database]\nconnection = {}\n\
         [glance_store]\nfilesystem_store_datadir = {}\n\
         [revert_jwt:test]\nissuer = {ISSUER}\naudiences = glance-revert\n\
         jwks_file = FOLDER/keys.json\n{more}",
        world.db.url(),
        world.datadir().display()
    ));
    config.put("keys.json", &DemoIssuer::generate(ISSUER, "glance-revert").unwrap().jwks());
    config.put("accounts.conf", "[ref1]\nauth_address = https://k/v3\nuser = p:u\nkey = k\n");
    config
}

/// A part's row in the table of `check`, whose note may span several lines.
fn row<'a>(run: &'a Run, part: &str) -> Option<&'a str> {
    run.stdout.lines().map(str::trim_start).find(|line| line.starts_with(&format!("{part} ")))
}

/// The difference from the expected treatment, if there is one.
fn wrong(run: &Run, becomes: &Becomes) -> Option<String> {
    let told = format!("{} {}", run.stdout, run.stderr);
    let is_right = match becomes {
        Good => {
            let refused = run.exit == Some(64);
            let of_options = |line: &str| line.contains("BROKEN") && line.contains("] ");
            !refused && !run.stdout.lines().any(of_options)
        }
        Broken(part, option) => {
            let told = row(run, part).is_some_and(|r| r.contains("BROKEN") && r.contains(option));
            told && run.exit == Some(1)
        }
        Refused(why) => run.exit == Some(64) && told.contains(why),
    };
    (!is_right).then(|| format!("exit {:?}\n{told}", run.exit))
}

#[tokio::test]
async fn an_unusable_part_is_skipped_and_reported() {
    let world = World::new(Kind::Sqlite).await;
    let mut found = Vec::new();
    for (name, text, becomes) in FILES {
        let run = configured(&world, text).run(&["check"]);
        found.extend(wrong(&run, becomes).map(|wrong| format!("{name}: {wrong}")));
    }
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), FILES.len(), found.join("\n"));
}

/// A half-configured Swift, and an image with a location in it.
#[tokio::test]
async fn reverts_and_passes_skip_an_unusable_store_and_name_the_option() {
    let world = World::new(Kind::Sqlite).await;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    let elsewhere = "UPDATE image_locations SET value = 'swift+config://ref1/glance/a' \
                     WHERE image_id = 'a'";
    world.db.execute(elsewhere).await;
    let swift = "[glance_store]\nstores = file,swift\nswift_store_auth_address = 127.0.0.1:5000\n\
                 [DEFAULT]\nscrub_time = 3600\n";
    let config = configured(&world, swift);
    let run = config.run(&["revert", "a"]);
    let told = format!("{} {}", run.stdout, run.stderr);
    assert!(run.exit != Some(0) && told.contains("swift_store_auth_address"), "{run:?}");
    assert!(world.status("a").await.starts_with("pending_delete"));
    config.run(&["scrub"]);
    assert!(world.status("a").await.starts_with("pending_delete"), "its store cannot be used");
    assert!(world.status("b").await.starts_with("deleted"), "the other one's can");
}

/// Like libpq, the service reads the schema of the URL: tables of another schema are not Glance's.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn a_schema_that_the_url_names_is_the_schema_that_is_read() {
    let world = World::new(Kind::Postgres).await;
    world.deleted_image("a").await;
    let url = world.db.url();
    let with = |schema: &str| {
        let joint = if url.contains('?') { '&' } else { '?' };
        let more =
            format!("[database]\nconnection = {url}{joint}options=-csearch_path%3D{schema}\n");
        configured(&world, &more).run(&["list", "--json"])
    };
    assert_eq!(with("public").json_lines()[0]["id"], "a");
    let run = with("nowhere");
    assert!(run.exit != Some(0) && !run.stdout.contains("\"a\""), "{run:?}");
}

/// The real Glance starts with these files, except with those that nothing starts with.
#[tokio::test]
#[ignore = "needs the Python environment of make test"]
async fn glance_starts_with_each_of_these_files_too() {
    let world = World::new(Kind::Sqlite).await;
    let starting = FILES.iter().filter(|(_, _, becomes)| !matches!(becomes, Refused(_)));
    let (names, configured): (Vec<&str>, Vec<ConfigFile>) =
        starting.map(|(name, text, _)| (*name, configured(&world, text))).unzip();
    let files: Vec<_> = configured.iter().map(|config| config.file("glance.conf")).collect();
    let files: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let starts = ask(&files).starts;
    let refused = names.iter().zip(starts).filter_map(|(name, why)| Some((name, why?)));
    let refused: Vec<_> = refused.collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_later_file_or_folder_overrides_an_earlier_one() {
    let other = tempfile::tempdir().unwrap();
    let folder = other.path().to_str().unwrap();
    std::fs::write(other.path().join("1.conf"), "[revert]\nlog_format = folder\n").unwrap();
    std::fs::write(other.path().join("file"), "[revert]\nlog_format = file\n").unwrap();
    let (dir, file) = (format!("--config-dir={folder}"), format!("--config-file={folder}/file"));
    for (arguments, last) in [
        (["check", &dir, &file], "\"file\""),
        (["check", &file, &dir], "\"folder\""),
        ([&file, "check", &dir], "\"folder\""),
        ([&dir, "check", &file], "\"file\""),
    ] {
        let run = glance_revert(&arguments);
        assert!(run.stderr.contains(last), "{arguments:?}: {run:?}");
    }
}
