//! The Modbus mapper as a program.

fn main() -> std::process::ExitCode {
    pollux_mapper::run(pollux_modbus::Modbus)
}
