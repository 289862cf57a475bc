//! The `portex` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    portex::cli::main()
}
