//! An operator's night with OpenStack's tools: a real Keystone knows the caller and the service's
//! endpoint, a real Glance deletes the images and shows them again.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::support::ansible;
use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::Kind;
use crate::support::glance::{GlanceOptions, Stores};
use crate::support::keystone::{Keystone, Provider};
use crate::support::openstack::{OpenStack, column, set};

/// A name that a project member may set.
const HOSTILE: &str = "web-3 \u{1b}]0;X\u{7}\u{1b}[2J\r\nrow\u{202e}";
const SHOWN: &str = "web-3 \\u001b]0;X\\u0007\\u001b[2J\\r\\nrow\\u202e";
const MISSING: &str = "image.data_missing";

/// A cloud whose Keystone has every endpoint.
async fn cloud(keystone: &Keystone) -> Cloud {
    let (ours, project) = keystone.user_with("service").await;
    let options = GlanceOptions { stores: Stores::Multi, scrub_time: 3600, ..Default::default() };
    let more = keystone.authtoken(&ours, &project);
    let cloud = Cloud::start_with(Kind::Sqlite, options, &more).await;
    keystone.publish("identity", &format!("{}/v3", keystone.url)).await;
    keystone.publish("image-revert", &format!("{}/v2/", cloud.service.base())).await;
    cloud
}

