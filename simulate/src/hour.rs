//! The ordinary hour of one agent: its calls with their retries, the broker's refreshes, and the restarts of deploys.
//!
//! An hour depends on the world, the agent and the hour, and on nothing that was generated before it.

use credwatch_schemas::time::{HOUR, MINUTE, Micros, SECOND};

use crate::chance::{Chance, Of};
use crate::outage::FAILING;
use crate::profile::Rhythm;
use crate::sketch::{Answer, Call, Sketch, Target, What};
use crate::world::{Agent, World, restart};

/// Sites that a web researcher chooses from.
const SITES: u32 = 5_000;
const MOST_ATTEMPTS: i32 = 3;

/// One agent in one hour.
struct Hour<'a> {
    world: &'a World,
    agent: &'a Agent,
    start: Micros,
    chance: Chance,
    /// Error shares of this hour: of each connection, and of everything else.
    error_shares: Vec<f64>,
    /// Which connections were called.
    used: Vec<bool>,
    sketches: &'a mut Vec<Sketch>,
    next_key: u64,
}

/// Adds everything that the agent causes in the hour from `start`; retries may run over its end.
pub(crate) fn add(world: &World, agent: &Agent, start: Micros, sketches: &mut Vec<Sketch>) {
    if agent.starts >= start.plus(HOUR) {
        return;
    }
    let number = start.0.div_euclid(HOUR).cast_unsigned();
    let mut chance = Chance::new(world.plan.seed, Of::Hour, &[agent.who.org as u64, agent.who.agent as u64, number]);
    let habits = agent.habits();
    let error_shares =
        (0..=agent.connections.len()).map(|_| chance.share(habits.error_share, habits.error_correlation)).collect();
    let used = vec![false; agent.connections.len()];
    let mut hour = Hour { world, agent, start, chance, error_shares, used, sketches, next_key: number << 24 };
    hour.tour();
    hour.deploys();
    hour.calls();
    hour.refreshes();
}

