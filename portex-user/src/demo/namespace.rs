//! A private network namespace for the calling process.

use std::{
    fs, io,
    net::{Ipv4Addr, UdpSocket},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
};

use anyhow::{Context as _, ensure};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::places::{CLIENT, RANGE, RESERVED};

/// Moves this process to a new network namespace with the demo's settings, loopback up. Returns the
/// inode number of the namespace. Call it while there is only one thread.
pub(super) fn enter() -> anyhow::Result<u64> {
    let before = inode()?;
    // SAFETY: the process has one thread, and its file descriptors stay as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .context("making a network namespace (it takes CAP_SYS_ADMIN)")?;
    let now = inode()?;
    ensure!(
        now != before,
        "still in the host's network namespace: not changing any setting"
    );
    // These files show the namespace of the process that opens them.
    set(
        "net/ipv4/ip_local_port_range",
        &format!("{} {}", RANGE.lo, RANGE.hi),
    )?;
    set("net/ipv4/ip_local_reserved_ports", &RESERVED.to_string())?;
    // Over loopback the kernel would recycle TIME_WAITs, as it does not for other hosts.
    set("net/ipv4/tcp_tw_reuse", "0")?;
    // A small machine has room for fewer TIME_WAITs than the demo makes.
    set("net/ipv4/tcp_max_tw_buckets", "8192")?;
    // A late reset must not end a TIME_WAIT (RFC 1337).
    set("net/ipv4/tcp_rfc1337", "1")?;
    let lo = Interface::any()?;
    lo.up("lo").context("bringing loopback up")?;
    lo.address("lo:1", CLIENT)
        .with_context(|| format!("giving loopback the address {CLIENT}"))?;
    Ok(now)
}

fn inode() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/net")?.ino())
}

fn set(name: &str, value: &str) -> anyhow::Result<()> {
    fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("setting {name}"))
}

/// Interfaces of this namespace, by ioctl (netdevice(7)).
struct Interface(UdpSocket);

impl Interface {
    fn any() -> anyhow::Result<Self> {
        Ok(Self(UdpSocket::bind("0.0.0.0:0")?))
    }

    /// As `ip link set NAME up` does.
    fn up(&self, name: &str) -> io::Result<()> {
        let mut request = request(name);
        self.ioctl(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: SIOCGIFFLAGS has written the flags.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        request.ifr_ifru.ifru_flags = flags | libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
        self.ioctl(libc::SIOCSIFFLAGS, &mut request)
    }

    /// Adds an address under a label. Its class gives the length of the prefix (`inet_abc_len`); on
    /// loopback the whole of that network is local, and the address the source of what goes there
    /// (`fib_add_ifaddr`).
    fn address(&self, label: &str, address: Ipv4Addr) -> io::Result<()> {
        let mut request = request(label);
        let mut data = [0; 14];
        // After the port of a sockaddr_in.
        for (place, byte) in data.iter_mut().skip(2).zip(address.octets()) {
            *place = libc::c_char::from_ne_bytes([byte]);
        }
        request.ifr_ifru.ifru_addr = libc::sockaddr {
            sa_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(2),
            sa_data: data,
        };
        self.ioctl(libc::SIOCSIFADDR, &mut request)
    }

    fn ioctl(&self, code: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: the descriptor is open, and the request is an ifreq that lives through the call.
        if unsafe { libc::ioctl(self.0.as_raw_fd(), code, &raw mut *request) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// For the interface or label of this name.
fn request(name: &str) -> libc::ifreq {
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    request
}