/// Creates an image of a project and deletes it in Glance.
async fn deleted(cloud: &Cloud, project: &str, name: &str) -> String {
    let owner = cloud.glance.member_of(project);
    let image = json!({"name": name, "disk_format": "raw", "container_format": "bare"});
    let id = owner.create_image(&image).await["id"].as_str().unwrap().to_owned();
    owner.upload_to(&id, "fast", SMALL).await;
    owner.delete(&id).await;
    id
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Glance, a Keystone and the openstack command; make test"]
async fn the_whole_night_goes_by_the_openstack_command() {
    let keystone = Keystone::start(Provider::Fernet, Duration::from_hours(1)).await;
    let cloud = cloud(&keystone).await;
    let name = keystone.name("web");
    let web = keystone.create("projects", json!({"name": name, "domain_id": "default"})).await;
    let other = keystone.project().await;
    cloud.image("fast", SMALL).await;
    let one = deleted(&cloud, &web, "web-1").await;
    let lost = deleted(&cloud, &web, "web-2").await;
    let hostile = deleted(&cloud, &web, HOSTILE).await;
    let others = deleted(&cloud, &other, "db").await;
    fs::remove_file(cloud.glance.datadir("fast").join(&lost)).unwrap();
    let openstack = OpenStack::of_the_admin(&keystone);

    // stop
    let paused = openstack.json("image scrubber pause --for 2h --reason mistake");
    assert_eq!((&paused["reason"], &paused["claims_in_hand"]), (&json!("mistake"), &json!(0)));
    assert_eq!(openstack.json("image scrubber status")["pause"]["reason"], "mistake");

    // see
    let listed = openstack.json(&format!("image pending list --owner {name} --since 1h --long"));
    assert_eq!(column(&listed, "Name"), set(&["web-1", "web-2", HOSTILE]));
    assert_eq!(column(&listed, "Project"), set(&[&web]));
    assert_eq!(column(&listed, "Visibility"), set(&["shared"]));
    for (format, escapes) in [("table", "\\"), ("value", "\\"), ("csv", "\\\\")] {
        let run = openstack.run(&format!("image pending list -f {format} -c Name -c ID"));
        assert!(run.stdout.contains(&SHOWN.replace('\\', escapes)), "{run:?}");
        assert!(!run.stdout.contains(|c: char| c.is_control() && c != '\n'), "{run:?}");
        assert_eq!(run.stdout.matches(&hostile).count(), 1);
    }
    let groups = openstack.json("image pending summary --group project --group store");
    assert_eq!(column(&groups, "Project"), set(&[&web, &other]));
    assert_eq!(column(&groups, "Images"), set(&["1", "3"]));
    assert_eq!(column(&groups, "Store"), set(&["fast"]));
    let shown = openstack.json(&format!("image pending show {lost}"));
    assert_eq!((&shown["revertible"], &shown["reason"]), (&json!(false), &json!(MISSING)));
    assert_eq!(shown["locations"][0]["data"], "missing");

    // hold
    let held = openstack.json(&format!("image pending hold --owner {name} --reason mistake"));
    assert_eq!((&held["images"], &held["done"]), (&json!(3), &json!(3)));
    let released = openstack.json(&format!("image pending release {one} {one}"));
    assert_eq!(released["done"], 1);
    let plan = openstack.json("image scrubber plan --within 3h");
    assert_eq!((&plan["images"], &plan["stopped"][0]["reason"]), (&json!(2), &json!("held")));
    assert_eq!(openstack.json("image scrubber status")["held_images"], 2);

    // plan
    let revert = format!("image revert --owner {name} --since 1h --name web-*");
    let unasked = openstack.run(&revert);
    assert_eq!((unasked.exit, &*unasked.stdout), (Some(1), ""));
    assert!(unasked.stderr.contains("3 images would come back: say --yes"), "{unasked:?}");
    let refused = openstack.on_terminal(&revert, "n\n");
    assert_eq!(refused.exit, Some(1));
    assert!(refused.stdout.contains("Take 3 images back? [y/N] "), "{refused:?}");
    assert!(refused.stdout.contains("Nothing was changed."), "{refused:?}");
    let tried = openstack.run(&format!("{revert} --dry-run -f json"));
    assert_eq!(tried.exit, Some(1), "one is lost");
    assert_eq!(column(&tried.json(), "Outcome"), set(&["would be reverted", "failed"]));
    assert_eq!(column(&openstack.json("image pending list"), "ID").len(), 4, "all wait still");

    // bring back, verify, prove
    let done = openstack.on_terminal(&format!("{revert} --protect -f json"), "y\n");
    assert_eq!(done.exit, Some(1), "one is lost: {done:?}");
    assert_eq!(done.stdout.matches("\"Outcome\": \"reverted\"").count(), 2, "{done:?}");
    assert!(done.stdout.contains(MISSING), "{done:?}");
    let reverted = openstack.json(&format!("image revert {others}"));
    assert_eq!(reverted[0]["Restored"]["locations"], 1);
    for id in [&one, &hostile, &others] {
        assert_eq!(cloud.admin().download(id).await, (200, SMALL.to_vec()));
    }
    assert_eq!(cloud.admin().show(&one).await.1["protected"], true);
    assert_eq!(openstack.json("image scrubber resume"), json!({"was_paused": true}));
    assert_eq!(openstack.json("image scrubber accept 1"), json!({"images": 1}));
    let audit = openstack.json("image revert audit --operation revertImage --since 1h --long");
    assert_eq!(column(&audit, "Image ID"), set(&[&one, &hostile, &others]));
    assert_eq!(column(&audit, "Actor Name"), set(&["admin"]));
    let all = column(&openstack.json("image revert audit"), "Operation");
    let orders = ["pauseScrubber", "resumeScrubber", "acceptScrub", "revertImage"];
    assert!(orders.iter().all(|order| all.contains(*order)), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Glance, a Keystone and Ansible; make test"]
async fn the_playbook_of_the_night_brings_a_project_back() {
    let keystone = Keystone::start(Provider::Fernet, Duration::from_hours(1)).await;
    let cloud = cloud(&keystone).await;
    let token = keystone.admin_token().await;
    let environment =
        [("OS_IMAGE_REVERT_ENDPOINT", cloud.service.base()), ("OS_TOKEN", token.as_str())];
    let play = |project: &str, more: &[&str]| {
        let owner = format!("owner={project}");
        let arguments = ["-e", &owner, "-e", "since=2026-01-01T00:00:00Z"];
        ansible::play("night.yml", &environment, &[&arguments, more].concat())
    };
    let is_paused = async || cloud.service.get("/v2/scrubber").await.body["pause"].is_object();

    let kept = deleted(&cloud, "web", "kept").await;
    let other = deleted(&cloud, "db", "other").await;
    let tried = play("web", &["--check"]);
    assert_eq!(tried.exit, Some(0), "{tried:?}");
    assert!(tried.stdout.contains("\"images\": 1"), "{tried:?}");
    assert_eq!(cloud.admin().show(&kept).await.0, 404, "it only looked");
    assert!(!is_paused().await);

    let played = play("web", &[]);
    assert_eq!(played.exit, Some(0), "{played:?}");
    assert_eq!(cloud.admin().download(&kept).await, (200, SMALL.to_vec()));
    assert_eq!(cloud.admin().show(&kept).await.1["protected"], true);
    assert_eq!(cloud.admin().show(&other).await.0, 404, "of another project");
    assert!(played.stdout.contains(&kept), "the audit names it: {played:?}");
    assert!(!is_paused().await, "ended");

    let back = deleted(&cloud, "web", "debian").await;
    let lost = deleted(&cloud, "web", "debian").await;
    fs::remove_file(cloud.glance.datadir("fast").join(&lost)).unwrap();
    let played = play("web", &["-e", "protect=false", "-e", "images=deb*"]);
    assert_eq!(played.exit, Some(2), "{played:?}");
    assert!(played.stdout.contains(MISSING), "{played:?}");
    assert_eq!(cloud.admin().show(&back).await.1["protected"], false);
    assert!(is_paused().await, "until somebody has looked at the one that is lost");

    // the first images cannot come back, and they are more than one request tries
    let gone = [deleted(&cloud, "mail", "gone").await, deleted(&cloud, "mail", "gone").await];
    let behind = [deleted(&cloud, "mail", "behind").await, deleted(&cloud, "mail", "behind").await];
    for id in &gone {
        fs::remove_file(cloud.glance.datadir("fast").join(id)).unwrap();
    }
    let played = play("mail", &["-e", "at_once=1"]);
    assert_eq!(played.exit, Some(2), "{played:?}");
    for id in &behind {
        assert_eq!(cloud.admin().download(id).await, (200, SMALL.to_vec()), "{played:?}");
    }
    for id in &gone {
        assert!(played.stdout.contains(&format!("{id}: {MISSING}")), "{played:?}");
    }

    let refused = ansible::play(
        "night.yml",
        &[("OS_TOKEN", "none"), environment[0]],
        &["-e", "owner=web", "-e", "since=2026-01-01T00:00:00Z", "--check"],
    );
    assert!(refused.exit == Some(2) && refused.stdout.contains("auth."), "{refused:?}");
}