impl Hour<'_> {
    fn push(&mut self, time: Micros, what: What) {
        let key = self.next_key;
        self.next_key += 1;
        if time >= self.agent.starts {
            self.sketches.push(Sketch { time, who: self.agent.who, key, what });
        }
    }

    fn holds(&self, time: Micros) -> bool {
        self.start <= time && time < self.start.plus(HOUR)
    }

    /// A new agent tries each of its tools once, so that later nothing of its own is new.
    fn tour(&mut self) {
        if !self.holds(self.agent.starts) {
            return;
        }
        let connections = (0..self.agent.connections.len()).map(Target::Connection);
        let targets = connections.chain((0..self.agent.own_hosts.len()).map(Target::Own));
        let mut at = self.agent.starts.plus((self.agent.who.agent as i64 * 7 % 600 + 5) * SECOND);
        for target in targets {
            let trace = self.chance.bits();
            self.push(at, What::Call(Call { target, operation: 0, answer: Answer::OK, attempt: 1, trace }));
            at = at.plus(2 * SECOND + self.chance.between(0, SECOND));
        }
    }

    fn deploys(&mut self) {
        let who = self.agent.who;
        let deploys: Vec<_> =
            self.world.orgs[who.org].deploys.iter().copied().filter(|deploy| self.holds(*deploy)).collect();
        for deploy in deploys {
            self.push(deploy.plus(who.agent as i64 * 40_000), What::Deploy);
            for replica in 0..self.agent.habits().replicas {
                let up = restart(deploy, who).plus(-3 * SECOND + replica.cast_signed() * 300_000);
                self.push(up, What::Probe { replica });
            }
        }
    }

    /// The broker lets a token lapse that nobody needs: it refreshes for the hours in which the agent calls.
    fn refreshes(&mut self) {
        let agent = self.agent;
        for (place, connection) in agent.connections.iter().enumerate() {
            if !self.used[place] {
                continue;
            }
            let tokens = connection.tokens.issued_within(self.start, self.start.plus(HOUR));
            for token in tokens.into_iter().filter(|token| !connection.is_silent(token.issued)) {
                self.refresh(place, token.issued);
            }
        }
    }

    /// Seldom a provider's clock is ahead: the call fails with 401, the token is refreshed, the next attempt succeeds.
    fn refresh(&mut self, place: usize, issued: Micros) {
        let connection = &self.agent.connections[place];
        let is_late = self.chance.happens(0.03)
            && issued.plus(-400_000) >= self.start
            && !connection.is_silent(issued.plus(SECOND));
        self.push(issued, What::Refresh { connection: place, trigger: if is_late { "on_401" } else { "proactive" } });
        if is_late {
            let expired = Answer::failed(401, connection.provider.expired);
            let trace = self.chance.bits();
            let call = Call { target: Target::Connection(place), operation: 0, answer: expired, attempt: 1, trace };
            self.push(issued.plus(-400_000), What::Call(call));
            self.push(issued.plus(350_000), What::Call(Call { answer: Answer::OK, attempt: 2, ..call }));
        }
    }

    fn calls(&mut self) {
        let expected = self.world.expected(self.agent, self.start);
        let count = self.chance.count(expected, self.agent.k);
        for time in self.times(count) {
            let target = self.target();
            self.call(time, target);
        }
    }

    fn times(&mut self, count: u32) -> Vec<Micros> {
        let mut push = 0;
        (0..count).map(|number| self.start.plus(self.offset(number, &mut push))).collect()
    }

    /// When in the hour a call happens. Twelve calls in a row follow one push.
    fn offset(&mut self, number: u32, push: &mut i64) -> i64 {
        match self.agent.habits().rhythm {
            Rhythm::Office | Rhythm::Flat | Rhythm::Bouts => self.chance.between(0, HOUR),
            Rhythm::Burst | Rhythm::Rare => SECOND + self.after(60.0),
            Rhythm::Pushes => {
                if number.is_multiple_of(12) {
                    *push = self.chance.between(0, HOUR - 10 * MINUTE);
                }
                *push + self.after(40.0)
            }
        }
    }

    /// Exponential, and never longer than ten minutes.
    fn after(&mut self, mean_seconds: f64) -> i64 {
        (self.chance.exponential(mean_seconds).min(599.0) * SECOND as f64) as i64
    }

    fn target(&mut self) -> Target {
        if self.chance.happens(self.agent.habits().novelty) {
            return Target::Site(self.chance.zipf(SITES));
        }
        let own = self.agent.own_hosts.len();
        if own > 0 && self.chance.happens(if own > 6 { 0.4 } else { 0.1 }) {
            return Target::Own(self.chance.place(own));
        }
        let weights = self.agent.connections.iter().map(|connection| connection.weight);
        Target::Connection(self.chance.weighted(weights))
    }

    fn call(&mut self, time: Micros, target: Target) {
        let operations = match target {
            Target::Connection(place) => self.agent.connections[place].provider.operations.len(),
            Target::Own(_) | Target::Site(_) => 1,
        };
        let (operation, trace) = (self.chance.place(operations), self.chance.bits());
        let (mut at, mut attempt) = (time, 1);
        while !self.is_silent(target, at) {
            let answer = self.answer(at, target, attempt);
            self.push(at, What::Call(Call { target, operation, answer, attempt, trace }));
            if let Target::Connection(place) = target {
                self.used[place] = true;
            }
            if !answer.is_passing() || attempt == MOST_ATTEMPTS {
                break;
            }
            at = at.plus(answer.retry_after_ms.unwrap_or(1_000 << attempt) * 1_000 + self.chance.between(0, SECOND));
            attempt += 1;
        }
    }

    fn is_silent(&self, target: Target, time: Micros) -> bool {
        matches!(target, Target::Connection(place) if self.agent.connections[place].is_silent(time))
    }

    fn answer(&mut self, time: Micros, target: Target, attempt: i32) -> Answer {
        let (host, share) = match target {
            Target::Connection(place) => (self.agent.connections[place].host.as_str(), self.error_shares[place]),
            Target::Own(_) | Target::Site(_) => ("", self.error_shares[self.agent.connections.len()]),
        };
        if self.world.outages.iter().any(|outage| outage.covers(host, time)) && self.chance.happens(FAILING) {
            return Answer::failed(*self.chance.pick(&[503, 503, 502, 500]), "service_unavailable");
        }
        // An error in the first attempt is often followed by one in the second.
        let share = if attempt > 1 { share.max(0.15) } else { share };
        if self.chance.happens(share) { self.error() } else { Answer::OK }
    }

    fn error(&mut self) -> Answer {
        match self.chance.weighted([0.30, 0.25, 0.20, 0.15, 0.10].into_iter()) {
            0 => Answer::throttled(self.chance.between(1, 6) * 1_000),
            1 => Answer::failed(503, "service_unavailable"),
            2 => Answer::failed(404, "not_found"),
            3 => Answer::failed(500, "internal_error"),
            _ => Answer::TIMEOUT,
        }
    }
}
