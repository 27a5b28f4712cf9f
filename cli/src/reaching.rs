//! Everything that is configured to reach people by itself: routes, heartbeats, scheduled reports.

use credwatch_lake::Lake;
use credwatch_server::notices::{Notifications, Route, names, notify, routes};
use credwatch_server::reports::schedule::{Schedule, deliver, schedules};

use crate::configuration::Configuration;
use crate::running::Running;
use crate::wall_clock::now;

#[derive(Debug)]
pub(crate) struct Reaching {
    pub(crate) routes: Vec<Route>,
    pub(crate) schedules: Vec<Schedule>,
}

impl Reaching {
    /// With the secrets read, and no name there twice.
    pub(crate) fn of(configured: &Configuration) -> anyhow::Result<Self> {
        let told = configured.routes.iter().map(|route| route.name.as_str());
        let told = told.chain(configured.heartbeats.iter().map(|heartbeat| heartbeat.name.as_str()));
        names(told.chain(configured.reports.iter().map(|report| report.name.as_str())))?;
        Ok(Self {
            routes: routes(&configured.routes, &configured.heartbeats, configured.public_url.as_deref())?,
            schedules: schedules(&configured.reports)?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.routes.len() + self.schedules.len()
    }

    /// Tells people, for good.
    pub(crate) fn start(self, running: &mut Running, lake: &Lake, notifications: &Notifications) {
        for route in self.routes {
            let (lake, board) = (lake.clone(), notifications.clone());
            running.add("notify", |stop| async move {
                notify(route, lake, board, now, stop).await;
                Ok(())
            });
        }
        for schedule in self.schedules {
            let (lake, board) = (lake.clone(), notifications.clone());
            running.add("reports", |stop| async move {
                deliver(schedule, lake, board, now, stop).await;
                Ok(())
            });
        }
    }
}
