use proptest::prelude::*;

use super::*;

/// Builds BTF by hand, so that the tests need no kernel.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Builder {
    fn new() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).expect("short");
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        at
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
    }

    fn simple(&mut self, name: &str, kind: u32, refers: u32) {
        let name = self.name(name);
        self.words(&[name, kind << 24, refers]);
    }

    fn int(&mut self) {
        let name = self.name("int");
        self.words(&[name, kind::INT << 24, 4, 32]);
    }

    fn composite(&mut self, name: &str, kind: u32, flag: bool, members: &[(&str, u32, u32)]) {
        let name = self.name(name);
        let vlen = u32::try_from(members.len()).expect("few");
        self.words(&[name, u32::from(flag) << 31 | kind << 24 | vlen, 64]);
        for (member, id, offset) in members {
            let member = self.name(member);
            self.words(&[member, *id, *offset]);
        }
    }

    fn build(self) -> Vec<u8> {
        let types = u32::try_from(self.types.len()).expect("short");
        let strings = u32::try_from(self.strings.len()).expect("short");
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC.to_ne_bytes());
        bytes.extend_from_slice(&[1, 0]);
        for word in [24, 0, types, types, strings] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}

/// `struct sock { [anonymous union { struct { int addr; int rcv; } }]; int num; net_t net; bits }`
fn sample() -> Vec<u8> {
    let mut b = Builder::new();
    b.int(); // 1
    b.composite("", kind::STRUCT, false, &[("addr", 1, 0), ("rcv", 1, 32)]); // 2
    b.composite("", kind::UNION, false, &[("pair", 1, 0), ("", 2, 0)]); // 3
    b.composite("", kind::STRUCT, false, &[("net", 1, 32)]); // 4
    b.simple("net_t", kind::TYPEDEF, 4); // 5
    b.composite(
        "sock",
        kind::STRUCT,
        true,
        &[
            ("", 3, 0),
            ("num", 1, 64),
            ("net", 5, 96),
            ("bit", 1, (1 << 24) + 161),
        ],
    ); // 6
    b.simple("tcp_set_state", kind::FUNC, 0); // 7
    b.build()
}

#[test]
fn fields_are_found_through_anonymous_members_and_typedefs() {
    let bytes = sample();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(btf.offset("sock", "addr"), Some(0));
    assert_eq!(btf.offset("sock", "rcv"), Some(4));
    assert_eq!(btf.offset("sock", "num"), Some(8));
    assert_eq!(btf.offset("sock", "net.net"), Some(16));
}

#[test]
fn what_is_not_there_has_no_offset() {
    let bytes = sample();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(btf.offset("sock", "absent"), None);
    assert_eq!(btf.offset("sock", "nu"), None, "a prefix is another name");
    assert_eq!(btf.offset("sock", "bit"), None, "a bitfield has no address");
    assert_eq!(btf.offset("sock", "num.deeper"), None);
    assert_eq!(btf.offset("other", "num"), None);
    assert_eq!(btf.offset("tcp_set_state", "num"), None);
}

#[test]
fn functions_are_found_by_their_whole_name() {
    let bytes = sample();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert!(btf.has_function("tcp_set_state"));
    assert!(!btf.has_function("tcp_set"));
    assert!(!btf.has_function("sock"), "a struct is no function");
}

#[test]
fn a_circle_of_typedefs_ends() {
    let mut b = Builder::new();
    b.simple("a", kind::TYPEDEF, 2);
    b.simple("b", kind::TYPEDEF, 1);
    b.composite("s", kind::STRUCT, false, &[("", 1, 0), ("x", 1, 0)]);
    let bytes = b.build();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(btf.offset("s", "x.y"), None);
}

#[test]
fn the_running_kernel_is_read() {
    // The kernel shows it to everyone; where it has none there is nothing to compare.
    let Ok(bytes) = std::fs::read(crate::kernel::facts::BTF_PATH) else {
        eprintln!("skipped: this kernel has no BTF");
        return;
    };
    let btf = Btf::parse(&bytes).expect("the kernel's own BTF");
    // The ABI of struct in6_addr is fixed, so is list_head: known offsets to compare with.
    assert_eq!(btf.offset("list_head", "next"), Some(0));
    assert_eq!(btf.offset("list_head", "prev"), Some(8));
    assert!(btf.has_function("tcp_set_state"));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Some(btf) = Btf::parse(&bytes) {
            let _answer = btf.offset("sock", "num");
        }
    }

    #[test]
    fn damaged_btf_is_answered(at in 0_usize..400, value: u8) {
        let mut bytes = sample();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Some(btf) = Btf::parse(&bytes) {
            let _answer = btf.offset("sock", "net.net");
            let _answer = btf.has_function("tcp_set_state");
        }
    }
}
