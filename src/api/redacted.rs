//! Removes credentials from URLs in texts for callers.

/// The text without what is between `://` and `@` in each URL.
///
/// Secret keys in `s3` and `swift` URLs may contain slashes, so there the last `@` counts;
/// elsewhere a path may contain an `@`, so the search ends with the authority.
pub(crate) fn without_credentials(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    words.map(|word| url_without_credentials(word).unwrap_or_else(|| word.to_owned())).collect()
}

fn url_without_credentials(word: &str) -> Option<String> {
    let (scheme, rest) = word.split_once("://")?;
    let path_may_hold_at =
        ["http", "https", "file", "filesystem", "rbd"].iter().any(|known| scheme.ends_with(known))
            && !scheme.contains('+');
    let end = if path_may_hold_at { rest.find('/').unwrap_or(rest.len()) } else { rest.len() };
    let at = rest.get(..end)?.rfind('@')?;
    Some(format!("{scheme}://{}", rest.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out_of_urls() {
        for (with, without) in [
            ("swift+https://acct:user:key@auth/v3/c/o", "swift+https://auth/v3/c/o"),
            ("s3://AK:se/cr+et@host/bucket/key", "s3://host/bucket/key"),
            ("s3+https://AK:se/cr+et@host/bucket/key", "s3+https://host/bucket/key"),
            ("http://user:pass@host/a@b", "http://host/a@b"),
            ("vsphere://u:p@vc/folder/x?dsName=d", "vsphere://vc/folder/x?dsName=d"),
        ] {
            assert_eq!(without_credentials(with), without);
        }
    }

    #[test]
    fn urls_without_credentials_stay_as_they_are() {
        for url in ["file:///srv/a@b/image", "rbd://fsid/pool/image/snap", "http://host/a@b", "x"] {
            assert_eq!(without_credentials(url), url);
        }
    }

    #[test]
    fn credentials_are_left_out_of_sentences_too() {
        let text = "no answer from swift+https://a:b@host/c: timed out, see https://u:p@x/y";
        let clean = "no answer from swift+https://host/c: timed out, see https://x/y";
        assert_eq!(without_credentials(text), clean);
    }
}
