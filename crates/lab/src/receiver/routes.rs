//! Which tokens and which behaviour a path has, changeable while requests come in.

use crate::behaviour::Behaviour;
use crate::secret::Secret;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Paths that may be configured one by one.
const MOST_PATHS: usize = 100_000;

pub(crate) struct Routes(RwLock<Table>);

struct Table {
    /// What holds for every path that has no entry.
    elsewhere: Arc<Endpoint>,
    paths: HashMap<String, Arc<Endpoint>>,
}

pub(crate) struct Endpoint {
    pub(crate) secrets: Arc<[Secret]>,
    pub(crate) behaviour: Behaviour,
    turns: AtomicU64,
}

impl Endpoint {
    fn new(secrets: Arc<[Secret]>, behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self { secrets, behaviour, turns: AtomicU64::new(0) })
    }

    /// The number of this request among those that the present behaviour decided.
    pub(crate) fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }
}

impl Routes {
    pub(crate) fn new(secrets: Vec<Secret>, behaviour: Behaviour) -> Self {
        let elsewhere = Endpoint::new(secrets.into(), behaviour);
        Self(RwLock::new(Table { elsewhere, paths: HashMap::new() }))
    }

    pub(crate) fn find(&self, path: &str) -> Arc<Endpoint> {
        let table = self.0.read();
        Arc::clone(table.paths.get(path).unwrap_or(&table.elsewhere))
    }

    pub(crate) fn behave(&self, path: &str, behaviour: Behaviour) {
        self.change(path, |old| Endpoint::new(Arc::clone(&old.secrets), behaviour));
    }

    pub(crate) fn behave_everywhere(&self, behaviour: &Behaviour) {
        let table = &mut *self.0.write();
        for endpoint in table.paths.values_mut().chain([&mut table.elsewhere]) {
            *endpoint = Endpoint::new(Arc::clone(&endpoint.secrets), behaviour.clone());
        }
    }

    pub(crate) fn set_secrets(&self, path: &str, secrets: Vec<Secret>) {
        self.change(path, |old| Endpoint::new(secrets.into(), old.behaviour.clone()));
    }

    pub(crate) fn set_secrets_everywhere(&self, secrets: Vec<Secret>) {
        let table = &mut *self.0.write();
        let secrets: Arc<[Secret]> = secrets.into();
        for endpoint in table.paths.values_mut().chain([&mut table.elsewhere]) {
            *endpoint = Endpoint::new(Arc::clone(&secrets), endpoint.behaviour.clone());
        }
    }

    fn change(&self, path: &str, new: impl FnOnce(&Endpoint) -> Arc<Endpoint>) {
        let table = &mut *self.0.write();
        let endpoint = new(table.paths.get(path).unwrap_or(&table.elsewhere));
        assert!(table.paths.len() < MOST_PATHS || table.paths.contains_key(path), "too many paths");
        table.paths.insert(path.to_owned(), endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_behaviour_until_all_are_told_otherwise() {
        let routes = Routes::new(Vec::new(), Behaviour::GOOD);
        routes.behave("/a", Behaviour::Hang);
        assert_eq!(routes.find("/a").behaviour, Behaviour::Hang);
        assert_eq!(routes.find("/b").behaviour, Behaviour::GOOD);
        routes.behave_everywhere(&Behaviour::Respond(500));
        assert_eq!(routes.find("/a").behaviour, Behaviour::Respond(500));
        assert_eq!(routes.find("/b").behaviour, Behaviour::Respond(500));
    }

    #[test]
    fn secrets_and_behaviour_change_without_one_another() {
        let routes = Routes::new(Vec::new(), Behaviour::GOOD);
        routes.set_secrets("/a", vec![Secret::new("one"), Secret::new("two")]);
        routes.behave("/a", Behaviour::Hang);
        assert_eq!(routes.find("/a").secrets.len(), 2);
        routes.set_secrets_everywhere(vec![Secret::new("three")]);
        assert_eq!((routes.find("/a").secrets.len(), routes.find("/b").secrets.len()), (1, 1));
        assert_eq!(routes.find("/a").behaviour, Behaviour::Hang);
    }

    #[test]
    fn turns_begin_again_with_a_new_behaviour() {
        let routes = Routes::new(Vec::new(), Behaviour::GOOD);
        assert_eq!((routes.find("/a").turn(), routes.find("/b").turn()), (0, 1));
        routes.behave_everywhere(&Behaviour::GOOD);
        assert_eq!(routes.find("/a").turn(), 0);
    }
}
