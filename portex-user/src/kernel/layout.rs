//! Field offsets of the running kernel, by name.

use portex_common::{
    Offsets,
    settings::{ABSENT, SOCK_COMMON_BYTES},
};

use super::{Error, btf::Btf};

/// A row of the table of fields.
struct Field {
    /// Name of the setting, which is how the probe table refers to it.
    name: &'static str,
    /// The kernel's struct, and the path of the field in it.
    of: &'static str,
    path: &'static str,
    what: What,
    /// Whether nothing works without it.
    essential: bool,
    /// Where it goes.
    slot: fn(&mut Offsets) -> &mut u16,
}

/// What is asked for.
#[derive(Clone, Copy)]
enum What {
    /// Where in the struct so many bytes are read.
    Bytes(usize),
    /// Where the bit is.
    Bit,
    /// The size of the struct itself.
    Size,
}

macro_rules! what {
    (bit) => {
        What::Bit
    };
    (size) => {
        What::Size
    };
    ($bytes:literal) => {
        What::Bytes($bytes)
    };
}

macro_rules! field {
    ($essential:literal $name:ident = $of:literal $path:literal : $what:tt) => {
        Field {
            name: stringify!($name),
            of: $of,
            path: $path,
            what: what!($what),
            essential: $essential,
            slot: |offsets| &mut offsets.$name,
        }
    };
}

/// Every field that the kernel programs read.
#[rustfmt::skip]
static FIELDS: &[Field] = &[
    field!(true skc_daddr = "sock_common" "skc_daddr": 4),
    field!(true skc_rcv_saddr = "sock_common" "skc_rcv_saddr": 4),
    field!(true skc_hash = "sock_common" "skc_hash": 4),
    field!(true skc_dport = "sock_common" "skc_dport": 2),
    field!(true skc_num = "sock_common" "skc_num": 2),
    field!(true skc_family = "sock_common" "skc_family": 2),
    field!(true skc_state = "sock_common" "skc_state": 1),
    field!(true skc_net = "sock_common" "skc_net.net": 8),
    field!(true skc_v6_daddr = "sock_common" "skc_v6_daddr": 16),
    field!(true skc_v6_rcv_saddr = "sock_common" "skc_v6_rcv_saddr": 16),
    field!(true skc_flags = "sock_common" "skc_flags": 8),
    field!(false sk_shutdown = "sock" "sk_shutdown": 1),
    field!(true sk_protocol = "sock" "sk_protocol": 2),
    field!(true sk_err = "sock" "sk_err": 4),
    field!(true inet_sport = "inet_sock" "inet_sport": 2),
    field!(true net_ns_inum = "net" "ns.inum": 4),
    field!(false tw_substate = "inet_timewait_sock" "tw_substate": 1),
    field!(false tw_tb = "inet_timewait_sock" "tw_tb": 8),
    field!(false tw_timer = "inet_timewait_sock" "tw_timer": 8),
    field!(false timer_expires = "timer_list" "expires": 8),
    field!(false timer_function = "timer_list" "function": 8),
    field!(false task_files = "task_struct" "files": 8),
    field!(false files_fdt = "files_struct" "fdt": 8),
    field!(false fdt_max_fds = "fdtable" "max_fds": 4),
    field!(false fdt_fd = "fdtable" "fd": 8),
    field!(false file_private_data = "file" "private_data": 8),
    field!(false socket_file = "socket" "file": 8),
    field!(false socket_sk = "socket" "sk": 8),
    field!(false skc_prot = "sock_common" "skc_prot": 8),
    field!(false skc_bound_dev_if = "sock_common" "skc_bound_dev_if": 4),
    field!(false skc_ipv6only_bit = "sock_common" "skc_ipv6only": bit),
    field!(false skc_bind_node = "sock_common" "skc_bind_node": 8),
    field!(false skc_nulls_node = "sock" "__sk_common.skc_nulls_node": 8),
    field!(false local_port_range = "inet_sock" "local_port_range": 4),
    field!(false task_group_leader = "task_struct" "group_leader": 8),
    field!(false task_start_boottime = "task_struct" "start_boottime": 8),
    field!(false proto_hashinfo = "proto" "h.hashinfo": 8),
    field!(false net_hashinfo = "net" "ipv4.tcp_death_row.hashinfo": 8),
    field!(false tw_refcount = "net" "ipv4.tcp_death_row.tw_refcount": 4),
    field!(false tw_count = "net" "ipv4.tcp_death_row.tw_count": 4),
    field!(false max_tw_buckets = "net" "ipv4.tcp_death_row.sysctl_max_tw_buckets": 4),
    field!(false hashinfo_ehash = "inet_hashinfo" "ehash": 8),
    field!(false hashinfo_ehash_mask = "inet_hashinfo" "ehash_mask": 4),
    field!(false hashinfo_bhash = "inet_hashinfo" "bhash": 8),
    field!(false hashinfo_bhash_size = "inet_hashinfo" "bhash_size": 4),
    field!(false bhash_chain = "inet_bind_hashbucket" "chain": 8),
    field!(false bhash_stride = "inet_bind_hashbucket" "": size),
    field!(false bucket_net = "inet_bind_bucket" "ib_net.net": 8),
    field!(false bucket_l3mdev = "inet_bind_bucket" "l3mdev": 4),
    field!(false bucket_port = "inet_bind_bucket" "port": 2),
    field!(false bucket_fastreuse = "inet_bind_bucket" "fastreuse": 1),
    field!(false bucket_fastreuseport = "inet_bind_bucket" "fastreuseport": 1),
    field!(false bucket_node = "inet_bind_bucket" "node": 8),
    field!(false bucket_owners = "inet_bind_bucket" "owners": 8),
    field!(false tw_ts_recent_stamp = "tcp_timewait_sock" "tw_ts_recent_stamp": 4),
    field!(false sk_userlocks_bit = "sock" "sk_userlocks": bit),
    field!(false task_stack = "task_struct" "stack": 8),
];

