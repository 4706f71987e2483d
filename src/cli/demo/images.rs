//! The demo's images: real data, and the rows that Glance would have left.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest;

use super::incident::{self, Lost};
use crate::cli::CliError;
use crate::db::demo::{self, DemoData, DemoImage};
use crate::domain::time::Timestamp;

/// An image as the demo describes it.
pub(super) struct Shown {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) story: &'static str,
    /// Whether it can still be reverted.
    pub(super) pending: bool,
}

struct Planned {
    shown: Shown,
    deleted: Option<Duration>,
    has_data: bool,
    properties: &'static [(&'static str, &'static str)],
    tags: &'static [&'static str],
    members: &'static [&'static str],
}

const KERNEL: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01";
const RAMDISK: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c02";

const IMAGES: [Planned; 6] = [
    Planned {
        shown: Shown {
            id: "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03",
            name: "debian-12-golden",
            story: "deleted 5 minutes ago: comes back with properties, tags and members",
            pending: true,
        },
        deleted: Some(Duration::from_mins(5)),
        has_data: true,
        properties: &[
            ("os_distro", "debian"),
            ("hw_disk_bus", "virtio"),
            ("kernel_id", KERNEL),
            ("ramdisk_id", RAMDISK),
        ],
        tags: &["golden", "production"],
        members: &["web-team", "database-team"],
    },
    Planned {
        shown: Shown {
            id: KERNEL,
            name: "debian-12-kernel",
            story: "deleted 4 minutes ago: the kernel of the first one",
            pending: true,
        },
        deleted: Some(Duration::from_mins(4)),
        has_data: true,
        properties: &[("os_distro", "debian")],
        tags: &["kernel"],
        members: &[],
    },
    Planned {
        shown: Shown {
            id: RAMDISK,
            name: "debian-12-initrd",
            story: "deleted 4 minutes ago: its ramdisk",
            pending: true,
        },
        deleted: Some(Duration::from_mins(4)),
        has_data: true,
        properties: &[],
        tags: &[],
        members: &[],
    },
    Planned {
        shown: Shown {
            id: "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c04",
            name: "lost",
            story: "deleted 3 minutes ago, but its file was removed: refused, 409",
            pending: true,
        },
        deleted: Some(Duration::from_mins(3)),
        has_data: false,
        properties: &[],
        tags: &[],
        members: &[],
    },
    Planned {
        shown: Shown {
            id: "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c05",
            name: "old",
            story: "deleted 2 hours ago, scrub_time is 1 hour: the scrubber destroys it at once",
            pending: false,
        },
        deleted: Some(Duration::from_hours(2)),
        has_data: true,
        properties: &[],
        tags: &[],
        members: &[],
    },
    Planned {
        shown: Shown {
            id: "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c06",
            name: "cirros",
            story: "active: there is nothing to revert, 409",
            pending: false,
        },
        deleted: None,
        has_data: true,
        properties: &[("os_distro", "cirros")],
        tags: &["test"],
        members: &[],
    },
];

/// Writes the data and the rows of all images, `images` in addition to the demo's own.
pub(super) async fn write(
    folder: &Path,
    lost: &[Lost],
    now: Timestamp,
) -> Result<Vec<Shown>, CliError> {
    let datadir = folder.join("images");
    std::fs::create_dir(&datadir).map_err(CliError::system(datadir.display()))?;
    let mut rows = Vec::new();
    for image in &IMAGES {
        let data = image.shown.name.repeat(4096).into_bytes();
        rows.push(DemoImage {
            id: image.shown.id,
            name: image.shown.name,
            project: "demo",
            data: store(&datadir, image.shown.id, &data, image.has_data)?,
            properties: image.properties,
            tags: image.tags,
            members: image.members,
            deleted: image.deleted,
        });
    }
    for image in lost {
        rows.push(DemoImage {
            id: &image.id,
            name: &image.name,
            project: incident::PROJECT,
            data: store(&datadir, &image.id, image.name.repeat(256).as_bytes(), true)?,
            properties: &[("os_distro", "debian"), ("hw_disk_bus", "virtio")],
            tags: &["production"],
            members: &["web-team"],
            deleted: Some(image.deleted),
        });
    }
    demo::create(&folder.join("glance.db"), &rows, now)
        .await
        .map_err(|error| CliError::Other(format!("the demo's database: {error}")))?;
    Ok(IMAGES.map(|image| image.shown).into())
}

/// Writes an image's data into the store, or only computes what it would be.
fn store(datadir: &Path, id: &str, data: &[u8], is_kept: bool) -> Result<DemoData, CliError> {
    let path = datadir.join(id);
    if is_kept {
        std::fs::write(&path, data).map_err(CliError::system(path.display()))?;
    }
    Ok(DemoData {
        location: format!("file://{}", path.display()),
        size: i64::try_from(data.len()).unwrap_or_default(),
        sha512: hex::encode(digest::digest(&digest::SHA512, data)),
    })
}
