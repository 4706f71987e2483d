//! The client of progenitor: every operation, a conflict, a refused caller.

use std::env;

use reqwest::header::{AUTHORIZATION, HeaderMap};

// A copy of openapi/openapi.json, laid here by tests/clients/run.
progenitor::generate_api!(spec = "openapi.json", interface = Builder);

fn variable(name: &str) -> String {
    env::var(name).expect(name)
}

fn client(headers: HeaderMap) -> Client {
    let http = reqwest::Client::builder().no_proxy().default_headers(headers).build().unwrap();
    Client::new_with_client(&variable("GLANCE_REVERT_URL"), http)
}

/// The status and the reason of a call that was refused.
fn refusal<T>(answer: Result<ResponseValue<T>, Error<types::Error>>) -> (u16, String) {
    match answer {
        Err(Error::ErrorResponse(refused)) => {
            (refused.status().as_u16(), refused.into_inner().error.reason)
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it was not refused"),
    }
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

    let plan = admin.get_scrub_plan().within(31_536_000).send().await.unwrap();
    assert_eq!(plan.images, 4);
    let request = types::AcceptRequest::builder().images(1);
    assert_eq!(admin.accept_scrub().body(request).send().await.unwrap().images, 1);

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
