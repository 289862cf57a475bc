//! Events of records, and a model that takes them.

use std::{borrow::Cow, time::Duration};

use portex::{
    attribution::Limits,
    decode::decode,
    event::Event,
    found::{Counters, Found, Namespace, Rules, Sight},
    input::Input,
    observe::Model,
    ports::{PortRange, PortSet},
};
use portex_common::Record;

use super::workload::{BEGIN, HI, LO, NETNS};

/// What the first scan of a host without sockets tells.
pub(crate) fn beginning() -> [Input<'static>; 4] {
    let namespace = Namespace {
        inode: NETNS,
        name: Some("host".into()),
        rules: Rules {
            range: PortRange { lo: LO, hi: HI },
            reserved: PortSet::default(),
            tw_reuse: 2,
            tw_reuse_delay: Duration::from_secs(1),
            tw_reuse_coarse: false,
            tw_reuse_fin_wait2: false,
            max_tw_buckets: 1 << 20,
            autobind_reuse: false,
            fin_timeout: Duration::from_secs(60),
        },
        counters: Counters::default(),
    };
    let sight = Sight {
        binds: true,
        bound_sockets: true,
        udp: true,
        timestamps: true,
        hidden_namespaces: 0,
    };
    [
        Input::Watch(BEGIN),
        Input::ScanBegins(BEGIN),
        Input::Found(Cow::Owned(vec![Found::Namespace(namespace)])),
        Input::ScanEnds { sight, at: BEGIN },
    ]
}

/// A model that was told that.
pub(crate) fn empty() -> Model {
    let mut model = Model::new(Limits::default());
    for input in beginning() {
        model.take(input);
    }
    model
}

/// The events of records.
pub(crate) fn events(records: &[Record]) -> Vec<Event> {
    records
        .iter()
        .map(|record| event(record.as_bytes()))
        .collect()
}

/// The event of a record.
pub(crate) fn event(record: &[u8]) -> Event {
    decode(record).expect("an event")
}
