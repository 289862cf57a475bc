//! The only place that reads raw kernel memory, always through `bpf_probe_read_kernel`.
//!
//! Offsets come from the running kernel's BTF (see `portex_common::settings`). The `sock_common`
//! that sockets and TIME_WAIT minisockets begin with is read once, in one piece. What is particular to
//! minisockets is in `time_wait`.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use core::{ffi::c_void, mem::MaybeUninit};
use portex_common::{
    Loss, Tuple,
    settings::{ABSENT, SOCK_COMMON_BYTES},
};

use crate::settings::setting;

pub(crate) mod time_wait;

/// Address family numbers (`linux/socket.h`).
pub(crate) const AF_INET: u16 = 2;
pub(crate) const AF_INET6: u16 = 10;

/// Reads a `T` of integers at a kernel address.
#[inline(always)]
pub(crate) fn kernel<T: Copy>(base: u64, offset: u16) -> Result<T, Loss> {
    let mut value = MaybeUninit::<T>::uninit();
    let from = base.wrapping_add(u64::from(offset)) as *const c_void;
    // SAFETY: the helper checks the source address and writes exactly size_of::<T>() bytes; every
    // T used here is made of integers, for which any bytes are valid.
    let code =
        unsafe { bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from) };
    if code != 0 {
        return Err(Loss::ReadFault);
    }
    // SAFETY: written by the helper.
    Ok(unsafe { value.assume_init() })
}

/// Reads a `T` of integers at an address of the running process. Untrusted.
#[inline(always)]
pub(crate) fn user<T: Copy>(address: u64) -> Result<T, Loss> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: as in `kernel`.
    let code = unsafe {
        bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const c_void,
        )
    };
    if code != 0 {
        return Err(Loss::ReadFault);
    }
    // SAFETY: written by the helper.
    Ok(unsafe { value.assume_init() })
}

/// Copies bytes of the running process to a place with room for them, which the verifier checks.
/// Whether it could be done: all or nothing.
#[inline(always)]
pub(crate) fn user_bytes<const BYTES: u32>(to: *mut u8, from: u64) -> bool {
    // SAFETY: there is room behind `to`; the helper checks the source.
    unsafe { bpf_probe_read_user(to.cast(), BYTES, from as *const c_void) == 0 }
}

/// A copy of the beginning of a `struct sock_common`.
pub(crate) struct SockCommon([u64; SOCK_COMMON_BYTES / 8]);

impl SockCommon {
    /// Copies it from a socket or a TIME_WAIT minisocket.
    #[inline(always)]
    pub(crate) fn read(sock: u64) -> Result<Self, Loss> {
        kernel(sock, 0).map(Self)
    }

    #[inline(always)]
    fn at<T: Copy>(&self, offset: u16) -> Option<T> {
        let offset = usize::from(offset);
        if offset > SOCK_COMMON_BYTES - size_of::<T>() {
            return None; // never, the loader checks; it keeps this function sound
        }
        // SAFETY: in bounds by the check above; fields are aligned by the kernel's own layout, and
        // every T used here is made of integers.
        Some(unsafe { self.0.as_ptr().cast::<u8>().add(offset).cast::<T>().read() })
    }

    #[inline(always)]
    fn u16_at(&self, offset: u16) -> u16 {
        self.at(offset).unwrap_or(0)
    }

    /// Local port in host byte order; 0 when the socket holds none.
    #[inline(always)]
    pub(crate) fn num(&self) -> u16 {
        self.u16_at(setting!(offsets.skc_num))
    }

    /// Destination port in host byte order.
    #[inline(always)]
    pub(crate) fn dport(&self) -> u16 {
        u16::from_be(self.u16_at(setting!(offsets.skc_dport)))
    }

    #[inline(always)]
    pub(crate) fn family(&self) -> u16 {
        self.u16_at(setting!(offsets.skc_family))
    }

    /// State of the socket (`TCP_*`).
    #[inline(always)]
    pub(crate) fn state(&self) -> u8 {
        self.at(setting!(offsets.skc_state)).unwrap_or(0)
    }

    /// Device that the socket is bound to (interface index), 0 for none.
    #[inline(always)]
    pub(crate) fn bound_dev_if(&self) -> u32 {
        self.at(setting!(offsets.skc_bound_dev_if)).unwrap_or(0)
    }

    /// Whether a socket of family IPv6 takes no IPv4.
    #[inline(always)]
    pub(crate) fn is_v6only(&self) -> bool {
        let bit = setting!(offsets.skc_ipv6only_bit);
        self.at::<u8>(bit / 8).unwrap_or(0) >> (bit % 8) & 1 == 1
    }

    /// Hash of the 4-tuple in the table of established connections.
    #[inline(always)]
    pub(crate) fn hash(&self) -> u32 {
        self.at(setting!(offsets.skc_hash)).unwrap_or(0)
    }

    /// Whether nobody holds the socket any more (`SOCK_DEAD`) or the peer's FIN has come
    /// (`SOCK_DONE`): bits 0 and 1 of `sk_flags` (`enum sock_flags`).
    #[inline(always)]
    pub(crate) fn is_dead_or_done(&self) -> bool {
        self.at::<u64>(setting!(offsets.skc_flags)).unwrap_or(0) & 0b11 != 0
    }

