//! Generates the sample configuration from the declared options.

use std::fmt::Write;

use super::options::{OptionSpec, REVERT_GROUP, REVERT_JWT_PREFIX, REVERT_RETENTION_PREFIX};
use super::sections::{REVERT, REVERT_JWT, REVERT_RETENTION};

const HEAD: &str = "\
# glance-revert: what it adds to Glance's own configuration.
#
# Put it beside Glance's files, as /etc/glance/glance.conf.d/glance-revert.conf for example. The
# database, the stores and scrub_time are read from glance-api.conf. Every option can be set from
# the environment too, which overrides the files: OS_REVERT__LOCK_WAIT=10.
#
# A comment starts in the first column; what follows a value on its line belongs to the value.
";

const ISSUERS: &str = "\
# Who may call with `Authorization: Bearer <JWT>`: a section for each issuer, with a name of your
# choice. From the environment: OS_REVERT_JWT_KEYCLOAK__ISSUER. This one's keys are on a server.
";

const KUBERNETES: &str = "\
# ServiceAccounts of a Kubernetes cluster, by asking its API server about each token. Our own
# ServiceAccount needs the ClusterRole system:auth-delegator. Or by its keys: without mode and
# api_server, with jwks_uri = https://kubernetes.default.svc/openid/v1/jwks.
#[revert_jwt:cluster]
#issuer = https://kubernetes.default.svc.cluster.local
#audiences = glance-revert
#mode = tokenreview
#subjects = openstack:image-operator
";

const KEY_SET: &str = "\
# An issuer whose keys are a file.
#[revert_jwt:automation]
#issuer = https://automation.example.org
#audiences = glance-revert
";

const ONE_KEY: &str = "\
# An issuer with one key.
#[revert_jwt:pipeline]
#issuer = pipeline
#audiences = glance-revert
";

const RETENTION: &str = "\
# How long some images wait instead of scrub_time: a section for each rule, with a name of your choice.
# An image must have all that a rule names; the first rule that fits decides.
";

/// The issuer options that exclude those shown in the first section.
const ELSEWHERE: [(&str, &[&str]); 3] = [
    (KUBERNETES, &["api_server", "ca_file", "token_file"]),
    (KEY_SET, &["jwks_file"]),
    (ONE_KEY, &["public_key_file"]),
];

/// The text of `deploy/glance-revert.conf.sample`: every option of ours, commented out, with its
/// default or an example. Prose comments have a blank after `#`, options have none.
pub fn sample() -> String {
    let mut text = format!("{HEAD}\n[{REVERT_GROUP}]\n");
    for option in REVERT.iter().copied().flatten() {
        describe(&mut text, option);
    }
    let _ = write!(text, "\n{ISSUERS}#[{REVERT_JWT_PREFIX}keycloak]\n");
    let is_elsewhere =
        |option: &&OptionSpec| ELSEWHERE.iter().any(|(_, names)| names.contains(&option.name));
    REVERT_JWT
        .iter()
        .filter(|option| !is_elsewhere(option))
        .for_each(|option| describe(&mut text, option));
    for (head, names) in ELSEWHERE {
        let _ = write!(text, "\n{head}");
        REVERT_JWT
            .iter()
            .filter(|option| names.contains(&option.name))
            .for_each(|option| describe(&mut text, option));
    }
    let _ = write!(text, "\n{RETENTION}#[{REVERT_RETENTION_PREFIX}golden]\n");
    for option in REVERT_RETENTION {
        describe(&mut text, option);
    }
    text
}

fn describe(text: &mut String, option: &OptionSpec) {
    let default = match option.default {
        Some("") => "empty by default".to_owned(),
        Some(default) if default == option.example => "the default is shown".to_owned(),
        Some(default) => format!("default: {default}"),
        None => "no default".to_owned(),
    };
    let _ = write!(
        text,
        "\n# {}\n# ({}; {default})\n#{} = {}",
        option.help,
        option.value(),
        option.name,
        option.example
    );
    let kept = text.trim_end().len();
    text.truncate(kept);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment, Sources};

    const COMMITTED: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/glance-revert.conf.sample"));

    fn load(sample: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sample.conf");
        std::fs::write(&file, sample).unwrap();
        let environment =
            Environment::from_iter([("OS_DATABASE__CONNECTION", "sqlite:////glance.sqlite")]);
        let config_files = vec![file];
        Config::load(&Sources { config_files, config_dirs: vec![], environment }).unwrap()
    }

    #[test]
    fn the_committed_sample_is_what_the_table_says() {
        let fresh = std::env::temp_dir().join("glance-revert.conf.sample");
        if COMMITTED != sample() {
            std::fs::write(&fresh, sample()).unwrap();
        }
        assert!(COMMITTED == sample(), "copy {} to deploy/", fresh.display());
    }

    #[test]
    fn the_sample_loads_as_it_is() {
        assert!(load(COMMITTED).issuers.is_empty());
    }

    #[test]
    fn the_sample_loads_with_every_option_uncommented() {
        let uncommented: Vec<&str> = COMMITTED
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(option) if !option.is_empty() && !option.starts_with(' ') => option,
                _ => line,
            })
            .collect();
        let uncommented = uncommented.join("\n");
        for option in REVERT.iter().copied().flatten().chain(REVERT_JWT).chain(REVERT_RETENTION) {
            assert!(uncommented.contains(&format!("\n{} =", option.name)), "{}", option.name);
        }
        let config = load(&uncommented);
        assert_eq!((config.issuers.len(), config.retention.iter().count()), (4, 1));
    }
}
