//! The audit list over HTTP.

use glance_revert::domain::audit::AuditRow;
use glance_revert::domain::tables::TablesState;
use serde_json::{Map, Value, json};

use crate::support::api::TestApi;
use crate::support::images::time;

const FIRST: &str = "019aac1f-8d2f-7a3c-9b1e-0a4f6c2d8e5b";

fn row(id: &str) -> AuditRow {
    let some = |text: &str| Some(text.to_owned());
    let details: Map<String, Value> =
        [("options".to_owned(), json!("verify=exists"))].into_iter().collect();
    AuditRow {
        id: id.to_owned(),
        at: time("2026-11-22T13:20:01.327"),
        operation: "revertImage".to_owned(),
        outcome: "success".to_owned(),
        image_id: some("a"),
        owner: some("p1"),
        name: None,
        actor: "u1".to_owned(),
        actor_name: some("alice"),
        actor_issuer: some("keystone"),
        actor_method: some("keystone"),
        actor_scope: None,
        source: "api".to_owned(),
        host: some("h1"),
        request_id: some("req-1"),
        details,
    }
}

fn present(rows: &[&str]) -> TestApi {
    let api = TestApi::new();
    api.tables.set(TablesState::Present);
    *api.tables.audit.lock().unwrap() = rows.iter().map(|id| row(id)).collect();
    api
}

#[tokio::test]
async fn without_the_tables_the_response_says_how_to_create_them() {
    let answer = TestApi::new().get("/v2/audit").await;
    answer.assert_error(409, "tables.missing");
    assert!(answer.message().contains("glance-revert db sync"), "{}", answer.message());
}

#[tokio::test]
async fn an_entry_has_all_of_its_columns() {
    let page = present(&[FIRST]).get("/v2/audit").await.json();
    let expected = json!({
        "audit": [{
            "id": FIRST, "at": "2026-11-22T13:20:01.327000Z", "operation": "revertImage",
            "outcome": "success", "image_id": "a", "owner": "p1", "name": null, "actor": "u1",
            "actor_name": "alice", "actor_issuer": "keystone", "actor_method": "keystone",
            "actor_scope": null, "source": "api", "host": "h1", "request_id": "req-1",
            "details": {"options": "verify=exists"}
        }],
        "first": "/v2/audit"
    });
    assert_eq!(page, expected);
}

#[tokio::test]
async fn a_full_page_links_to_the_next_with_all_filters() {
    let second = FIRST.replace("8e5b", "8e5a");
    let api = present(&[FIRST, &second]);
    let page =
        api.get("/v2/audit?limit=1&actor=u%261&operation=revertImage&image_id=a").await.json();
    assert_eq!(page["audit"].as_array().unwrap().len(), 1);
    let filters = "/v2/audit?limit=1&image_id=a&actor=u%261&operation=revertImage";
    assert_eq!(page["first"], filters);
    let next = page["next"].as_str().unwrap().to_owned();
    assert_eq!(next, format!("{filters}&marker={FIRST}"));
    assert_eq!(api.get(&next).await.status, 200);
    let asked = api.tables.asked.lock().unwrap().clone().unwrap();
    assert_eq!((asked.actor.as_deref(), asked.limit), (Some("u&1"), 2));
    assert_eq!(asked.marker.as_deref(), Some(FIRST));
}

#[tokio::test]
async fn times_are_handed_on_in_utc() {
    let api = present(&[]);
    api.get("/v2/audit?after=2026-11-22T12:00:00Z&before=2026-11-22T14:00:00%2B01:00").await;
    let asked = api.tables.asked.lock().unwrap().clone().unwrap();
    assert_eq!(asked.after, Some(time("2026-11-22T12:00:00")));
    assert_eq!(asked.before, Some(time("2026-11-22T13:00:00")));
}

#[tokio::test]
async fn parameters_that_cannot_be_used_are_refused() {
    for query in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "marker=first",
        "marker=019AAC1F-8D2F-7A3C-9B1E-0A4F6C2D8E5B",
        "marker=0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a",
        "image_id=a%20b",
        "actor=%00",
        "operation=%00",
        "after=yesterday",
        "before=now",
        "owner=p1",
    ] {
        let answer = present(&[]).get(&format!("/v2/audit?{query}")).await;
        answer.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn nobody_but_admins_reads_the_audit() {
    let api = present(&[FIRST]);
    api.get_anonymously("/v2/audit").await.assert_error(401, "auth.token_missing");
}