    /// Inode number of the network namespace.
    #[inline(always)]
    pub(crate) fn netns(&self) -> Result<u32, Loss> {
        kernel(self.net(), setting!(offsets.net_ns_inum))
    }

    /// The network namespace.
    #[inline(always)]
    fn net(&self) -> u64 {
        self.at(setting!(offsets.skc_net)).unwrap_or(0)
    }

    /// `struct inet_hashinfo` of the TCP socket: the namespace's (`tcp_death_row`), but from 5.18 to 6.0,
    /// where that is a pointer, the protocol's, which is the same.
    #[inline(always)]
    pub(crate) fn hashinfo(&self) -> Result<Option<u64>, Loss> {
        let (base, offset) = if setting!(offsets.net_hashinfo) != ABSENT {
            (
                self.at(setting!(offsets.skc_net)),
                setting!(offsets.net_hashinfo),
            )
        } else if setting!(offsets.skc_prot) != ABSENT && setting!(offsets.proto_hashinfo) != ABSENT
        {
            (
                self.at(setting!(offsets.skc_prot)),
                setting!(offsets.proto_hashinfo),
            )
        } else {
            return Ok(None);
        };
        kernel(base.unwrap_or(0), offset).map(Some)
    }

    /// Fills in both addresses and the destination port.
    ///
    /// An AF_INET6 socket with an IPv4-mapped destination goes through the IPv4 code, which fills
    /// the IPv4 fields of the socket: those are taken then.
    #[inline(always)]
    pub(crate) fn addresses(&self, tuple: &mut Tuple) {
        tuple.dport = self.dport();
        if self.family() == AF_INET6 {
            let daddr = self
                .at::<[u32; 4]>(setting!(offsets.skc_v6_daddr))
                .unwrap_or([0; 4]);
            if !is_mapped(&daddr) {
                tuple.daddr = daddr;
                tuple.saddr = self
                    .at::<[u32; 4]>(setting!(offsets.skc_v6_rcv_saddr))
                    .unwrap_or([0; 4]);
                return;
            }
        }
        tuple.daddr = mapped(self.at(setting!(offsets.skc_daddr)).unwrap_or(0));
        tuple.saddr = mapped(self.at(setting!(offsets.skc_rcv_saddr)).unwrap_or(0));
    }
}

/// An IPv4 address as IPv6: `::ffff:a.b.c.d`.
#[inline(always)]
pub(crate) fn mapped(address: u32) -> [u32; 4] {
    [0, 0, 0xffff_u32.to_be(), address]
}

#[inline(always)]
fn is_mapped(address: &[u32; 4]) -> bool {
    address[0] == 0 && address[1] == 0 && address[2] == 0xffff_u32.to_be()
}

/// Which ports a socket may get: the device that it is bound to in the upper half, its own port range
/// (`hi << 16 | lo`) in the lower; 0 where it has none.
#[inline(always)]
pub(crate) fn restrictions(sk: u64, sock: &SockCommon) -> u64 {
    let range: u32 = if setting!(offsets.local_port_range) == ABSENT {
        0
    } else {
        kernel(sk, setting!(offsets.local_port_range)).unwrap_or(0)
    };
    u64::from(sock.bound_dev_if()) << 32 | u64::from(range)
}

/// `sk_protocol`: IPPROTO_TCP is 6.
#[inline(always)]
pub(crate) fn is_tcp(sk: u64) -> Result<bool, Loss> {
    Ok(kernel::<u16>(sk, setting!(offsets.sk_protocol))? == 6)
}

/// Protocol of a socket (`sk_protocol`).
#[inline(always)]
pub(crate) fn protocol(sk: u64) -> Result<u16, Loss> {
    kernel(sk, setting!(offsets.sk_protocol))
}

/// Whether the process had asked for the port of a bound socket by number (`SOCK_BINDPORT_LOCK` in
/// `sk_userlocks`).
#[inline(always)]
pub(crate) fn is_port_locked(sk: u64) -> Result<bool, Loss> {
    const SOCK_BINDPORT_LOCK: u8 = 8;
    let bit = setting!(offsets.sk_userlocks_bit);
    if bit == ABSENT {
        return Ok(false);
    }
    Ok(kernel::<u8>(sk, bit / 8)? >> (bit % 8) & SOCK_BINDPORT_LOCK != 0)
}

/// The `struct sock` of a `struct socket`.
#[inline(always)]
pub(crate) fn sk_of_socket(socket: u64) -> Result<u64, Loss> {
    kernel(socket, setting!(offsets.socket_sk))
}

/// `inet_sport` in host byte order: like `skc_num`, but kept after the port is given back.
#[inline(always)]
pub(crate) fn inet_sport(sk: u64) -> Result<u16, Loss> {
    Ok(u16::from_be(kernel(sk, setting!(offsets.inet_sport))?))
}

/// `sk_err`: the pending error of a socket.
#[inline(always)]
pub(crate) fn sk_err(sk: u64) -> Result<i32, Loss> {
    kernel(sk, setting!(offsets.sk_err))
}

/// Whether both directions are shut down (`sk_shutdown` is `SHUTDOWN_MASK`), as close() does first.
#[inline(always)]
pub(crate) fn is_shut_down(sk: u64) -> Result<bool, Loss> {
    if setting!(offsets.sk_shutdown) == ABSENT {
        return Ok(false);
    }
    Ok(kernel::<u8>(sk, setting!(offsets.sk_shutdown))? & 0b11 == 0b11)
}
