//! Swift's bulk delete: many plain objects with one request, or one request for each object if the
//! server has no bulk delete.
//!
//! Used only for plain objects that were seen, in containers that keep no versions. Absent objects,
//! large objects and those in versioned containers are handled one by one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use percent_encoding::percent_decode_str;
use reqwest::{Method, StatusCode};

use super::client::{Target, answered, json, quoted, success};
use super::removal::BulkReport;
use super::versions::Keeping;
use super::{Shape, SwiftStore, shape};
use crate::domain::image::ImageId;
use crate::domain::store::{Deletion, StoreUri};
use crate::store::http_fault::{Fault, is_busy};
use crate::store::together::{Found, SIDE_BY_SIDE, Together};

/// Swift's limit if `/info` names none.
const USUAL_MOST: usize = 1000;

#[async_trait]
impl Together for SwiftStore {
    type Object = (ImageId, Target);

    fn limit(&self) -> Duration {
        self.client.limit
    }

    async fn look(&self, image: &ImageId, uri: &StoreUri) -> Found<Self::Object> {
        let seen = match self.target(image, uri) {
            Ok(target) => self.is_plain(&target).await.map(|is_plain| (is_plain, target)),
            Err(fault) => Err(fault),
        };
        match seen {
            Ok((true, target)) => Found::Plain((image.clone(), target)),
            Ok((false, target)) => Found::Odd((image.clone(), target)),
            Err(fault) => Found::Told(fault.before_deletion()),
        }
    }

    async fn remove_together(&self, plain: &[&Self::Object]) -> Vec<Option<Deletion>> {
        let targets: Vec<&Target> = plain.iter().map(|(_, target)| target).collect();
        let forgetful = self.forgetful(&targets).await;
        let is_forgetful = |target: &&Target| forgetful.contains(&target.container);
        let going: Vec<_> = targets.iter().copied().filter(is_forgetful).collect();
        let mut told = self.remove_plain(&going).await.into_iter();
        targets.iter().map(|one| if is_forgetful(one) { told.next() } else { None }).collect()
    }

    async fn remove_alone(&self, (image, target): Self::Object) -> Deletion {
        self.remove(&image, &target).await
    }
}

impl SwiftStore {
    /// Whether the object exists and is not a large object.
    async fn is_plain(&self, target: &Target) -> Result<bool, Fault> {
        let answer = self.client.ask(Method::HEAD, target, target.path()).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => {
                Ok(matches!(shape(&answer, target)?, Shape::Plain { .. }))
            }
            _ => Err(answered(&answer)),
        }
    }

    /// The containers of these targets that certainly keep no versions.
    async fn forgetful(&self, targets: &[&Target]) -> HashSet<String> {
        let by_name: HashMap<_, _> = targets.iter().map(|one| (&one.container, *one)).collect();
        let asks = by_name.into_values().map(|target| async move {
            let answer = success(self.head_container(target).await.ok()?).ok()?;
            let keeps_nothing = Keeping::of(answer.headers()).ok()? == Keeping::Nothing;
            if !keeps_nothing {
                self.bulk.give_up(&self.id, "a container keeps what is deleted");
            }
            keeps_nothing.then(|| target.container.clone())
        });
        let asks: Vec<_> = asks.collect();
        let answers = stream::iter(asks).buffer_unordered(SIDE_BY_SIDE);
        answers.filter_map(std::future::ready).collect().await
    }

    /// Returns one result for each target, in order.
    async fn remove_plain(&self, targets: &[&Target]) -> Vec<Deletion> {
        let Some(first) = targets.first() else { return Vec::new() };
        let most = if self.bulk.is_given_up() { 1 } else { self.most_of(first).await };
        let mut told = Vec::new();
        for some in targets.chunks(most).filter(|some| some.len() > 1) {
            let Some(of_bulk) = self.remove_at_once(first, some).await else { break };
            told.extend(of_bulk);
        }
        let rest = targets.iter().skip(told.len()).map(|target| async move {
            self.remove_object(target).await.unwrap_or_else(Fault::of_deletion)
        });
        let rest: Vec<_> = rest.collect();
        told.extend(stream::iter(rest).buffered(SIDE_BY_SIDE).collect::<Vec<_>>().await);
        told
    }

    /// How many objects one request may delete.
    async fn most_of(&self, target: &Target) -> usize {
        let ask = || async {
            let info = self.client.info(target).await?;
            let most = info.bulk_delete.map_or(1, |bulk| bulk.most.unwrap_or(USUAL_MOST));
            if most <= 1 {
                self.bulk.give_up(&self.id, "Swift's /info names no bulk_delete");
            }
            Ok::<_, Fault>(most.max(1))
        };
        target.account.bulk.get_or_try_init(ask).await.copied().unwrap_or(1)
    }

    /// `None` if Swift refused the request as a whole.
    async fn remove_at_once(&self, first: &Target, some: &[&Target]) -> Option<Vec<Deletion>> {
        let line = |one: &&Target| format!("/{}/{}\n", quoted(&one.container), quoted(&one.object));
        let lines: String = some.iter().map(line).collect();
        let report = async {
            let answer = success(self.client.bulk_delete(first, &lines).await?)?;
            json::<BulkReport>(answer, self.client.limit).await
        };
        match report.await {
            Ok(report) => Some(report.of(some)),
            Err(Fault::Answered(status, why))
                if !is_busy(status) && status != StatusCode::UNAUTHORIZED =>
            {
                self.bulk.give_up(&self.id, &why);
                None
            }
            Err(fault) => Some(vec![fault.of_deletion(); some.len()]),
        }
    }
}

impl BulkReport {
    /// The result for each target. Swift reports only the number of deleted objects, so the result
    /// of an object without an error is known only if the numbers add up.
    fn of(&self, targets: &[&Target]) -> Vec<Deletion> {
        let name = |path: &str| {
            let path = percent_decode_str(path).decode_utf8_lossy();
            path.trim_start_matches('/').to_owned()
        };
        let errors: HashMap<_, _> =
            self.errors.iter().map(|(path, status)| (name(path), status.as_str())).collect();
        let error = |one: &Target| errors.get(&format!("{}/{}", one.container, one.object));
        let failed = targets.iter().filter(|one| error(one).is_some()).count();
        let is_whole =
            failed == self.errors.len() && self.deleted + self.not_found + failed == targets.len();
        let judge = |one: &&Target| match error(one) {
            Some(status) => {
                let code = status.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
                let code = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
                Fault::Answered(code, format!("Swift's bulk delete answers {code}")).of_deletion()
            }
            None if is_whole => Deletion::Deleted,
            None => {
                let text = "Swift's bulk delete does not say what became of it";
                Deletion::Uncertain(text.to_owned())
            }
        };
        targets.iter().map(judge).collect()
    }
}
