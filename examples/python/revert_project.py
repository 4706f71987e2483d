"""Reverts all images that were deleted in a project since a time, with a generated client.

    pip install openapi-python-client
    openapi-python-client generate --path openapi/openapi.json --output-path glance-revert-client
    pip install ./glance-revert-client
    python examples/python/revert_project.py http://127.0.0.1:9393 TOKEN_FILE PROJECT SINCE

SINCE is a time such as 2026-11-22T12:00:00Z. Prints a line for each image; exit code 1 if one of them
could not be reverted.
"""

import datetime
import pathlib
import sys
from urllib.parse import parse_qs, urlsplit

from glance_revert_client import AuthenticatedClient
from glance_revert_client.api.images import revert_image
from glance_revert_client.api.pending_deletes import list_pending_deletes
from glance_revert_client.models import Image, PendingDeletes


def lost(client, project, since):
    """Every image of the project, a page after the other."""
    marker = {}
    while True:
        page = list_pending_deletes.sync(
            client=client, owner=project, deleted_after=since, **marker
        )
        if not isinstance(page, PendingDeletes):
            raise SystemExit(f"{page.error.message} ({page.error.reason})")
        yield from page.pending_deletes
        if not page.next_:
            return
        marker = {"marker": parse_qs(urlsplit(page.next_).query)["marker"][0]}


def main(url, token_file, project, since):
    token = pathlib.Path(token_file).read_text(encoding="utf-8").strip()
    since = datetime.datetime.fromisoformat(since.replace("Z", "+00:00"))
    failed = False
    with AuthenticatedClient(base_url=url, token=token) as client:
        for one in list(lost(client, project, since)):
            answer = revert_image.sync(one.id, client=client)
            back = isinstance(answer, Image)
            failed |= not back
            print(one.id, one.name, "is back" if back else answer.error.reason)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:]))
