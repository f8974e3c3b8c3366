//! The command line of every mapper: in a cluster, with files, and the commands that run once. A driver's `main` is
//! `pollux_mapper::run(MyProtocol)`.
mod check;
mod cli;
mod cluster;
mod files;
mod init_state;
mod log;
mod once;
mod print;
mod read;
mod serve;
mod signals;
mod start;
#[cfg(test)]
mod tests;
mod write;

use crate::Protocol;
use clap::{ArgMatches, Command, FromArgMatches};
use cli::{Commands, Options};
use std::{ffi::OsString, fmt, future::Future, io::Write, pin::Pin, process::ExitCode, sync::Arc};

/// How a process ended, as `--help` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// A fault on the wire or of a device.
    Fault,
    /// Wrong usage, or invalid YAML.
    Usage,
}
impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => Self::from(0),
            Exit::Fault => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}

/// Runs a mapper as its command line says.
pub fn run<P: Protocol>(protocol: P) -> ExitCode {
    App::new(protocol).run()
}

type Handler<P> = Box<dyn FnOnce(Arc<P>, ArgMatches) -> Pin<Box<dyn Future<Output = Exit>>>>;

/// A mapper's command line, to which a driver may add commands of its own (scan, probe, discover).
pub struct App<P: Protocol> {
    protocol: Arc<P>,
    extra: Vec<(Command, Handler<P>)>,
}
impl<P: Protocol> fmt::Debug for App<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("protocol", &P::NAME).field("extra", &self.extra.len()).finish()
    }
}

impl<P: Protocol> App<P> {
    /// The commands that every mapper has.
    pub fn new(protocol: P) -> Self {
        Self { protocol: Arc::new(protocol), extra: vec![] }
    }
    /// One more command.
    #[must_use]
    pub fn command<F, Fut>(mut self, command: Command, handler: F) -> Self
    where
        F: FnOnce(Arc<P>, ArgMatches) -> Fut + 'static,
        Fut: Future<Output = Exit> + 'static,
    {
        self.extra.push((command, Box::new(|protocol, matches| Box::pin(handler(protocol, matches)))));
        self
    }
    /// Parses the command line and does what it says.
    pub fn run(self) -> ExitCode {
        self.run_from(std::env::args_os()).into()
    }
    /// As [`App::run`], with arguments given; the first is the program's name.
    pub fn run_from(self, arguments: impl IntoIterator<Item = OsString>) -> Exit {
        let command = cli::command(P::NAME).subcommands(self.extra.iter().map(|(command, _)| command.clone()));
        let matches = match command.try_get_matches_from(arguments) {
            Ok(matches) => matches,
            Err(error) => {
                error.print().ok(); // nowhere to say it
                return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            }
        };
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let exit = runtime.block_on(self.dispatch(matches));
                runtime.shutdown_background(); // a question nobody answers any more is not waited for
                exit
            }
            Err(error) => say(&format!("the runtime cannot start: {error}"), Exit::Fault),
        }
    }
    async fn dispatch(self, matches: ArgMatches) -> Exit {
        let Self { protocol, extra } = self;
        let options = match Options::from_arg_matches(&matches) {
            Ok(options) => options,
            Err(error) => return say(&error.to_string(), Exit::Usage),
        };
        log::init(options.log_format);
        if let Some((name, own)) = matches.subcommand()
            && let Some((_, handler)) = extra.into_iter().find(|(command, _)| command.get_name() == name)
        {
            return handler(protocol, own.clone()).await;
        }
        match Commands::from_arg_matches(&matches) {
            Ok(Commands::Check { paths }) => check::run(&*protocol, paths, &mut std::io::stdout().lock()),
            Ok(Commands::Read { targets }) => read::run(protocol, &targets).await,
            Ok(Commands::Write { targets, yes }) => write::run(protocol, &targets, yes).await,
            Ok(Commands::InitState { dir, uid, gid }) => init_state::run(&dir, uid, gid),
            Err(_) if !options.files.is_empty() => files::run(protocol, options).await,
            Err(_) => cluster::run(protocol, options).await,
        }
    }
}

/// A message for people on standard error, and the exit that goes with it.
fn say(message: &str, exit: Exit) -> Exit {
    writeln!(std::io::stderr(), "{message}").ok(); // nowhere to say it
    exit
}
