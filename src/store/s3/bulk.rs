//! `DeleteObjects`: up to 1,000 objects with one request.
//!
//! The response is trusted only where it is unambiguous: each object was seen before, the bucket
//! never had versioning, and one of the deleted objects was looked for afterwards and is gone.
//! Otherwise each object is checked or deleted individually.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use reqwest::StatusCode;
use rusty_s3::actions::{DeleteObjectsResponse, ObjectIdentifier};

use super::versions::Versioned;
use super::{Object, S3Store};
use crate::domain::image::ImageId;
use crate::domain::store::{Deletion, StoreUri};
use crate::store::http_fault::{Fault, is_busy};
use crate::store::together::{Found, SIDE_BY_SIDE, Together};

#[async_trait]
impl Together for S3Store {
    type Object = Object;

    fn limit(&self) -> Duration {
        self.limit
    }

    async fn look(&self, _image: &ImageId, uri: &StoreUri) -> Found<Object> {
        match self.find(uri).await {
            // XML cannot represent control characters.
            Ok(object) if object.key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Found::Plain(object)
            }
            Ok(object) => Found::Odd(object),
            Err(deletion) => Found::Told(deletion),
        }
    }

    async fn remove_together(&self, plain: &[&Object]) -> Vec<Option<Deletion>> {
        if plain.len() < 2 || !self.may_delete_many().await {
            return Vec::new();
        }
        let keys: Vec<_> =
            plain.iter().map(|object| ObjectIdentifier::new(object.key.clone())).collect();
        let answer = self.client.delete_objects(&keys, &self.call(self.keys.clone())).await;
        match answer {
            Ok(answer) => self.confirmed(plain, &answer).await.into_iter().map(Some).collect(),
            Err(Fault::Answered(status, why)) if !is_busy(status) => {
                self.bulk.give_up(&self.id, &why);
                Vec::new()
            }
            Err(fault) => vec![Some(fault.of_deletion()); plain.len()],
        }
    }

    async fn remove_alone(&self, object: Object) -> Deletion {
        self.remove(&self.renewed(&object)).await
    }
}

impl S3Store {
    /// The object with a new time limit for the next request.
    pub(super) fn renewed(&self, object: &Object) -> Object {
        Object { key: object.key.clone(), call: self.call(object.call.keys.clone()) }
    }

    /// Whether deletions are final, according to the bucket's versioning.
    async fn may_delete_many(&self) -> bool {
        if self.bulk.is_given_up() || self.keys.is_none() {
            return false;
        }
        let why = match self.client.versioning(&self.call(self.keys.clone())).await {
            Ok(Versioned::Never) => return true,
            Ok(Versioned::On | Versioned::Suspended) => {
                "the bucket has, or had, versions".to_owned()
            }
            Err(fault) if fault.may_pass() || matches!(fault, Fault::Late(_)) => return false,
            Err(fault) => format!("{}; allow s3:GetBucketVersioning", fault.message()),
        };
        self.bulk.give_up(&self.id, &why);
        false
    }

    /// The result for each object, from the response to `DeleteObjects`.
    async fn confirmed(&self, plain: &[&Object], answer: &DeleteObjectsResponse) -> Vec<Deletion> {
        let mut told: HashMap<&str, Result<bool, &str>> = HashMap::new();
        for one in &answer.deleted {
            told.insert(&one.key, Ok(one.delete_marker == Some(true)));
        }
        for error in &answer.errors {
            told.insert(&error.key, Err(&error.code));
        }
        let told: Vec<_> = plain.iter().map(|object| told.get(&*object.key).copied()).collect();
        let of_list: Vec<_> =
            plain.iter().zip(&told).filter(|(_, told)| matches!(told, Some(Ok(_)))).collect();
        let is_marked = of_list.iter().any(|(_, told)| **told == Some(Ok(true)));
        let is_clear = match of_list.first() {
            Some((witness, _)) if !is_marked => {
                self.look_after(&self.renewed(witness), false).await == Ok(Deletion::Deleted)
            }
            Some(_) | None => false,
        };
        let judged = plain.iter().zip(told).map(|(object, told)| async move {
            match told {
                Some(Ok(_)) if is_clear => Deletion::Deleted,
                Some(Ok(is_marked)) => {
                    let seen = self.look_after(&self.renewed(object), is_marked).await;
                    seen.unwrap_or_else(Fault::after_deletion)
                }
                Some(Err(code)) => refused(code),
                None => {
                    let text = "the answer to DeleteObjects does not name it";
                    Deletion::Uncertain(text.to_owned())
                }
            }
        });
        let judged: Vec<_> = judged.collect();
        stream::iter(judged).buffered(SIDE_BY_SIDE).collect().await
    }
}

/// The result for one key's error code: the same as for a DELETE of that object alone.
fn refused(code: &str) -> Deletion {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let is_denied = code == "AccessDenied";
    let status = if is_denied { StatusCode::FORBIDDEN } else { StatusCode::INTERNAL_SERVER_ERROR };
    Fault::Answered(status, format!("DeleteObjects answers {code}")).of_deletion()
}
