"""The client of openapi-generator's `python`: every operation, a conflict, a refused caller."""

import os

import glance_revert_client as client
from glance_revert_client.exceptions import ConflictException, UnauthorizedException

URL, TOKEN = os.environ["GLANCE_REVERT_URL"], os.environ["GLANCE_REVERT_TOKEN"]
GOLDEN, ALIVE = os.environ["GLANCE_REVERT_GOLDEN"], os.environ["GLANCE_REVERT_ALIVE"]
PROJECT, LOST = os.environ["GLANCE_REVERT_PROJECT"], int(os.environ["GLANCE_REVERT_LOST"])
KERNEL = os.environ["GLANCE_REVERT_KERNEL"]
YEAR = 31536000


def night(api):
    """Goes through the night: stop, see, plan, bring back, release, prove."""
    scrubber, pending = client.ScrubberApi(api), client.PendingDeletesApi(api)
    paused = scrubber.pause_scrubber(client.TermRequest(reason="deleted by mistake"))
    assert paused.claims_in_hand == 0 and paused.pause.reason == "deleted by mistake"
    assert scrubber.get_scrubber().state == "paused"

    burst = pending.summarize_pending_deletes(group_by="burst").groups[0]
    assert (burst.project, burst.images) == (PROJECT, LOST)
    assert pending.list_retained_images(limit=2).retained_images == []
    assert scrubber.get_scrub_plan(within=YEAR).images > LOST
    assert scrubber.accept_scrub(client.AcceptRequest(images=1)).images == 1
    assert pending.hold_image(KERNEL).hold.until is None
    assert pending.release_image(KERNEL).was_held
    since = burst.first_deleted_at
    assert pending.hold_images(client.HoldRequest(owner=PROJECT, deleted_after=since)).done == LOST
    assert pending.release_images(client.ReleaseRequest(owner=PROJECT)).done == LOST

    selection = client.BulkRevertRequest(owner=PROJECT, deleted_after=since, dry_run=True)
    planned = pending.bulk_revert(selection)
    assert planned.dry_run and planned.counts.reverted == LOST
    selection.dry_run, selection.expected_count = False, LOST
    done = pending.bulk_revert(selection)
    assert (done.counts.reverted, done.remaining, done.marker) == (LOST, 0, None)
    assert all(one.outcome == "reverted" and one.restored.tags == 1 for one in done.results)

    entries = client.AuditApi(api).list_audit(operation="revertImage", limit=1000).audit
    assert len(entries) == LOST and entries[0].owner == PROJECT and entries[0].source == "api"
    assert scrubber.resume_scrubber().was_paused


def main():
    with client.ApiClient(client.Configuration(host=URL, access_token=TOKEN)) as api:
        versions = client.VersionsApi(api)
        for show in (versions.get_versions, versions.list_versions, versions.get_v2):
            assert show().versions[0].id == "v2.0"
        assert versions.get_openapi().openapi == "3.0.3"

        pending = client.PendingDeletesApi(api)
        page = pending.list_pending_deletes(limit=2)
        assert len(page.pending_deletes) == 2 and page.next.startswith("/v2/pending-deletes?")
        page = pending.list_pending_deletes(deleted_after=page.pending_deletes[0].deleted_at)
        assert len(page.pending_deletes) == 1, page
        preview = pending.get_pending_delete(GOLDEN)
        assert preview.revertible and preview.locations[0].data == "present"

        night(api)

        images = client.ImagesApi(api)
        tried = images.revert_image_with_http_info(GOLDEN, client.RevertRequest(dry_run=True))
        assert tried.headers["openstack-image-revert-dry-run"] == "true"
        image = images.revert_image(GOLDEN)
        assert image.status == "active" and image.virtual_size is None
        assert image.additional_properties["os_distro"] == "debian", image
        try:
            images.revert_image(ALIVE)
        except ConflictException as conflict:
            assert conflict.data.error.reason == "image.already_active"
        else:
            raise AssertionError("no conflict")

    with client.ApiClient(client.Configuration(host=URL)) as api:
        try:
            client.ImagesApi(api).revert_image(GOLDEN)
        except UnauthorizedException as refused:
            assert refused.data.error.reason == "auth.token_missing"
        else:
            raise AssertionError("not refused")


main()
