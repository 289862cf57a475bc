//! TCP and UDP sockets of the namespace that this thread is in, by sock_diag (sock_diag(7)).

use std::{io, ops::ControlFlow};

use netlink_packet_core::{
    DoneBuffer, Emitable as _, ErrorBuffer, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

use super::{
    inet_diag::{self, Request},
    row::Row,
};

/// The kernel fills as much of a dump at once as the reader offers room for, up to 32 KiB
/// (`netlink_dump`).
const ROOM: usize = 64 << 10;
/// Dumps before giving up on one that is not interrupted.
const TRIES: u32 = 3;

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dumped {
    /// Everything was told, or the reader wanted no more.
    Whole,
    /// The kernel said each time that its tables changed too much meanwhile.
    Interrupted,
    /// This kernel has no sock_diag for the protocol. Nothing was told.
    Unavailable,
}

/// Has `each` told of every TCP socket. After an interrupted try a socket may be told again.
pub(super) fn dump(each: &mut impl FnMut(Row) -> ControlFlow<()>) -> io::Result<Dumped> {
    let mut dump = match Dump::new() {
        Err(error) if is_missing(&error) => return Ok(Dumped::Unavailable),
        dump => dump?,
    };
    match dump.run(Request::Both, each) {
        Err(error) if is_missing(&error) => {}
        outcome => return outcome,
    }
    // Should that request go some day: the one that replaced it takes a walk for each family.
    dump.families(Request::Family, each)
}

/// Has `each` told of every UDP socket that has a port (`udp_dump`), likewise.
pub(super) fn dump_udp(each: &mut impl FnMut(Row) -> ControlFlow<()>) -> io::Result<Dumped> {
    match Dump::new() {
        Err(error) if is_missing(&error) => Ok(Dumped::Unavailable),
        dump => dump?.families(Request::Udp, each),
    }
}

/// What the kernel says when it has no such request, family or protocol.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ENOENT
                | libc::EINVAL
                | libc::EOPNOTSUPP
                | libc::EPROTONOSUPPORT
                | libc::EAFNOSUPPORT
        )
    )
}

struct Dump {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Dump {
    fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        // From now on nobody but the kernel can send to it.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(ROOM),
            sequence: 0,
        })
    }

    /// A walk for each family.
    fn families(
        &mut self,
        request: impl Fn(u8) -> Request,
        each: &mut impl FnMut(Row) -> ControlFlow<()>,
    ) -> io::Result<Dumped> {
        let request = |family| request(u8::try_from(family).unwrap_or_default());
        let ipv4 = match self.run(request(libc::AF_INET), each) {
            Err(error) if is_missing(&error) => return Ok(Dumped::Unavailable),
            outcome => outcome?,
        };
        match self.run(request(libc::AF_INET6), each) {
            // No IPv6.
            Err(error) if is_missing(&error) => Ok(ipv4),
            Ok(Dumped::Whole) => Ok(ipv4),
            outcome => outcome,
        }
    }

    fn run(
        &mut self,
        request: Request,
        each: &mut impl FnMut(Row) -> ControlFlow<()>,
    ) -> io::Result<Dumped> {
        for _ in 0..TRIES {
            if !self.once(request, each)? {
                return Ok(Dumped::Whole);
            }
        }
        Ok(Dumped::Interrupted)
    }

    /// One dump. Returns whether it was interrupted.
    fn once(
        &mut self,
        request: Request,
        each: &mut impl FnMut(Row) -> ControlFlow<()>,
    ) -> io::Result<bool> {
        self.sequence += 1;
        self.socket.send(&message(request, self.sequence), 0)?;
        let mut interrupted = false;
        loop {
            self.receive()?;
            let read = Read::of(&self.buffer, self.sequence, each)?;
            interrupted |= read.interrupted;
            if read.last {
                return Ok(interrupted);
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            // With MSG_TRUNC the length is the true one.
            match self.socket.recv(&mut self.buffer, libc::MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(length) if length > self.buffer.len() => {
                    return Err(io::Error::other("a message that is too long"));
                }
                outcome => return outcome.map(drop),
            }
        }
    }
}

fn message(request: Request, sequence: u32) -> Vec<u8> {
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    framed(request.kind(), flags, sequence, &request.payload())
}

fn framed(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    let length = header.buffer_len() + payload.len();
    header.length = u32::try_from(length).unwrap_or(u32::MAX);
    header.message_type = kind;
    header.flags = flags;
    header.sequence_number = sequence;
    let mut bytes = vec![0; header.buffer_len()];
    header.emit(&mut bytes);
    bytes.extend(payload);
    bytes
}

/// What was in one buffer, sockets aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Read {
    /// The dump is at its end, or nobody wants the rest.
    last: bool,
    interrupted: bool,
}

