//! Two stores, and the ways in which they give wrong answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::location::{Location, LocationValue};
use glance_revert::domain::store::{
    Deletion, ObjectStream, Objects as Names, Placed, Presence, Store, StoreError, StoreId,
    StoreUri, Stores, Unplaced,
};

use crate::process::Process;

/// The stores.
pub(crate) const STORES: [&str; 2] = ["fast", "slow"];
/// Bytes of every image.
pub(crate) const SIZE: u64 = 8;

/// The condition of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mount {
    /// Healthy.
    #[default]
    Up,
    /// An empty folder: healthy, but without objects.
    Empty,
    /// Not answering.
    Down,
}

/// The objects in the stores.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) whole: BTreeSet<String>,
    pub(crate) damaged: BTreeSet<String>,
    /// Objects destroyed by somebody other than the product.
    pub(crate) taken: BTreeSet<String>,
    /// Objects that still exist although a store reported them destroyed.
    pub(crate) phantoms: BTreeSet<String>,
    pub(crate) mounts: BTreeMap<&'static str, Mount>,
}

impl Objects {
    pub(crate) fn mount(&self, object: &str) -> Mount {
        let store = object.split('/').next().unwrap_or_default();
        self.mounts.get(store).copied().unwrap_or_default()
    }
}

/// The object that a URI names in any spelling: `fast/name`.
pub(crate) fn object(uri: &str) -> String {
    let (_, rest) = uri.split_once("://").unwrap_or_default();
    rest.replace("/./", "/")
}

/// Another spelling of a URI.
pub(crate) fn respelled(uri: &str, way: u64) -> String {
    let object = object(uri);
    let (store, name) = object.split_once('/').unwrap();
    match way % 3 {
        0 => format!("mem://{store}/{name}"),
        1 => format!("mem://{store}/./{name}"),
        _ => format!("MEM://{store}/{name}"),
    }
}

/// The stores as one process sees them.
#[derive(Debug)]
pub(crate) struct SimStores {
    all: Vec<Arc<SimStore>>,
}

/// One store.
#[derive(Debug)]
struct SimStore {
    id: StoreId,
    process: Arc<Process>,
}

impl SimStores {
    pub(crate) fn new(process: &Arc<Process>) -> Self {
        let store = |id: &&str| {
            Arc::new(SimStore { id: StoreId((*id).to_owned()), process: Arc::clone(process) })
        };
        Self { all: STORES.iter().map(store).collect() }
    }
}

impl Stores for SimStores {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let uri = self.uri(&location.value).ok_or(Unplaced::Unreadable(location.id))?;
        let store = self.all.iter().find(|store| store.claims(&uri).is_some());
        let (location, scheme) = (location.id, uri.scheme());
        let store = store.ok_or(Unplaced::NoStore { location, scheme })?;
        Ok(Placed { store: store.clone(), uri })
    }

    fn uri(&self, value: &LocationValue) -> Option<StoreUri> {
        StoreUri::parse(value.as_stored())
    }

    fn objects(&self, location: &Location) -> Names {
        Names::of(object(location.value.as_stored()))
    }

    fn all(&self) -> Vec<Arc<dyn Store>> {
        self.all.iter().map(|store| store.clone() as _).collect()
    }
}

impl SimStore {
    /// The way to the store, or back.
    async fn cross(&self, call: &'static str, side: u8) {
        let mut chance = self.process.chance(call, side);
        self.process.take_time(&mut chance).await;
    }

    fn mount(&self) -> Mount {
        let objects = self.process.world.objects.lock().unwrap();
        objects.mounts.get(&*self.id.0).copied().unwrap_or_default()
    }

