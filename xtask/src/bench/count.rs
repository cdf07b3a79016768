//! The cost of a request in system calls and in instructions: numbers that do not depend on other load of the
//! machine.
//!
//! The proxy runs under a tracer twice, with a small load and with a larger one. The difference is the cost
//! of the requests; the cost of the start and the end cancels out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, ensure};

use super::contender::Contender;
use super::document::Chapter;
use super::measure::{Conditions, ORDINARY};
use super::started::Started;
use super::workload::Workload;
use super::wrk::Order;
use crate::callgrind;
use crate::print::note;
use crate::table::Table;

/// Seconds of load in the first run.
const LITTLE: u16 = 1;

/// Seconds of load in the second run.
const MUCH: u16 = 4;

/// The things that are counted.
#[derive(Clone, Copy)]
pub(super) enum Counter {
    /// System calls, counted by `strace -c`.
    SystemCalls,
    /// Instructions in user space, counted by valgrind's callgrind.
    Instructions,
}

/// Counts by name; a run has one or many.
type Counts = BTreeMap<String, u64>;

impl Counter {
    /// The tracer; its Debian package has the same name.
    pub(super) fn tool(self) -> &'static str {
        match self {
            Self::SystemCalls => "strace",
            Self::Instructions => "valgrind",
        }
    }

    /// The name of the counts, and the heading above them.
    fn heading(self) -> (&'static str, &'static str) {
        match self {
            Self::SystemCalls => ("system calls", "system calls per request"),
            Self::Instructions => ("instructions", "user-space instructions per request"),
        }
    }

    /// The counts of all contenders.
    pub(super) fn compare<'a>(
        self,
        contenders: impl Iterator<Item = &'a Contender>,
        conditions: &Conditions<'_>,
    ) -> anyhow::Result<Chapter> {
        let (heading, column) = self.heading();
        let mut table = Table::new(["", column]);
        for contender in contenders {
            note(format!("{heading}: {}", contender.name()));
            table.row([contender.name().to_owned(), self.count(contender, conditions)?]);
        }
        Ok(Chapter::of(heading, &Workload::Small.words(conditions.clients, conditions.idle), vec![table]))
    }

    /// Counts, and returns the count per request as text.
    fn count(self, contender: &Contender, conditions: &Conditions<'_>) -> anyhow::Result<String> {
        let (few, little) = self.run(contender, conditions, LITTLE)?;
        let (many, much) = self.run(contender, conditions, MUCH)?;
        ensure!(many > few, "more load made no more requests: {few}, then {many}");
        Ok(self.show(&per_request(&little, &much, many - few)))
    }

    /// Starts the proxy under the tracer, puts load on it, ends it, and returns the number of requests and
    /// the counts.
    fn run(
        self,
        contender: &Contender,
        conditions: &Conditions<'_>,
        seconds: u16,
    ) -> anyhow::Result<(u64, Counts)> {
        let report = conditions.folder.join("counts");
        let tracer = match self {
            Self::SystemCalls => format!("strace -f -c -o {}", report.display()),
            Self::Instructions => {
                format!("valgrind --tool=callgrind --callgrind-out-file={}.%p", report.display())
            }
        };
        let tracer: Vec<String> = tracer.split(' ').map(String::from).collect();
        let proxy = Started::start(contender, &tracer, conditions.backends, ORDINARY, conditions.folder)?;
        let load = Order::small(conditions.clients).run(proxy.port(), seconds)?;
        let said = proxy.finish()?;
        let counts = match self {
            Self::SystemCalls => parse_strace(&fs::read_to_string(&report).context("strace wrote nothing")?),
            Self::Instructions => callgrind::instructions(&said)
                .map(|count| ("instructions".to_owned(), count))
                .into_iter()
                .collect(),
        };
        ensure!(!counts.is_empty(), "{} counted nothing: {said}", self.tool());
        Ok((load.requests, counts))
    }

    fn show(self, costs: &[(String, f64)]) -> String {
        let total: f64 = costs.iter().map(|(_, cost)| cost).sum();
        match self {
            Self::Instructions => format!("{total:.0}"),
            Self::SystemCalls => {
                let mut shown = format!("{total:.2} =");
                for (name, cost) in costs.iter().filter(|(_, cost)| *cost >= 0.005) {
                    let _ = write!(shown, " {cost:.2} {name}");
                }
                shown
            }
        }
    }
}

/// The cost per request for each name, the largest first.
fn per_request(fewer: &Counts, more: &Counts, requests: u64) -> Vec<(String, f64)> {
    let cost = |(name, count): (&String, &u64)| {
        let grown = count.saturating_sub(fewer.get(name).copied().unwrap_or(0));
        (name.clone(), grown as f64 / requests as f64)
    };
    let mut costs: Vec<(String, f64)> = more.iter().map(cost).collect();
    costs.sort_by(|a, b| b.1.total_cmp(&a.1));
    costs
}

/// Reads the table of `strace -c`: calls by name.
fn parse_strace(table: &str) -> Counts {
    table
        .lines()
        .filter_map(|line| {
            // Percentage, seconds, microseconds per call, calls, then errors (often empty), then the name.
            let fields: Vec<&str> = line.split_whitespace().collect();
            let name = *fields.last()?;
            let calls = fields.get(3)?.parse().ok()?;
            (name != "total" && fields.len() >= 5).then(|| (name.to_owned(), calls))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn straces_table_is_read() {
        let table = "% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.00    0.200000           2     40000       123 read
 49.00    0.100000           2     39000           write
  1.00    0.000000           0         7         7 connect
------ ----------- ----------- --------- --------- ----------------
100.00    0.300000           3     79007       130 total
";
        assert_eq!(parse_strace(table), counts(&[("read", 40_000), ("write", 39_000), ("connect", 7)]));
        assert_eq!(parse_strace("strace: nothing was traced\n"), Counts::new());
        assert_eq!(parse_strace(""), Counts::new());
    }

    #[test]
    fn the_cost_of_starting_cancels_out() {
        let costs = per_request(
            &counts(&[("read", 300), ("open", 50)]),
            &counts(&[("read", 700), ("open", 50), ("write", 800)]),
            200,
        );
        let expected =
            [("write", 4.0), ("read", 2.0), ("open", 0.0)].map(|(name, cost)| (name.to_owned(), cost));
        assert_eq!(costs, expected);
        assert_eq!(Counter::SystemCalls.show(&costs), "6.00 = 4.00 write 2.00 read");
    }
}
