//! The Modbus mapper as a program.

fn main() -> std::process::ExitCode {
    pollux_modbus::cli::app().run()
}
