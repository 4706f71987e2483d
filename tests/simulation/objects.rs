//! Two stores, and the ways in which they give wrong answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::location::{Location, LocationValue};
use glance_revert::domain::store::{
    Deletion, Keeps, ObjectStream, Objects as Names, Placed, Presence, Purged, Remains, Retained,
    Store, StoreError, StoreId, StoreUri, Stores, Unplaced,
};

use crate::kept::Version;
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

/// The data of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// The image whose bytes it has.
    pub(crate) of: String,
    /// Different for each upload.
    pub(crate) version: u64,
}

/// The objects in the stores.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) whole: BTreeMap<String, Content>,
    pub(crate) damaged: BTreeSet<String>,
    /// Objects destroyed by somebody other than the product.
    pub(crate) taken: BTreeSet<String>,
    /// Objects that still exist although a store reported them destroyed.
    pub(crate) phantoms: BTreeSet<String>,
    pub(crate) mounts: BTreeMap<&'static str, Mount>,
    /// Stores that keep what is deleted.
    pub(crate) keepers: Vec<&'static str>,
    /// What they keep, by object, the oldest first.
    pub(crate) kept: BTreeMap<String, Vec<Version>>,
    pub(crate) last_version: u64,
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

    /// Whether a request goes wrong, and in which of so many ways.
    fn fault(&self, call: &'static str, ways: u64) -> u64 {
        let (process, world) = (&self.process, &self.process.world);
        let mut chance = process.chance(call, 2);
        let goes_wrong = !world.is_quiet() && chance.permille(world.odds.store);
        if goes_wrong { chance.below(ways) } else { ways }
    }

    fn must_answer(&self) -> Result<(), StoreError> {
        let is_down = self.mount() == Mount::Down;
        if is_down { Err(StoreError::Unreachable("no answer".to_owned())) } else { Ok(()) }
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
            Mount::Up if objects.whole.contains_key(&name) => Ok(Presence::Present { size: SIZE }),
            Mount::Up if objects.damaged.contains(&name) => {
                Ok(Presence::Damaged("a part is missing".to_owned()))
            }
            Mount::Up if objects.newest(&name).is_some() => {
                Ok(Presence::Hidden("as an older version".to_owned()))
            }
            Mount::Up | Mount::Empty => Ok(Presence::Absent),
        }
    }

    /// The effect of the request, when the store processes it.
    fn destroy(&self, image: &ImageId, uri: &StoreUri) -> Deletion {
        let (process, world) = (&self.process, &self.process.world);
        let name = object(uri.as_str());
        let way = self.fault("destroy", 7);
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
        let (is_there, is_kept) = (objects.has(&name), objects.newest(&name).is_some());
        let is_keeper = objects.is_keeper(&name);
        drop(objects);
        if !is_there {
            return match way {
                3 => Deletion::Uncertain(text()),
                _ if is_kept => Deletion::Retained(text()),
                _ => Deletion::Gone,
            };
        }
        if way == 4 {
            // reports success without effect
            world.objects.lock().unwrap().phantoms.insert(name);
            return Deletion::Deleted;
        }
        world.truth.destroys(world, process.number, image.as_str(), &name);
        let mut objects = world.objects.lock().unwrap();
        if way == 5 {
            objects.whole.remove(&name);
            objects.damaged.insert(name);
            return Deletion::Partial(text());
        }
        objects.remove(&name, world.elapsed());
        match way {
            3 => Deletion::Uncertain(text()),
            _ if is_keeper || way == 6 => Deletion::Retained(text()),
            _ => Deletion::Deleted,
        }
    }

    /// The effect of a request to bring a kept version back.
    fn uncover(&self, uri: &StoreUri, kept: &Retained) -> Result<(), StoreError> {
        let (process, world) = (&self.process, &self.process.world);
        self.must_answer()?;
        let lost = || Err(StoreError::Unreachable("the answer was lost".to_owned()));
        let way = self.fault("recover", 6);
        if way == 0 {
            return lost();
        }
        let (name, version) = (object(uri.as_str()), kept.version.parse().unwrap());
        let done = world.objects.lock().unwrap().uncover(&name, version);
        world.truth.tell(|| format!("process {} recovers {name}: {done:?}", process.number));
        done.map_err(|why| StoreError::Unreachable(why.to_owned()))?;
        if way == 1 { lost() } else { Ok(()) }
    }

    /// The effect of a request to remove one version; false if it refuses.
    fn forget(&self, image: &ImageId, name: &str, version: u64) -> Result<bool, StoreError> {
        let (process, world) = (&self.process, &self.process.world);
        self.must_answer()?;
        let lost = || Err(StoreError::Unreachable("the answer was lost".to_owned()));
        let way = self.fault("purge", 6);
        match way {
            0 => return lost(),
            1 => return Ok(false),
            _ => {}
        }
        world.truth.purges(world, process.number, image.as_str(), name);
        world.objects.lock().unwrap().forget(name, version);
        if way == 2 { lost() } else { Ok(true) }
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
        self.look(uri)?;
        let objects = self.process.world.objects.lock().unwrap();
        let name = object(uri.as_str());
        let found = objects.whole.get(&name).filter(|_| objects.mount(&name) == Mount::Up);
        Ok(found.map(Content::stream))
    }

    async fn retained(&self, _: &ImageId, uri: &StoreUri) -> Result<Option<Retained>, StoreError> {
        self.cross("retained", 0).await;
        self.must_answer()?;
        Ok(self.process.world.objects.lock().unwrap().retained(&object(uri.as_str())))
    }

    async fn read_retained(
        &self,
        image: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<Option<ObjectStream>, StoreError> {
        self.cross("read_retained", 0).await;
        self.must_answer()?;
        let world = &self.process.world;
        let objects = world.objects.lock().unwrap();
        let mut all =
            objects.versions(&object(uri.as_str())).iter().map(|kept| kept.content.clone());
        let found = all.find(|content| content.version.to_string() == kept.version);
        // One mutant of the product takes what it finds.
        let is_trusted = world.database.without.proof;
        let of = |found: Content| if is_trusted { image.to_string() } else { found.of };
        Ok(found.map(|found| Content { version: found.version, of: of(found) }.stream()))
    }

    async fn recover(
        &self,
        _: &ImageId,
        uri: &StoreUri,
        kept: &Retained,
    ) -> Result<(), StoreError> {
        self.cross("recover", 0).await;
        let done = self.uncover(uri, kept);
        self.cross("recover", 1).await;
        done
    }

    async fn keeps(&self, _: &ImageId, uri: &StoreUri) -> Result<Keeps, StoreError> {
        self.cross("keeps", 0).await;
        self.must_answer()?;
        let name = object(uri.as_str());
        let objects = self.process.world.objects.lock().unwrap();
        let is_there = objects.has(&name) && objects.mount(&name) == Mount::Up;
        Ok(if is_there { Keeps::Current } else { Keeps::Remains(objects.remains(&name)) })
    }

    async fn purge(&self, image: &ImageId, uri: &StoreUri) -> Result<Purged, StoreError> {
        self.cross("purge", 0).await;
        self.must_answer()?;
        let name = object(uri.as_str());
        let listed = {
            let objects = self.process.world.objects.lock().unwrap();
            if objects.has(&name) {
                return Err(StoreError::Unreachable("an object is in its place".to_owned()));
            }
            objects.versions(&name).to_vec()
        };
        let mut purged = Purged::default();
        for version in listed {
            let is_gone = self.forget(image, &name, version.content.version)?;
            *(if is_gone { &mut purged.removed } else { &mut purged.left }) +=
                Remains { pieces: 1, bytes: SIZE };
            self.cross("purge", 1).await;
        }
        purged.why = (purged.left.pieces > 0).then(|| "a lock of the store".to_owned());
        Ok(purged)
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