impl Read {
    /// Reads the messages in a buffer that answer a request.
    fn of(
        mut bytes: &[u8],
        sequence: u32,
        each: &mut impl FnMut(Row) -> ControlFlow<()>,
    ) -> io::Result<Self> {
        let mut read = Self::default();
        while !bytes.is_empty() {
            let message = NetlinkBuffer::new_checked(bytes).map_err(io::Error::other)?;
            let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
            if message.sequence_number() != sequence {
                continue;
            }
            read.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
            let payload = message.payload();
            match message.message_type() {
                NLMSG_DONE => {
                    read.last = true;
                    let done = DoneBuffer::new_checked(payload).map_err(io::Error::other)?;
                    check(done.code())?;
                }
                NLMSG_ERROR => {
                    read.last = true;
                    let error = ErrorBuffer::new_checked(payload).map_err(io::Error::other)?;
                    check(error.code().map_or(0, Into::into))?;
                }
                _ => {
                    let wanted = inet_diag::parse(payload).map(&mut *each);
                    if wanted == Some(ControlFlow::Break(())) {
                        read.last = true;
                        return Ok(read);
                    }
                }
            }
        }
        Ok(read)
    }
}

fn check(code: i32) -> io::Result<()> {
    if code < 0 {
        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    /// A listener on port 80 in 72 bytes.
    fn listener() -> Vec<u8> {
        let mut bytes = vec![2, 10, 0, 0, 0, 80];
        bytes.resize(72, 0);
        bytes
    }

    fn read(bytes: &[u8]) -> (io::Result<Read>, Vec<Row>) {
        let mut rows = Vec::new();
        let read = Read::of(bytes, 1, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        });
        (read, rows)
    }

    #[test]
    fn a_dump_goes_on_until_it_is_done() {
        let mut bytes = framed(20, 0, 1, &listener());
        bytes.extend(framed(20, 0, 9, &listener()));
        let (going_on, rows) = read(&bytes);
        assert!(!going_on.expect("well formed").last);
        assert_eq!(rows.len(), 1, "of another request");
        assert_eq!(rows[0].src_port, 80);
        bytes.extend(framed(NLMSG_DONE, NLM_F_DUMP_INTR, 1, &[0; 4]));
        let expected = Read {
            last: true,
            interrupted: true,
        };
        assert_eq!(read(&bytes).0.expect("well formed"), expected);
    }

    #[test]
    fn errors_come_in_two_forms() {
        let code = (-libc::ENOENT).to_ne_bytes();
        for kind in [NLMSG_DONE, NLMSG_ERROR] {
            let error = read(&framed(kind, 0, 1, &code)).0.expect_err("refused");
            assert!(is_missing(&error), "{error}");
        }
    }

    #[test]
    fn a_reader_that_has_enough_ends_it() {
        let bytes = framed(20, 0, 1, &listener()).repeat(3);
        let mut seen = 0;
        let read = Read::of(&bytes, 1, &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert!(read.expect("well formed").last);
        assert_eq!(seen, 1);
    }

    #[test]
    fn one_walk_tells_what_a_walk_for_each_family_tells() {
        let bind = |address| TcpListener::bind(address).expect("a port");
        let listeners = [bind("127.0.0.1:0"), bind("[::1]:0")];
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let mut expected = listeners.each_ref().map(port);
        expected.sort_unstable();
        let mut dump = Dump::new().expect("every kernel that this is tested on has it");
        let mut told = |requests: &[Request]| {
            let mut ports = Vec::new();
            for &request in requests {
                let dumped = dump.run(request, &mut |row| {
                    ports.extend(Some(row.src_port).filter(|port| expected.contains(port)));
                    ControlFlow::Continue(())
                });
                assert_eq!(dumped.expect("no error"), Dumped::Whole);
            }
            ports.sort_unstable();
            ports
        };
        assert_eq!(told(&[Request::Both]), expected);
        let families = [libc::AF_INET, libc::AF_INET6]
            .map(|family| Request::Family(u8::try_from(family).expect("small")));
        assert_eq!(told(&families), expected);
    }

    #[test]
    fn udp_sockets_are_told_of_with_what_they_take() {
        let [v4, v6] = ["127.0.0.1:0", "[::]:0"]
            .map(|address| std::net::UdpSocket::bind(address).expect("a port"));
        let port = |socket: &std::net::UdpSocket| socket.local_addr().expect("bound").port();
        let mut rows = Vec::new();
        let dumped = dump_udp(&mut |row| {
            if [port(&v4), port(&v6)].contains(&row.src_port) {
                rows.push((row.src.is_ipv6(), row.src_port, row.v6only));
            }
            ControlFlow::Continue(())
        });
        assert_eq!(dumped.expect("no error"), Dumped::Whole);
        let v6only = std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only");
        let v6only = v6only.is_ok_and(|text| text.trim() == "1");
        for expected in [(false, port(&v4), None), (true, port(&v6), Some(v6only))] {
            assert!(rows.contains(&expected), "{rows:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            start in proptest::collection::vec(any::<u8>(), 0..120),
            length in any::<u32>(),
            kind in 0..25_u16,
        ) {
            let _ = read(&start);
            let mut bytes = framed(kind, 0, 1, &start);
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            let _ = read(&bytes);
        }
    }
}
