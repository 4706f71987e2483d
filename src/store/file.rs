//! The file store: local disks, NFS, `CephFS`.
//!
//! `glance_store`'s driver deletes any path that a location names, and reports "not found" for an
//! unmounted share. This store only deletes regular files inside its data directories, never
//! through a symbolic link, and reports absence only if the data directory can be listed. The
//! pass's canary detects an empty mount point.

mod confined;
mod fault;
mod path;
mod workers;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::try_unfold;
use rustix::io::Errno;

use self::confined::{Confined, Removal, probe};
use self::fault::Fault;
use self::path::{DataDir, Target};
use self::workers::{Turn, Workers};
use super::{StoreOptions, StoreSetupError};
use crate::config::FileConfig;
use crate::domain::image::ImageId;
use crate::domain::store::{
    Deletion, ObjectStream, Objects, Presence, Store, StoreError, StoreId, StoreUri,
};

/// Bytes read at a time.
const CHUNK: usize = 512 * 1024;

/// One `file` store of the configuration.
#[derive(Debug)]
pub struct FileStore {
    id: StoreId,
    datadirs: Vec<DataDir>,
    any_file_name: bool,
    workers: Workers,
}

impl FileStore {
    /// Takes the data directories as configured; nothing is opened yet.
    pub fn new(
        id: StoreId,
        config: &FileConfig,
        options: &StoreOptions,
    ) -> Result<Self, StoreSetupError> {
        if config.datadirs.is_empty() {
            return Err(StoreSetupError::NoDataDir(id.0));
        }
        let parse = |path: &PathBuf| {
            DataDir::parse(path).map_err(|reason| StoreSetupError::DataDir {
                store: id.0.clone(),
                path: path.clone(),
                reason,
            })
        };
        let datadirs = config.datadirs.iter().map(parse).collect::<Result<_, _>>()?;
        let workers = Workers::new(config.timeout.unwrap_or(options.store_timeout));
        Ok(Self { id, datadirs, any_file_name: options.any_file_name, workers })
    }

    fn target(&self, image: &ImageId, uri: &StoreUri) -> Result<Target, Fault> {
        path::target(&self.datadirs, self.any_file_name, image, uri)
            .map_err(|reason| Fault::Location(reason.to_owned()))
    }

    async fn remove(&self, target: Target) -> Deletion {
        let turn = Turn::default();
        let of_thread = turn.clone();
        let removal = self.workers.run(move || Confined::open(&target)?.remove(&of_thread)).await;
        match removal {
            Ok(Removal::Removed) => Deletion::Deleted,
            Ok(Removal::Absent) => Deletion::Gone,
            Err(fault) if turn.take() => fault.before_deletion(),
            Err(fault) => fault.of_deletion(),
        }
    }
}

#[async_trait]
impl Store for FileStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        path::claimed(&self.datadirs, uri)
    }

    fn part(&self, uri: &StoreUri) -> String {
        path::part(&self.datadirs, uri)
            .map(|datadir| datadir.display().to_string())
            .unwrap_or_default()
    }

    fn objects(&self, uri: &StoreUri) -> Objects {
        path::opened(&self.datadirs, uri)
    }

    fn accepts(&self, image: &ImageId, uri: &StoreUri) -> Result<(), StoreError> {
        self.target(image, uri)?;
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        for datadir in &self.datadirs {
            let path = Arc::clone(datadir.path());
            self.workers.run(move || probe(&path)).await?;
        }
        Ok(())
    }

    async fn stat(&self, image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        let target = self.target(image, uri)?;
        let size = self.workers.run(move || Confined::open(&target)?.size()).await?;
        Ok(size.map_or(Presence::Absent, |size| Presence::Present { size }))
    }

    async fn read(
        &self,
        image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let target = self.target(image, uri)?;
        let path = target.path();
        let file = self.workers.run(move || Confined::open(&target)?.file()).await?;
        Ok(file.map(|file| stream(self.workers.clone(), path, file)))
    }

    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        match self.target(image, uri) {
            Ok(target) => self.remove(target).await,
            Err(fault) => fault.before_deletion(),
        }
    }
}

fn stream(workers: Workers, path: PathBuf, file: File) -> ObjectStream {
    try_unfold((workers, path, file), |(workers, path, file)| async move {
        let shown = path.clone();
        let read = workers.run(move || {
            next_chunk(file).map_err(|error| {
                Fault::Entry(shown, Errno::from_io_error(&error).unwrap_or(Errno::IO))
            })
        });
        let (chunk, file) = read.await?;
        Ok((!chunk.is_empty()).then_some((chunk, (workers, path, file))))
    })
    .boxed()
}

fn next_chunk(file: File) -> std::io::Result<(Vec<u8>, File)> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut limited = file.take(CHUNK as u64);
    limited.read_to_end(&mut chunk)?;
    Ok((chunk, limited.into_inner()))
}