    fn look(&self, uri: &StoreUri) -> Result<Presence, StoreError> {
        let gone = || StoreError::Unreachable("no answer".to_owned());
        let world = &self.process.world;
        let name = object(uri.as_str());
        if name.ends_with("/canary") {
            return Ok(Presence::Present { size: SIZE });
        }
        let objects = world.objects.lock().unwrap();
        match objects.mount(&name) {
            Mount::Down => Err(gone()),
            Mount::Up if objects.whole.contains(&name) => Ok(Presence::Present { size: SIZE }),
            Mount::Up if objects.damaged.contains(&name) => {
                Ok(Presence::Damaged("a part is missing".to_owned()))
            }
            Mount::Up | Mount::Empty => Ok(Presence::Absent),
        }
    }

    /// The effect of the request, when the store processes it.
    fn destroy(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        let (process, world) = (&self.process, &self.process.world);
        let name = object(uri.as_str());
        let mut chance = process.chance("destroy", 2);
        let goes_wrong = !world.is_quiet() && chance.permille(world.odds.store);
        let way = if goes_wrong { chance.below(7) } else { 7 };
        let text = || "as it happens".to_owned();
        match world.objects.lock().unwrap().mount(&name) {
            Mount::Up => {}
            Mount::Empty => return Deletion::Gone,
            Mount::Down if way < 3 => return Deletion::Uncertain(text()),
            Mount::Down => return Deletion::Refused(text()),
        }
        match way {
            0 => return Deletion::Held(text()),
            1 => return Deletion::Refused(text()),
            2 => return Deletion::Uncertain(text()),
            _ => {}
        }
        let objects = world.objects.lock().unwrap();
        let (is_whole, is_damaged) =
            (objects.whole.contains(&name), objects.damaged.contains(&name));
        drop(objects);
        if !is_whole && !is_damaged {
            return if way == 3 { Deletion::Uncertain(text()) } else { Deletion::Gone };
        }
        if way == 4 {
            // reports success without effect
            world.objects.lock().unwrap().phantoms.insert(name);
            return Deletion::Deleted;
        }
        world.truth.destroys(world, process.number, image.as_str(), &name);
        let mut objects = world.objects.lock().unwrap();
        objects.whole.remove(&name);
        if way == 5 {
            objects.damaged.insert(name);
            return Deletion::Partial(text());
        }
        objects.damaged.remove(&name);
        match way {
            3 => Deletion::Uncertain(text()),
            6 => Deletion::Retained(text()),
            _ => Deletion::Deleted,
        }
    }
}

#[async_trait]
impl Store for SimStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        let name = object(uri.as_str());
        name.split('/').next().filter(|store| *store == self.id.0).map(str::len)
    }

    fn objects(&self, uri: &StoreUri) -> Names {
        Names::of(object(uri.as_str()))
    }

    fn accepts(&self, _: &ImageId, _: &StoreUri) -> Result<(), StoreError> {
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.cross("health", 0).await;
        match self.mount() {
            Mount::Down => Err(StoreError::Unreachable("no answer".to_owned())),
            Mount::Up | Mount::Empty => Ok(()),
        }
    }

    async fn stat(&self, _: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        self.cross("stat", 0).await;
        let found = self.look(uri);
        self.cross("stat", 1).await;
        found
    }

    async fn read(&self, _: &ImageId, uri: &StoreUri) -> Result<Option<ObjectStream>, StoreError> {
        self.cross("read", 0).await;
        Ok(match self.look(uri)? {
            Presence::Present { .. } => Some(futures::stream::iter([Ok(vec![0; 8])]).boxed()),
            _ => None,
        })
    }

    fn at_once(&self) -> usize {
        if self.id.0 == STORES[1] { 8 } else { 1 }
    }

    async fn delete(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        self.cross("delete", 0).await;
        let deletion = self.destroy(image, uri);
        self.cross("delete", 1).await;
        // One mutant of the product does not notice that data was touched.
        let is_blind = self.process.world.truth.is_blind();
        match deletion {
            Deletion::Partial(why) | Deletion::Uncertain(why) if is_blind => Deletion::Refused(why),
            deletion => deletion,
        }
    }
}
