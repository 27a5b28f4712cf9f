//! Where statements run: a statement that computes without ever waiting keeps its thread for as long as it computes, even
//! after somebody has stopped it. On a runtime apart that costs nobody else's requests, and whoever counts the statements
//! that run is told when one has really ended.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::error::QueryError;

/// A runtime for statements, and what is held until one that runs there has ended. Cheap to clone.
#[derive(Clone)]
pub struct Ground {
    runtime: Handle,
    held: Arc<dyn Any + Send + Sync>,
}

impl Ground {
    pub fn new(runtime: Handle, held: Arc<dyn Any + Send + Sync>) -> Self {
        Self { runtime, held }
    }
}

impl fmt::Debug for Ground {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ground").finish_non_exhaustive()
    }
}

/// Begins `work` there, or where the caller is. It is stopped when the set is dropped, as soon as it waits for something.
pub(crate) fn begin<T: Send + 'static>(
    ground: Option<&Ground>,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinSet<T> {
    let mut works = JoinSet::new();
    match ground.cloned() {
        None => works.spawn(work),
        Some(Ground { runtime, held }) => {
            let until_it_ends = async move {
                let done = work.await;
                drop(held);
                done
            };
            works.spawn_on(until_it_ends, &runtime)
        }
    };
    works
}

/// Does `work` there and waits for it.
pub(crate) async fn done<T: Send + 'static>(
    ground: Option<&Ground>,
    work: impl Future<Output = std::result::Result<T, QueryError>> + Send + 'static,
) -> std::result::Result<T, QueryError> {
    let died = || QueryError::Failed("the engine stopped in the middle of it".to_owned());
    match begin(ground, work).join_next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) => {
            tracing::error!(%error, "the task of a statement died");
            Err(died())
        }
        None => Err(died()),
    }
}

/// The same plan, waiting now and then also where it makes many rows of few: sources do so by themselves, joins do not.
pub(crate) fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        if node.children().len() < 2 {
            return Ok(Transformed::no(node));
        }
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
    })?;
    Ok(wrapped.data)
}
