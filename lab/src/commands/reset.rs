//! The command `reset`: the lab returns to its beginning.

use std::collections::BTreeMap;

use api::Change;
use serde_json::{Map, Value, json};

use super::error::CommandError;
use super::ports::AdminPort;
use super::{CommandRunner, ControlPort};
use crate::stream::{Shape, Traffic};

/// What a reset returns to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Beginning {
    policy: String,
    /// The mode and the weight of each backend, by its number.
    backends: BTreeMap<usize, (String, u32)>,
    load: Option<Shape>,
}

impl Beginning {
    pub(super) async fn read(admin: AdminPort<'_>, traffic: Option<&Traffic>) -> anyhow::Result<Self> {
        let state = admin.state().await?;
        let backend =
            |backend: &api::BackendState| (backend.number, (backend.mode.to_string(), backend.weight));
        Ok(Self {
            policy: state.policy.to_string(),
            backends: state.backends.iter().map(backend).collect(),
            load: traffic.map(Traffic::shape),
        })
    }

    /// The differences of a state from the beginning: the policy, and the fields of each backend.
    fn differences(&self, now: &api::State) -> (Option<&str>, Vec<(usize, Value)>) {
        let policy = (now.policy != self.policy).then_some(&*self.policy);
        let mut backends = Vec::new();
        for backend in &now.backends {
            let Some((mode, weight)) = self.backends.get(&backend.number) else { continue };
            let mut fields = Map::new();
            if backend.mode != *mode {
                fields.insert("mode".to_owned(), json!(mode));
            }
            if backend.weight != *weight {
                fields.insert("weight".to_owned(), json!(weight));
            }
            if !fields.is_empty() && !backend.leaving {
                backends.push((backend.number, Value::Object(fields)));
            }
        }
        (policy, backends)
    }
}

impl CommandRunner {
    /// Does each step, also after a step that failed, and returns the first failure.
    pub(super) async fn reset(&self, by: &str) -> Result<String, CommandError> {
        let mut steps = vec![];
        // This fails only without a secret.
        let _ = self.stream.reveal(by);
        if self.stream.ghost().policy().is_some() {
            steps.push(self.ghost(None, by).map(drop));
        }
        for (number, address) in (1..).zip(&self.controls) {
            steps.push(ControlPort::new(number, *address).process("reset").await);
        }
        if let (Some(traffic), Some(shape)) = (&self.traffic, self.beginning.load)
            && traffic.shape() != shape
        {
            steps.push(traffic.change(shape).map_err(|error| CommandError::failed(format!("{error:#}"))));
        }
        steps.push(self.reset_balancer().await);
        self.stream.tell_change("reset", by, Change::Reset);
        match steps.into_iter().find_map(Result::err) {
            None => Ok("reset".to_owned()),
            Some(error) => Err(CommandError { error: format!("not all is reset: {error}"), ..error }),
        }
    }

    async fn reset_balancer(&self) -> Result<(), CommandError> {
        let admin = self.admin();
        let now = admin.state().await?;
        let (policy, backends) = self.beginning.differences(&now);
        if let Some(policy) = policy {
            admin.set_policy(policy).await?;
        }
        for (number, fields) in backends {
            admin.change(number, &fields).await?;
        }
        Ok(())
    }
}
