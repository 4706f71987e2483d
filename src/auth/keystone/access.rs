//! Access rules: the calls that an application credential may make.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::domain::principal::Call;

/// Keystone limits a rule's path to 128 characters; a pattern that compiles to more bytes than this
/// is not one.
const LARGEST_PATTERN: usize = 256 * 1024;

/// One rule, with Keystone's field names. A missing field matches nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct AccessRule {
    service: String,
    method: String,
    path: String,
}

impl AccessRule {
    /// Whether the rule allows a call to the service with the catalog type `service_type`.
    pub(super) fn allows(&self, call: &Call<'_>, service_type: &str) -> bool {
        self.service == service_type
            && self.method == call.method
            && pattern(&self.path).is_some_and(|pattern| pattern.is_match(call.path))
    }
}

/// Keystone's patterns: `*` and `{name}` match one path segment, `**` anything. Unlike
/// keystonemiddleware's `_path_matches`, everything else is literal: a dot is a dot.
fn pattern(path: &str) -> Option<Regex> {
    let mut pattern = String::from("^");
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let tag = rest.strip_prefix('{').and_then(|tag| tag.split_once('}'));
        (rest, pattern) = match (tag, rest.strip_prefix("**"), rest.strip_prefix('*')) {
            (Some((_, after)), _, _) | (_, None, Some(after)) => (after, pattern + "[^/]+"),
            (_, Some(after), _) => (after, pattern + ".*"),
            (None, None, None) => {
                let literal = regex::escape(first.encode_utf8(&mut [0; 4]));
                (&rest[first.len_utf8()..], pattern + &literal)
            }
        };
    }
    RegexBuilder::new(&(pattern + "$")).size_limit(LARGEST_PATTERN).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::principal::Token;

    fn allows(rule: (&str, &str, &str), method: &str, path: &str) -> bool {
        let [service, method_of_rule, path_of_rule] =
            [rule.0, rule.1, rule.2].map(ToOwned::to_owned);
        let rule = AccessRule { service, method: method_of_rule, path: path_of_rule };
        rule.allows(&Call::new(method, path, Token::new("t")), "image")
    }

    fn fits(pattern: &str, path: &str) -> bool {
        allows(("image", "POST", pattern), "POST", path)
    }

    #[test]
    fn service_method_and_path_must_all_fit() {
        let rule = ("image", "POST", "/v2/images/a/actions/revert");
        assert!(allows(rule, "POST", "/v2/images/a/actions/revert"));
        assert!(!allows(rule, "GET", "/v2/images/a/actions/revert"));
        assert!(!allows(rule, "POST", "/v2/images/b/actions/revert"));
        assert!(!allows(("compute", rule.1, rule.2), "POST", rule.2));
        assert!(!allows(("image", "post", rule.2), "POST", rule.2));
        assert!(!allows(("", "", ""), "", ""));
    }

    #[test]
    fn a_star_and_a_name_are_one_part_of_the_path() {
        for pattern in ["/v2/images/*/actions/revert", "/v2/images/{id}/actions/revert"] {
            assert!(fits(pattern, "/v2/images/abc/actions/revert"), "{pattern}");
            assert!(!fits(pattern, "/v2/images//actions/revert"), "{pattern}");
            assert!(!fits(pattern, "/v2/images/a/b/actions/revert"), "{pattern}");
            assert!(!fits(pattern, "/v2/images/abc/actions/revert/"), "{pattern}");
            assert!(!fits(pattern, "x/v2/images/abc/actions/revert"), "{pattern}");
        }
    }

    #[test]
    fn two_stars_are_anything() {
        assert!(fits("/v2/**", "/v2/images/a/actions/revert"));
        assert!(fits("/v2/**", "/v2/"));
        assert!(fits("**", "/v2"));
        assert!(fits("/v2/***", "/v2/a") && !fits("/v2/***", "/v2/"));
        assert!(!fits("/v2/**/revert", "/v2/images"));
    }

    #[test]
    fn everything_else_in_a_pattern_is_literal() {
        assert!(fits("/v2.0/a+b(c", "/v2.0/a+b(c"));
        assert!(!fits("/v2.0/x", "/v2a0/x"));
        assert!(fits("/{open/é", "/{open/é") && !fits("/{open", "/x"));
        assert!(!fits("", "/v2") && !fits("/v2", "/v2\n"));
    }

    #[test]
    fn a_pattern_that_no_keystone_has_fits_nothing_and_costs_little() {
        assert!(!fits(&"*".repeat(100_001), &"a".repeat(100_000)));
        assert!(!fits(&"**a".repeat(40), &"a/".repeat(4_000)));
    }
}
