//! Believable traffic of agents over event time, with what is wrong in it written beside it.
//!
//! A detector is only as good as the traffic that it was tried on. Here orgs have agents with habits (a report job, a
//! support desk, a researcher to whom new hosts are daily bread), office hours, weekends, deploys and outages; into that
//! go incidents for every detector, and harmless changes that look like them. The truth about both stands in [`Truth`].
//!
//! Promises:
//! - a [`Plan`] decides every byte: no clock, no order of a hash map, no state outside;
//! - events come in order of event time, one hour of the fleet in memory at a time;
//! - an hour depends on the plan and not on the hours before it, so live traffic goes on where history ended.
//!
//! ```
//! use credwatch_simulate::{Plan, Simulation};
//!
//! let simulation = Simulation::history(Plan::of_events(7, 3_000));
//! let first = simulation.traffic().next().expect("there is traffic");
//! println!("{} {}", first.key(), first.json()?);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod chance;
mod hour;
mod outage;
mod plan;
mod profile;
mod provider;
mod scenario;
mod simulation;
mod sketch;
mod telling;
mod token;
mod truth;
mod world;
mod writing;

pub use plan::Plan;
pub use simulation::{Simulated, Simulation, Traffic};
pub use truth::{Expected, Truth};
pub use writing::{Written, write_to};
