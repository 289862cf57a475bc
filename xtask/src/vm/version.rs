//! Which kernel package of a list is wanted: Debian's names, and Debian's order of versions.

use std::cmp::Ordering;

/// A package in one version, as `apt-cache madison` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) package: String,
    pub(super) version: String,
}

/// Reads lines such as `linux-image-6.1.0-50-cloud-amd64 | 6.1.176-1 | https://... Packages`.
pub(super) fn parse_madison(list: &str) -> Vec<Candidate> {
    list.lines()
        .filter_map(|line| {
            let mut columns = line.split(" | ").map(str::trim);
            Some(Candidate {
                package: columns.next()?.to_owned(),
                version: columns.next()?.to_owned(),
            })
        })
        .collect()
}

/// True for the packages that hold a kernel of the cloud flavour, signed or the only one: not those
/// that only depend on one, nor debug symbols. (`-unsigned` ones are doubles of signed ones.)
pub(super) fn is_kernel(package: &str) -> bool {
    let version = ["linux-image-", "linux-binary-"]
        .iter()
        .find_map(|prefix| package.strip_prefix(prefix))
        .and_then(|rest| rest.strip_suffix("-cloud-amd64"));
    version.is_some_and(|version| {
        version.starts_with(|first: char| first.is_ascii_digit())
            && version
                .split(['.', '+', '-'])
                .take(3)
                .filter(|part| is_number(part))
                .count()
                == 3
    })
}

/// The package that has a kernel's modules from 7.2 on; before, no such package is listed.
pub(super) fn modules_package(kernel: &Candidate) -> Option<Candidate> {
    let rest = ["linux-image-", "linux-binary-"]
        .iter()
        .find_map(|prefix| kernel.package.strip_prefix(prefix))?;
    Some(Candidate {
        package: format!("linux-modules-{rest}"),
        version: kernel.version.clone(),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The newest candidate of a series such as `6.12`; of all when none is named.
pub(super) fn newest<'a>(
    candidates: &'a [Candidate],
    series: Option<&str>,
) -> Option<&'a Candidate> {
    candidates
        .iter()
        .filter(|candidate| series.is_none_or(|series| in_series(&candidate.version, series)))
        .max_by(|a, b| {
            // From 6.19 on `linux-image` only depends on the `linux-binary` of its version.
            let rank = |candidate: &Candidate| candidate.package.starts_with("linux-binary-");
            compare(&a.version, &b.version).then_with(|| rank(a).cmp(&rank(b)))
        })
}

fn in_series(version: &str, series: &str) -> bool {
    version
        .strip_prefix(series)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// Debian's order of versions without an epoch (kernels have none): deb-version(7).
fn compare(a: &str, b: &str) -> Ordering {
    fn parts(version: &str) -> (&str, &str) {
        version.rsplit_once('-').unwrap_or((version, ""))
    }
    let ((a, a_revision), (b, b_revision)) = (parts(a), parts(b));
    compare_part(a, b).then_with(|| compare_part(a_revision, b_revision))
}

fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (a_text, b_text) = (split(&mut a, false), split(&mut b, false));
        let (a_number, b_number) = (split(&mut a, true), split(&mut b, true));
        let order =
            compare_text(a_text, b_text).then_with(|| number(a_number).cmp(&number(b_number)));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes the leading digits, or what is before the next digit.
fn split<'a>(bytes: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let length = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit() == digits)
        .count();
    let (head, rest) = bytes.split_at(length);
    *bytes = rest;
    head
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |sum: u64, digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    })
}

fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    // `~` sorts before the end, letters before everything else.
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_alphabetic() => 2 + u32::from(*byte),
        Some(byte) => 1000 + u32::from(*byte),
    };
    (0..a.len().max(b.len()))
        .map(|at| weight(a.get(at)).cmp(&weight(b.get(at))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(package: &str, version: &str) -> Candidate {
        Candidate {
            package: package.into(),
            version: version.into(),
        }
    }

    #[test]
    fn versions_sort_as_debian_sorts_them() {
        let ascending = [
            "5.10.0~rc1-1",
            "5.10.9-1",
            "5.10.251-1",
            "6.12.9-1",
            "6.12.100-1~deb12u1",
            "6.12.100-1",
            "6.12.100-1+b1",
            "6.12.100-2",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("6.1.0-01", "6.1.0-1"), Ordering::Equal);
    }

    #[test]
    fn kernels_are_told_from_their_companions() {
        for kernel in [
            "linux-image-5.10.0-46-cloud-amd64",
            "linux-image-6.1.0-0.deb11.50-cloud-amd64",
            "linux-image-6.12.115+deb13.1-cloud-amd64",
            "linux-binary-7.3.4+deb13-cloud-amd64",
        ] {
            assert!(is_kernel(kernel), "{kernel}");
        }
        for other in [
            "linux-image-cloud-amd64",
            "linux-image-6.12-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64-unsigned",
            "linux-image-6.1.0-56-cloud-amd64-dbg",
            "linux-image-6.1.0-56-amd64",
            "linux-binary-unsigned-7.2.9+deb13-cloud-amd64",
        ] {
            assert!(!is_kernel(other), "{other}");
        }
    }

    #[test]
    fn modules_follow_their_kernel() {
        let kernel = candidate("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1");
        assert_eq!(
            modules_package(&kernel),
            Some(candidate(
                "linux-modules-7.3.4+deb13-cloud-amd64",
                "7.3.4-1~bpo13+1"
            ))
        );
        assert_eq!(
            modules_package(&candidate("linux-doc-7.3", "7.3.4-1")),
            None
        );
    }

    #[test]
    fn newest_of_a_series_and_of_all() {
        let list =
            "linux-image-6.1.0-9-cloud-amd64 |  6.1.27-1 | http://m bookworm/main amd64 Packages
            linux-image-6.1.0-50-cloud-amd64 | 6.1.176-1 | http://m bookworm/main amd64 Packages
            linux-image-7.3.4+deb13-cloud-amd64 | 7.3.4-1~bpo13+1 | http://m x/main amd64 Packages
            linux-binary-7.3.4+deb13-cloud-amd64 | 7.3.4-1~bpo13+1 | http://m x/main amd64 Packages
            linux-image-6.12.9+deb13-cloud-amd64 | 6.12.9-1 | http://m trixie/main amd64 Packages";
        let candidates = parse_madison(list);
        assert_eq!(candidates.len(), 5);
        assert_eq!(
            newest(&candidates, Some("6.1")),
            Some(&candidate("linux-image-6.1.0-50-cloud-amd64", "6.1.176-1"))
        );
        assert_eq!(
            newest(&candidates, None),
            Some(&candidate(
                "linux-binary-7.3.4+deb13-cloud-amd64",
                "7.3.4-1~bpo13+1"
            ))
        );
        assert_eq!(newest(&candidates, Some("6.18")), None);
    }
}
