//! TIME_WAIT minisockets: their fields, their timers, and where they lie.

use portex_common::{Loss, settings::ABSENT};

use super::{SockCommon, kernel};
use crate::{
    conn::tcp,
    maps::{SYMBOLS, symbol},
    settings::setting,
};

/// `tw_substate`: TCP_TIME_WAIT or TCP_FIN_WAIT2.
#[inline(always)]
pub(crate) fn tw_substate(tw: u64) -> Result<u8, Loss> {
    kernel(tw, setting!(offsets.tw_substate))
}

/// Whether a new connection has taken the port of this TIME_WAIT over: its bind bucket is gone
/// before its timer (`inet_twsk_bind_unhash` in `__inet_hash_connect`).
#[inline(always)]
pub(crate) fn tw_recycled(tw: u64) -> Result<bool, Loss> {
    Ok(kernel::<u64>(tw, setting!(offsets.tw_tb))? == 0)
}

/// When the timer of a TIME_WAIT is due, in jiffies.
#[inline(always)]
pub(crate) fn tw_expires(tw: u64) -> Result<u64, Loss> {
    kernel(
        tw.wrapping_add(u64::from(setting!(offsets.tw_timer))),
        setting!(offsets.timer_expires),
    )
}

/// Learns the function of TIME_WAIT timers from one.
#[inline(always)]
pub(crate) fn learn_tw_timer(tw: u64) -> Result<(), Loss> {
    let timer = tw.wrapping_add(u64::from(setting!(offsets.tw_timer)));
    let function: u64 = kernel(timer, setting!(offsets.timer_function))?;
    if let Some(known) = SYMBOLS.get_ptr_mut(symbol::TW_TIMER_HANDLER) {
        // SAFETY: a live map value; every writer writes the same.
        unsafe { known.write(function) };
    }
    Ok(())
}

/// Whether the timers of TIME_WAITs can be told from others.
#[inline(always)]
pub(crate) fn knows_tw_timers() -> bool {
    SYMBOLS
        .get(symbol::TW_TIMER_HANDLER)
        .is_some_and(|handler| *handler != 0)
}

/// The TIME_WAIT minisocket that a timer belongs to, if it is the timer of one.
#[inline(always)]
pub(crate) fn tw_of_timer(timer: u64) -> Result<Option<u64>, Loss> {
    let function: u64 = kernel(timer, setting!(offsets.timer_function))?;
    if SYMBOLS.get(symbol::TW_TIMER_HANDLER) != Some(&function) {
        return Ok(None);
    }
    Ok(Some(
        timer.wrapping_sub(u64::from(setting!(offsets.tw_timer))),
    ))
}

/// The TIME_WAIT that took a closing socket's place.
pub(crate) enum Successor {
    TimeWait(u64),
    /// There is none.
    None,
    /// This kernel does not show it, or its list is too long to be looked through.
    Unknown,
}

/// Most entries of a list of the connection table that are looked at. The minisocket has just been put at
/// the head of its list, or in the place of its socket (`inet_twsk_hashdance`); lists are short.
const STEPS: u32 = 32;
/// A pointer with this bit is the end of a list (`hlist_nulls`).
const END_OF_LIST: u64 = 1;

/// `ehash` and `ehash_mask` of a `struct inet_hashinfo`: where they lie as they do from 5.10 to 7.3, in one
/// read.
#[inline(always)]
fn table_of_connections(info: u64) -> Result<(u64, u32), Loss> {
    let (ehash, ehash_mask) = (
        setting!(offsets.hashinfo_ehash),
        setting!(offsets.hashinfo_ehash_mask),
    );
    if ehash_mask == ehash.wrapping_add(16) {
        let [table, _locks, mask]: [u64; 3] = kernel(info, ehash)?;
        return Ok((table, mask as u32));
    }
    Ok((kernel(info, ehash)?, kernel(info, ehash_mask)?))
}

/// Looks for the TIME_WAIT of a closing socket, that held `sport`, in the table of connections.
#[inline(always)]
pub(crate) fn successor(sock: &SockCommon, sport: u16) -> Result<Successor, Loss> {
    if setting!(offsets.hashinfo_ehash) == ABSENT
        || setting!(offsets.hashinfo_ehash_mask) == ABSENT
        || setting!(offsets.skc_nulls_node) == ABSENT
    {
        return Ok(Successor::Unknown);
    }
    let Some(info) = sock.hashinfo()? else {
        return Ok(Successor::Unknown);
    };
    let (table, mask) = table_of_connections(info)?;
    let (hash, dport) = (sock.hash(), sock.dport());
    // struct inet_ehash_bucket is one pointer (hlist_nulls_head).
    let mut node: u64 = kernel(table.wrapping_add(u64::from(hash & mask) * 8), 0)?;
    for _ in 0..STEPS {
        if node & END_OF_LIST != 0 {
            // The end says which list it is of: an entry that moved meanwhile leads into another.
            let is_own = node >> 1 == u64::from(hash & mask);
            return Ok(if is_own {
                Successor::None
            } else {
                Successor::Unknown
            });
        }
        let tw = node.wrapping_sub(u64::from(setting!(offsets.skc_nulls_node)));
        let found = SockCommon::read(tw)?;
        if found.hash() == hash
            && found.state() == tcp::TIME_WAIT
            && found.num() == sport
            && found.dport() == dport
        {
            return Ok(Successor::TimeWait(tw));
        }
        node = kernel(node, 0)?;
    }
    Ok(Successor::Unknown)
}

/// Whether the namespace of a socket has so many TIME_WAITs that there may have been one too many
/// (`tcp_max_tw_buckets`, as `inet_twsk_alloc` compares it); `None` where that cannot be read. Some may have
/// ended since.
#[inline(always)]
pub(crate) fn overflow(sock: &SockCommon) -> Result<Option<bool>, Loss> {
    // tw_refcount counts the namespace too.
    let (count, own) = if setting!(offsets.tw_refcount) != ABSENT {
        (setting!(offsets.tw_refcount), 1)
    } else {
        (setting!(offsets.tw_count), 0)
    };
    if count == ABSENT || setting!(offsets.max_tw_buckets) == ABSENT {
        return Ok(None);
    }
    let net = sock.net();
    let count = u64::from(kernel::<u32>(net, count)?.saturating_sub(own));
    let most = u64::from(kernel::<u32>(net, setting!(offsets.max_tw_buckets))?);
    Ok(Some(count * 8 >= most * 7))
}
