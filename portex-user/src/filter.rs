//! Which events are wanted.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use crate::event::{Event, Kind};

/// Addresses, and perhaps a port: `10.0.0.0/8`, `10.0.0.1:443`, `[2001:db8::/32]:443`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The addresses.
    pub net: IpNet,
    /// The port; `None` for any.
    pub port: Option<u16>,
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError(String);

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is no address or CIDR; write it as 10.0.0.0/8, 10.0.0.1:443 or [2001:db8::/32]:443",
            crate::escape::text(self.0.as_bytes())
        )
    }
}

impl std::error::Error for EndpointError {}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).ok_or_else(|| EndpointError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Endpoint> {
    if let Some(net) = parse_net(text) {
        return Some(Endpoint { net, port: None });
    }
    let (net, port) = text.rsplit_once(':')?;
    let net = match net.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']')?,
        None => net,
    };
    Some(Endpoint {
        net: parse_net(net)?,
        port: Some(port.parse().ok()?),
    })
}

fn parse_net(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|address: IpAddr| address.into()))
}

impl Endpoint {
    fn has(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.net.contains(&address) && self.port.is_none_or(|wanted| port == Some(wanted))
    }
}

/// What must hold of an event; what is `None` or false does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Process id.
    pub pid: Option<u32>,
    /// Thread name, all of it.
    pub comm: Option<String>,
    /// Source.
    pub src: Option<Endpoint>,
    /// Destination.
    pub dst: Option<Endpoint>,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Path of a cgroup; those below it count too.
    pub cgroup: Option<String>,
    /// Only failed allocations.
    pub failures: bool,
}

impl Filter {
    /// Whether an event is wanted. The path of its cgroup is asked for only when it matters.
    pub fn matches<P: AsRef<str>>(
        &self,
        event: &Event,
        cgroup: impl FnOnce() -> Option<P>,
    ) -> bool {
        let owner = &event.owner;
        self.wants_netns(event.netns)
            && (!self.failures || event.kind.is_failure())
            && self.wants_src(event.src, event.src_port)
            // A bind has no destination: who asks for one does not mean it.
            && (self.dst.is_none()
                || !matches!(event.kind, Kind::BindFailed { .. })
                    && self.wants_dst(event.dst, event.dst_port))
            && self.wants_owner(Some(owner.pid), &owner.comm, cgroup)
    }

    /// Whether a network namespace is wanted, by its inode number.
    pub fn wants_netns(&self, netns: u32) -> bool {
        self.netns.is_none_or(|wanted| wanted == netns)
    }

    /// Whether a source is wanted; without a port it stands for all of them.
    pub fn wants_src(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.src.is_none_or(|src| src.has(address, port))
    }

    /// Whether a destination is wanted.
    pub fn wants_dst(&self, address: IpAddr, port: u16) -> bool {
        self.dst.is_none_or(|dst| dst.has(address, Some(port)))
    }

    /// Whether a process is wanted. The path of its cgroup is asked for only when it matters.
    pub fn wants_owner<P: AsRef<str>>(
        &self,
        pid: Option<u32>,
        comm: &[u8],
        cgroup: impl FnOnce() -> Option<P>,
    ) -> bool {
        self.pid.is_none_or(|wanted| pid == Some(wanted))
            && self
                .comm
                .as_ref()
                .is_none_or(|wanted| comm == wanted.as_bytes())
            && self
                .cgroup
                .as_ref()
                .is_none_or(|wanted| cgroup().is_some_and(|path| is_within(path.as_ref(), wanted)))
    }
}

fn is_within(path: &str, cgroup: &str) -> bool {
    let cgroup = cgroup.trim_end_matches('/');
    path.strip_prefix(cgroup)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::samples;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().expect(text)
    }

    fn wanted(filter: &Filter, event: &Event) -> bool {
        filter.matches(event, || Some("/system.slice/nginx.service"))
    }

    #[test]
    fn endpoints_are_read_in_every_form() {
        for (text, net, port) in [
            ("10.0.0.0/8", "10.0.0.0/8", None),
            ("10.0.0.1", "10.0.0.1/32", None),
            ("10.0.0.1:443", "10.0.0.1/32", Some(443)),
            ("10.0.0.0/8:443", "10.0.0.0/8", Some(443)),
            ("::1", "::1/128", None),
            ("[::1]:80", "::1/128", Some(80)),
            ("[2001:db8::/32]:80", "2001:db8::/32", Some(80)),
        ] {
            let read = endpoint(text);
            assert_eq!(read.net.to_string(), net, "{text}");
            assert_eq!(read.port, port, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_without_echoing_control_characters() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0:1",
            "host:80",
            "10.0.0.1:99999",
            "[::1:80",
            "\x1b[2J",
        ] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(error.contains("CIDR"), "{error}");
            assert!(!error.contains('\x1b'));
        }
    }

    #[test]
    fn each_condition_alone_decides() {
        let event = samples::connect();
        let yes = [
            Filter::default(),
            Filter {
                pid: Some(10),
                ..Filter::default()
            },
            Filter {
                comm: Some("curl".into()),
                ..Filter::default()
            },
            Filter {
                src: Some(endpoint("10.0.0.0/24")),
                ..Filter::default()
            },
            Filter {
                dst: Some(endpoint("10.0.0.2:443")),
                ..Filter::default()
            },
            Filter {
                netns: Some(4_026_531_840),
                ..Filter::default()
            },
            Filter {
                cgroup: Some("/system.slice".into()),
                ..Filter::default()
            },
            Filter {
                cgroup: Some("/".into()),
                ..Filter::default()
            },
        ];
        let no = [
            Filter {
                pid: Some(11),
                ..Filter::default()
            },
            Filter {
                comm: Some("cur".into()),
                ..Filter::default()
            },
            Filter {
                src: Some(endpoint("10.0.1.0/24")),
                ..Filter::default()
            },
            Filter {
                dst: Some(endpoint("10.0.0.2:80")),
                ..Filter::default()
            },
            Filter {
                dst: Some(endpoint("::/0")),
                ..Filter::default()
            },
            Filter {
                netns: Some(1),
                ..Filter::default()
            },
            Filter {
                cgroup: Some("/system.slice/nginx".into()),
                ..Filter::default()
            },
            Filter {
                failures: true,
                ..Filter::default()
            },
        ];
        for filter in yes {
            assert!(wanted(&filter, &event), "{filter:?}");
        }
        for filter in no {
            assert!(!wanted(&filter, &event), "{filter:?}");
        }
    }

    #[test]
    fn failures_are_failures() {
        let filter = Filter {
            failures: true,
            ..Filter::default()
        };
        assert!(wanted(&filter, &samples::failed()));
        assert!(!wanted(&filter, &samples::released()));
    }
}
