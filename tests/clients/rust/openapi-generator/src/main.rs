//! The client of openapi-generator's `rust`: every operation, a conflict, a refused caller.

use std::env;

use glance_revert_client::apis::configuration::Configuration;
use glance_revert_client::apis::{
    Error, audit_api, images_api, pending_deletes_api, scrubber_api, versions_api,
};
use glance_revert_client::models::{
    AcceptRequest, BulkRevertRequest, BulkRevertRestored, HoldRequest, ReleaseRequest,
    RevertRequest, TermRequest,
};

fn variable(name: &str) -> String {
    env::var(name).expect(name)
}

/// The status and reason of a refused call.
fn refusal<T, E>(answer: Result<T, Error<E>>) -> (u16, String) {
    match answer {
        Err(Error::ResponseError(refused)) => {
            let body: glance_revert_client::models::Error =
                serde_json::from_str(&refused.content).expect("the error body");
            (refused.status.as_u16(), body.error.reason)
        }
        Err(_) | Ok(_) => panic!("it was not refused"),
    }
}

/// The steps of an operator's night: stop, see, plan, bring back, release, prove.
async fn night(admin: &Configuration) {
    let (project, kernel) = (variable("GLANCE_REVERT_PROJECT"), variable("GLANCE_REVERT_KERNEL"));
    let lost: i64 = variable("GLANCE_REVERT_LOST").parse().unwrap();
    let why = TermRequest { reason: Some("deleted by mistake".to_owned()), ..TermRequest::new() };
    let paused = scrubber_api::pause_scrubber(admin, Some(why)).await.unwrap();
    assert_eq!(paused.claims_in_hand, 0);
    assert_eq!(scrubber_api::get_scrubber(admin).await.unwrap().state, "paused");

    let summary = pending_deletes_api::summarize_pending_deletes(
        admin,
        Some("burst"),
        None,
        None,
        None,
        None,
        None,
        None,
    );
    let burst = summary.await.unwrap().groups.remove(0);
    assert_eq!((burst.project.as_ref(), burst.images), (Some(&project), lost));
    let since = Some(burst.first_deleted_at);
    let retained = pending_deletes_api::list_retained_images(
        admin,
        Some(2),
        None,
        None,
        None,
        None,
        None,
    );
    assert!(retained.await.unwrap().retained_images.is_empty());
    let plan = scrubber_api::get_scrub_plan(admin, Some(31_536_000)).await.unwrap();
    assert!(plan.images > lost);
    let accepted = scrubber_api::accept_scrub(admin, AcceptRequest::new(1)).await.unwrap();
    assert_eq!(accepted.images, 1);
    let held = pending_deletes_api::hold_image(admin, &kernel, None).await.unwrap();
    assert_eq!(held.hold.until, None);
    assert!(pending_deletes_api::release_image(admin, &kernel).await.unwrap().was_held);
    let owner = Some(project.clone());
    let holds = HoldRequest { owner: owner.clone(), deleted_after: since, ..HoldRequest::new() };
    assert_eq!(pending_deletes_api::hold_images(admin, holds).await.unwrap().done, lost);
    let releases = ReleaseRequest { owner: owner.clone(), ..ReleaseRequest::new() };
    assert_eq!(pending_deletes_api::release_images(admin, releases).await.unwrap().done, lost);

    let selection =
        BulkRevertRequest { owner, deleted_after: since, ..BulkRevertRequest::new() };
    let dry_run = BulkRevertRequest { dry_run: Some(true), ..selection.clone() };
    let planned = pending_deletes_api::bulk_revert(admin, dry_run).await.unwrap();
    assert_eq!((planned.dry_run, planned.counts.reverted), (true, lost));
    let expected = BulkRevertRequest { expected_count: Some(lost), ..selection };
    let done = pending_deletes_api::bulk_revert(admin, expected).await.unwrap();
    assert_eq!((done.counts.reverted, done.remaining, done.marker), (lost, 0, None));
    let is_whole = |restored: &BulkRevertRestored| restored.tags == 1;
    assert!(done.results.iter().all(|one| one.restored.as_deref().is_some_and(is_whole)));

    let operation = Some("revertImage");
    let audit = audit_api::list_audit(admin, Some(1000), None, None, None, operation, None, None);
    let audit = audit.await.unwrap().audit;
    assert_eq!((audit.len() as i64, audit[0].owner.as_ref()), (lost, Some(&project)));
    assert!(scrubber_api::resume_scrubber(admin).await.unwrap().was_paused);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (golden, alive) = (variable("GLANCE_REVERT_GOLDEN"), variable("GLANCE_REVERT_ALIVE"));
    let nobody = Configuration { base_path: variable("GLANCE_REVERT_URL"), ..Configuration::new() };
    let token = Some(variable("GLANCE_REVERT_TOKEN"));
    let admin = Configuration { bearer_access_token: token, ..nobody.clone() };

    assert_eq!(versions_api::get_versions(&nobody).await.unwrap().versions[0].id, "v2.0");
    assert_eq!(versions_api::list_versions(&nobody).await.unwrap().versions[0].id, "v2.0");
    assert_eq!(versions_api::get_v2(&nobody).await.unwrap().versions[0].id, "v2.0");
    assert_eq!(versions_api::get_openapi(&nobody).await.unwrap().openapi, "3.0.3");

    let list = async |limit, after| {
        let page = pending_deletes_api::list_pending_deletes(
            &admin, limit, None, None, None, None, None, None, None, after, None, None,
        );
        page.await.unwrap()
    };
    let page = list(Some(2), None).await;
    assert_eq!(page.pending_deletes.len(), 2);
    assert!(page.next.unwrap().starts_with("/v2/pending-deletes?"));
    let newest = list(None, Some(page.pending_deletes[0].deleted_at)).await;
    assert_eq!(newest.pending_deletes.len(), 1);
    let preview = pending_deletes_api::get_pending_delete(&admin, &golden).await.unwrap();
    assert!(preview.revertible);
    assert_eq!(preview.locations[0].data, "present");

    night(&admin).await;

    let dry_run = RevertRequest { dry_run: Some(true), ..RevertRequest::new() };
    let tried = images_api::revert_image(&admin, &golden, Some(dry_run)).await.unwrap();
    assert_eq!(tried.status, "active");
    let image = images_api::revert_image(&admin, &golden, None).await.unwrap();
    assert_eq!((image.status.as_str(), image.virtual_size), ("active", None));
    assert_eq!(image.properties["os_distro"], "debian");

    let conflict = refusal(images_api::revert_image(&admin, &alive, None).await);
    assert_eq!(conflict, (409, "image.already_active".to_owned()));
    let refused = refusal(images_api::revert_image(&nobody, &golden, None).await);
    assert_eq!(refused, (401, "auth.token_missing".to_owned()));
}
