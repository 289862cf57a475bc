//! Calls that want a local port, not a connection, and get none: bind(), listen() on an unbound
//! socket, and the binding of an unbound UDP socket by connect() or a send.

use aya_ebpf::helpers::generated::bpf_get_current_task;
use portex_common::{
    Loss, RecordKind,
    record::{BindCall, flag},
};

use crate::{
    capture::Ctx,
    conn::observe,
    emit::{self, Detail},
    maps::{BINDS, Call, TOLD},
    owner,
    read::{self, AF_INET6, SockCommon},
    task,
    trouble::Outcome,
};

const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
/// A socket of MPTCP: its ports are TCP's.
const IPPROTO_MPTCP: u16 = 262;

/// Error numbers that mean no port, or no address to take it from (`asm-generic/errno.h`).
pub(crate) mod errno {
    pub(crate) const EAGAIN: u16 = 11;
    pub(crate) const EADDRINUSE: u16 = 98;
    pub(crate) const EADDRNOTAVAIL: u16 = 99;
}

/// Local address and port that were asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) address: [u32; 4],
    /// In host byte order; 0 for any.
    pub(crate) port: u16,
}

/// Reads it from a `struct sockaddr_in` or `sockaddr_in6` (ABI: family, port, then the address at 4
/// and at 8), by a reader of kernel or of user memory.
macro_rules! wanted {
    ($read:expr, $address:expr) => {{
        let address: u64 = $address;
        let [family, port]: [u16; 2] = $read(address)?;
        let port = u16::from_be(port);
        if family == $crate::read::AF_INET6 {
            let address = $read(address.wrapping_add(8))?;
            $crate::bind::Wanted { address, port }
        } else {
            let address = $crate::read::mapped($read(address.wrapping_add(4))?);
            $crate::bind::Wanted { address, port }
        }
    }};
}
pub(crate) use wanted;

/// Tells a failure, in the context of the caller. Without `wanted` it is what the socket is bound to.
#[inline(always)]
pub(crate) fn fail(
    ctx: Ctx,
    sk: u64,
    call: BindCall,
    errno: u16,
    wanted: Option<Wanted>,
) -> Outcome {
    let flags = match read::protocol(sk)? {
        IPPROTO_TCP | IPPROTO_MPTCP => 0,
        IPPROTO_UDP => flag::UDP,
        _ => return Ok(()),
    };
    let sock = SockCommon::read(sk)?;
    let Some(mut conn) = observe(sk, &sock)? else {
        return Ok(());
    };
    if let Some(wanted) = wanted {
        conn.tuple.saddr = wanted.address;
        conn.tuple.sport = wanted.port;
    }
    // Nobody was to be reached.
    conn.tuple.daddr = if sock.family() == AF_INET6 {
        [0; 4]
    } else {
        read::mapped(0)
    };
    conn.tuple.dport = 0;
    let detail = Detail {
        second_ns: conn.restrictions,
        errno,
        flags,
        reason: call as u8,
        ..Detail::default()
    };
    emit::failure(ctx, RecordKind::BindFailed, &conn, detail);
    Ok(())
}

/// The same from the return of a hooked function: the end of the system call need not tell it again.
#[inline(always)]
pub(crate) fn fail_hooked(
    ctx: Ctx,
    sk: u64,
    call: BindCall,
    errno: u16,
    wanted: Option<Wanted>,
) -> Outcome {
    fail(ctx, sk, call, errno, wanted)?;
    note_told()
}

/// Lets the end of the system call know, if the thread is in one that comes to it.
#[inline(always)]
fn note_told() -> Outcome {
    let regs = task::user_regs();
    if regs != 0 && task::takes_port(read::kernel(regs, task::regs::NUMBER)?) {
        // Full, it forgets the oldest.
        let _noted = TOLD.insert(owner::thread(), &1, 0);
    }
    Ok(())
}

/// A kretprobe does not see the arguments: they are kept by thread.
#[inline(always)]
pub(crate) fn note_call(sk: Option<u64>, arg: Option<u64>) -> Outcome {
    let call = Call {
        sk: sk.ok_or(Loss::ReadFault)?,
        arg: arg.ok_or(Loss::ReadFault)?,
    };
    BINDS
        .insert(owner::thread(), &call, 0)
        .map_err(|_| Loss::CallsFull)
}

/// What was kept of the call that returns now.
#[inline(always)]
pub(crate) fn noted_call() -> Option<Call> {
    let thread = owner::thread();
    // SAFETY: only this thread has this key.
    let call = unsafe { BINDS.get(thread) }.copied()?;
    let _present = BINDS.remove(thread);
    Some(call)
}

/// The error number of a return value that tells of a port or an address that was not to be had.
#[inline(always)]
pub(crate) fn refused(code: i64) -> Option<u16> {
    match code.unsigned_abs() as u16 {
        _ if code >= 0 => None,
        errno @ (errno::EADDRINUSE | errno::EADDRNOTAVAIL) => Some(errno),
        _ => None,
    }
}

/// An unbound UDP socket that found no port: connect(), or a send, ends with EAGAIN. So does a send
/// that finds the buffer full, of a socket that has its port.
#[inline(always)]
pub(crate) fn fail_autobind_of(ctx: Ctx, sk: u64) -> Outcome {
    if read::protocol(sk)? != IPPROTO_UDP || SockCommon::read(sk)?.num() != 0 {
        return Ok(());
    }
    fail(ctx, sk, BindCall::Autobind, errno::EAGAIN, None)
}

/// The same of a call that the program at its entry did not see: on some kernels (5.10) a kprobe's is
/// skipped now and then. What it was about is in the system call's registers, if it is one.
#[inline(always)]
pub(crate) fn fail_unseen(ctx: Ctx, call: BindCall, errno: u16) -> Outcome {
    let Some((sk, regs)) = socket_of_call()? else {
        return Ok(());
    };
    if !task::takes_port(read::kernel(regs, task::regs::NUMBER)?) {
        return Ok(());
    }
    let wanted = match call {
        BindCall::Bind => Some(wanted!(read::user, read::kernel(regs, task::regs::ARG1)?)),
        BindCall::Listen | BindCall::Autobind => None,
    };
    fail_hooked(ctx, sk, call, errno, wanted)
}

/// The socket behind the file descriptor that a system call has as its first argument.
#[inline(always)]
pub(crate) fn socket_of_call() -> Result<Option<(u64, u64)>, Loss> {
    let regs = task::user_regs();
    if regs == 0 {
        return Ok(None);
    }
    let fd = read::kernel::<u64>(regs, task::regs::ARG0)? as u32;
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let sk = task::sock_of_fd(task, fd)?;
    if sk == 0 {
        return Ok(None);
    }
    let family = SockCommon::read(sk)?.family();
    Ok((family == read::AF_INET || family == AF_INET6).then_some((sk, regs)))
}
