//! The Bluetooth LE mapper as a program.

fn main() -> std::process::ExitCode {
    pollux_ble::cli::app().run()
}
