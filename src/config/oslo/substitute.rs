//! Substitutes `$name`, `${name}` and `$group.name` in a value; `$$` and `\$` are a dollar.

/// Why a reference cannot be substituted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubstitutionError {
    /// No such option; oslo.config refuses that too. In a secret the name must not be shown: it is
    /// part of the secret.
    #[error("`${0}` is not an option that is set; write `$$` for a dollar sign sign")]
    Unknown(String),
    /// An option that refers to itself, directly or through others.
    #[error("`${0}` refers back to this option")]
    Circular(String),
}

/// Replaces every reference with what `look_up` returns. A dollar not followed by a name stays.
pub(super) fn expand(
    text: &str,
    mut look_up: impl FnMut(&str) -> Result<String, SubstitutionError>,
) -> Result<String, SubstitutionError> {
    let text = text.replace("\\$", "$$");
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            expanded.push_str(&look_up(name)?);
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The name after a dollar, and the rest.
fn reference(text: &str) -> Option<(&str, &str)> {
    if let Some(inner) = text.strip_prefix('{') {
        let (name, after) = identifier(inner)?;
        return after.strip_prefix('}').map(|after| (name, after));
    }
    identifier(text)
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) {
        return None;
    }
    let part_of_name = |c: char| c == '_' || c == '.' || c.is_ascii_alphanumeric();
    let end = text.find(|c| !part_of_name(c)).unwrap_or(text.len());
    Some(text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> String {
        expand(text, |name| Ok(format!("<{name}>"))).unwrap()
    }

    #[test]
    fn names_are_replaced_plain_and_braced() {
        assert_eq!(expanded("$a/${b}c/$g.o"), "<a>/<b>c/<g.o>");
    }

    #[test]
    fn escaped_and_lonely_dollars_stay() {
        assert_eq!(expanded(r"$$a \$b $1 ${a $"), "$a $b $1 ${a $");
    }

    #[test]
    fn the_response_is_not_read_back_from_the_database() {
        assert_eq!(expand("$a", |_| Ok("$b".to_owned())).unwrap(), "$b");
    }
}
