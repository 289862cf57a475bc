//! The bind hash table (`inet_hashinfo.bhash`): which ports an explicit bind keeps from connect().
//!
//! A bucket that only connect() uses has `fastreuse` and `fastreuseport` at -1
//! (`__inet_hash_connect`); any other is passed over by every port search, whatever its destination.

use aya_ebpf::programs::RawTracePointContext;
use core::ffi::c_void;
use portex_common::{Loss, Walked, WalkedKind, settings::ABSENT, walked::walk};

use super::{Walk, answer, get, hashinfo, observed, set, tell};
use crate::{
    conn::tcp,
    read::{SockCommon, kernel},
    settings::setting,
};

/// A run looks so often for something to tell, each time for so many steps. Telling is apart from looking,
/// so that the verifier has to go through it a few times only.
const ROUNDS: u32 = 8;
const STEPS: u32 = 32;
/// Sockets of one bucket that are looked at, far fewer than a run has steps: a listener's bucket has all
/// that it accepted.
const SOCKETS: u64 = 48;

/// What looking came to.
enum Sighted {
    /// So far nothing.
    Nothing,
    /// The end of the table.
    End,
    /// A bucket that connect() does not share.
    Bucket(u64),
    /// A socket in it.
    Socket(u64),
    /// There are more sockets in it.
    More(u64),
}

/// Arguments: descriptor of a TCP socket, first slot.
/// Written out, since the macro of aya-ebpf lets raw tracepoints return nothing.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tracepoint")]
pub extern "C" fn walk_bind_buckets(ctx: *mut c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    let Some(walk) = Walk::begin(ctx.arg(1), 0) else {
        return walk::FAILED;
    };
    let outcome = try_walk(ctx.arg(0), walk);
    let unfinished = get!(walk.node) != 0 || get!(walk.inner) != 0;
    answer(walk, unfinished, outcome)
}

#[inline(always)]
fn try_walk(fd: u32, walk: *mut Walk) -> Result<u32, Loss> {
    let info = hashinfo(fd)?;
    let table: u64 = kernel(info, setting!(offsets.hashinfo_bhash))?;
    let size = u64::from(kernel::<u32>(info, setting!(offsets.hashinfo_bhash_size))?);
    for _ in 0..ROUNDS {
        let told = match look(walk, table, size)? {
            Sighted::Nothing => true,
            Sighted::End => return Ok(walk::END),
            Sighted::Bucket(bucket) => tell_bucket(WalkedKind::Bucket, bucket)?,
            Sighted::Socket(sk) => tell_bound(sk)?,
            Sighted::More(bucket) => tell_bucket(WalkedKind::Truncated, bucket)?,
        };
        if !told {
            set!(walk.inner, UNTOLD);
            return Ok(walk::FULL);
        }
    }
    Ok(0)
}

/// No node, but something: the slot has to be begun again.
const UNTOLD: u64 = 1;

#[inline(always)]
fn look(walk: *mut Walk, table: u64, size: u64) -> Result<Sighted, Loss> {
    let has_owners = setting!(offsets.bucket_owners) != ABSENT;
    for _ in 0..STEPS {
        let (node, sock_node) = (get!(walk.node), get!(walk.inner));
        if has_owners && sock_node != 0 {
            if get!(walk.inner_seen) >= SOCKETS {
                set!(walk.inner, 0);
                return Ok(Sighted::More(get!(walk.bucket)));
            }
            set!(walk.inner_seen, get!(walk.inner_seen) + 1);
            set!(walk.inner, kernel(sock_node, 0)?);
            let sk = sock_node.wrapping_sub(u64::from(setting!(offsets.skc_bind_node)));
            // The others are in tables that user space can ask for.
            if kernel::<u8>(sk, setting!(offsets.skc_state))? == tcp::CLOSE {
                return Ok(Sighted::Socket(sk));
            }
        } else if node != 0 {
            let bucket = node.wrapping_sub(u64::from(setting!(offsets.bucket_node)));
            set!(walk.node, kernel(node, 0)?);
            if is_explicit(bucket)? {
                if has_owners {
                    set!(walk.bucket, bucket);
                    set!(walk.inner_seen, 0);
                    set!(walk.inner, kernel(bucket, setting!(offsets.bucket_owners))?);
                }
                return Ok(Sighted::Bucket(bucket));
            }
        } else {
            let slot = get!(walk.slot);
            if slot >= size {
                return Ok(Sighted::End);
            }
            let at = table + slot * u64::from(setting!(offsets.bhash_stride));
            set!(walk.node, kernel(at, setting!(offsets.bhash_chain))?);
            set!(walk.slot, slot + 1);
        }
    }
    Ok(Sighted::Nothing)
}

#[inline(always)]
fn is_explicit(bucket: u64) -> Result<bool, Loss> {
    let reuse: i8 = kernel(bucket, setting!(offsets.bucket_fastreuse))?;
    let reuseport: i8 = kernel(bucket, setting!(offsets.bucket_fastreuseport))?;
    Ok(reuse >= 0 || reuseport >= 0)
}

#[inline(always)]
fn tell_bucket(kind: WalkedKind, bucket: u64) -> Result<bool, Loss> {
    let net: u64 = kernel(bucket, setting!(offsets.bucket_net))?;
    // Not a zero that the compiler knows: it would call its memset, which goes byte by byte, and the
    // verifier with it.
    let none = core::hint::black_box(0_u32);
    Ok(tell(&Walked {
        kind: kind as u8,
        state: 0,
        v6only: 0,
        reserved: 0,
        netns: kernel(net, setting!(offsets.net_ns_inum))?,
        dev: kernel(bucket, setting!(offsets.bucket_l3mdev))?,
        sport: kernel(bucket, setting!(offsets.bucket_port))?,
        dport: 0,
        saddr: [none; 4],
        daddr: [none; 4],
    }))
}

/// Tells a socket that is bound and neither listens nor connects.
#[inline(always)]
fn tell_bound(sk: u64) -> Result<bool, Loss> {
    Ok(tell(&observed(WalkedKind::Bound, &SockCommon::read(sk)?)?))
}
