//! Puts records into the order of kernel time.
//!
//! Programs on different CPUs take their places in the ring buffer and the time one after the other,
//! so neighbours can be swapped. Events are held back for a moment and sorted.

use std::time::Duration;

use crate::event::Event;

/// How long an event is held back: far longer than a kernel program runs.
pub(super) const HOLD: Duration = Duration::from_millis(10);

/// Events that are held back.
#[derive(Default)]
pub(super) struct Order {
    pending: Vec<Event>,
    /// Time of the record that was taken last.
    latest: Duration,
    /// Time of the event that was released last.
    released: Duration,
}

impl Order {
    pub(super) fn push(&mut self, event: Event) {
        self.latest = event.time;
        self.pending.push(event);
    }

    /// Time of the record that was taken last.
    pub(super) fn latest(&self) -> Duration {
        self.latest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Appends the events up to this time, in order.
    pub(super) fn release(&mut self, up_to: Duration, events: &mut Vec<Event>) {
        // Stable, and fast on what is nearly sorted.
        self.pending.sort_by_key(|event| event.time);
        let ready = self.pending.partition_point(|event| event.time <= up_to);
        let released = &mut self.released;
        events.extend(self.pending.drain(..ready).map(|mut event| {
            // Its program was preempted for longer than events are held back: it comes late, and
            // gets the time of the one before it, so that time never goes back.
            event.time = event.time.max(*released);
            *released = event.time;
            event
        }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::samples;

    fn at(nanos: u64, socket: u64) -> Event {
        let mut event = samples::connect();
        event.time = Duration::from_nanos(nanos);
        event.socket = socket;
        event
    }

    fn released(order: &mut Order, up_to: u64) -> Vec<u64> {
        let mut events = Vec::new();
        order.release(Duration::from_nanos(up_to), &mut events);
        events.iter().map(|event| event.socket).collect()
    }

    #[test]
    fn neighbours_are_put_right_and_the_young_held_back() {
        let mut order = Order::default();
        for (nanos, socket) in [(20, 2), (10, 1), (30, 3), (40, 4)] {
            order.push(at(nanos, socket));
        }
        assert_eq!(released(&mut order, 30), [1, 2, 3]);
        assert!(!order.is_empty());
        assert_eq!(released(&mut order, u64::MAX), [4]);
        assert!(order.is_empty());
    }

    #[test]
    fn time_never_goes_back() {
        let mut order = Order::default();
        order.push(at(20, 1));
        let mut events = Vec::new();
        order.release(Duration::MAX, &mut events);
        order.push(at(10, 2));
        order.release(Duration::MAX, &mut events);
        let times: Vec<_> = events.iter().map(|event| event.time.as_nanos()).collect();
        assert_eq!(times, [20, 20]);
    }

    proptest! {
        #[test]
        fn everything_comes_out_once_and_sorted(times in proptest::collection::vec(0_u64..1_000, 0..100)) {
            let mut order = Order::default();
            for &time in &times {
                order.push(at(time, time));
            }
            let mut out = released(&mut order, 500);
            out.extend(released(&mut order, u64::MAX));
            let mut expected = times;
            expected.sort_unstable();
            prop_assert_eq!(out, expected);
        }
    }
}
