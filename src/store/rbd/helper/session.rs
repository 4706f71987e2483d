//! A helper's connection to a cluster, and its operations.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use super::super::ffi::{Ceph, Cluster, Errno, Image, Pool, Trashed};
use super::super::protocol::{CHUNK, Failure, Found, Reply, Settings, Snap, Step, Target, Trash};
use super::working;

pub(super) const ENOENT: Errno = Errno(2);

/// Ceph's three time-outs. Without them a call waits forever.
const TIMEOUTS: [&CStr; 3] =
    [c"rados_osd_op_timeout", c"rados_mon_op_timeout", c"client_mount_timeout"];

/// Turns an error number into the failure of this step.
pub(super) fn at(step: Step) -> impl FnOnce(Errno) -> Failure {
    move |Errno(errno)| Failure { step, errno }
}

/// A name as a C string.
pub(super) fn name(text: impl Into<Vec<u8>>) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure { step: Step::Name, errno: 0 })
}

/// A connection to a cluster.
pub(super) struct Session {
    cluster: Rc<Cluster>,
    fsid: String,
    /// The image that is being read.
    reading: Option<(Target, Image)>,
}

/// An image's names as C strings.
pub(super) struct Names {
    pub(super) image: CString,
    pub(super) snap: Option<CString>,
}

impl Session {
    pub(super) fn connect(settings: &Settings) -> Result<Self, Failure> {
        let load = |error: super::super::ffi::LoadError| Failure {
            step: Step::Load(error.to_string()),
            errno: 0,
        };
        let ceph = Ceph::load().map_err(load)?;
        let user = settings.user.as_deref().map(name).transpose()?;
        let cluster = Cluster::new(&ceph, user.as_deref()).map_err(at(Step::Configure))?;
        let conf = settings.conf.as_ref().map(|path| name(path.as_os_str().as_bytes()));
        cluster.read_file(conf.transpose()?.as_deref()).map_err(at(Step::Configure))?;
        let seconds = name(settings.timeout.as_secs().max(1).to_string())?;
        for option in TIMEOUTS {
            cluster.set(option, &seconds).map_err(at(Step::Configure))?;
        }
        // No cache, because nothing is read twice; no log, because Ceph's would mix with the
        // service's.
        for (option, value) in [(c"rbd_cache", c"false"), (c"log_to_stderr", c"false")] {
            cluster.set(option, value).map_err(at(Step::Configure))?;
        }
        cluster.connect().map_err(at(Step::Connect))?;
        working();
        let fsid = cluster.fsid().map_err(at(Step::Connect))?;
        Ok(Self { cluster: Rc::new(cluster), fsid, reading: None })
    }

    pub(super) fn health(&self, pool: &str) -> Result<Reply, Failure> {
        self.cluster.refresh().map_err(at(Step::OpenPool))?;
        self.open_pool(pool)?.images().map_err(at(Step::ListPool))?;
        Ok(Reply::Done)
    }

    /// librbd reads the same options in the same way when it removes an image.
    pub(super) fn trash(&self, pool: &str) -> Result<Reply, Failure> {
        self.cluster.refresh().map_err(at(Step::OpenPool))?;
        let pool = self.open_pool(pool)?;
        let options = pool.options().map_err(at(Step::ListOptions))?;
        let option = |name: &str| options.get(name).map_or("", String::as_str);
        let takes_all = is_on(option("rbd_move_to_trash_on_remove")).then(|| {
            option("rbd_move_to_trash_on_remove_expire_seconds").parse().unwrap_or_default()
        });
        let mut trash = pool.trash().map_err(at(Step::ListTrash))?;
        trash.retain(|one| !one.removing);
        let kept = trash.iter().filter(|one| one.until > one.since);
        let until = kept.map(|one| one.until).min();
        Ok(Reply::Trash(Trash { takes_all, images: trash.len(), until }))
    }

    /// The pool, after a check that the cluster is the right one, and the names of the image.
    pub(super) fn place(&self, target: &Target) -> Result<(Rc<Pool>, Names), Failure> {
        if target.fsid.as_ref().is_some_and(|fsid| !fsid.eq_ignore_ascii_case(&self.fsid)) {
            return Err(Failure { step: Step::OtherCluster(self.fsid.clone()), errno: 0 });
        }
        let image = name(target.image.as_str())?;
        let snap = target.snap.as_deref().map(name).transpose()?;
        Ok((self.open_pool(&target.pool)?, Names { image, snap }))
    }

    fn open_pool(&self, pool: &str) -> Result<Rc<Pool>, Failure> {
        let pool = Rc::clone(&self.cluster).pool(&name(pool)?).map_err(at(Step::OpenPool))?;
        working();
        Ok(pool)
    }

    pub(super) fn inspect(&self, target: &Target) -> Result<Reply, Failure> {
        let (pool, names) = self.place(target)?;
        let found = match pool.open_read_only(&names.image, None) {
            Ok(image) => look_at(&image, names.snap.as_deref()).map_err(at(Step::Inspect))?,
            Err(ENOENT) => match self.remains(target)? {
                Remains::Nothing => Found::Absent,
                Remains::Removing => Found::Removing,
                Remains::Trashed(Trashed { id, since, until, .. }) => {
                    let image = pool.open_trashed(&id, None);
                    let size = image.and_then(|image| image.size()).map_err(at(Step::OpenImage))?;
                    Found::Trash { size, since, until }
                }
            },
            Err(errno) => return Err(at(Step::OpenImage)(errno)),
        };
        Ok(Reply::Found(found))
    }

