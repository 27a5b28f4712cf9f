//! SQL functions beyond the engine's own. All are deterministic; probabilities are rounded to 6 significant digits, so
//! that the last bits of a machine's logarithm cannot change a finding. NULL in, NULL out, unless said otherwise.
//!
//! | function | gives |
//! | --- | --- |
//! | `record_id(source, org_id, event_id, content_hash)` | the id of an accepted event; source and org may be NULL |
//! | `window_start(time, micros)` | start of the epoch-aligned window of that length |
//! | `interval_times(interval, number)` | so many times as long; what `interval * number` becomes |
//! | `host_kind(host)` | `metadata`, `loopback`, `link_local`, `private`, `ip_literal` or `name` |
//! | `step_names(steps)`, `step_outcomes`, `step_orgs`, `step_connections` | that field of every pipeline step, as a list |
//! | `poisson_upper_tail(k, mean)` | P(X >= k) |
//! | `negative_binomial_upper_tail(k, mean, dispersion)`, `.._lower_tail` | P(X >= k), P(X <= k); variance = mean + dispersion * mean^2 |
//! | `binomial_upper_tail(k, n, p)` | P(X >= k) |
//! | `beta_binomial_upper_tail(k, n, alpha, beta)`, `.._lower_tail` | P(X >= k), P(X <= k) |
//! | `robust_z(value, median, mad)` | 0.6745 * (value - median) / mad; NULL when mad is 0 |
//! | `benjamini_hochberg(p, q)` | aggregate or window: the largest p that is rejected at false discovery rate q; NULL when none is |

mod benjamini_hochberg;
mod host_kind;
mod incomplete_beta;
mod interval_times;
mod record_id;
mod statistic;
mod steps;
mod tails;
mod window_start;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

/// One SQL function, ready to be registered.
#[derive(Debug, Clone)]
pub enum Function {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
}

impl Function {
    pub fn name(&self) -> &str {
        match self {
            Self::Scalar(function) => function.name(),
            Self::Aggregate(function) => function.name(),
        }
    }

    pub fn register(&self, context: &SessionContext) {
        match self {
            Self::Scalar(function) => context.register_udf(function.as_ref().clone()),
            Self::Aggregate(function) => context.register_udaf(function.as_ref().clone()),
        }
    }
}

/// All of them.
pub fn functions() -> Vec<Function> {
    let scalar = |function: ScalarUDF| Function::Scalar(Arc::new(function));
    let mut all = vec![
        scalar(ScalarUDF::new_from_impl(record_id::RecordIdOf::new())),
        scalar(ScalarUDF::new_from_impl(window_start::WindowStart::new())),
        scalar(ScalarUDF::new_from_impl(host_kind::HostKind::new())),
        scalar(ScalarUDF::new_from_impl(interval_times::IntervalTimes::new())),
        scalar(ScalarUDF::new_from_impl(steps::StepField::names())),
        scalar(ScalarUDF::new_from_impl(steps::StepField::outcomes())),
        scalar(ScalarUDF::new_from_impl(steps::StepField::orgs())),
        scalar(ScalarUDF::new_from_impl(steps::StepField::connections())),
        Function::Aggregate(Arc::new(AggregateUDF::new_from_impl(benjamini_hochberg::BenjaminiHochberg::new()))),
    ];
    all.extend(statistic::Statistic::ALL.map(|which| scalar(ScalarUDF::new_from_impl(statistic::Tail::new(which)))));
    all
}
