//! The client of progenitor: every operation, a conflict, a refused caller.

use std::env;

use reqwest::header::{AUTHORIZATION, HeaderMap};

// A copy of openapi/openapi.json, made by tests/clients/run.
progenitor::generate_api!(spec = "openapi.json", interface = Builder);

fn variable(name: &str) -> String {
    env::var(name).expect(name)
}

fn client(headers: HeaderMap) -> Client {
    let http = reqwest::Client::builder().no_proxy().default_headers(headers).build().unwrap();
    Client::new_with_client(&variable("GLANCE_REVERT_URL"), http)
}

/// The status and reason of a refused call.
fn refusal<T>(answer: Result<ResponseValue<T>, Error<types::Error>>) -> (u16, String) {
    match answer {
        Err(Error::ErrorResponse(refused)) => {
            (refused.status().as_u16(), refused.into_inner().error.reason)
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// The steps of an operator's night: stop, see, plan, bring back, release, prove.
async fn night(admin: &Client) {
    let (project, kernel) = (variable("GLANCE_REVERT_PROJECT"), variable("GLANCE_REVERT_KERNEL"));
    let lost: i64 = variable("GLANCE_REVERT_LOST").parse().unwrap();
    let why = types::TermRequest::builder().reason(Some("deleted by mistake".to_owned()));
    let paused = admin.pause_scrubber().body(why).send().await.unwrap();
    assert_eq!(paused.claims_in_hand, 0);
    assert_eq!(admin.get_scrubber().send().await.unwrap().state, "paused");

    let summary = admin.summarize_pending_deletes().group_by("burst").send().await.unwrap();
    let burst = &summary.groups[0];
    assert_eq!((burst.project.as_ref(), burst.images), (Some(&project), lost));
    let retained = admin.list_retained_images().limit(2).send().await.unwrap();
    assert!(retained.retained_images.is_empty());
    let plan = admin.get_scrub_plan().within(31_536_000).send().await.unwrap();
    assert!(plan.images > lost);
    let request = types::AcceptRequest::builder().images(1);
    assert_eq!(admin.accept_scrub().body(request).send().await.unwrap().images, 1);
    let until_released = types::TermRequest::builder();
    let held = admin.hold_image().image_id(&kernel).body(until_released).send().await.unwrap();
    assert_eq!(held.hold.until, None);
    assert!(admin.release_image().image_id(&kernel).send().await.unwrap().was_held);
    let (owner, since) = (Some(project.clone()), Some(burst.first_deleted_at));
    let holds = types::HoldRequest::builder().owner(owner.clone()).deleted_after(since);
    assert_eq!(admin.hold_images().body(holds).send().await.unwrap().done, lost);
    let releases = types::ReleaseRequest::builder().owner(owner.clone());
    assert_eq!(admin.release_images().body(releases).send().await.unwrap().done, lost);

    let selection = types::BulkRevertRequest::builder().owner(owner).deleted_after(since);
    let dry_run = selection.clone().dry_run(true);
    let planned = admin.bulk_revert().body(dry_run).send().await.unwrap();
    assert_eq!((planned.dry_run, planned.counts.reverted), (true, lost));
    let expected = selection.expected_count(Some(lost));
    let done = admin.bulk_revert().body(expected).send().await.unwrap();
    assert_eq!((done.counts.reverted, done.remaining, &done.marker), (lost, 0, &None));
    let is_whole = |restored: &types::BulkRevertRestored| restored.tags == 1;
    assert!(done.results.iter().all(|one| one.restored.as_ref().is_some_and(is_whole)));

    let audit = admin.list_audit().operation("revertImage").limit(1000).send().await.unwrap();
    assert_eq!((audit.audit.len() as i64, audit.audit[0].owner.as_ref()), (lost, Some(&project)));
    assert!(admin.resume_scrubber().send().await.unwrap().was_paused);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (golden, alive) = (variable("GLANCE_REVERT_GOLDEN"), variable("GLANCE_REVERT_ALIVE"));
    let nobody = client(HeaderMap::new());
    let mut headers = HeaderMap::new();
    let token = format!("Bearer {}", variable("GLANCE_REVERT_TOKEN"));
    headers.insert(AUTHORIZATION, token.parse().unwrap());
    let admin = client(headers);

    assert_eq!(nobody.get_versions().send().await.unwrap().versions[0].id, "v2.0");
    assert_eq!(nobody.list_versions().send().await.unwrap().versions[0].id, "v2.0");
    assert_eq!(nobody.get_v2().send().await.unwrap().versions[0].id, "v2.0");
    assert_eq!(nobody.get_openapi().send().await.unwrap().openapi, "3.0.3");

    let page = admin.list_pending_deletes().limit(2).send().await.unwrap();
    assert_eq!(page.pending_deletes.len(), 2);
    assert!(page.next.as_ref().unwrap().starts_with("/v2/pending-deletes?"));
    let newest = page.pending_deletes[0].deleted_at;
    let newest = admin.list_pending_deletes().deleted_after(newest).send().await.unwrap();
    assert_eq!(newest.pending_deletes.len(), 1);
    let preview = admin.get_pending_delete().image_id(&golden).send().await.unwrap();
    assert!(preview.revertible);
    assert_eq!(preview.locations[0].data, "present");

    night(&admin).await;

    let revert = |image: &str| admin.revert_image().image_id(image);
    let dry_run = types::RevertRequest::builder().dry_run(true);
    let tried = revert(&golden).body(dry_run).send().await.unwrap();
    assert_eq!(tried.headers()["OpenStack-Image-Revert-Dry-Run"], "true");
    let whole = types::RevertRequest::builder();
    let image = revert(&golden).body(whole.clone()).send().await.unwrap();
    assert_eq!((image.status.as_str(), image.virtual_size), ("active", None));
    assert_eq!(image.extra["os_distro"], "debian");

    let conflict = refusal(revert(&alive).body(whole.clone()).send().await);
    assert_eq!(conflict, (409, "image.already_active".to_owned()));
    let refused = nobody.revert_image().image_id(&golden).body(whole).send().await;
    assert_eq!(refusal(refused), (401, "auth.token_missing".to_owned()));
}
