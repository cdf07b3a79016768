//! Where does a worker count? In tallies of its own, one for all clients and one for each backend.

use std::str::FromStr;
use std::sync::Arc;

use balance::names;
use strum::{Display, IntoStaticStr, VariantArray};

use crate::observe::{Meter, Observer, Tally};
use crate::pool::Backend;

/// How much is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Statistics {
    /// Everything.
    #[default]
    Full,
    /// All but the bytes, and the times that requests take.
    Basic,
}

impl FromStr for Statistics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        names::parse(text, "not known")
    }
}

/// One worker's books.
#[derive(Debug)]
pub(crate) struct Books {
    observer: Arc<Observer>,
    worker: usize,
    statistics: Statistics,
}

impl Books {
    pub(crate) fn new(observer: Arc<Observer>, worker: usize, statistics: Statistics) -> Self {
        Self { observer, worker, statistics }
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Where it counts what concerns clients.
    pub(crate) fn clients(&self) -> &Arc<Tally> {
        self.observer.totals.of(self.worker)
    }

    /// Where it counts what concerns this backend.
    pub(crate) fn at<'a>(&self, backend: &'a Backend) -> &'a Arc<Tally> {
        backend.own.stats.tallies.of(self.worker)
    }

    /// Whether it counts how long requests take.
    pub(crate) fn keeps_times(&self) -> bool {
        self.statistics == Statistics::Full
    }

    /// Counts the bytes of a connection in this tally, if they are counted.
    pub(crate) fn meter(&self, tally: &Arc<Tally>) -> Meter {
        match self.statistics {
            Statistics::Full => Meter::of(tally),
            Statistics::Basic => Meter::default(),
        }
    }
}
