//! TCP and UDP sockets of the namespace that this thread is in, by `/proc/net/tcp`, `udp` and so on: for kernels
//! without sock_diag. Does not tell sockets that are only bound, devices, or `IPV6_V6ONLY`.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::ControlFlow,
    time::Duration,
};

use super::row::Row;

/// A clock tick of the kernel's interface (`USER_HZ` is 100 on every architecture of today).
const TICK: Duration = Duration::from_millis(10);

/// The files of TCP, of both families.
pub(super) const TCP: [&str; 2] = ["tcp", "tcp6"];
/// Those of UDP.
pub(super) const UDP: [&str; 2] = ["udp", "udp6"];

/// Has `each` told of every socket in these files.
pub(super) fn dump(
    names: [&str; 2],
    each: &mut impl FnMut(Row) -> ControlFlow<()>,
) -> io::Result<()> {
    for name in names {
        // Not /proc/net, which is that of the first thread.
        let file = match File::open(format!("/proc/thread-self/net/{name}")) {
            // No IPv6.
            Err(error) if name.ends_with('6') && error.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            file => file?,
        };
        for line in BufReader::with_capacity(64 << 10, file).split(b'\n') {
            let line = line?;
            let row = str::from_utf8(&line).ok().and_then(parse);
            if row.map(&mut *each) == Some(ControlFlow::Break(())) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads a line (`get_tcp4_sock`, `get_timewait4_sock`). `None` for the heading and what is none.
fn parse(line: &str) -> Option<Row> {
    let mut fields = line.split_ascii_whitespace();
    let _number = fields.next()?;
    let (src, src_port) = endpoint(fields.next()?)?;
    let (dst, dst_port) = endpoint(fields.next()?)?;
    let state = hexadecimal(fields.next()?)?;
    let _queues = fields.next()?;
    let (timer, left) = fields.next()?.split_once(':')?;
    // After retransmits, uid and timeouts.
    let inode = fields.nth(3)?.parse().ok()?;
    Some(Row {
        src,
        src_port,
        dst,
        dst_port,
        dev: 0,
        state: u8::try_from(state).ok()?,
        timer: u8::try_from(hexadecimal(timer)?).ok()?,
        expires: TICK.saturating_mul(hexadecimal(left)?),
        v6only: None,
        inode,
    })
}

/// `0100007F:0050`: the address as 1 or 4 words of this machine, the port as a number.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let address = match address.len() {
        8 => Ipv4Addr::from(hexadecimal(address)?.to_ne_bytes()).into(),
        32 => {
            let mut octets = [0; 16];
            for (place, word) in octets.chunks_exact_mut(4).zip(0..) {
                let word = hexadecimal(address.get(word * 8..word * 8 + 8)?)?;
                place.copy_from_slice(&word.to_ne_bytes());
            }
            Ipv6Addr::from(octets).into()
        }
        _ => return None,
    };
    Some((address, u16::try_from(hexadecimal(port)?).ok()?))
}

fn hexadecimal(text: &str) -> Option<u32> {
    // A sign would be taken for part of a number.
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    const LISTENER: &str = "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0";
    const TIME_WAIT: &str = "   3: 0100007F:9C40 0200007F:01BB 06 00000000:00000000 03:0000176A 00000000     0        0 0 3 0000000000000000";
    const V6: &str = "   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 10 0";

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_are_read_as_the_kernel_writes_them() {
        let listener = parse(LISTENER).expect("a socket");
        assert_eq!((listener.src_port, listener.state), (80, 10));
        assert_eq!((listener.inode, listener.timer), (4711, 0));
        let time_wait = parse(TIME_WAIT).expect("a minisocket");
        assert_eq!(time_wait.src.to_string(), "127.0.0.1");
        assert_eq!(time_wait.dst.to_string(), "127.0.0.2");
        assert_eq!((time_wait.src_port, time_wait.dst_port), (40_000, 443));
        assert_eq!((time_wait.state, time_wait.timer), (6, 3));
        assert_eq!(time_wait.expires, Duration::from_millis(59_940));
        assert_eq!(parse(V6).expect("a socket").src.to_string(), "::1");
    }

    #[test]
    fn the_heading_and_what_is_cut_short_are_no_rows() {
        assert_eq!(parse(HEADING), None);
        let inode = LISTENER.find("4711").expect("in it");
        for length in 0..inode {
            assert_eq!(parse(&LISTENER[..length]), None, "{length} bytes");
        }
        assert_eq!(parse(&LISTENER.replace("0050", "+050")), None);
        assert_eq!(parse(&LISTENER.replace("0050", "10050")), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,200}", at in 0..150_usize) {
            let _ = parse(&text);
            let mut line = LISTENER.to_owned();
            line.insert_str(at.min(line.len()), &text);
            let _ = parse(&line);
        }
    }
}
