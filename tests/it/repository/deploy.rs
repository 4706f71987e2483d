//! Compares `deploy/` with the code: valid configurations, one version, existing metrics. `make
//! deploy-check` renders and validates the rest.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use glance_revert::api::openapi;
use glance_revert::config::{Config, Sources};
use glance_revert::telemetry::metric;
use tempfile::TempDir;
use yaml_serde::Value;

use crate::support::source::folder;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(name: &str) -> String {
    fs::read_to_string(folder(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Whether a file name ends like this.
fn ends(name: &str, ending: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, found)| found == ending)
}

fn yaml(name: &str) -> Value {
    yaml_serde::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The path of every file below `deploy/`.
fn shipped() -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from("deploy")]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(folder(next.to_str().unwrap())).unwrap() {
            let path = next.join(entry.unwrap().file_name());
            if folder(path.to_str().unwrap()).is_dir() {
                folders.push(path);
            } else {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Configurations inside a document: values of keys that end in `.conf`, and the chart's `config`.
fn embedded(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                let is_file = |key: &str| key == "config" || ends(key, "conf");
                match (key.as_str(), value.as_str()) {
                    (Some(key), Some(text)) if is_file(key) => found.push(text.to_owned()),
                    _ => embedded(value, found),
                }
            }
        }
        Value::Sequence(values) => values.iter().for_each(|value| embedded(value, found)),
        Value::Tagged(tagged) => embedded(&tagged.value, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// All configurations with their paths; systemd's files, which also end in `.conf`, are excluded.
fn configurations() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let of_systemd =
        |name: &String| name.ends_with(".sysusers.conf") || name.ends_with(".tmpfiles.conf");
    for name in shipped().into_iter().filter(|name| !of_systemd(name)) {
        if ends(&name, "conf") || ends(&name, "sample") {
            all.push((name.clone(), read(&name)));
        } else if ends(&name, "yaml") && !name.contains("/templates/") {
            for document in yaml_serde::Deserializer::from_str(&read(&name)) {
                let document: Value = serde::Deserialize::deserialize(document).unwrap();
                let mut found = Vec::new();
                embedded(&document, &mut found);
                all.extend(found.into_iter().map(|text| (name.clone(), text)));
            }
        }
    }
    all
}

#[test]
fn every_configuration_that_is_shipped_can_be_read() {
    let all = configurations();
    let places: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    for expected in [
        "deploy/compose/glance-revert.conf",
        "deploy/glance-revert.conf.sample",
        "deploy/helm/glance-revert/values.yaml",
        "deploy/kubernetes/config/glance-revert.conf",
        "deploy/kubernetes/overlays/openstack-helm/values.yaml",
        "deploy/kubernetes/overlays/standalone/glance-api.conf",
    ] {
        assert!(places.contains(expected), "{expected} was not found among {places:?}");
    }
    let folder = TempDir::new().unwrap();
    let [glance, ours] = ["glance-api.conf", "ours.conf"].map(|name| folder.path().join(name));
    fs::write(&glance, "[database]\nconnection = mysql+pymysql://u:p@db/glance\n").unwrap();
    for (name, text) in all {
        fs::write(&ours, &text).unwrap();
        let config_files = vec![glance.clone(), ours.clone()];
        let read = Config::load(&Sources { config_files, ..Sources::default() });
        let config = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        if text.contains("[revert]") && !ends(&name, "sample") {
            assert!(config.glance.delayed_delete, "{name} says nothing of delayed_delete");
            assert!(config.glance.scrub_time.in_force().is_some(), "{name} scrubs nothing");
        }
    }
}

/// The options that a document sets in its containers' environments.
fn environments(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Mapping(mapping) => {
            let text = |key: &str| mapping.get(key).and_then(Value::as_str);
            if let (Some(name), Some(value)) = (text("name"), text("value"))
                && name.starts_with("OS_")
            {
                found.push((name.to_owned(), value.to_owned()));
            }
            mapping.values().for_each(|value| environments(value, found));
        }
        Value::Sequence(values) => values.iter().for_each(|value| environments(value, found)),
        Value::Tagged(tagged) => environments(&tagged.value, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_option_in_a_containers_environment_is_one() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("glance-revert.conf");
    let database = "[database]\nconnection = mysql+pymysql://u:p@db/glance\n";
    let ours = read("deploy/kubernetes/config/glance-revert.conf");
    fs::write(&file, format!("{ours}\n{database}")).unwrap();
    let mut seen = 0;
    for name in shipped().iter().filter(|name| ends(name, "yaml") && !name.contains("/templates/"))
    {
        for document in yaml_serde::Deserializer::from_str(&read(name)) {
            let mut found = Vec::new();
            environments(&serde::Deserialize::deserialize(document).unwrap(), &mut found);
            seen += found.len();
            let pairs = found.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let environment = pairs.collect();
            let sources =
                Sources { config_files: vec![file.clone()], environment, ..Sources::default() };
            Config::load(&sources).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    assert!(seen > 2, "only {seen} options were found");
}

/// The containers of a document that run this service.
fn ours<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Mapping(mapping) => {
            if mapping.get("name").and_then(Value::as_str) == Some("glance-revert")
                && (mapping.contains_key("args") || mapping.contains_key("volumeMounts"))
            {
                found.push(value);
            }
            mapping.values().for_each(|value| ours(value, found));
        }
        Value::Sequence(values) => values.iter().for_each(|value| ours(value, found)),
        Value::Tagged(tagged) => ours(&tagged.value, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `kubectl exec .. glance-revert scrub` without arguments must read the same files as `serve`.
#[test]
fn every_deployment_has_its_files_where_they_are_looked_for() {
    const DEFAULTS: [&str; 2] = ["/etc/glance/glance-api.conf", "/etc/glance/glance.conf.d/"];
    const DROP_IN: &str = "/etc/glance/glance.conf.d/glance-revert.conf";
    let (mut drop_ins, mut containers) = (0, 0);
    for name in shipped().iter().filter(|name| ends(name, "yaml")) {
        let text = read(name);
        assert!(!text.contains("--config-"), "{name} names files");
        drop_ins += text.matches(DROP_IN).count();
        if name.contains("/templates/") {
            continue;
        }
        for document in yaml_serde::Deserializer::from_str(&text) {
            let document: Value = serde::Deserialize::deserialize(document).unwrap();
            let mut found = Vec::new();
            ours(&document, &mut found);
            containers += found.len();
            let mounts = found.iter().filter_map(|one| one["volumeMounts"].as_sequence()).flatten();
            let paths = mounts.filter_map(|mount| mount["mountPath"].as_str());
            for path in paths.filter(|path| ends(path, "conf")) {
                assert!(DEFAULTS.iter().any(|place| path.starts_with(place)), "{name}: {path}");
            }
        }
    }
    // base, sidecar, openstack-helm, the chart, Compose
    assert!(drop_ins >= 5 && containers >= 5, "{drop_ins} drop-ins, {containers} containers");
}

#[test]
fn openstack_helms_pod_has_the_same_mounts_as_the_other_overlays() {
    let values = yaml("deploy/kubernetes/overlays/openstack-helm/values.yaml");
    let mut found = Vec::new();
    embedded(&values, &mut found);
    assert_eq!(found, [read("deploy/kubernetes/config/glance-revert.conf")]);
}

/// The word after each occurrence of a prefix.
fn words_after(text: &str, prefix: &str) -> Vec<String> {
    let rests = text.lines().filter_map(|line| line.split_once(prefix)).map(|(_, rest)| rest);
    let end = |c: char| c.is_whitespace() || c == '"' || c == '`';
    rests.map(|rest| rest.split(end).next().unwrap().to_owned()).collect()
}

#[test]
fn every_file_names_the_version_of_the_package() {
    for (file, prefix) in [
        ("Dockerfile", "ARG VERSION="),
        ("deploy/helm/glance-revert/Chart.yaml", "appVersion: "),
        ("deploy/helm/glance-revert/Chart.yaml", "\u{0}version: "),
        ("deploy/kubernetes/base/kustomization.yaml", "newTag: "),
        ("deploy/kubernetes/base/kustomization.yaml", "app.kubernetes.io/version: "),
        ("deploy/kubernetes/overlays/sidecar/kustomization.yaml", "newTag: "),
        ("deploy/kubernetes/overlays/openstack-helm/values.yaml", "image: glance-revert:"),
        ("deploy/compose/compose.yaml", "image: glance-revert:"),
        ("clients/openstackclient/pyproject.toml", "\u{0}version = \""),
        ("docs/install/README.md", "-t glance-revert:"),
        ("deploy/helm/glance-revert/ci/openstack-helm-rbd.yaml", "tag: "),
    ] {
        // A NUL marks the beginning of a line.
        let text = format!("\n{}", read(file)).replace('\n', "\n\u{0}");
        let found = words_after(&text, prefix);
        assert!(!found.is_empty(), "{file} has no {prefix:?}");
        for word in found {
            assert_eq!(word.trim_end_matches("-debian"), VERSION, "{file}, {prefix:?}");
        }
    }
    assert_eq!(openapi::document(openapi::Specification::V3_0)["info"]["version"], VERSION);
}

#[test]
fn the_alerts_are_the_same_wherever_they_are() {
    let alerts = yaml("deploy/prometheus/alerts.yaml");
    let rule = yaml("deploy/kubernetes/alerts/prometheusrule.yaml");
    assert_eq!(rule["spec"], alerts);
    assert_eq!(yaml("deploy/helm/glance-revert/files/alerts.yaml"), alerts);
}

/// Names that look like metrics; a histogram's series count as its metric.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric =
        |word: &&str| word.starts_with("glance_revert_") || word.starts_with("process_");
    let series = ["_bucket", "_sum", "_count"];
    let metric = |word: &str| {
        series.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
    };
    words.filter(is_metric).map(metric).collect()
}

#[test]
fn dashboard_and_alerts_are_built_on_metrics_that_exist() {
    let all: BTreeSet<String> = metric::ALL.iter().map(|(_, name, _)| (*name).to_owned()).collect();
    for file in ["deploy/grafana/glance-revert.json", "deploy/prometheus/alerts.yaml"] {
        let named = metrics_in(&read(file));
        assert!(named.len() > 4, "{file}: {named:?}");
        assert!(named.is_subset(&all), "{file} has {:?}", named.difference(&all));
    }
}
