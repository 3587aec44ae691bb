//! Connections that nobody knows yet. There is always room for one more: the one that has said nothing for longest goes,
//! before any that has begun to speak.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::{Latch, lock};

/// Who has spoken comes after who has not; then in the order in which they did so, or came.
type Place = (bool, u64);

#[derive(Debug)]
pub(super) struct Waiting {
    most: usize,
    most_of_one: usize,
    room: Mutex<Room>,
}

#[derive(Debug, Default)]
struct Room {
    next: u64,
    all: BTreeMap<Place, (IpAddr, Arc<Latch>)>,
    of: HashMap<IpAddr, BTreeSet<Place>>,
}

impl Waiting {
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, room: Mutex::default() }
    }

    pub fn take(waiting: &Arc<Self>, address: IpAddr) -> Seat {
        let address = network(address);
        let gone = Arc::new(Latch::default());
        let mut room = lock(&waiting.room);
        let own = room.of.get(&address).map_or(0, BTreeSet::len);
        let first_of_own = room.of.get(&address).and_then(|own| own.first().copied());
        if let Some(place) = first_of_own.filter(|_| own >= waiting.most_of_one) {
            room.send_away(place);
        } else if room.all.len() >= waiting.most
            && let Some(place) = room.all.keys().next().copied()
        {
            room.send_away(place);
        }
        let place = room.seat(false, address, Arc::clone(&gone));
        drop(room);
        Seat { waiting: Arc::clone(waiting), address, place, gone }
    }

    pub fn len(&self) -> usize {
        lock(&self.room).all.len()
    }
}

impl Room {
    fn seat(&mut self, spoke: bool, address: IpAddr, gone: Arc<Latch>) -> Place {
        let place = (spoke, self.next);
        self.next += 1;
        self.all.insert(place, (address, gone));
        self.of.entry(address).or_default().insert(place);
        place
    }

    fn leave(&mut self, place: Place) -> Option<(IpAddr, Arc<Latch>)> {
        let (address, gone) = self.all.remove(&place)?;
        if let Some(own) = self.of.get_mut(&address) {
            own.remove(&place);
            if own.is_empty() {
                self.of.remove(&address);
            }
        }
        Some((address, gone))
    }

    fn send_away(&mut self, place: Place) {
        if let Some((_, gone)) = self.leave(place) {
            gone.set();
        }
    }
}

/// A place among those that wait, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    waiting: Arc<Waiting>,
    address: IpAddr,
    place: Place,
    gone: Arc<Latch>,
}

impl Seat {
    /// Its peer has said something, or something more.
    pub fn spoke(&mut self) {
        let mut room = lock(&self.waiting.room);
        if room.leave(self.place).is_some() {
            self.place = room.seat(true, self.address, Arc::clone(&self.gone));
        }
    }

    /// Whether it had to make room.
    pub fn is_gone(&self, cx: &Context<'_>) -> bool {
        self.gone.is_set(cx)
    }

    /// Waits until it has to make room.
    pub async fn gone(&self) {
        poll_fn(|cx| if self.is_gone(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.waiting.room).leave(self.place);
    }
}

/// What counts as one address: an IPv6 network of 64 bits is given out as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(seat: &Seat) -> bool {
        seat.is_gone(&Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn of_one_address_who_has_said_nothing_for_longest_makes_room() {
        let waiting = Arc::new(Waiting::new(100, 3));
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let stranger = Waiting::take(&waiting, other);
        let mut first = Waiting::take(&waiting, one);
        first.spoke();
        let rest = [Waiting::take(&waiting, one), Waiting::take(&waiting, one), Waiting::take(&waiting, one)];
        assert_eq!([gone(&stranger), gone(&first)], [false; 2]);
        assert_eq!(rest.each_ref().map(gone), [true, false, false]);
        assert_eq!(waiting.len(), 4);
        drop((stranger, first, rest));
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn in_all_the_oldest_silent_one_makes_room_whatever_its_address() {
        let waiting = Arc::new(Waiting::new(3, 3));
        let of = |last: u8| Waiting::take(&waiting, IpAddr::from([10, 0, 0, last]));
        let mut spoke = of(1);
        spoke.spoke();
        let rest = [of(2), of(3), of(4)];
        assert!(!gone(&spoke));
        assert_eq!(rest.each_ref().map(gone), [true, false, false]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
