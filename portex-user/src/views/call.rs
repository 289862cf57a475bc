//! A failing call in full: below its line for people, in its object for programs. All names in it are
//! other people's: they are escaped.

use std::io;

use serde::{
    Serialize,
    ser::{SerializeMap, SerializeStruct, Serializer},
};

use super::{json::nanos, trace::human};
use crate::{
    call::Call,
    details::ProcessDetails,
    escape,
    symbols::{Frame, Stack},
};

/// Characters of a command line that are shown to people.
const COMMAND: usize = 120;

/// Writes what stands below the line of an event.
pub(super) fn write(out: &mut impl io::Write, call: &Call) -> io::Result<()> {
    writeln!(out, "    {}", who(call))?;
    write_stack(out, &call.stack)
}

/// Frames, a line each, and why some are missing.
pub(super) fn write_stack(out: &mut impl io::Write, stack: &Stack) -> io::Result<()> {
    for frame in &stack.kernel {
        writeln!(out, "        [kernel] {}", name(frame))?;
    }
    for frame in &stack.user {
        writeln!(out, "        {}", name(frame))?;
    }
    for note in &stack.notes {
        writeln!(out, "        ({})", escape::text(note.as_bytes()))?;
    }
    Ok(())
}

pub(super) fn name(frame: &Frame) -> String {
    escape::text(frame.name().as_bytes())
}

fn who(call: &Call) -> String {
    let process = &call.process;
    let mut words = Vec::new();
    if let Some(fd) = call.fd {
        words.push(format!("fd {fd}"));
    }
    if !process.alive {
        words.push("the process has ended".into());
    }
    if let Some(exe) = &process.exe {
        words.push(escape::text(exe));
    }
    if !process.cmdline.is_empty() {
        let command = process.cmdline.join(&b' ');
        let mut command = escape::text(&command);
        if let Some((cut, _)) = command.char_indices().nth(COMMAND) {
            command.truncate(cut);
            command.push_str("...");
        }
        words.push(format!("\"{command}\""));
    }
    if let Some(container) = &process.container {
        words.push(escape::text(container.as_bytes()));
    }
    if let Some(cgroup) = &process.cgroup {
        words.push(format!("cgroup {}", escape::text(cgroup.as_bytes())));
    }
    match call.age {
        // It is known in clock ticks.
        Some(age) if age.is_zero() => words.push("just started".into()),
        Some(age) => words.push(format!("running for {}", human(age))),
        None => {}
    }
    words.join(", ")
}

/// Adds the call's fields to the object of its event.
pub(super) fn serialize<M: SerializeMap>(map: &mut M, call: &Call) -> Result<(), M::Error> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ProcessDetails {
        exe,
        cmdline,
        container,
        ..
    } = &*call.process;
    map.serialize_entry("fd", &call.fd)?;
    map.serialize_entry("exe", &exe.as_deref().map(text))?;
    let arguments: Vec<String> = cmdline.iter().map(|argument| text(argument)).collect();
    map.serialize_entry("cmdline", &arguments)?;
    map.serialize_entry("container", container)?;
    map.serialize_entry("age_ns", &call.age.map(nanos))?;
    serialize_stack(map, &call.stack)
}

/// Adds `stack`, `kernel_stack` where there is one, and `stack_notes`.
pub(super) fn serialize_stack<M: SerializeMap>(map: &mut M, stack: &Stack) -> Result<(), M::Error> {
    map.serialize_entry("stack", &Frames(&stack.user))?;
    if !stack.kernel.is_empty() {
        map.serialize_entry("kernel_stack", &Frames(&stack.kernel))?;
    }
    if !stack.notes.is_empty() {
        map.serialize_entry("stack_notes", &stack.notes)?;
    }
    Ok(())
}

struct Frames<'a>(&'a [Frame]);

impl Serialize for Frames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(One))
    }
}

struct One<'a>(&'a Frame);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frame = self.0;
        let mut object = serializer.serialize_struct("frame", 8)?;
        // As text, like the id of a socket.
        object.serialize_field("address", &format!("{:#x}", frame.address))?;
        object.serialize_field("function", &frame.function.as_deref())?;
        object.serialize_field("offset", &frame.offset)?;
        object.serialize_field("inlined", &frame.inlined)?;
        object.serialize_field("module", &frame.module.as_deref())?;
        object.serialize_field("module_offset", &frame.module_offset)?;
        object.serialize_field("file", &frame.file.as_deref())?;
        object.serialize_field("line", &frame.line)?;
        object.end()
    }
}
