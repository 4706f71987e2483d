"""Rules for every rendered manifest, in addition to its schema."""

import configparser

OURS = {"app.kubernetes.io/name": "glance-revert"}
# openstack-helm's Service and disruption budget of glance-api select these labels.
GLANCES = {"application", "component"}
DROP_IN = "/etc/glance/glance.conf.d/glance-revert.conf"
DEFAULT_PLACES = ("/etc/glance/glance-api.conf", "/etc/glance/glance.conf.d/")
STRICT = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}


def of(manifests, *kinds):
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def our_container(deployment):
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next(c for c in containers if c["name"] == "glance-revert")


def is_subset(selector, labels):
    return selector and all(labels.get(key) == value for key, value in selector.items())


def shutdown_grace(manifests):
    """Returns the seconds set in the ConfigMap of the same rendering."""
    for manifest in of(manifests, "ConfigMap"):
        text = manifest["data"].get("glance-revert.conf")
        if text:
            parser = configparser.RawConfigParser(strict=False)
            parser.read_string(text)
            return parser.getint("revert", "shutdown_grace", fallback=60)
    return 60


def restricted(spec, container):
    """Checks the `restricted` level of Pod Security, and more."""
    merged = spec.get("securityContext", {}) | container.get("securityContext", {})
    for key, value in STRICT.items():
        if container.get("securityContext", {}).get(key) is not value:
            yield f"{key} must be {value}"
    if merged.get("runAsNonRoot") is not True or not merged.get("runAsUser"):
        yield "runAsNonRoot and a numeric runAsUser are needed"
    if container["securityContext"].get("capabilities") != {"drop": ["ALL"]}:
        yield "all capabilities must be dropped"
    if merged.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "seccompProfile must be RuntimeDefault"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is set"
    for volume in spec.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a hostPath"


def mounted(spec, container):
    """Checks that mounts have volumes, volumes have mounts, and named files are mounted."""
    volumes = {volume["name"] for volume in spec["volumes"]}
    mounts = {mount["name"] for c in spec["containers"] for mount in c.get("volumeMounts", [])}
    if volumes != mounts:
        yield f"mounts and volumes differ: {volumes ^ mounts}"
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    # A command in the pod has no arguments, and must read the same files as the service.
    if container["args"] != ["serve"]:
        yield f"serve is told of files: {container['args']}"
    if DROP_IN not in paths:
        yield f"the drop-in is not mounted at {DROP_IN}"
    for path in paths:
        if path.startswith("/etc/glance") and path.endswith(".conf") and not path.startswith(DEFAULT_PLACES):
            yield f"{path} is not where files are looked for"
    files = [e["value"] for e in container.get("env", []) if e["name"].endswith("_FILE")]
    for file in files:
        if not any(file == path or file.startswith(path + "/") for path in paths):
            yield f"{file} is not mounted"


def probed(container):
    ports = {port["name"] for port in container["ports"]}
    for probe, paths in (("livenessProbe", ["/livez"]), ("readinessProbe", ["/readyz", "/livez"])):
        asked = container[probe]["httpGet"]
        if asked["path"] not in paths or asked["port"] not in ports or "ops" not in asked["port"]:
            yield f"{probe} asks {asked}"
        if container[probe]["timeoutSeconds"] < 3:
            yield f"{probe} gives up before the service does"


def deployment_rules(deployment, manifests, version):
    template = deployment["spec"]["template"]
    spec, container = template["spec"], our_container(deployment)
    labels = template["metadata"]["labels"]
    if deployment["metadata"]["name"] != "glance-api" and GLANCES & set(labels):
        yield f"carries labels of glance-api: {GLANCES & set(labels)}"
    if not is_subset(deployment["spec"]["selector"]["matchLabels"], labels):
        yield "does not select its own pods"
    if container["image"] not in (f"glance-revert:{version}", f"glance-revert:{version}-debian"):
        yield f"image {container['image']} is not of version {version}"
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    if spec["terminationGracePeriodSeconds"] <= shutdown_grace(manifests) + pause:
        yield "terminationGracePeriodSeconds is not longer than shutdown_grace and the pause"
    if not container["resources"]["requests"] or "memory" not in container["resources"]["limits"]:
        yield "no resources"
    reviews = of(manifests, "ClusterRole")
    if spec.get("automountServiceAccountToken") is not bool(reviews):
        yield "a ServiceAccount's token is mounted, or not, against the RBAC"
    for constraint in spec["topologySpreadConstraints"]:
        if not is_subset(constraint["labelSelector"]["matchLabels"], labels):
            yield f"{constraint['topologyKey']} spreads others"
    names = {manifest["metadata"]["name"] for manifest in of(manifests, "ConfigMap")}
    for volume in spec["volumes"]:
        if volume["name"] in ("config", "glance-revert") and volume["configMap"]["name"] not in names:
            yield f"ConfigMap {volume['configMap']['name']} is not rendered"
    yield from restricted(spec, container)
    yield from mounted(spec, container)
    yield from probed(container)


