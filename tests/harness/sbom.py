"""Prints an SBOM without the path of the build folder, if it is valid and complete.

Valid: CycloneDX's own schema of the version that it says. Whole: it names the crate itself, each
crate has version, licence and (registry crates) the hash of Cargo.lock, and the crates of a
released binary are all there.
"""

import json
import re
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

LOCKED = re.compile(r'name = "(.+)"\nversion = "(.+)"\n(?:source = ".+"\n)?(?:checksum = "(.+)"\n)?')
# Each is linked into the binary; one that goes away must be taken off this list too.
MUST_HAVE = {"axum", "sqlx", "rustls", "aws-lc-rs", "jsonwebtoken", "libsqlite3-sys", "tokio"}


def problems(text, lock):
    invalid = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if invalid is not None:
        yield "not valid: " + str(invalid).splitlines()[0]
    bom = json.loads(text)
    if bom["metadata"]["component"]["name"] != "glance-revert":
        yield "not of glance-revert"
    locked = {(name, version): checksum for name, version, checksum in LOCKED.findall(lock)}
    seen = set()
    for component in bom["components"]:
        crate = (component["name"], component["version"])
        seen.add(crate[0])
        hashes = [each["content"] for each in component.get("hashes", [])]
        if crate not in locked:
            yield f"{crate}: not in Cargo.lock"
        elif hashes != [locked[crate]]:
            yield f"{crate}: its hash is not that of Cargo.lock"
        if not component.get("licenses"):
            yield f"{crate}: no licence"
    if missing := MUST_HAVE - seen:
        yield f"missing: {sorted(missing)}"


def main(written, root, lock):
    text = Path(written).read_text().replace(f"path+file://{root}#", "")
    found = list(problems(text, Path(lock).read_text()))
    if str(root) in text:
        found.append(f"it names {root}")
    if found:
        sys.exit("\n".join(found))
    sys.stdout.write(text)


main(*sys.argv[1:])
