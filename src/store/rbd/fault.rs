//! Ceph errors in words, and their meaning for the data: the table of error numbers.

use super::helpers::Trouble;
use super::protocol::{End, Failure, Step};
use crate::domain::store::{Deletion, StoreError};

/// The store's user and pool, for messages.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `client.glance`.
    pub(super) client: String,
    /// The configured pool.
    pub(super) pool: String,
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EIO: i32 = 5;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const EROFS: i32 = 30;
const EMLINK: i32 = 31;
const ENOTEMPTY: i32 = 39;
const ETIMEDOUT: i32 = 110;
const ESHUTDOWN: i32 = 108;

fn is_forbidden(failure: &Failure) -> bool {
    matches!(failure.errno, EPERM | EACCES | EROFS)
}

impl Place {
    /// Describes a failure: what, why, what to do.
    fn describe(&self, failure: &Failure) -> String {
        let Self { client, pool } = self;
        let what = match &failure.step {
            Step::Load(error) => {
                return format!("Ceph's libraries cannot be used: {error}; install librbd1");
            }
            Step::OtherCluster(fsid) => {
                return format!(
                    "the location is in another cluster than the one of rbd_store_ceph_conf, {fsid}"
                );
            }
            Step::SeveralInTrash => {
                return format!(
                    "the trash of pool {pool} has several images of this name; restore the right \
                     one with `rbd trash restore`"
                );
            }
            Step::Grouped => {
                return "it belongs to a group; take it out with `rbd group image remove`"
                    .to_owned();
            }
            Step::Name => return "a name has a NUL in it".to_owned(),
            Step::Configure => "Ceph's configuration cannot be read".to_owned(),
            Step::Connect => format!("cannot connect to Ceph as {client}"),
            Step::OpenPool => format!("pool {pool} cannot be opened"),
            Step::ListPool => format!("pool {pool} cannot be listed"),
            Step::ListTrash => format!("the trash of pool {pool} cannot be listed"),
            Step::ListOptions => format!("the options of pool {pool} cannot be read"),
            Step::OpenImage => "the image cannot be opened".to_owned(),
            Step::Inspect => "the image cannot be examined".to_owned(),
            Step::Read => "the image cannot be read".to_owned(),
            Step::Unprotect => "its snapshot cannot be unprotected".to_owned(),
            Step::RemoveSnap => "its snapshot cannot be removed".to_owned(),
            Step::Remove => "the image cannot be removed".to_owned(),
            Step::TrashMove => "the image cannot be moved to the trash".to_owned(),
            Step::TrashRemove => "the image cannot be removed from the trash".to_owned(),
            Step::TrashRestore => "the image cannot be taken out of the trash".to_owned(),
            Step::CreateSnap => "its snapshot cannot be created".to_owned(),
            Step::Protect => "its snapshot cannot be protected".to_owned(),
        };
        let hint = self.hint(failure);
        format!("{what}: {}{hint}", errno_name(failure.errno))
    }

    fn hint(&self, failure: &Failure) -> String {
        let Self { client, pool } = self;
        match (&failure.step, failure.errno) {
            (Step::Configure, ENOENT) => "; check rbd_store_ceph_conf".to_owned(),
            (Step::Connect, ENOENT) => {
                format!("; check that there is a readable keyring of {client}")
            }
            (Step::Connect, EPERM | EACCES) => format!("; check the key of {client}"),
            (Step::OpenPool, ENOENT) => "; check rbd_store_pool".to_owned(),
            (Step::OpenImage, ENOENT) => "; its removal was interrupted".to_owned(),
            (Step::TrashRemove, EPERM) => {
                "; it is to stay in the trash for a time, see `rbd trash ls --long`".to_owned()
            }
            (Step::Unprotect, EBUSY) => "; it has clones".to_owned(),
            (_, EPERM | EACCES | EROFS) => {
                format!("; the capabilities of {client} must include 'profile rbd pool={pool}'")
            }
            (_, ETIMEDOUT) => "; check that all monitors and OSDs are up".to_owned(),
            _ => String::new(),
        }
    }

    fn of_trouble(&self, trouble: &Trouble) -> String {
        match trouble {
            Trouble::NotAsked(why) | Trouble::Lost(why) => why.clone(),
            Trouble::Failed(failure) => self.describe(failure),
        }
    }

    /// The result of a failed read-only request.
    pub(super) fn error(&self, trouble: &Trouble) -> StoreError {
        let message = self.of_trouble(trouble);
        match trouble {
            Trouble::Failed(failure) if is_forbidden(failure) => StoreError::Refused(message),
            Trouble::Failed(Failure { step: Step::OtherCluster(_), .. }) => {
                StoreError::BadLocation(message)
            }
            Trouble::Failed(_) | Trouble::NotAsked(_) | Trouble::Lost(_) => {
                StoreError::Unreachable(message)
            }
        }
    }

    /// The result if the image could not be examined: nothing was changed.
    pub(super) fn untouched(&self, trouble: &Trouble) -> Deletion {
        Deletion::Refused(self.of_trouble(trouble))
    }

    /// The result of a removal without a complete answer.
    pub(super) fn unanswered(&self, trouble: &Trouble) -> Deletion {
        let message = self.of_trouble(trouble);
        match trouble {
            Trouble::NotAsked(_) | Trouble::Failed(_) => Deletion::Refused(message),
            Trouble::Lost(_) => Deletion::Uncertain(message),
        }
    }

