//! The commands of clients/openstackclient in the real `openstack`, in addition to `night`: many
//! images, and refusals.

use crate::support::crowd::{Fate, NOT_YET, ids};
use crate::support::daemon::{Service, Setup};
use crate::support::database::Kind;
use crate::support::keystone::{Keystone, Provider};
use crate::support::openstack::{OpenStack, column, set};
use crate::support::world::World;

/// A service that uses the shared Keystone but is not in its catalog; and how to call it.
async fn unlisted(keystone: &Keystone, count: usize) -> (World, Setup, Service, OpenStack) {
    let world = World::new(Kind::Sqlite).await;
    world.crowd(&ids("m", count), NOT_YET).await;
    let (ours, project) = keystone.user_with("service").await;
    let sections = format!("scrubber = false\n{}", keystone.authtoken(&ours, &project));
    let setup = Setup::with_callers(&world, &sections);
    let service = setup.serve().await;
    let openstack = OpenStack::of_the_admin(keystone);
    let openstack = openstack.with("OS_IMAGE_REVERT_ENDPOINT", &format!("http://{}", service.api));
    (world, setup, service, openstack)
}

#[tokio::test]
#[ignore = "needs a Keystone and the openstack command; make test"]
async fn more_than_a_page_is_listed_and_comes_back() {
    let keystone = Keystone::shared(Provider::Fernet).await;
    let (world, _setup, _service, openstack) = unlisted(keystone, 1100).await;
    let listed = openstack.json("image pending list");
    assert_eq!(column(&listed, "ID").len(), 1100);
    let some = openstack.json("image pending list --limit 1050 --sort scrub_at");
    assert_eq!(column(&some, "ID").len(), 1050);
    let done = openstack.json("image revert --since 2000-01-01 --yes");
    assert_eq!(column(&done, "ID").len(), 1100);
    assert_eq!(column(&done, "Outcome"), set(&["reverted"]));
    assert!(world.fates("m").await.values().all(|fate| *fate == Fate::KEPT));
    let again = openstack.run("image revert --since 2000-01-01 --yes");
    assert_eq!(again.exit, Some(0));
    assert!(again.stderr.contains("no image matches"), "{again:?}");
}

#[tokio::test]
#[ignore = "needs a Keystone and the openstack command; make test"]
async fn refusals_have_their_reason() {
    let keystone = Keystone::shared(Provider::Fernet).await;
    let (world, _setup, service, openstack) = unlisted(keystone, 1).await;
    for (words, exit, said) in [
        ("image pending show nope", 1, "(image.not_found, request req-"),
        ("image pending list --store nope", 1, "(request.invalid, request req-"),
        ("image pending list --since yesterday", 2, "write 2h, 3d (ago), now"),
        ("image pending list --limit 0", 2, "a number from 1 on"),
        ("image pending hold", 1, "Which images?"),
        ("image pending hold m-0000 --for soon", 2, "24h, 3d or 2h30m"),
        ("image pending hold m-0000 --until 2h", 2, "say --for 24h"),
        ("image revert", 1, "Which images?"),
        ("image revert --name web-*", 1, "Which images?"),
        ("image revert m-0000 --since 1h", 1, "Beside IDs nothing else"),
        ("image revert --since 1h --until 2h --yes", 1, "(request.invalid, request req-"),
    ] {
        let run = openstack.run(words);
        assert_eq!((run.exit, &*run.stdout), (Some(exit), ""), "{words}: {run:?}");
        assert!(run.stderr.contains(said), "{words}: {run:?}");
    }
    let partly = openstack.run("image pending hold m-0000 nope -f json");
    assert_eq!((partly.exit, partly.json()["done"].as_u64()), (Some(1), Some(1)), "{partly:?}");

    let (member, project) = keystone.user_with("member").await;
    let members = OpenStack::of_user(keystone, &member, &project);
    let unknown = members.run("image revert m-0000");
    let catalog = "The catalog has no public endpoint of the type image-revert";
    assert!(unknown.exit == Some(1) && unknown.stderr.contains(catalog), "{unknown:?}");
    let option = format!("--os-image-revert-endpoint http://{} image revert m-0000", service.api);
    let forbidden = members.run(&option);
    assert!(forbidden.stderr.contains("(auth.not_admin, request req-"), "{forbidden:?}");
    let mistaken =
        members.with("OS_IMAGE_REVERT_ENDPOINT", &keystone.url).run("image pending list");
    assert!(mistaken.stderr.contains("404, and not as glance-revert does"), "{mistaken:?}");
    assert!(world.fates("m").await.values().all(|fate| *fate == Fate::WAITS));
}
