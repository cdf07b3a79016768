//! What breaks, and the ticks: steps of the script, servers that warm up or pause, and the state of each
//! moment.

use std::time::Duration;

use balance::change::Change;
use balance::verdict::Failure;

use crate::clock::{Nanos, moment, nanos};
use crate::events::EventKind;
use crate::faults::{Fault, Step};
use crate::jobs::NONE;
use crate::report::{BackendTick, Tick};
use crate::station::{Delay, Process, Statuses};

use super::world::World;

/// The time between two ticks.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// The steps in which a cold server becomes warm.
const WARM_STEPS: u64 = 64;

impl World<'_> {
    /// Enters the first pauses of the servers that have some.
    pub(super) fn open_servers(&mut self) {
        for (server, settings) in self.sim.servers.iter().enumerate() {
            if let Some(collections) = settings.collections {
                self.event_queue.enter(nanos(collections.every), EventKind::Collect, server as u32);
            }
        }
    }

    /// A pause of a server begins or ends.
    pub(super) fn collect(&mut self, server: u32) {
        let Some(collections) = self.sim.servers[server as usize].collections else { return };
        let rest = self.servers.stations[server as usize].rest();
        rest.paused = !rest.paused;
        let lasts = nanos(collections.lasts);
        let until = if rest.paused { lasts } else { nanos(collections.every).saturating_sub(lasts) };
        self.event_queue.enter(self.now.saturating_add(until.max(1)), EventKind::Collect, server);
        self.servers.wake(server, &mut self.event_queue, self.now);
        self.answer_dropped();
    }

    /// A step of the script.
    pub(super) fn step(&mut self, index: u32) {
        let Step { fault, ends, name, .. } = self.script[index as usize];
        let Some(server) = fault.backend().checked_sub(1).filter(|at| *at < self.sim.servers.len()) else {
            return;
        };
        let server = server as u32;
        let station = &mut self.servers.stations[server as usize];
        match fault {
            Fault::Kill { .. } => self.kill(server),
            Fault::Leave { .. } => self.leave_pools(server),
            Fault::Start { .. } if station.process == Process::Dead => station.process = Process::Running,
            Fault::Stop { .. } if station.process == Process::Running => station.process = Process::Stopped,
            Fault::Continue { .. } if station.process == Process::Stopped => {
                self.servers.resume(server, &mut self.event_queue, self.now);
                self.end_probes(server, Ok(()));
            }
            Fault::Start { .. } | Fault::Stop { .. } | Fault::Continue { .. } => {}
            Fault::Slow { .. } if ends => station.rest().slow.retain(|(step, _)| *step != name),
            Fault::Slow { times, .. } => station.rest().slow.push((name, times.max(1e-9))),
            Fault::Latency { .. } if ends => station.rest().delays.retain(|active| active.step != name),
            Fault::Latency { adds, percent, .. } => {
                station.rest().delays.push(Delay { step: name, share: percent / 100.0, adds: nanos(adds) });
            }
            Fault::Capacity { workers, queue, .. } => {
                station.set_capacity(workers, queue);
                self.servers.fill(server, &mut self.event_queue, self.now);
            }
            Fault::Status { .. } if ends => station.rest().statuses.retain(|active| active.step != name),
            Fault::Status { code, percent, takes, .. } => {
                let (share, takes) = (percent / 100.0, takes.map(nanos));
                station.rest().statuses.push(Statuses { step: name, code, share, takes });
            }
            Fault::Probes { .. } if ends => station.rest().probes.retain(|(step, _)| *step != name),
            Fault::Probes { percent, .. } => station.rest().probes.push((name, percent / 100.0)),
            Fault::Cold { from, over, .. } => {
                station.rest().ramp = Some((from.clamp(1e-9, 1.0), self.now, nanos(over).max(1)));
                self.warm(server);
            }
        }
        self.servers.refresh(server, &mut self.event_queue, self.now);
        self.answer_dropped();
    }

    /// A process ends. Its requests were on connections that had served before, or on their first ones.
    fn kill(&mut self, server: u32) {
        let reused = self.servers.stations[server as usize].has_answered;
        let failure = if reused { Failure::StaleMaybeSent } else { Failure::ClosedEarly };
        for call in self.servers.kill(server, self.now) {
            self.calls[call as usize].job = NONE;
            self.fail(call, failure);
        }
        self.end_probes(server, Err(Failure::ClosedEarly));
    }

    /// Every balancer removes a backend from its pool.
    fn leave_pools(&mut self, server: u32) {
        for (index, balancer) in (0..).zip(self.balancers) {
            let address = balancer.peers[server as usize].address.clone();
            let changes = balancer.pool.change(vec![Change::Remove(address)], moment(self.now));
            self.changed(index, changes);
        }
    }

    /// A cold server becomes a little faster.
    pub(super) fn warm(&mut self, server: u32) {
        let now = self.now;
        let rest = self.servers.stations[server as usize].rest();
        let Some((from, began, over)) = rest.ramp else { return };
        let part = (now - began) as f64 / over as f64;
        rest.warmth = (from + (1.0 - from) * part).min(1.0);
        if part < 1.0 {
            let next: Nanos = (over / WARM_STEPS).max(1);
            self.event_queue.enter(now.saturating_add(next), EventKind::Warm, server);
        } else {
            rest.ramp = None;
        }
        self.servers.refresh(server, &mut self.event_queue, now);
    }

    /// Notes the state of this moment.
    pub(super) fn tick(&mut self) {
        let peers = &self.balancers[0].peers;
        let backend = |(index, station): (usize, &mut crate::station::Station)| {
            let (answers, errors) = std::mem::take(&mut station.ticked);
            BackendTick {
                state: peers[index].health().state().name(),
                in_flight: station.in_flight.value(),
                queue: station.waiting.value(),
                answers,
                errors,
            }
        };
        let backends = self.servers.stations.iter_mut().enumerate().map(backend).collect();
        let seen = std::mem::take(&mut self.last_tick);
        self.counts.ticks.push(Tick {
            at: Duration::from_nanos(self.now),
            offered: self.started - seen.started,
            good: seen.good,
            errors: seen.errors,
            mean_ms: seen.mean_ms(),
            tries: self.counts.tries - seen.tries,
            backends,
        });
        (self.last_tick.started, self.last_tick.tries) = (self.started, self.counts.tries);
        self.event_queue.enter(self.now + nanos(TICK), EventKind::Tick, 0);
    }
}
