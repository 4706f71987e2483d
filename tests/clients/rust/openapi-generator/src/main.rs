//! The client of openapi-generator's `rust`: every operation, a conflict, a refused caller.

use std::env;

use glance_revert_client::apis::configuration::Configuration;
use glance_revert_client::apis::{
    Error, images_api, pending_deletes_api, scrubber_api, versions_api,
};
use glance_revert_client::models::{AcceptRequest, RevertRequest};

fn variable(name: &str) -> String {
    env::var(name).expect(name)
}

/// The status and the reason of a call that was refused.
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
            &admin, limit, None, None, None, after, None, None,
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

    let plan = scrubber_api::get_scrub_plan(&admin, Some(31_536_000)).await.unwrap();
    assert_eq!(plan.images, 4);
    let accepted = scrubber_api::accept_scrub(&admin, AcceptRequest::new(1)).await.unwrap();
    assert_eq!(accepted.images, 1);

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