/// What the type information of this kernel says.
pub(super) struct Layout {
    /// Offsets, [`ABSENT`] where a field is not there.
    pub(super) offsets: Offsets,
    /// Names of the fields that are not there.
    pub(super) absent: Vec<&'static str>,
}

/// Looks every field up.
pub(super) fn resolve(btf: &Btf<'_>) -> Result<Layout, Error> {
    let mut layout = Layout {
        offsets: Offsets::UNSET,
        absent: Vec::new(),
    };
    for field in FIELDS {
        let found = match field.what {
            What::Bytes(_) => btf.offset(field.of, field.path),
            What::Bit => btf.bit_offset(field.of, field.path),
            What::Size => btf.size(field.of),
        };
        let offset = found.filter(|&offset| is_in_reach(field, offset));
        match offset {
            Some(offset) => *(field.slot)(&mut layout.offsets) = offset,
            None if field.essential => return Err(Error::UnknownLayout { field: field.name }),
            None => layout.absent.push(field.name),
        }
    }
    Ok(layout)
}

/// Fields of `sock_common` are read from a copy of its beginning: they must lie in it, and the
/// addresses, which are read by words, must be aligned.
fn is_in_reach(field: &Field, offset: u16) -> bool {
    let (offset_bytes, size) = match field.what {
        What::Bytes(size) => (usize::from(offset), size),
        What::Bit => (usize::from(offset / 8), 1),
        What::Size => return offset != ABSENT,
    };
    offset != ABSENT
        && (field.of != "sock_common"
            || (offset_bytes + size <= SOCK_COMMON_BYTES && offset_bytes % size.min(4) == 0))
}

/// Whether the table has a field of that name.
#[cfg(test)]
pub(super) fn is_known(name: &str) -> bool {
    FIELDS.iter().any(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_has_exactly_one_row() {
        let mut offsets = Offsets::UNSET;
        for field in FIELDS {
            let slot = (field.slot)(&mut offsets);
            assert_eq!(*slot, ABSENT, "{} is set twice", field.name);
            *slot = 0;
        }
        let bytes = size_of::<Offsets>();
        assert_eq!(FIELDS.len() * size_of::<u16>(), bytes);
    }

    #[test]
    fn a_field_beyond_the_copy_is_out_of_reach() {
        let row = |name: &str| {
            FIELDS
                .iter()
                .find(|field| field.name == name)
                .expect("a row")
        };
        assert!(is_in_reach(row("skc_v6_rcv_saddr"), 72));
        assert!(!is_in_reach(row("skc_v6_rcv_saddr"), 96));
        assert!(!is_in_reach(row("skc_v6_rcv_saddr"), 70));
        assert!(is_in_reach(row("sk_protocol"), 546));
    }
}
