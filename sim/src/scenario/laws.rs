//! The laws of a scenario: when calls arrive, and how long something takes.

use std::time::Duration;

use crate::arrivals::Arrivals;
use crate::service::Service;

use super::form::{ArrivalForm, TimeForm};
use super::values::Positive;

/// The law of the arrivals.
pub(super) fn arrivals(form: ArrivalForm) -> Result<Arrivals, String> {
    if form.think.is_some() && form.clients.is_none() {
        return Err("only clients think; write clients = 16 beside think, or remove think".to_owned());
    }
    match (form.even, form.poisson, form.steps, form.clients) {
        (Some(Positive(rate)), None, None, None) => Ok(Arrivals::Even(rate)),
        (None, Some(Positive(rate)), None, None) => Ok(Arrivals::Poisson(rate)),
        (None, None, Some(steps), None) => {
            let steps: Vec<_> = steps.iter().map(|step| (step.at.0, step.rate.0)).collect();
            if steps.iter().all(|(_, rate)| *rate == 0.0) {
                return Err(
                    r#"no call arrives in these steps; write steps = [{ at = "0s", rate = 10 }]"#.to_owned()
                );
            }
            if !steps.is_sorted_by_key(|(at, _)| *at) {
                return Err("the times of the steps fall; write them in their order".to_owned());
            }
            Ok(Arrivals::Steps(steps))
        }
        (None, None, None, Some(clients)) => {
            let think = form.think.map_or(Ok(Service::Fixed(Duration::ZERO)), |think| law(&think))?;
            Ok(Arrivals::Closed { clients: clients.0, think })
        }
        _ => Err("arrivals follow one law; write one of poisson, even, steps and clients".to_owned()),
    }
}

/// The law of a time.
pub(super) fn law(form: &TimeForm) -> Result<Service, String> {
    if form.lognormal.as_ref().is_some_and(|law| law.p50.0.is_zero() || law.p99.0 < law.p50.0) {
        return Err("a lognormal time has a p50 above 0 and a p99 that is not below it; write such as \
                    { p50 = \"20ms\", p99 = \"80ms\" }"
            .to_owned());
    }
    if form.uniform.as_ref().is_some_and(|law| law.to.0 < law.from.0) {
        return Err("a uniform time goes from the shorter time to the longer one; write such as \
                    { from = \"20ms\", to = \"60ms\" }"
            .to_owned());
    }
    if form.bimodal.as_ref().is_some_and(|law| law.long.0 < law.short.0) {
        return Err("a bimodal time has a long time that is not below the short one; write such as \
                    { short = \"10ms\", long = \"1s\", share = 0.05 }"
            .to_owned());
    }
    let laws = [
        form.fixed.map(|time| Service::Fixed(time.0)),
        form.exp.map(|mean| Service::Exp(mean.0)),
        form.lognormal.as_ref().map(|law| Service::Lognormal { p50: law.p50.0, p99: law.p99.0 }),
        form.bimodal.as_ref().map(|law| Service::Bimodal {
            short: law.short.0,
            long: law.long.0,
            share: law.share.0,
        }),
        form.uniform.as_ref().map(|law| Service::Uniform { from: law.from.0, to: law.to.0 }),
    ];
    let mut laws = laws.into_iter().flatten();
    match (laws.next(), laws.next()) {
        (Some(law), None) => Ok(law),
        _ => {
            Err("a time follows one law; write one of fixed, exp, lognormal, bimodal and uniform".to_owned())
        }
    }
}