    /// Reads from the snapshot, or from the image itself if the snapshot is lost.
    pub(super) fn read(
        &mut self,
        target: &Target,
        offset: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<Reply, Failure> {
        let same = self.reading.take().filter(|(open, _)| open == target);
        let image = match same {
            Some((_, image)) => image,
            None => match self.open_to_read(target)? {
                Some(image) => image,
                None => return Ok(Reply::Absent),
            },
        };
        // librbd treats reading at or beyond the end as an error.
        let left = image.size().map_err(at(Step::Read))?.saturating_sub(offset);
        bytes.resize(usize::try_from(left).unwrap_or(CHUNK).min(CHUNK), 0);
        let read = if left == 0 { 0 } else { image.read(offset, bytes).map_err(at(Step::Read))? };
        bytes.truncate(read);
        // Keeps the image open until its end was read.
        self.reading = (read > 0).then(|| (target.clone(), image));
        Ok(Reply::Chunk(read))
    }

    fn open_to_read(&self, target: &Target) -> Result<Option<Image>, Failure> {
        let (pool, names) = self.place(target)?;
        let snap = names.snap.as_deref();
        let of_its_name = or_without_snap(snap, |snap| pool.open_read_only(&names.image, snap));
        match of_its_name {
            Err(ENOENT) => {}
            image => return image.map(Some).map_err(at(Step::OpenImage)),
        }
        let opened = match self.remains(target)? {
            Remains::Nothing => return Ok(None),
            Remains::Removing => Err(ENOENT),
            Remains::Trashed(one) => or_without_snap(snap, |snap| pool.open_trashed(&one.id, snap)),
        };
        opened.map(Some).map_err(at(Step::OpenImage))
    }

    /// Creates the lost snapshot before the data is read. A snapshot does not change, so the data
    /// read afterwards is the data that [`Session::repair`] gives to Glance. An image in the trash
    /// cannot be opened by name.
    pub(super) fn pin(&self, target: &Target) -> Result<Reply, Failure> {
        let (pool, names) = self.place(target)?;
        match pool.open(&names.image) {
            Ok(image) => make_snap(&image, &names)?,
            Err(ENOENT) => {}
            Err(errno) => return Err(at(Step::OpenImage)(errno)),
        }
        Ok(Reply::Done)
    }

    /// Restores and protects, as [`super::super::protocol::Request::Repair`] says. Creates no
    /// snapshot of an image that was not in the trash, because that image's data was not read.
    pub(super) fn repair(&self, target: &Target) -> Result<Reply, Failure> {
        let (pool, names) = self.place(target)?;
        let image = match pool.open(&names.image) {
            Err(ENOENT) => {
                let Remains::Trashed(Trashed { id, .. }) = self.remains(target)? else {
                    return Err(at(Step::OpenImage)(ENOENT));
                };
                pool.trash_restore(&id, &names.image).map_err(at(Step::TrashRestore))?;
                working();
                let image = pool.open(&names.image).map_err(at(Step::OpenImage))?;
                make_snap(&image, &names)?;
                image
            }
            image => image.map_err(at(Step::OpenImage))?,
        };
        let Some(snap) = names.snap else { return Ok(Reply::Done) };
        if !image.is_protected(&snap).map_err(at(Step::Inspect))? {
            image.protect(&snap).map_err(at(Step::Protect))?;
        }
        Ok(Reply::Done)
    }
}

impl Session {
    /// The state of an image that could not be opened. The pool must still exist: a deleted pool
    /// lists as empty.
    pub(super) fn remains(&self, target: &Target) -> Result<Remains, Failure> {
        self.cluster.refresh().map_err(at(Step::OpenPool))?;
        let pool = self.open_pool(&target.pool)?;
        let mut trash = pool.trash().map_err(at(Step::ListTrash))?;
        trash.retain(|trashed| trashed.name == target.image);
        match (trash.pop(), trash.is_empty()) {
            (Some(trashed), true) if trashed.removing => return Ok(Remains::Removing),
            (Some(trashed), true) => return Ok(Remains::Trashed(trashed)),
            (None, _) => {}
            (Some(_), false) => return Err(Failure { step: Step::SeveralInTrash, errno: 0 }),
        }
        let listed = pool.images().map_err(at(Step::ListPool))?.contains(&target.image);
        Ok(if listed { Remains::Removing } else { Remains::Nothing })
    }
}

/// The state of an image that could not be opened.
pub(super) enum Remains {
    /// The image is in the trash.
    Trashed(Trashed),
    /// A removal was interrupted: it removes the header before the name.
    Removing,
    Nothing,
}

/// Creates the snapshot that the location names, if it does not exist. It is trusted after it is
/// protected.
fn make_snap(image: &Image, names: &Names) -> Result<(), Failure> {
    let Some(snap) = names.snap.as_deref() else { return Ok(()) };
    if !image.has_snap(snap).map_err(at(Step::Inspect))? {
        image.create_snap(snap).map_err(at(Step::CreateSnap))?;
        working();
    }
    Ok(())
}

fn look_at(image: &Image, snap: Option<&CStr>) -> Result<Found, Errno> {
    let watchers = image.watchers()?;
    let snap = match snap {
        None => Snap::None,
        Some(snap) if !image.has_snap(snap)? => Snap::Lost,
        Some(snap) => {
            let protected = image.is_protected(snap)?;
            image.set_snap(snap)?;
            if protected { Snap::Protected } else { Snap::Unprotected }
        }
    };
    Ok(Found::Image { size: image.size()?, snap, watchers })
}

/// Whether this is a true value of Ceph's: `true` in any case, or a number other than 0.
fn is_on(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.parse::<i64>().is_ok_and(|number| number != 0)
}

fn or_without_snap(
    snap: Option<&CStr>,
    open: impl Fn(Option<&CStr>) -> Result<Image, Errno>,
) -> Result<Image, Errno> {
    match open(snap) {
        Err(ENOENT) if snap.is_some() => open(None),
        image => image,
    }
}