def job_rules(job, manifests, version):
    """Checks the hook that creates tables: it is no pod of the service and needs nothing created later."""
    template = job["spec"]["template"]
    spec = template["spec"]
    [container] = spec["containers"]
    if not job["metadata"]["annotations"]["helm.sh/hook"].startswith("pre-install,pre-upgrade"):
        yield "does not run before the pods"
    if container["args"] != ["db", "sync"]:
        yield f"runs {container['args']}"
    if container["image"] not in (f"glance-revert:{version}", f"glance-revert:{version}-debian"):
        yield f"image {container['image']} is not of version {version}"
    for manifest in of(manifests, "Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"):
        selector = manifest["spec"].get("selector", manifest["spec"].get("podSelector"))
        if is_subset(selector.get("matchLabels", selector), template["metadata"]["labels"]):
            yield f"is selected by {manifest['kind']} {manifest['metadata']['name']}"
    ours = {manifest["metadata"]["name"] for manifest in of(manifests, "ConfigMap", "ServiceAccount")}
    named = {volume.get("configMap", {}).get("name") for volume in spec.get("volumes", [])}
    if ours & (named | {spec.get("serviceAccountName")}):
        yield f"needs what is not there yet: {ours & named}"
    if spec["automountServiceAccountToken"] is not False:
        yield "a ServiceAccount's token is mounted"
    yield from restricted(spec, container)


def selector_rules(manifest, manifests):
    """Checks that each selector selects pods of this rendering; an empty one would select all."""
    kind, spec = manifest["kind"], manifest["spec"]
    pods = [d["spec"]["template"] for d in of(manifests, "Deployment")]
    if kind == "ServiceMonitor":
        services = of(manifests, "Service")
        chosen = [s for s in services if is_subset(spec["selector"]["matchLabels"], s["metadata"]["labels"])]
        ports = {port["name"] for service in chosen for port in service["spec"]["ports"]}
        if not all(endpoint.get("port") in ports for endpoint in spec["endpoints"]):
            yield "selects no Service with such a port"
        return
    selector = {
        "Service": lambda: spec["selector"],
        "PodDisruptionBudget": lambda: spec["selector"].get("matchLabels"),
        "NetworkPolicy": lambda: spec["podSelector"].get("matchLabels"),
    }[kind]()
    chosen = [pod for pod in pods if is_subset(selector, pod["metadata"]["labels"])]
    if not chosen:
        yield f"{selector} selects no pod that is rendered"
    ports = {p["name"] for pod in chosen for c in pod["spec"]["containers"] for p in c["ports"]}
    for port in spec.get("ports", []) if kind == "Service" else []:
        if port["targetPort"] not in ports:
            yield f"no container has the port {port['targetPort']}"


def role_rules(role):
    if role["rules"] != [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]:
        yield "allows more than tokenreviews"


def problems(manifests, version):
    """Yields every violation, as text."""
    for manifest in manifests:
        kind = manifest["kind"]
        if kind == "Deployment":
            found = deployment_rules(manifest, manifests, version)
        elif kind == "Job":
            found = job_rules(manifest, manifests, version)
        elif kind in ("Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor"):
            found = selector_rules(manifest, manifests)
        elif kind == "ClusterRole":
            found = role_rules(manifest)
        else:
            found = ()
        for problem in found:
            yield f"{kind} {manifest['metadata']['name']}: {problem}"
