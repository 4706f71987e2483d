//! Verifies that an image's data is still there.

use aws_lc_rs::digest;
use futures::StreamExt;
use md5::{Digest, Md5};

use crate::domain::image::Image;
use crate::domain::location::Location;
use crate::domain::store::{
    ObjectStream, Placed, Presence, Retained, StoreError, Stores, Unplaced,
};

/// How a revert verifies the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Ask the store for the size.
    #[default]
    Exists,
    /// Read it all and compare the hash.
    Checksum,
    /// Do not look.
    None,
}

impl Verify {
    /// Its name in requests and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::Checksum => "checksum",
            Self::None => "none",
        }
    }
}

/// The result of verifying a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Present, with the right size (and the right hash, if verified).
    Present,
    /// Not verified.
    Unchecked,
    /// Proved missing.
    Missing,
    /// Nobody can read it, but the store retains it. Says where, and how an operator can recover
    /// it.
    Hidden(String),
    /// Nobody can read it, but the store retains it and can recover it once the hash has proved it.
    Kept(Retained),
    /// Like `Kept`, and the hash is right.
    Recoverable(Retained),
    /// The store has recovered it.
    Recovered(Retained),
    /// Its row says that it was destroyed, and it is missing.
    Destroyed,
    /// Its row says that it was destroyed, but the store has something that only the hash could
    /// prove. Says what.
    Unproved(String),
    /// Parts are missing; says which.
    Damaged(String),
    /// Present, but the store must repair something before Glance can use it.
    Repairable {
        /// What is wrong.
        why: String,
    },
    /// Present with the right hash, and repaired; what was wrong.
    Repaired(String),
    /// Present with another size.
    WrongSize {
        /// Bytes found.
        found: u64,
        /// Bytes that Glance knows.
        expected: u64,
    },
    /// Present with the right size but another content.
    WrongChecksum,
    /// Unknown at the moment.
    Unknown(String),
    /// Cannot be verified at all; says why.
    NotVerifiable(String),
}

impl Finding {
    /// What its store has kept.
    pub fn kept(&self) -> Option<&Retained> {
        match self {
            Self::Kept(kept) | Self::Recoverable(kept) | Self::Recovered(kept) => Some(kept),
            Self::Present
            | Self::Unchecked
            | Self::Missing
            | Self::Hidden(_)
            | Self::Destroyed
            | Self::Unproved(_)
            | Self::Damaged(_)
            | Self::Repairable { .. }
            | Self::Repaired(_)
            | Self::WrongSize { .. }
            | Self::WrongChecksum
            | Self::Unknown(_)
            | Self::NotVerifiable(_) => None,
        }
    }

    /// Whether this finding permits a location to serve an active image.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Present
            | Self::Unchecked
            | Self::Repairable { .. }
            | Self::Repaired(_)
            | Self::Recoverable(_)
            | Self::Recovered(_) => true,
            Self::Missing
            | Self::Hidden(_)
            | Self::Kept(_)
            | Self::Destroyed
            | Self::Unproved(_)
            | Self::Damaged(_)
            | Self::WrongSize { .. }
            | Self::WrongChecksum
            | Self::Unknown(_)
            | Self::NotVerifiable(_) => false,
        }
    }
}

/// Whether Glance has a hash of an image that its data can be compared with.
pub(in crate::domain) fn has_hash(image: &Image) -> bool {
    Hasher::of(image).is_ok()
}

/// Verifies the data of one location.
pub async fn verify(
    stores: &dyn Stores,
    image: &Image,
    location: &Location,
    how: Verify,
) -> Finding {
    if how == Verify::None {
        return Finding::Unchecked;
    }
    let placed = match stores.place(location) {
        Ok(placed) => placed,
        Err(unplaced) => return of_unplaced(&unplaced),
    };
    let finding = look(&placed, image, how).await;
    finding.unwrap_or_else(|error| of_error(location, &placed, &error))
}

