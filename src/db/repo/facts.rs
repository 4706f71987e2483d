//! The facts that retention rules need, for several images at a time. Tags and properties are
//! processed as they arrive, because a tenant can create any number of them.

use std::collections::{HashMap, HashSet};

use super::SqlRepo;
use super::many::texts;
use crate::db::dialect::Dialect;
use crate::db::read;
use crate::db::statement::Statement;
use crate::db::whole::{FACTS, FACTS_AND_LABELS, WHOLE_SLOTS};
use crate::domain::image::ImageId;
use crate::domain::repo::RepoError;
use crate::domain::retention::{Facts, Labels};

impl<D: Dialect> SqlRepo<D> {
    pub(super) async fn read_facts(
        &self,
        ids: &[ImageId],
        wanted: &Labels,
    ) -> Result<HashMap<ImageId, Facts>, RepoError> {
        let (mut found, mut bad) = (HashMap::new(), HashSet::new());
        for some in ids.chunks(WHOLE_SLOTS) {
            let ids = texts(some);
            let statement = if wanted.is_empty() {
                Statement::new(FACTS)
            } else {
                let statement = Statement::new(FACTS_AND_LABELS);
                statement
                    .bind_list(WHOLE_SLOTS, &ids)
                    .bind(i32::from(!wanted.properties.is_empty()))
                    .bind_list(WHOLE_SLOTS, &ids)
                    .bind(i32::from(!wanted.tags.is_empty()))
            };
            self.each(statement.bind_list(WHOLE_SLOTS, &ids), &mut |row| {
                if let Err(error) = read::add_facts::<D>(&mut found, row, wanted) {
                    bad.insert(error.image);
                }
            })
            .await?;
        }
        // with a row missing, a wrong rule might seem to match
        found.retain(|id: &ImageId, _| !bad.contains(id.as_str()));
        Ok(found)
    }
}
