//! A private network namespace for the calling process.

use std::{fs, io, os::unix::fs::MetadataExt as _};

use anyhow::{Context as _, ensure};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::RANGE;

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
        &format!("{} {}", RANGE.0, RANGE.1),
    )?;
    // Over loopback the kernel would recycle TIME_WAITs, as it does not for other hosts.
    set("net/ipv4/tcp_tw_reuse", "0")?;
    loopback_up().context("bringing loopback up")?;
    Ok(now)
}

fn inode() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/net")?.ino())
}

fn set(name: &str, value: &str) -> anyhow::Result<()> {
    fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("setting {name}"))
}

/// As `ip link set lo up` does, by ioctl (netdevice(7)).
fn loopback_up() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = libc::c_char::from_ne_bytes([*byte]);
    }
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the descriptor is open, and the request is an ifreq that lives through the calls.
    let code = unsafe {
        if libc::ioctl(fd, libc::SIOCGIFFLAGS, &raw mut request) < 0 {
            return Err(io::Error::last_os_error());
        }
        request.ifr_ifru.ifru_flags |= libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
        libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw mut request)
    };
    if code < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