/// Only a misconfigured store is known, and will answer again.
fn of_unplaced(unplaced: &Unplaced) -> Finding {
    let text = unplaced.to_string();
    match unplaced {
        Unplaced::NoDriver { .. }
        | Unplaced::Unreadable(_)
        | Unplaced::NoStore { .. }
        | Unplaced::Several { .. } => Finding::NotVerifiable(text),
        Unplaced::Misconfigured { .. } => Finding::Unknown(text),
    }
}

fn of_error(location: &Location, placed: &Placed, error: &StoreError) -> Finding {
    let text = format!("location {} in store {}: {error}", location.id, placed.store.id());
    match error {
        StoreError::NotVerifiable(_) | StoreError::BadLocation(_) => Finding::NotVerifiable(text),
        StoreError::Unreachable(_) | StoreError::Refused(_) => Finding::Unknown(text),
    }
}

/// Verifies the data of one location, and repairs a [`Finding::Repairable`] once the hash proves
/// the data intact, whatever `how` says.
pub(super) async fn verify_and_repair(
    stores: &dyn Stores,
    image: &Image,
    location: &Location,
    how: Verify,
) -> Finding {
    let finding = verify(stores, image, location, how).await;
    let Finding::Repairable { why } = finding else { return finding };
    let placed = match stores.place(location) {
        Ok(placed) => placed,
        Err(unplaced) => return of_unplaced(&unplaced),
    };
    match repair(&placed, image).await {
        Ok(Finding::Present) => Finding::Repaired(why),
        Ok(finding) => finding,
        Err(StoreError::NotVerifiable(text)) => {
            of_error(location, &placed, &StoreError::NotVerifiable(format!("{why}; {text}")))
        }
        Err(error) => of_error(location, &placed, &error),
    }
}

async fn look(placed: &Placed, image: &Image, how: Verify) -> Result<Finding, StoreError> {
    let finding = size(placed, image).await?;
    if let Finding::Hidden(hidden) = finding {
        return kept(placed, image, hidden, how).await;
    }
    if finding == Finding::Present && how == Verify::Checksum {
        return checksum(placed, image).await;
    }
    Ok(finding)
}

/// What the store retains of hidden data and, with [`Verify::Checksum`], whether it is the image's.
async fn kept(
    placed: &Placed,
    image: &Image,
    hidden: String,
    how: Verify,
) -> Result<Finding, StoreError> {
    let kept = match placed.store.retained(&image.id, &placed.uri).await {
        Ok(Some(kept)) => kept,
        // without permission to look, we can at least report where it is
        Ok(None) | Err(StoreError::Refused(_)) => return Ok(Finding::Hidden(hidden)),
        Err(error) => return Err(error),
    };
    if let Some(wrong) = wrong_size(image, kept.size) {
        return Ok(wrong);
    }
    if how != Verify::Checksum {
        return Ok(Finding::Kept(kept));
    }
    let Ok((hasher, expected)) = Hasher::of(image) else {
        let text = format!("{kept}, but Glance has no hash of this image to verify it");
        return Err(StoreError::NotVerifiable(text));
    };
    let stream = placed.store.read_retained(&image.id, &placed.uri, &kept).await?;
    let Some(stream) = stream else { return Ok(Finding::Missing) };
    let is_right = hasher.of_stream(stream).await?.eq_ignore_ascii_case(expected);
    Ok(if is_right { Finding::Recoverable(kept) } else { Finding::WrongChecksum })
}

/// What a store that repairs by itself reports of data that it keeps aside, as in a trash.
pub(super) async fn kept_aside(
    stores: &dyn Stores,
    image: &Image,
    location: &Location,
) -> Option<Retained> {
    let placed = stores.place(location).ok()?;
    placed.store.retained(&image.id, &placed.uri).await.ok().flatten()
}

/// Lets the store recover data that was proved to be the image's, and verifies that it is there.
pub(in crate::domain) async fn recover(
    stores: &dyn Stores,
    image: &Image,
    location: &Location,
    kept: Retained,
) -> Finding {
    let placed = match stores.place(location) {
        Ok(placed) => placed,
        Err(unplaced) => return of_unplaced(&unplaced),
    };
    let (image_id, store) = (image.id.as_str(), placed.store.id());
    tracing::warn!(image_id, location = location.id, %store, "brings back the data that the store kept");
    let recovered = async {
        placed.store.recover(&image.id, &placed.uri, &kept).await?;
        size(&placed, image).await
    };
    match recovered.await {
        Ok(Finding::Present) => Finding::Recovered(kept),
        Ok(finding) => finding,
        Err(error) => of_error(location, &placed, &error),
    }
}

