//! How `/ui` is served. `tests/ui` tests the page itself in a browser.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::api::{Answer, TestApi};

/// Size limit of all files together, as they are sent.
const MOST: usize = 150_000;

async fn get(api: &TestApi, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Body::empty()).unwrap()).await
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.bytes).unwrap()
}

/// The text after each occurrence of `before`, up to the next quote.
fn quoted(text: &str, before: &str) -> Vec<String> {
    let parts = text.split(before).skip(1);
    parts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The page, and all files that it loads, directly or not.
async fn files(api: &TestApi) -> Vec<String> {
    let page = api.get_anonymously("/ui/").await;
    let mut found = quoted(text(&page), "href=\"");
    found.extend(quoted(text(&page), "src=\""));
    found.retain(|name| !name.starts_with('#'));
    let mut next = 0;
    while let Some(name) = found.get(next).cloned() {
        next += 1;
        let file = api.get_anonymously(&format!("/ui/{name}")).await;
        assert_eq!(file.status, StatusCode::OK, "{name}");
        for import in quoted(text(&file), " from \"./") {
            if !found.contains(&import) {
                found.push(import);
            }
        }
    }
    found.push(String::new());
    found
}

#[tokio::test]
async fn the_page_and_all_its_files_come_from_the_service_under_a_policy_that_allows_no_other() {
    let api = TestApi::new();
    assert_eq!(api.get_anonymously("/ui").await.header("location"), Some("ui/"));
    let files = files(&api).await;
    assert!(files.len() > 10, "{files:?}");
    for name in files {
        let file = api.get_anonymously(&format!("/ui/{name}")).await;
        let policy = file.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.split("; ").any(|one| one.trim() == part), "{name}: {part}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        let hash = STANDARD.encode(digest(&SHA256, style_of_the_page(&api).await.as_bytes()));
        let styles = format!("; style-src 'self' 'sha256-{hash}'; ");
        assert!(policy.contains(&styles), "{name}: {styles}: {policy}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(file.header("cache-control"), Some("no-cache"));
        let text = text(&file).replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://"), "{name} names another place");
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "localStorage"] {
            assert!(!text.contains(way), "{name} has {way}");
        }
    }
}

/// What is between the page's `<style>` and `</style>`.
async fn style_of_the_page(api: &TestApi) -> String {
    let page = api.get_anonymously("/ui/").await;
    let (_, style) = text(&page).split_once("<style>").unwrap();
    style.split_once("</style>").unwrap().0.to_owned()
}

#[tokio::test]
async fn the_page_has_no_script_and_one_style_in_its_text() {
    let api = TestApi::new();
    let page = api.get_anonymously("/ui/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let page = text(&page);
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains("<script type=\"module\" src=\"main.js\"></script>"));
    assert_eq!(page.matches("<style").count(), 1);
    assert!(!page.contains(" style="));
    let is_handler = |word: &str| word.starts_with("on") && word.contains("=\"");
    assert!(!page.split_whitespace().any(is_handler));
}

#[tokio::test]
async fn all_of_it_is_small_where_the_browser_takes_gzip() {
    let api = TestApi::new();
    let mut sum = 0;
    for name in files(&api).await {
        let uri = format!("/ui/{name}");
        let plain = get(&api, &uri, &[]).await;
        let small = get(&api, &uri, &[("accept-encoding", "deflate, gzip;q=0.5, br")]).await;
        assert_eq!(small.header("content-encoding"), Some("gzip"), "{name}");
        assert_eq!(small.header("vary"), Some("accept-encoding"));
        assert_eq!(small.bytes[..2], [0x1f, 0x8b]);
        assert_ne!(small.header("etag"), plain.header("etag"));
        assert_eq!(plain.header("content-encoding"), None);
        sum += small.bytes.len();
        let refused = get(&api, &uri, &[("accept-encoding", "gzip;q=0, identity")]).await;
        assert_eq!(refused.header("content-encoding"), None);
    }
    assert!(sum < MOST, "{sum}");
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_not_sent_it_again() {
    let api = TestApi::new();
    let first = get(&api, "/ui/main.js", &[("accept-encoding", "gzip")]).await;
    let tag = first.header("etag").unwrap();
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let asked = [("accept-encoding", "gzip"), ("if-none-match", known.as_str())];
        let again = get(&api, "/ui/main.js", &asked).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{known}");
        assert!(again.bytes.is_empty());
        assert_eq!(again.header("etag"), Some(tag));
    }
    let plain = get(&api, "/ui/main.js", &[("if-none-match", tag)]).await;
    assert_eq!(plain.status, StatusCode::OK);
    let other = get(&api, "/ui/style.css", &[("if-none-match", tag)]).await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn ui_false_removes_it() {
    let api = TestApi::with(|state| state.view.settings.ui = false);
    for uri in ["/ui", "/ui/", "/ui/main.js"] {
        api.get_anonymously(uri).await.assert_error(404, "uri.not_found");
    }
    let api = TestApi::new();
    api.get_anonymously("/ui/nothing.js").await.assert_error(404, "uri.not_found");
    let request = Request::post("/ui/main.js").body(Body::empty()).unwrap();
    api.send(request).await.assert_error(405, "request.method_not_allowed");
}
