//! The queue of a writer: what somebody waits for comes before what comes in bulk.
//!
//! Commits of steps bring events and readings by the thousand; records of what was sent, and what people ask for, are small.
//! In one queue the small ones would wait behind whatever came in, and deliveries would slow down as readings come faster.
//! So each has a queue: a transaction takes what is urgent first, and then of the bulk no more than so many items.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// A queue from many callers to one thread. Closed once, it gives out what is in it and takes nothing more.
pub(super) struct Orders<T> {
    queues: Mutex<Queues<T>>,
    arrived: Condvar,
    /// Of each of the two.
    most: usize,
}

struct Queues<T> {
    urgent: VecDeque<T>,
    /// With how many items each has.
    bulk: VecDeque<(usize, T)>,
    closed: bool,
}

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    Closed,
}

/// What comes of waiting for an order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival<T> {
    Order(T),
    Nothing,
    Closed,
}

impl<T> Orders<T> {
    pub(super) fn new(most: usize) -> Self {
        let queues = Queues { urgent: VecDeque::new(), bulk: VecDeque::new(), closed: false };
        Self { queues: Mutex::new(queues), arrived: Condvar::new(), most }
    }

    /// Adds an order: urgent, or one of so many items.
    pub(super) fn add(&self, order: T, items: Option<usize>) -> Result<(), NotTaken> {
        let queues = &mut *self.queues.lock();
        let waiting = if items.is_some() { queues.bulk.len() } else { queues.urgent.len() };
        match () {
            () if queues.closed => return Err(NotTaken::Closed),
            () if waiting >= self.most => return Err(NotTaken::Full),
            () => {}
        }
        match items {
            None => queues.urgent.push_back(order),
            Some(items) => queues.bulk.push_back((items, order)),
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// The next order, waiting for one; what is urgent first.
    pub(super) fn wait(&self, patience: Duration, room: &mut usize) -> Arrival<T> {
        #[expect(clippy::disallowed_methods, reason = "a thread waits in real time")]
        let until = Instant::now() + patience;
        let queues = &mut self.queues.lock();
        loop {
            if let Some(order) = queues.next(room) {
                return Arrival::Order(order);
            }
            if queues.closed {
                return Arrival::Closed;
            }
            if self.arrived.wait_until(queues, until).timed_out() {
                return Arrival::Nothing;
            }
        }
    }

    /// Another order for a transaction that has room for so many items of the bulk.
    pub(super) fn more(&self, room: &mut usize) -> Option<T> {
        self.queues.lock().next(room)
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.queues.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Takes nothing more, and drops what it has: whoever waits for that learns that nobody works it off.
    pub(super) fn abandon(&self) {
        let dropped = {
            let queues = &mut *self.queues.lock();
            queues.closed = true;
            (std::mem::take(&mut queues.urgent), std::mem::take(&mut queues.bulk))
        };
        drop(dropped);
    }
}

impl<T> Queues<T> {
    fn next(&mut self, room: &mut usize) -> Option<T> {
        if let Some(order) = self.urgent.pop_front() {
            return Some(order);
        }
        if *room == 0 {
            return None;
        }
        let (items, order) = self.bulk.pop_front()?;
        *room = room.saturating_sub(items);
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_urgent_comes_first_and_a_transaction_has_room_for_so_much_of_the_bulk() {
        let orders = Orders::new(8);
        for (name, items) in
            [("steps 1", Some(800)), ("steps 2", Some(800)), ("steps 3", Some(800)), ("record", None)]
        {
            orders.add(name, items).unwrap();
        }
        let mut room = 1_024;
        let taken: Vec<_> = std::iter::from_fn(|| orders.more(&mut room)).collect();
        assert_eq!(taken, ["record", "steps 1", "steps 2"]);
        orders.add("another record", None).unwrap();
        assert_eq!(orders.more(&mut room), Some("another record"));
        assert_eq!(orders.more(&mut room), None);
        assert_eq!(orders.wait(Duration::ZERO, &mut 1), Arrival::Order("steps 3"));
    }

    #[test]
    fn a_full_queue_of_the_bulk_takes_urgent_orders_and_a_closed_one_gives_out_what_it_has() {
        let orders = Orders::new(1);
        orders.add(1, Some(1)).unwrap();
        assert_eq!(orders.add(2, Some(1)), Err(NotTaken::Full));
        orders.add(3, None).unwrap();
        orders.close();
        assert_eq!(orders.add(4, None), Err(NotTaken::Closed));
        let next = || orders.wait(Duration::ZERO, &mut 9);
        assert_eq!([next(), next(), next()], [Arrival::Order(3), Arrival::Order(1), Arrival::Closed]);
        let orders = Orders::new(1);
        orders.add(1, None).unwrap();
        orders.abandon();
        assert_eq!(orders.wait(Duration::ZERO, &mut 9), Arrival::Closed);
        assert_eq!(Orders::<()>::new(1).wait(Duration::ZERO, &mut 9), Arrival::Nothing);
    }
}
