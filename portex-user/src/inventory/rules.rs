//! The settings of the namespace that this thread is in (Documentation/networking/ip-sysctl.rst).

use std::{fs, io, time::Duration};

use crate::{
    found::Rules,
    kernel::facts::Version,
    ports::{PortRange, PortSet},
};

/// From here on a FIN_WAIT2 minisocket is not reused.
const NO_FIN_WAIT2_REUSE: Version = Version { major: 6, minor: 1 };

/// Reads them. The files below `/proc/sys/net` show the namespace of the thread that opens them.
///
/// Only the port range must be there. What else is not (an older kernel) counts as the kernel's
/// default: nothing reserved, `tcp_tw_reuse` 2, a `tcp_tw_reuse_delay` of 1 s in whole seconds, no
/// bound to TIME_WAITs, `ip_autobind_reuse` 0, `tcp_fin_timeout` 60 s.
pub(super) fn read(kernel: Option<Version>) -> io::Result<Rules> {
    from(kernel, |name| {
        match fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => text.map(Some),
        }
    })
}

fn from(
    kernel: Option<Version>,
    read: impl Fn(&'static str) -> io::Result<Option<String>>,
) -> io::Result<Rules> {
    let number = |name| -> io::Result<Option<u32>> {
        let Some(text) = read(name)? else {
            return Ok(None);
        };
        let number: i64 = text.trim().parse().map_err(|_| strange(name))?;
        Ok(Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX)))
    };
    let range = read("ip_local_port_range")?.ok_or(io::ErrorKind::NotFound)?;
    let delay = number("tcp_tw_reuse_delay")?;
    Ok(Rules {
        range: port_range(&range).ok_or_else(|| strange("ip_local_port_range"))?,
        reserved: PortSet::parse(&read("ip_local_reserved_ports")?.unwrap_or_default()),
        tw_reuse: u8::try_from(number("tcp_tw_reuse")?.unwrap_or(2)).unwrap_or(u8::MAX),
        tw_reuse_delay: Duration::from_millis(delay.unwrap_or(1_000).into()),
        tw_reuse_coarse: delay.is_none(),
        tw_reuse_fin_wait2: kernel.is_some_and(|version| version < NO_FIN_WAIT2_REUSE),
        max_tw_buckets: number("tcp_max_tw_buckets")?.unwrap_or(u32::MAX),
        autobind_reuse: number("ip_autobind_reuse")? == Some(1),
        fin_timeout: Duration::from_secs(number("tcp_fin_timeout")?.unwrap_or(60).into()),
    })
}

fn port_range(text: &str) -> Option<PortRange> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    PortRange::new(numbers.next()?.ok()?, numbers.next()?.ok()?)
}

fn strange(name: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("net.ipv4.{name} is none"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[(&str, &str)], minor: u32) -> io::Result<Rules> {
        from(Some(Version { major: 6, minor }), |name| {
            let file = files.iter().find(|(file, _)| *file == name);
            Ok(file.map(|(_, text)| (*text).to_owned()))
        })
    }

    #[test]
    fn all_settings_are_read() {
        let files = [
            ("ip_local_port_range", "32768\t60999\n"),
            ("ip_local_reserved_ports", "40000-40001\n"),
            ("tcp_tw_reuse", "1\n"),
            ("tcp_tw_reuse_delay", "250\n"),
            ("tcp_max_tw_buckets", "131072\n"),
            ("ip_autobind_reuse", "1\n"),
            ("tcp_fin_timeout", "30\n"),
        ];
        let expected = Rules {
            range: PortRange::new(32_768, 60_999).expect("in order"),
            reserved: [40_000, 40_001].into_iter().collect(),
            tw_reuse: 1,
            tw_reuse_delay: Duration::from_millis(250),
            tw_reuse_coarse: false,
            tw_reuse_fin_wait2: false,
            max_tw_buckets: 131_072,
            autobind_reuse: true,
            fin_timeout: Duration::from_secs(30),
        };
        assert_eq!(rules(&files, 14).expect("readable"), expected);
    }

    #[test]
    fn what_an_older_kernel_lacks_has_its_default() {
        let rules = rules(&[("ip_local_port_range", "1024 2048")], 0).expect("readable");
        assert!(rules.reserved.is_empty());
        assert_eq!(rules.tw_reuse, 2);
        assert_eq!(rules.tw_reuse_delay, Duration::from_secs(1));
        assert!(rules.tw_reuse_coarse && rules.tw_reuse_fin_wait2 && !rules.autobind_reuse);
        assert_eq!(rules.max_tw_buckets, u32::MAX);
        assert_eq!(rules.fin_timeout, Duration::from_secs(60));
    }

    #[test]
    fn without_a_range_nothing_is_known() {
        let kind = |files| rules(files, 14).expect_err("no range").kind();
        assert_eq!(kind(&[]), io::ErrorKind::NotFound);
        let reversed = [("ip_local_port_range", "2 1")];
        assert_eq!(kind(&reversed), io::ErrorKind::InvalidData);
        let text = [("ip_local_port_range", "1 2"), ("tcp_tw_reuse", "yes")];
        assert_eq!(kind(&text), io::ErrorKind::InvalidData);
    }

    #[test]
    fn those_of_the_own_namespace_are_there() {
        let rules = read(None).expect("every namespace has them");
        assert!(rules.range.size() > 0);
    }
}
