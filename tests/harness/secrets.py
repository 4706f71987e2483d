"""Searches the output and responses of the tested product for secrets.

The secrets are the constants of tests/it/support/data/canary.rs, each in every form that could bring it
out again: as it is, in base64 of both alphabets at any offset, in percent and hex form, as a list of
bytes. Beside them: whatever looks like a JWT, a Fernet or Swift token, or a private key.
"""

import base64
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

CANARIES = Path(__file__).parents[1] / "it" / "support" / "data" / "canary.rs"
CONSTANT = re.compile(r'pub\(crate\) const (\w+): &str = "([^"\\]+)";')
# In ways that are not ours to choose: a token's first part is always JSON, `{"alg"` or `{"typ"`.
LOOKS_LIKE = {
    "a JWT": r"eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}",
    "a Fernet token": r"gAAAAA[A-Za-z0-9_-]{60,}",
    "a Swift token": r"AUTH_tk[0-9a-f]{32}",
    "a private key": r"PRIVATE KEY-----",
    # 28 bytes: the type 1, a time, the length 16, and the secret. Ceph makes them itself.
    "a Ceph key": r"AQ[A-D][A-Za-z0-9+/]{10}[BRhx]AA[A-Za-z0-9+/]{21}[AQgw]==",
}
# How every key for P-256 begins, in PEM.
KEY = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
FRAGMENTS = {"a JWT": ["eyJhbGciOiJ", "eyJ0eXAiOiJ"], "a private key": ["PRIVATE KEY-----", KEY]}


def in_base64(secret):
    """Yields the parts of a base64 text that are independent of the bytes around the secret."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + secret).decode()
        whole = (offset + len(secret)) // 3 * 4
        text = text[[0, 2, 3][offset] : whole]
        yield text
        yield text.replace("+", "-").replace("/", "_")


def forms(secret):
    data = secret.encode()
    yield secret
    yield from in_base64(data)
    for percent in (quote(secret, safe=""), quote(secret, safe="/"), quote(secret, safe=":@-/")):
        yield percent
        yield re.sub("%..", lambda code: code[0].lower(), percent)
    yield "".join(f"%{byte:02X}" for byte in data)
    yield data.hex()
    yield data.hex().upper()
    yield ", ".join(map(str, data))
    yield ",".join(map(str, data))


def grep(folder, kind, patterns):
    """Yields place and text of every match of a pattern."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(patterns))
        file.flush()
        command = ["grep", "-rnao", "-Z", kind, "-f", file.name, folder]
        done = subprocess.run(command, env={"LC_ALL": "C"}, capture_output=True, check=False)
    if done.returncode > 1:
        sys.exit(done.stderr.decode())
    for line in done.stdout.decode(errors="replace").splitlines():
        path, _, rest = line.partition("\0")
        number, _, text = rest.partition(":")
        yield f"{path}:{number}", text


def literals():
    """Returns what to search for, by its text."""
    known = {}
    for name, secret in CONSTANT.findall(CANARIES.read_text()):
        known |= {form: f"{name} as {form!r}" for form in forms(secret)}
    for name, fragments in FRAGMENTS.items():
        for fragment in fragments:
            known |= {form: f"{name} in base64" for form in in_base64(fragment.encode())}
    known[KEY] = "a private key"
    return known


def look(folder):
    known = literals()
    for place, text in grep(folder, "-F", known):
        yield f"{known[text]}: {place}"
    for name, pattern in LOOKS_LIKE.items():
        for place, _ in grep(folder, "-E", [pattern]):
            yield f"{name}: {place}"


def proves_itself():
    """Checks that each form of each secret is found."""
    with tempfile.TemporaryDirectory() as folder:
        for name, secret in CONSTANT.findall(CANARIES.read_text()):
            for before in ("", "x", "xy"):
                hidden = base64.b64encode(f"{before}{secret} and more".encode())
                Path(folder, "said").write_bytes(b"{" + hidden + b"}")
                if not any(found.startswith(name) for found in look(folder)):
                    sys.exit(f"{name} in base64 would not be found")


def main(folder):
    proves_itself()
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    found = list(look(folder))
    print(f"secrets: {len(found)} in {len(files)} outputs of {size >> 20} MiB")
    if found:
        sys.exit("\n".join(found[:50]))


main(sys.argv[1])
