"""The client of openapi-python-client: every operation, a conflict, a refused caller."""

import os

from glance_revert_client import AuthenticatedClient, Client
from glance_revert_client.api.images import revert_image
from glance_revert_client.api.pending_deletes import get_pending_delete, list_pending_deletes
from glance_revert_client.api.scrubber import accept_scrub, get_scrub_plan
from glance_revert_client.api.versions import get_openapi, get_v2, get_versions, list_versions
from glance_revert_client.models import AcceptRequest, Error, RevertRequest

URL, TOKEN = os.environ["GLANCE_REVERT_URL"], os.environ["GLANCE_REVERT_TOKEN"]
GOLDEN, ALIVE = os.environ["GLANCE_REVERT_GOLDEN"], os.environ["GLANCE_REVERT_ALIVE"]
YEAR = 31536000


def main():
    open_to_all = Client(base_url=URL)
    for operation in (get_versions, list_versions, get_v2):
        assert operation.sync(client=open_to_all).versions[0].id == "v2.0"
    assert get_openapi.sync(client=open_to_all).openapi == "3.0.3"

    with AuthenticatedClient(base_url=URL, token=TOKEN) as admin:
        page = list_pending_deletes.sync(client=admin, limit=2)
        assert len(page.pending_deletes) == 2 and page.next_.startswith("/v2/pending-deletes?")
        newest = page.pending_deletes[0].deleted_at
        assert len(list_pending_deletes.sync(client=admin, deleted_after=newest).pending_deletes) == 1
        preview = get_pending_delete.sync(GOLDEN, client=admin)
        assert preview.revertible and preview.locations[0].data == "present"

        assert get_scrub_plan.sync(client=admin, within=YEAR).images == 4
        assert accept_scrub.sync(client=admin, body=AcceptRequest(images=1)).images == 1

        tried = revert_image.sync_detailed(GOLDEN, client=admin, body=RevertRequest(dry_run=True))
        assert tried.headers["OpenStack-Image-Revert-Dry-Run"] == "true"
        image = revert_image.sync(GOLDEN, client=admin)
        assert image.status == "active" and image.virtual_size is None
        assert image["os_distro"] == "debian", image
        conflict = revert_image.sync_detailed(ALIVE, client=admin)
        assert conflict.status_code == 409 and isinstance(conflict.parsed, Error)
        assert conflict.parsed.error.reason == "image.already_active"

    refused = revert_image.sync_detailed(GOLDEN, client=open_to_all)
    assert refused.status_code == 401
    assert refused.parsed.error.reason == "auth.token_missing"


main()
