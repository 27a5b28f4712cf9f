//! Who asks.

use credwatch_schemas::access::{Reach, Role};
use credwatch_schemas::ids::KeyId;

use super::holder::Holder;

/// Somebody whom the gate has recognised; there is no other way to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    who: Who,
    role: Role,
    reach: Reach,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    /// Whoever can reach a loopback listener that asks for no key.
    Local,
    Key {
        id: KeyId,
        name: String,
    },
}

impl Principal {
    pub(super) fn local() -> Self {
        Self { who: Who::Local, role: Role::Admin, reach: Reach::Operator }
    }

    pub(super) fn holding(holder: &Holder) -> Self {
        let who = Who::Key { id: holder.id.clone(), name: holder.name.clone() };
        Self { who, role: holder.role, reach: holder.reach.clone() }
    }

    /// As tables name it: `local` or `key:<id>`.
    pub(crate) fn id(&self) -> String {
        match &self.who {
            Who::Local => "local".to_owned(),
            Who::Key { id, .. } => format!("key:{id}"),
        }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.who {
            Who::Local => None,
            Who::Key { name, .. } => Some(name),
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.who == Who::Local
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }
}
