//! `/ui`: the operators' page, compiled in. It uses only the public API; files of `ui/assets` are
//! served unchanged, compressed once.

use std::borrow::Cow;
use std::io::Write;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::state::ApiState;

const PAGE: &str = include_str!("ui/assets/index.html");

/// Allows this folder's scripts and styles, the page's own `<style>` by its hash (CSP3 8.3), and
/// calls to this service. `require-trusted-types-for` without a policy also keeps scripts from
/// turning text into markup.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = PAGE.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>"));
    let hash = digest(&SHA256, style.map_or("", |(style, _)| style).as_bytes());
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-{}'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        STANDARD.encode(hash)
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// In addition to every response's headers.
const ISOLATED: [(HeaderName, HeaderValue); 2] = [
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Browsers may cache a file but must revalidate it.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// A file of the page, ready to serve.
#[derive(Debug)]
struct File {
    /// Its name; empty for the page itself.
    name: &'static str,
    kind: HeaderValue,
    text: Cow<'static, [u8]>,
    compressed: Vec<u8>,
    /// Entity tags of both forms.
    tags: [HeaderValue; 2],
}

macro_rules! files {
    ($($name:literal = $path:literal),+ $(,)?) => {
        [$(File::new($name, $path, Cow::Borrowed(include_bytes!(concat!("ui/assets/", $path))))),+]
    };
}

static FILES: LazyLock<[File; 18]> = LazyLock::new(|| {
    files![
        "" = "index.html",
        "icon.svg" = "icon.svg",
        "style.css" = "style.css",
        "api.js" = "api.js",
        "audit.js" = "audit.js",
        "bursts.js" = "bursts.js",
        "details.js" = "details.js",
        "dialog.js" = "dialog.js",
        "dom.js" = "dom.js",
        "format.js" = "format.js",
        "grid.js" = "grid.js",
        "hold.js" = "hold.js",
        "main.js" = "main.js",
        "revert.js" = "revert.js",
        "scrubbed.js" = "scrubbed.js",
        "scrubber.js" = "scrubber.js",
        "session.js" = "session.js",
        "state.js" = "state.js",
    ]
});

/// The page with the sign-in form.
static WITH_FORM: LazyLock<File> = LazyLock::new(|| {
    let page = PAGE.replace("data-login=\"none\"", "data-login=\"keystone\"");
    File::new("", "index.html", Cow::Owned(page.into_bytes()))
});

impl File {
    fn new(name: &'static str, path: &str, text: Cow<'static, [u8]>) -> Self {
        let kind = match path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        let digest = hex::encode(&digest(&SHA256, &text).as_ref()[..16]);
        let tag = |form: &str| {
            HeaderValue::from_str(&format!("\"{digest}{form}\""))
                .unwrap_or(HeaderValue::from_static("\"\""))
        };
        Self {
            name,
            kind: HeaderValue::from_static(kind),
            compressed: compressed(&text),
            text,
            tags: [tag(""), tag("-gzip")],
        }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let is_compressed = takes_gzip(asked);
        let tag = &self.tags[usize::from(is_compressed)];
        let mut response = if is_known(asked, tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if is_compressed {
            let coding = [(header::CONTENT_ENCODING, "gzip")];
            (coding, self.compressed.clone()).into_response()
        } else {
            self.text.clone().into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        headers.insert(header::ETAG, tag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        headers.extend(ISOLATED);
        response
    }
}

/// Writing to memory cannot fail; if it did, the browser would report an empty file.
fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.replace(' ', "").trim_end_matches(['0', '.']) == "q=";
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// Weak comparison, as for a GET (RFC 9110 13.1.2).
fn is_known(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
    })
}

/// The page and its files. Relative, so that it works behind a proxy that adds a path prefix.
/// `has_form`: whether it has the sign-in form.
pub(crate) fn router(has_form: bool) -> Router<ApiState> {
    let start = Router::new().route("/ui", get(async || Redirect::permanent("ui/")));
    let files =
        FILES.iter().map(|file| if has_form && file.name.is_empty() { &WITH_FORM } else { file });
    files.fold(start, |router, file| {
        let answer = async |request: Request| file.answer(request.headers());
        router.route(&format!("/ui/{}", file.name), get(answer))
    })
}
