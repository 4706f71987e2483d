//! Example responses for the OpenAPI document.

use serde_json::{Value, json};

const ID: &str = "bfc6e7ec-f6cf-4f92-8276-f2f6afe31222";
const PROJECT: &str = "6c2d9f0e8b7a4d5c9e1f3a2b4c6d8e0f";

/// An image that is active again.
pub(crate) fn image() -> Value {
    json!({
        "os_distro": "debian",
        "hw_disk_bus": "virtio",
        "name": "debian-13",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "shared",
        "size": 64,
        "virtual_size": 64,
        "status": "active",
        "checksum": "c8cbbeba08339a1e26d7ceb26b4c0136",
        "protected": false,
        "min_ram": 0,
        "min_disk": 0,
        "owner": PROJECT,
        "os_hidden": false,
        "os_hash_algo": "sha512",
        "os_hash_value": "0b0a68c315a220857f4779f3a2828125819385e07b9cac810945b67d3c98d7c8\
                          7f2dfa63a28d164b40a4720faa23627ce10b3f118385170941eb80069bf8fd6a",
        "id": ID,
        "created_at": "2026-11-22T12:59:35Z",
        "updated_at": "2026-11-22T13:20:01Z",
        "tags": ["blue"],
        "self": format!("/v2/images/{ID}"),
        "file": format!("/v2/images/{ID}/file"),
        "schema": "/v2/schemas/image",
        "stores": "fast"
    })
}

/// A page of the list.
pub(crate) fn page() -> Value {
    json!({
        "pending_deletes": [{
            "id": ID,
            "name": "debian-13",
            "owner": PROJECT,
            "size": 64,
            "visibility": "shared",
            "disk_format": "raw",
            "container_format": "bare",
            "created_at": "2026-11-22T12:59:35Z",
            "deleted_at": "2026-11-22T13:10:00Z",
            "scrub_at": "2026-11-29T13:10:00Z",
            "seconds_left": 604_199,
            "retention_rule": null,
            "revertible": true,
            "reason": null
        }],
        "first": "/v2/pending-deletes?limit=1",
        "next": format!("/v2/pending-deletes?limit=1&marker=2026-11-22T13%3A10%3A00.000000_{ID}")
    })
}

/// Pending images, by burst and store.
pub(crate) fn summary() -> Value {
    json!({
        "images": 301,
        "bytes": 6_452_926_464_i64,
        "first_deleted_at": "2026-11-22T09:00:00Z",
        "last_deleted_at": "2026-11-22T13:14:00Z",
        "first_scrub_at": "2026-11-29T09:00:00Z",
        "groups": [{
            "project": PROJECT,
            "store": "fast",
            "images": 300,
            "bytes": 6_442_450_944_i64,
            "first_deleted_at": "2026-11-22T13:10:00Z",
            "last_deleted_at": "2026-11-22T13:14:00Z",
            "first_scrub_at": "2026-11-29T13:10:00Z",
            "seconds_left": 604_199
        }],
        "other_groups": 1,
        "other_images": 1
    })
}

/// What a revert would do.
pub(crate) fn preview() -> Value {
    json!({
        "id": ID,
        "name": "debian-13",
        "owner": PROJECT,
        "status": "pending_delete",
        "size": 64,
        "visibility": "shared",
        "disk_format": "raw",
        "container_format": "bare",
        "created_at": "2026-11-22T12:59:35Z",
        "deleted_at": "2026-11-22T13:10:00Z",
        "revertible": true,
        "reason": null,
        "message": null,
        "scrub_at": "2026-11-29T13:10:00Z",
        "seconds_left": 604_199,
        "retention_rule": null,
        "locations": [{
            "id": 1,
            "store": "fast",
            "scheme": "file",
            "deleted_with_image": true,
            "comes_back": true,
            "data": "present",
            "problem": null
        }],
        "properties": ["os_distro", "hw_disk_bus"],
        "tags": ["blue"],
        "members": ["0f1e2d3c4b5a69788796a5b4c3d2e1f0"]
    })
}

/// Scrubbed images that could come back.
pub(crate) fn retained() -> Value {
    json!({
        "retained_images": [{
            "id": ID,
            "name": "debian-13",
            "owner": PROJECT,
            "size": 64,
            "deleted_at": "2026-11-22T13:10:00Z",
            "chance": "checksum",
            "kept_bytes": 64,
            "kept_until": "2026-12-29T13:30:00Z",
            "locations": [{
                "id": 1,
                "store": "bucket",
                "scheme": "s3",
                "deleted_with_image": true,
                "comes_back": true,
                "data": "retained",
                "problem": "its store kept it: as an older version, behind a delete marker",
                "retained": {
                    "size": 64,
                    "since": "2026-11-29T13:30:00Z",
                    "until": "2026-12-29T13:30:00Z"
                }
            }]
        }],
        "examined": 50,
        "unreadable": 0,
        "first": "/v2/retained-images?limit=50",
        "next": format!(
            "/v2/retained-images?limit=50&marker=2026-11-29T13%3A30%3A00.000000_{ID}"
        )
    })
}

