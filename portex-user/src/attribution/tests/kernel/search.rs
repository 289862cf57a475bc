//! How ports are chosen.

use std::net::IpAddr;

use super::{Bucket, Call, Kernel, Sock, restrictions};
use crate::event::{Cause, Kind, Release, TcpState};

impl Kernel {
    /// `__inet_hash_connect` without a port.
    pub(in super::super) fn connect(&mut self, call: Call) -> Option<u64> {
        let (lo, hi) = self.limits(call.own);
        let n = u32::from(hi) - u32::from(lo) + 1;
        let remaining = if n > 1 { n & !1 } else { n };
        let hash = u32::from(call.dst_port) * 31;
        let mut offset = (self.perturb.wrapping_add(hash) % remaining) & !1;
        loop {
            let mut port = u32::from(lo) + offset;
            for i in (0..remaining).step_by(2) {
                if port > u32::from(hi) {
                    port -= remaining;
                }
                let candidate = u16::try_from(port).expect("in range");
                if self.take_for_connect(candidate, &call) {
                    self.perturb = self.perturb.wrapping_add(i + 2);
                    return Some(self.connected(candidate, call, false));
                }
                port += 2;
            }
            offset += 1;
            if offset % 2 == 0 || remaining <= 1 {
                break;
            }
        }
        self.tell(
            &self.sock_of(call, None),
            0,
            Kind::ConnectFailed {
                errno: 99,
                cause: Cause::RangeExhausted,
                search: None,
                restrictions: restrictions(&call),
            },
        );
        None
    }

    fn limits(&self, (own_lo, own_hi): (u16, u16)) -> (u16, u16) {
        let (lo, hi) = (self.rules.range.lo, self.rules.range.hi);
        let inside = |port| (lo..=hi).contains(&port);
        (
            if inside(own_lo) { own_lo } else { lo },
            if inside(own_hi) { own_hi } else { hi },
        )
    }

    fn take_for_connect(&mut self, port: u16, call: &Call) -> bool {
        if self.rules.reserved.contains(port) {
            return false;
        }
        match self.buckets.get(&port) {
            None => true,
            Some(Bucket(fastreuse)) if *fastreuse >= 0 => false,
            Some(_) => self.check_established(port, call),
        }
    }

    /// `__inet_check_established`, which recycles.
    fn check_established(&mut self, port: u16, call: &Call) -> bool {
        let peer = Some((call.dst, call.dst_port));
        let same = self.socks.iter().find(|(_, sock)| {
            (sock.src, sock.port, sock.peer) == (call.src, port, peer)
                && (sock.dev == 0 || sock.dev == call.dev)
        });
        let Some((&id, sock)) = same else { return true };
        if !self.can_recycle(sock, call) {
            return false;
        }
        self.release(id, Release::Recycled);
        // Another one, of another device, may match as well.
        self.check_established(port, call)
    }

    fn can_recycle(&self, sock: &Sock, call: &Call) -> bool {
        let Some((entered, _, timestamps)) = sock.minisocket else {
            return false;
        };
        let loopback = call.src.is_loopback() || call.dst.is_loopback() || call.dev == 1;
        let allowed = match self.rules.tw_reuse {
            1 => true,
            2 => loopback,
            _ => false,
        };
        let old_enough = if self.rules.tw_reuse_coarse {
            self.now / 1_000 > entered / 1_000
        } else {
            let delay = u64::try_from(self.rules.tw_reuse_delay.as_millis()).expect("small");
            self.now > entered + delay
        };
        let fin = self.rules.tw_reuse_fin_wait2 || sock.state == TcpState::TimeWait;
        timestamps && allowed && old_enough && fin
    }

    pub(super) fn find_open_port(&self, src: IpAddr, random: u32) -> Option<u16> {
        let (lo, hi) = (
            u32::from(self.rules.range.lo),
            u32::from(self.rules.range.hi),
        );
        let n = hi - lo + 1;
        let remaining = if n > 1 { n & !1 } else { n };
        let odd = (random % remaining) | 1;
        for offset in [odd, odd - 1] {
            let mut port = lo + offset;
            for _ in (0..remaining).step_by(2) {
                if port > hi {
                    port -= remaining;
                }
                let candidate = u16::try_from(port).expect("in range");
                let reserved = self.rules.reserved.contains(candidate);
                if !reserved && !self.conflicts(src, candidate) {
                    return Some(candidate);
                }
                port += 2;
            }
        }
        None
    }

    /// `inet_csk_bind_conflict` of sockets that share nothing.
    pub(super) fn conflicts(&self, src: IpAddr, port: u16) -> bool {
        self.socks
            .values()
            .filter(|sock| sock.port == port)
            .any(|sock| same_address(src, sock.src))
    }
}

/// `inet_rcv_saddr_equal`, where `::` takes IPv4 too.
fn same_address(a: IpAddr, b: IpAddr) -> bool {
    let any_v6 = |ip: IpAddr| ip.is_ipv6() && ip.is_unspecified();
    match (a, b) {
        _ if any_v6(a) || any_v6(b) => true,
        (IpAddr::V4(a), IpAddr::V4(b)) => a == b || a.is_unspecified() || b.is_unspecified(),
        (IpAddr::V6(a), IpAddr::V6(b)) => a == b,
        _ => false,
    }
}
