//! What the keys do to the lab of the demo.

use std::path::PathBuf;
use std::sync::Arc;

use console::terminal::{KeyPress, command, save_report};
use console::{Action, Ghost, LoadFigures, Reporter, View};
use lab::commands::CommandRunner;
use lab::stream::{LabStream, Shape, Traffic};

/// The origin of what the keys do, as the stream tells it.
const BY: &str = "demo";

/// The keys of the demo, and the lab that they change.
pub(super) struct Keys<'a> {
    pub(super) runner: &'a CommandRunner,
    pub(super) stream: &'a LabStream,
    pub(super) traffic: &'a Traffic,
    pub(super) reporter: Arc<Reporter>,
    /// The folder for reports.
    pub(super) folder: PathBuf,
}

impl Keys<'_> {
    /// Does what a key stands for. The stream tells a command that is not possible.
    pub(super) async fn handle(&self, press: KeyPress) {
        if press.action == Action::Report {
            self.stream.tell(self.report().await, BY);
            return;
        }
        let view = present(press.view, self.traffic.shape(), self.stream.ghost().policy().as_deref());
        let Some(command) = command(&KeyPress { view, ..press }) else { return };
        if let Err(error) = self.runner.run(&command, BY).await {
            self.stream.tell(format!("cannot do this: {error}"), BY);
        }
    }

    /// Writes a report into the folder, and says where it is.
    async fn report(&self) -> String {
        let reporter = self.reporter.clone();
        // The simulator runs meanwhile.
        let report = tokio::task::spawn_blocking(move || reporter.write()).await;
        let saved = report
            .map_err(anyhow::Error::from)
            .and_then(|report| save_report(&self.folder, report.as_bytes()));
        saved.unwrap_or_else(|error| format!("no report: {error:#}"))
    }
}

/// The screen with the present load and ghost: a key that is pressed twice at once is two steps.
fn present(view: View, shape: Shape, ghost: Option<&str>) -> View {
    let load = LoadFigures {
        control: if shape.is_open { "open".into() } else { "closed".into() },
        rate: shape.rate,
        clients: shape.clients,
        ..LoadFigures::default()
    };
    let ghost = ghost.map(|policy| Ghost { policy: policy.to_owned().into(), ..Ghost::default() });
    View { load: Some(load), ghost, ..view }
}

#[cfg(test)]
mod tests {
    use api::{Command, LoadModel};
    use console::Model;

    use super::*;

    #[test]
    fn a_key_goes_on_from_what_is_and_not_from_what_was_drawn() {
        let shape = |is_open| Shape { is_open, rate: 140.0, clients: 8 };
        let command = |action, shape, ghost| {
            let drawn = View {
                policy: "a".into(),
                policies: vec!["a".into(), "b".into(), "c".into()],
                ..Model::default().view()
            };
            command(&KeyPress { action, backend: 1, view: present(drawn, shape, ghost) })
        };
        let ghost = |policy: Option<&str>| Some(Command::Ghost { policy: policy.map(str::to_owned) });
        assert_eq!(
            command(Action::Load { more: true }, shape(true), None),
            Some(Command::Load(LoadModel::Open { rate: 160.0 }))
        );
        assert_eq!(
            command(Action::Load { more: true }, shape(false), None),
            Some(Command::Load(LoadModel::Closed { clients: 10 }))
        );
        assert_eq!(command(Action::Ghost, shape(true), None), ghost(Some("b")));
        assert_eq!(command(Action::Ghost, shape(true), Some("b")), ghost(Some("c")));
        assert_eq!(command(Action::Ghost, shape(true), Some("c")), ghost(None));
        assert_eq!(command(Action::MakeReal, shape(true), None), None);
        let real = Command::Policy { policy: "c".into() };
        assert_eq!(command(Action::MakeReal, shape(true), Some("c")), Some(real));
    }
}