    /// The result of a completed removal.
    pub(super) fn ended(&self, end: &End) -> Deletion {
        match end {
            End::Removed => Deletion::Deleted,
            End::Trashed => Deletion::Retained(self.in_trash()),
            End::InUse(failure) => Deletion::Held(self.describe(failure)),
            End::Refused(failure) => Deletion::Refused(self.describe(failure)),
            End::Unprotected(failure) => Deletion::Held(format!(
                "{}; its snapshot is no longer protected, so a revert compares the hash",
                self.describe(failure)
            )),
            End::SnapGone(failure) => Deletion::Held(format!(
                "{}; its snapshot is gone, so a revert compares the hash",
                self.describe(failure)
            )),
            End::Unknown(failure) => Deletion::Uncertain(self.describe(failure)),
        }
    }

    /// Why a removal from the trash left something; `None` if it left nothing.
    pub(super) fn left(&self, reply: &Result<End, Trouble>) -> Option<String> {
        match reply {
            Ok(End::Removed) => None,
            Ok(End::Trashed) => Some(self.in_trash()),
            Ok(
                End::InUse(failure)
                | End::Refused(failure)
                | End::Unprotected(failure)
                | End::SnapGone(failure)
                | End::Unknown(failure),
            ) => Some(self.describe(failure)),
            Err(trouble) => Some(self.of_trouble(trouble)),
        }
    }

    /// Describes where an image in the trash is.
    pub(super) fn in_trash(&self) -> String {
        format!("it is in the trash of pool {}, see `rbd trash ls`", self.pool)
    }
}

fn errno_name(errno: i32) -> String {
    let name = match errno {
        EPERM | EACCES => "not permitted",
        ENOENT => "no such thing",
        EIO => "input/output error",
        EBUSY => "in use",
        EROFS => "read-only",
        EMLINK => "it belongs to a group",
        ENOTEMPTY => "it has snapshots",
        ETIMEDOUT => "no answer in time",
        ESHUTDOWN => "this client was blocklisted",
        other => return std::io::Error::from_raw_os_error(other).to_string(),
    };
    format!("{name} (error {errno})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { client: "client.glance".to_owned(), pool: "images".to_owned() }
    }

    fn failed(step: Step, errno: i32) -> Trouble {
        Trouble::Failed(Failure { step, errno })
    }

    #[test]
    fn what_failed_before_anything_was_asked_leaves_the_data_as_it_was() {
        for trouble in [
            failed(Step::Load("no librados.so.2".to_owned()), 0),
            failed(Step::Connect, ENOENT),
            failed(Step::Connect, ETIMEDOUT),
            failed(Step::OpenPool, ENOENT),
            failed(Step::OtherCluster("f-2".to_owned()), 0),
            failed(Step::OpenImage, EPERM),
            Trouble::Lost("killed".to_owned()),
        ] {
            assert!(matches!(place().untouched(&trouble), Deletion::Refused(_)), "{trouble:?}");
        }
        let lost = Trouble::Lost("killed".to_owned());
        assert!(matches!(place().unanswered(&lost), Deletion::Uncertain(_)));
    }

    #[test]
    fn only_a_permission_is_a_refusal_to_look() {
        let error = |step, errno| place().error(&failed(step, errno));
        assert!(matches!(error(Step::OpenImage, EPERM), StoreError::Refused(_)));
        assert!(matches!(error(Step::Connect, EACCES), StoreError::Refused(_)));
        for (step, errno) in [
            (Step::Connect, ENOENT),
            (Step::Connect, ETIMEDOUT),
            (Step::OpenPool, ENOENT),
            (Step::OpenImage, ENOENT),
            (Step::Inspect, EIO),
            (Step::SeveralInTrash, 0),
        ] {
            let text = format!("{step:?}");
            assert!(matches!(error(step, errno), StoreError::Unreachable(_)), "{text}");
        }
        let other = error(Step::OtherCluster("f-2".to_owned()), 0);
        assert!(matches!(&other, StoreError::BadLocation(_)) && other.to_string().contains("f-2"));
    }

    #[test]
    fn each_end_says_what_became_of_the_data() {
        let why = |errno| Failure { step: Step::Remove, errno };
        let ended = |end| place().ended(&end);
        assert_eq!(ended(End::Removed), Deletion::Deleted);
        assert!(matches!(ended(End::Trashed), Deletion::Retained(_)));
        assert!(matches!(ended(End::InUse(why(EBUSY))), Deletion::Held(_)));
        assert!(matches!(ended(End::Refused(why(EPERM))), Deletion::Refused(_)));
        assert!(
            matches!(ended(End::SnapGone(why(EBUSY))), Deletion::Held(how) if how.contains("hash"))
        );
        assert!(matches!(
            ended(End::Unprotected(why(EPERM))),
            Deletion::Held(how) if how.contains("no longer protected")
        ));
        assert!(matches!(ended(End::Unknown(why(ETIMEDOUT))), Deletion::Uncertain(_)));
    }

    #[test]
    fn a_message_says_what_to_do() {
        let message = |step, errno| place().error(&failed(step, errno)).to_string();
        assert!(message(Step::Connect, ENOENT).contains("keyring of client.glance"));
        assert!(message(Step::OpenPool, ENOENT).contains("rbd_store_pool"));
        assert!(message(Step::Remove, EPERM).contains("profile rbd pool=images"));
        assert!(message(Step::Load("x".to_owned()), 0).contains("install librbd1"));
        assert!(message(Step::Inspect, ETIMEDOUT).contains("OSDs"));
    }
}
