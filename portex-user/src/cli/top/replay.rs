//! Frames of a recording.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Args, shown::Questions};
use crate::{
    cli::{
        replayed::{limited, tell_end},
        runtime, stop,
    },
    live::{Frames, Origin},
    observe::{self, Model},
    recording::{Ahead, Pace},
};

/// Shows a recording, and its end until somebody wants to leave.
pub(super) fn replay(args: &Args, mut recording: Ahead) -> anyhow::Result<()> {
    let filter = limited(args.which.recorded(), &recording);
    let header = recording.header();
    let origin = Origin {
        host: Arc::from(header.host.as_str()),
        kernel: Arc::from(header.kernel.as_str()),
        attach: Some(Arc::from(header.attach.as_str())),
        began: header.started(),
        clock: header.clock(),
        replayed: true,
        advice: None,
        notes: Vec::new(),
    };
    // What is printed is read later; what is on the screen is watched.
    let usual = if args.shown.batch {
        Pace::AtOnce
    } else {
        Pace::Times(1.0)
    };
    let (change, pace) = watch::channel(args.speed.or(usual));
    let frames = Frames::new(origin, filter, args.shown.delay());
    runtime()?.block_on(async {
        let signals = stop::signals(stop::Rest::Write)?;
        let questions = Questions::start()?;
        let (mut view, closing) = args.shown.open(frames, questions, signals, Some(change))?;
        let mut model = Model::default();
        let never = std::future::pending();
        let outcome = observe::replay(&mut recording, pace, &mut model, &mut view, never).await;
        let outcome = match outcome {
            Ok(replayed) if replayed.ended.is_some() => {
                view.replay_ended();
                let never = std::future::pending();
                observe::linger(replayed.at, &model, &mut view, never).await
            }
            outcome => outcome.map(drop),
        };
        let closed = closing.close(view);
        outcome?;
        closed?;
        tell_end(&recording);
        Ok(())
    })
}