/// The result of a bulk revert.
pub(crate) fn bulk_revert() -> Value {
    json!({
        "dry_run": false,
        "results": [
            {
                "image_id": ID,
                "outcome": "reverted",
                "reason": null,
                "message": null,
                "restored": {"locations": 1, "properties": 2, "tags": 1, "members": 1},
                "warnings": []
            },
            {
                "image_id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
                "outcome": "failed",
                "reason": "image.data_missing",
                "message": "The data of image 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 is not there, so \
                            nothing was changed: location 7 has no data any more.",
                "warnings": []
            }
        ],
        "counts": {
            "reverted": 1,
            "already_reverted": 0,
            "already_active": 0,
            "failed": 1,
            "unknown": 0,
            "reasons": {"image.data_missing": 1}
        },
        "remaining": 298,
        "marker": format!("2026-11-22T13:10:00.000000_{ID}")
    })
}

/// The scrubber's plan.
pub(crate) fn plan() -> Value {
    json!({
        "now": "2026-11-29T13:20:00Z",
        "until": "2026-11-30T13:20:00Z",
        "images": 1,
        "bytes": 64,
        "complete": true,
        "limited": false,
        "message": null,
        "groups": [{
            "project": PROJECT,
            "store": "fast",
            "images": 1,
            "bytes": 64,
            "first_scrub_at": "2026-11-29T13:30:00Z"
        }],
        "other_images": 0,
        "next": [{
            "id": ID,
            "name": "debian-13",
            "owner": PROJECT,
            "size": 64,
            "stores": ["fast"],
            "scrub_at": "2026-11-29T13:30:00Z",
            "retention_rule": null,
            "removed_locations": false
        }],
        "stopped": [{
            "reason": "no_store",
            "images": 1,
            "bytes": 64,
            "examples": [{
                "id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
                "message": "location 1: there is no driver for vsphere:// locations"
            }]
        }]
    })
}

/// The scrubber's status.
pub(crate) fn scrubber() -> Value {
    json!({
        "state": "paused",
        "pause": term(),
        "held_images": 12,
        "accepted_images": null,
        "scrub_time": 604_800,
        "kept_scrub_time": 604_800,
        "last_pass": {
            "started_at": "2026-11-29T13:10:00Z",
            "finished_at": "2026-11-29T13:10:04Z",
            "host": "controller-1",
            "outcome": "finished",
            "images_seen": 120,
            "images_scrubbed": 118,
            "locations_deleted": 118,
            "data_gone": 0,
            "claims_released": 1,
            "images_held": 1,
            "images_failed": 0,
            "alerts": 0
        },
        "has_tables": true
    })
}

fn term() -> Value {
    json!({
        "until": "2026-11-30T13:20:00Z",
        "since": "2026-11-29T13:20:00Z",
        "by": "alice",
        "reason": "images of project web were deleted by mistake"
    })
}

/// A new pause.
pub(crate) fn pause() -> Value {
    json!({"pause": term(), "claims_in_hand": 0})
}

/// The end of a pause.
pub(crate) fn resumption() -> Value {
    json!({"was_paused": true})
}

/// A held image.
pub(crate) fn hold() -> Value {
    json!({"image_id": ID, "hold": term()})
}

/// A token for a password.
pub(crate) fn login() -> Value {
    json!({"token": "gAAAAABpIc5u", "expires_at": "2026-11-22T14:20:01Z"})
}

/// An image that is no longer held.
pub(crate) fn release() -> Value {
    json!({"image_id": ID, "was_held": true})
}

/// The result for a selection of images.
pub(crate) fn tended() -> Value {
    json!({
        "images": 300,
        "done": 299,
        "failures": [{
            "image_id": ID,
            "reason": "image.scrub_in_progress",
            "message": "The scrubber is destroying the data of the image, so it cannot be held any more."
        }]
    })
}

/// A page of the audit.
pub(crate) fn audit() -> Value {
    json!({
        "audit": [{
            "id": "019aac1f-8d2f-7a3c-9b1e-0a4f6c2d8e5b",
            "at": "2026-11-22T13:20:01.327000Z",
            "operation": "revertImage",
            "outcome": "success",
            "image_id": ID,
            "owner": PROJECT,
            "name": "debian-13",
            "actor": "8c1e0f7a6b5d4c3e9f8a7b6c5d4e3f2a",
            "actor_name": "alice",
            "actor_issuer": "keystone",
            "actor_method": "keystone",
            "actor_scope": "system:all",
            "source": "api",
            "host": "controller-1",
            "request_id": "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a",
            "details": {
                "options": "verify=exists properties=restore tags=restore members=restore protect=false",
                "restored": {"locations": 1, "properties": 2, "tags": 1, "members": 1},
                "updated_at": "2026-11-22T13:20:01Z",
                "warnings": []
            }
        }],
        "first": "/v2/audit?limit=1",
        "next": "/v2/audit?limit=1&marker=019aac1f-8d2f-7a3c-9b1e-0a4f6c2d8e5b"
    })
}

/// The acceptance.
pub(crate) fn acceptance() -> Value {
    json!({"images": 5000})
}

/// The version document.
pub(crate) fn versions() -> Value {
    json!({
        "versions": [{
            "id": "v2.0",
            "status": "CURRENT",
            "links": [{"rel": "self", "href": "/v2/"}]
        }]
    })
}

/// The beginning of this document.
pub(crate) fn openapi() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "glance-revert", "version": env!("CARGO_PKG_VERSION")},
        "paths": {},
        "components": {}
    })
}