async fn repair(placed: &Placed, image: &Image) -> Result<Finding, StoreError> {
    if !has_hash(image) {
        return Err(StoreError::NotVerifiable(
            "Glance has no hash of this image to verify the data; compare and repair it yourself, \
             or use verify=none"
                .to_owned(),
        ));
    }
    placed.store.pin(&image.id, &placed.uri).await?;
    let proof = checksum(placed, image).await?;
    if proof != Finding::Present {
        return Ok(proof);
    }
    placed.store.repair(&image.id, &placed.uri).await?;
    size(placed, image).await
}

async fn size(placed: &Placed, image: &Image) -> Result<Finding, StoreError> {
    let of_size = |found, good| wrong_size(image, found).unwrap_or(good);
    Ok(match placed.store.stat(&image.id, &placed.uri).await? {
        Presence::Present { size } => of_size(size, Finding::Present),
        Presence::Repairable { size, why } => of_size(size, Finding::Repairable { why }),
        Presence::Absent => Finding::Missing,
        Presence::Hidden(how) => Finding::Hidden(how),
        Presence::Damaged(how) => Finding::Damaged(how),
    })
}

fn wrong_size(image: &Image, found: u64) -> Option<Finding> {
    let expected = image.size.map(|size| u64::try_from(size).unwrap_or_default());
    let expected = expected.filter(|expected| *expected != found)?;
    Some(Finding::WrongSize { found, expected })
}

async fn checksum(placed: &Placed, image: &Image) -> Result<Finding, StoreError> {
    let (hasher, expected) = Hasher::of(image)?;
    let Some(stream) = placed.store.read(&image.id, &placed.uri).await? else {
        return Ok(Finding::Missing);
    };
    Ok(if hasher.of_stream(stream).await?.eq_ignore_ascii_case(expected) {
        Finding::Present
    } else {
        Finding::WrongChecksum
    })
}

/// The hashes that Glance may have stored (`[DEFAULT] hashing_algorithm`; MD5 in `checksum`).
enum Hasher {
    Sha(digest::Context),
    Md5(Md5),
}

impl Hasher {
    /// The hasher for an image, and the expected value.
    fn of(image: &Image) -> Result<(Self, &str), StoreError> {
        if let (Some(name), Some(value)) = (&image.os_hash_algo, &image.os_hash_value) {
            let algorithm = match name.as_str() {
                "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                "sha224" => &digest::SHA224,
                "sha256" => &digest::SHA256,
                "sha384" => &digest::SHA384,
                "sha512" => &digest::SHA512,
                "sha3_256" => &digest::SHA3_256,
                "sha3_384" => &digest::SHA3_384,
                "sha3_512" => &digest::SHA3_512,
                "md5" => return Ok((Self::Md5(Md5::new()), value)),
                other => {
                    return Err(StoreError::NotVerifiable(format!(
                        "os_hash_algo {other} is not supported; use verify=exists"
                    )));
                }
            };
            return Ok((Self::Sha(digest::Context::new(algorithm)), value));
        }
        match &image.checksum {
            Some(value) => Ok((Self::Md5(Md5::new()), value)),
            None => Err(StoreError::NotVerifiable(
                "Glance has no checksum of this image; use verify=exists".to_owned(),
            )),
        }
    }

    async fn of_stream(mut self, mut stream: ObjectStream) -> Result<String, StoreError> {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            match &mut self {
                Self::Sha(context) => context.update(&chunk),
                Self::Md5(hasher) => hasher.update(&chunk),
            }
        }
        Ok(self.finish())
    }

    fn finish(self) -> String {
        match self {
            Self::Sha(context) => hex::encode(context.finish()),
            Self::Md5(hasher) => hex::encode(hasher.finalize()),
        }
    }
}
