//! The OPC UA mapper as a program.

fn main() -> std::process::ExitCode {
    pollux_opcua::cli::app().run()
}
