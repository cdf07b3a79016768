//! The backends of the pool: members, removed backends that still have requests, and their numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::Moment;
use crate::address::Address;
use crate::backend::{Backend, Peer};
use crate::fleet::{LevelPolicies, Rank};
use crate::member::Member;
use crate::rules::Rules;

/// The members of the pool.
#[derive(Debug)]
pub(crate) struct Roster<X> {
    pub(crate) members: Vec<Arc<Peer<X>>>,
    pub(crate) leaving: Vec<Arc<Peer<X>>>,
    /// The numbers of members and of removed backends that still have requests.
    pub(crate) numbers: HashMap<Address, usize>,
    /// The free numbers, each with the address that had it last.
    pub(crate) free: BTreeMap<usize, Address>,
    /// The policies of each level, with their turns.
    pub(crate) policies: BTreeMap<Rank, Arc<LevelPolicies>>,
    /// The time of the last comparison of success rates.
    pub(crate) compared: Option<Moment>,
}

/// There is no such member.
pub(crate) struct NoMember;

impl<X> Roster<X> {
    pub(crate) fn empty() -> Self {
        Self {
            members: Vec::new(),
            leaving: Vec::new(),
            numbers: HashMap::new(),
            free: BTreeMap::new(),
            policies: BTreeMap::new(),
            compared: None,
        }
    }

    /// Adds a member. A removed backend that still has requests comes back with all that is known about it.
    pub(crate) fn add(&mut self, member: Member, own: fn(&Member, Moment) -> X, now: Moment) -> Arc<Peer<X>> {
        let number = self.number(&member.address);
        let leaving = self.leaving.iter().position(|backend| backend.number == number);
        let backend = match leaving.map(|index| self.leaving.remove(index)) {
            Some(back) => {
                back.set_spec(member);
                back.set_leaving(false);
                back
            }
            None => {
                let own = own(&member, now);
                Arc::new(Peer::new(number, member, own, now))
            }
        };
        let index = self.members.partition_point(|other| other.number < number);
        self.members.insert(index, Arc::clone(&backend));
        backend
    }

    /// The number of an address: the number that it has or had last, or else the lowest free number. So
    /// numbers stay small, however many addresses come and go.
    pub(crate) fn number(&mut self, address: &Address) -> usize {
        if let Some(number) = self.numbers.get(address) {
            return *number;
        }
        let own = self.free.iter().find(|(_, last)| *last == address).map(|(number, _)| *number);
        let next = self.numbers.len() + self.free.len() + 1;
        let number = own.or_else(|| self.free.keys().next().copied()).unwrap_or(next);
        self.free.remove(&number);
        self.numbers.insert(address.clone(), number);
        number
    }

    /// A removed backend has finished its last request: its number is free.
    pub(crate) fn forget(&mut self, address: &Address) {
        if let Some(number) = self.numbers.remove(address) {
            self.free.insert(number, address.clone());
        }
    }

    /// Whether this backend is a member, or was removed and still has requests. Another backend with the same
    /// number does not count.
    pub(crate) fn has(&self, backend: &Backend) -> bool {
        let is_it = |peer: &Arc<Peer<X>>| std::ptr::eq::<Backend>(&***peer, backend);
        let member = self.members.binary_search_by_key(&backend.number, |member| member.number);
        member.is_ok_and(|index| is_it(&self.members[index])) || self.leaving.iter().any(is_it)
    }

    /// The policies of a level, which keep their turns and tables from view to view.
    pub(crate) fn policies_of(&mut self, rank: Rank, rules: &Rules) -> Arc<LevelPolicies> {
        let new = || Arc::new(LevelPolicies::new(rules));
        Arc::clone(self.policies.entry(rank).or_insert_with(new))
    }

    /// The present settings of a member, if there is such a member.
    pub(crate) fn spec_of(&self, address: &Address) -> Option<Member> {
        let index = self.index_of(address).ok()?;
        Some(Member::clone(&self.members[index].spec()))
    }

    /// The index of a member in the list, or an error if there is no such member.
    pub(crate) fn index_of(&self, address: &Address) -> Result<usize, NoMember> {
        let number = self.numbers.get(address).ok_or(NoMember)?;
        self.members.binary_search_by_key(number, |backend| backend.number).map_err(|_| NoMember)
    }
}
