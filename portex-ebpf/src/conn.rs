//! The table of tracked connections.
//!
//! A connection is found under the address of its socket, then under that of its TIME_WAIT
//! minisocket. What happens to it is in `life`.

use portex_common::{Loss, Owner, Tuple};

use crate::{
    emit::now,
    maps::CONNS,
    owner,
    read::{self, SockCommon},
    settings::setting,
    trouble::{self, Outcome},
};

/// TCP states (`net/tcp_states.h`).
pub(crate) mod tcp {
    pub(crate) const ESTABLISHED: u8 = 1;
    pub(crate) const SYN_SENT: u8 = 2;
    pub(crate) const FIN_WAIT2: u8 = 5;
    pub(crate) const TIME_WAIT: u8 = 6;
    pub(crate) const CLOSE: u8 = 7;
    pub(crate) const CLOSING: u8 = 11;
}

/// Where a connection is in its life; the value of [`Conn::phase`].
pub(crate) mod phase {
    /// In SYN_SENT, the port search has not begun.
    pub(crate) const ANNOUNCED: u8 = 0;
    /// A port is being looked for.
    pub(crate) const SEARCHING: u8 = 1;
    /// Back in CLOSE; the return of the system call will tell why (tracepoint way).
    pub(crate) const DEFERRED: u8 = 2;
    /// Holds a port.
    pub(crate) const HELD: u8 = 3;
    /// Got no port; kept only to tell its last state change.
    pub(crate) const FAILED: u8 = 4;
    /// The TIME_WAIT minisocket holds the port.
    pub(crate) const TIME_WAIT: u8 = 5;
}

/// Bits of [`Conn::marks`].
pub(crate) mod mark {
    /// A port was bound before connect().
    pub(crate) const BOUND: u8 = 1 << 0;
    /// The process had asked for that port by number.
    pub(crate) const BY_NUMBER: u8 = 1 << 1;
    /// TIME_WAIT is due (`tcp_time_wait` was called).
    pub(crate) const TIME_WAIT_DUE: u8 = 1 << 2;
}

/// A tracked connection.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Conn {
    pub(crate) owner: Owner,
    pub(crate) tuple: Tuple,
    /// Opaque id of the connection.
    pub(crate) socket: u64,
    /// When the search began.
    pub(crate) search_ns: u64,
    /// When the port was given.
    pub(crate) since_ns: u64,
    /// When the TIME_WAIT began.
    pub(crate) time_wait_ns: u64,
    pub(crate) phase: u8,
    pub(crate) marks: u8,
    /// `inet_sport` before the search: left there by an earlier connection of the socket.
    pub(crate) stale_sport: u16,
    pub(crate) reserved: u32,
    /// What `Record::second_ns` of a connect says: device and port range of the socket.
    pub(crate) restrictions: u64,
}

impl Conn {
    #[inline(always)]
    pub(crate) fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// Whether the outcome of the port search has not been seen yet.
    #[inline(always)]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.phase == phase::ANNOUNCED || self.phase == phase::SEARCHING
    }
}

/// The connection under a key, to be changed in place.
#[inline(always)]
pub(crate) fn lookup(key: u64) -> Option<&'static mut Conn> {
    // SAFETY: a live map value, which stays readable when it is removed meanwhile, as the map is
    // preallocated. Programs that change it for the same socket are serialised by the socket's lock, but for
    // the end of a nonblocking connect(), which looks at the socket's state right before.
    CONNS.get_ptr_mut(key).map(|conn| unsafe { &mut *conn })
}

/// What the kernel answers when the table is full, when an entry is not there, and when it is.
const E2BIG: i32 = -7;
const ENOENT: i32 = -2;
const EEXIST: i32 = -17;
/// Insert only what is not there.
const BPF_NOEXIST: u64 = 1;

#[inline(always)]
pub(crate) fn insert(key: u64, conn: &Conn) -> Outcome {
    CONNS.insert(key, conn, 0).map_err(|code| match code {
        E2BIG => Loss::TableFull,
        _ => Loss::TableBusy,
    })
}

/// Inserts a connection unless there is one under its key: false.
#[inline(always)]
pub(crate) fn insert_new(key: u64, conn: &Conn) -> Result<bool, Loss> {
    match CONNS.insert(key, conn, BPF_NOEXIST) {
        Ok(()) => Ok(true),
        Err(EEXIST) => Ok(false),
        Err(E2BIG) => Err(Loss::TableFull),
        Err(_) => Err(Loss::TableBusy),
    }
}

#[inline(always)]
pub(crate) fn forget(key: u64) {
    if let Err(code) = CONNS.remove(key)
        && code != ENOENT
    {
        trouble::count(Loss::TableBusy as u32);
    }
}

/// A connection of the running process as its socket shows it now, or `None` when it is filtered.
#[inline(always)]
pub(crate) fn observe(sk: u64, sock: &SockCommon) -> Result<Option<Conn>, Loss> {
    let owner = owner::current();
    let wanted = setting!(tgid);
    if wanted != 0 && owner.tgid != wanted {
        return Ok(None);
    }
    let netns = sock.netns()?;
    let wanted = setting!(netns);
    if wanted != 0 && netns != wanted {
        return Ok(None);
    }
    let now = now();
    let num = sock.num();
    let mut conn = Conn {
        owner,
        tuple: Tuple {
            saddr: [0; 4],
            daddr: [0; 4],
            netns,
            sport: num,
            dport: 0,
        },
        // Unique: two searches do not begin on one CPU in the same nanosecond.
        socket: now << 8 | u64::from(cpu() & 0xff),
        search_ns: now,
        since_ns: now,
        time_wait_ns: 0,
        phase: phase::SEARCHING,
        marks: if num != 0 { bound_marks(sk)? } else { 0 },
        stale_sport: 0,
        reserved: 0,
        restrictions: read::restrictions(sk, sock),
    };
    sock.addresses(&mut conn.tuple);
    Ok(Some(conn))
}

/// Marks of a connection whose port was bound before.
#[inline(always)]
pub(crate) fn bound_marks(sk: u64) -> Result<u8, Loss> {
    let by_number = if read::is_port_locked(sk)? {
        mark::BY_NUMBER
    } else {
        0
    };
    Ok(mark::BOUND | by_number)
}

#[inline(always)]
fn cpu() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { aya_ebpf::helpers::generated::bpf_get_smp_processor_id() }
}

/// Key of a TIME_WAIT whose minisocket no program has seen: it has the same hash of the 4-tuple and the
/// same ports as its socket had. The top bit is clear, which it is in
/// no kernel address.
#[inline(always)]
pub(crate) fn digest(hash: u32, dport: u16, sport: u16) -> u64 {
    (u64::from(hash) << 32 | u64::from(dport) << 16 | u64::from(sport)) & !(1 << 63)
}

/// The connection of a TIME_WAIT minisocket, and its key: the address, or the digest.
#[inline(always)]
pub(crate) fn of_time_wait(tw: u64) -> Result<Option<(u64, &'static mut Conn)>, Loss> {
    if let Some(conn) = lookup(tw) {
        return Ok(Some((tw, conn)));
    }
    let sock = SockCommon::read(tw)?;
    let key = digest(sock.hash(), sock.dport(), sock.num());
    Ok(lookup(key).map(|conn| (key, conn)))
}
