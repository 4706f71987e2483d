"""The client of openapi-python-client: every operation, a conflict, a refused caller."""

import os

from glance_revert_client import AuthenticatedClient, Client
from glance_revert_client.api.audit import list_audit
from glance_revert_client.api.images import revert_image
from glance_revert_client.api.pending_deletes import (
    bulk_revert,
    get_pending_delete,
    hold_image,
    hold_images,
    list_pending_deletes,
    list_retained_images,
    release_image,
    release_images,
    summarize_pending_deletes,
)
from glance_revert_client.api.scrubber import (
    accept_scrub,
    get_scrub_plan,
    get_scrubber,
    pause_scrubber,
    resume_scrubber,
)
from glance_revert_client.api.versions import get_openapi, get_v2, get_versions, list_versions
from glance_revert_client.models import (
    AcceptRequest,
    BulkRevertRequest,
    Error,
    HoldRequest,
    ReleaseRequest,
    RevertRequest,
    TermRequest,
)

URL, TOKEN = os.environ["GLANCE_REVERT_URL"], os.environ["GLANCE_REVERT_TOKEN"]
GOLDEN, ALIVE = os.environ["GLANCE_REVERT_GOLDEN"], os.environ["GLANCE_REVERT_ALIVE"]
PROJECT, LOST = os.environ["GLANCE_REVERT_PROJECT"], int(os.environ["GLANCE_REVERT_LOST"])
KERNEL = os.environ["GLANCE_REVERT_KERNEL"]
YEAR = 31536000


def night(admin):
    """Goes through the night: stop, see, plan, bring back, release, prove."""
    paused = pause_scrubber.sync(client=admin, body=TermRequest(reason="deleted by mistake"))
    assert paused.claims_in_hand == 0 and paused.pause.reason == "deleted by mistake"
    assert get_scrubber.sync(client=admin).state == "paused"

    burst = summarize_pending_deletes.sync(client=admin, group_by="burst").groups[0]
    assert (burst.project, burst.images) == (PROJECT, LOST)
    assert list_retained_images.sync(client=admin, limit=2).retained_images == []
    assert get_scrub_plan.sync(client=admin, within=YEAR).images > LOST
    assert accept_scrub.sync(client=admin, body=AcceptRequest(images=1)).images == 1
    assert hold_image.sync(KERNEL, client=admin).hold.until is None
    assert release_image.sync(KERNEL, client=admin).was_held
    since = burst.first_deleted_at
    held = hold_images.sync(client=admin, body=HoldRequest(owner=PROJECT, deleted_after=since))
    assert held.done == LOST
    assert release_images.sync(client=admin, body=ReleaseRequest(owner=PROJECT)).done == LOST

    selection = BulkRevertRequest(owner=PROJECT, deleted_after=since, dry_run=True)
    planned = bulk_revert.sync(client=admin, body=selection)
    assert planned.dry_run and planned.counts.reverted == LOST
    selection.dry_run, selection.expected_count = False, LOST
    done = bulk_revert.sync(client=admin, body=selection)
    assert (done.counts.reverted, done.remaining, done.marker) == (LOST, 0, None)
    assert all(one.outcome == "reverted" and one.restored.tags == 1 for one in done.results)

    entries = list_audit.sync(client=admin, operation="revertImage", limit=1000).audit
    assert len(entries) == LOST and entries[0].owner == PROJECT and entries[0].source == "api"
    assert resume_scrubber.sync(client=admin).was_paused


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

        night(admin)

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
