//! Names of C++ and Rust as their authors wrote them.

use std::{fmt::Write as _, panic, sync::Arc};

use super::stack::{Bounded, bounded};

/// Longer mangled names are shown as they are: a few bytes that refer to one another can stand for
/// any length of name, and the time to find it out.
const LONGEST_MANGLED: usize = 4_096;

/// The name of a symbol, at most [`super::stack::LONGEST`] bytes. Untrusted in, untrusted out.
///
/// The crates that do it are asked to write into a buffer that refuses what is too much, which ends
/// their work; should they panic on what somebody made up, the name is shown as it is.
pub(super) fn demangle(name: &str) -> Arc<str> {
    if name.len() > LONGEST_MANGLED || !name.contains('_') {
        return bounded(name);
    }
    let plain = panic::catch_unwind(|| rust(name).or_else(|| cpp(name)));
    plain.ok().flatten().unwrap_or_else(|| bounded(name))
}

fn rust(name: &str) -> Option<Arc<str>> {
    let symbol = rustc_demangle::try_demangle(name).ok()?;
    let mut out = Bounded::default();
    // Without the hash at its end. What is cut is good enough.
    let _full = write!(out, "{symbol:#}");
    Some(Arc::from(out.text))
}

fn cpp(name: &str) -> Option<Arc<str>> {
    if !name.starts_with("_Z") && !name.starts_with("__Z") {
        return None;
    }
    let symbol = cpp_demangle::Symbol::new(name).ok()?;
    let mut out = Bounded::default();
    let done = symbol.structured_demangle(&mut out, &cpp_demangle::DemangleOptions::default());
    (done.is_ok() || !out.text.is_empty()).then(|| Arc::from(out.text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::symbols::stack::LONGEST;

    #[test]
    fn names_are_plain() {
        assert_eq!(&*demangle("connect"), "connect");
        assert_eq!(&*demangle("__libc_connect"), "__libc_connect");
        assert_eq!(&*demangle("_ZN3net4dialEi"), "net::dial(int)");
        assert_eq!(&*demangle("_ZN3app4dial17h0123456789abcdefE"), "app::dial");
        assert_eq!(&*demangle("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
    }

    /// `pair<pair<…, …>, pair<…, …>>`, each by reference to the one before: 2^40 names in 300 bytes.
    #[test]
    fn a_name_that_explodes_is_cut() {
        let mut name = String::from("_Z1fSt4pairIiiE");
        name.push_str("S_I");
        let base36 = |number: u32| char::from_digit(number, 36).map(|c| c.to_ascii_uppercase());
        for number in 0..30 {
            let reference = base36(number).expect("a digit");
            write!(name, "St4pairIS{reference}_S{reference}_E").expect("has room");
        }
        assert!(demangle(&name).len() <= LONGEST);
        assert!(demangle(&"_Zx".repeat(10_000)).len() <= LONGEST);
    }

    proptest! {
        #[test]
        fn any_name_has_a_form(name in "(_Z|_R|_ZN)?[a-zA-Z0-9_$.]{0,60}", other in ".{0,40}") {
            prop_assert!(demangle(&name).len() <= LONGEST);
            prop_assert!(demangle(&other).len() <= LONGEST);
        }
    }
}
