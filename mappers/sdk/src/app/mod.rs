//! The command line of every mapper: in a cluster, with files, and the commands that run once. A driver's `main` is
//! `pollux_mapper::run(MyProtocol)`.
mod call;
mod check;
mod cli;
mod cluster;
mod extra;
mod files;
mod forget;
mod init_state;
mod load;
mod log;
mod once;
mod out;
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
use extra::Extra;
pub use extra::Stopped;
pub use out::{Out, Screen};
use std::{ffi::OsString, fmt, future::Future, io::Write, process::ExitCode, sync::Arc};

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

/// A mapper's command line, to which a driver may add commands of its own (scan, probe, discover).
pub struct App<P: Protocol> {
    protocol: Arc<P>,
    extra: Extra<P>,
}
impl<P: Protocol> fmt::Debug for App<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.extra.commands.iter().map(|(command, _)| command.get_name()).collect();
        f.debug_struct("App").field("protocol", &P::NAME).field("commands", &names).finish_non_exhaustive()
    }
}

impl<P: Protocol> App<P> {
    /// The commands that every mapper has.
    pub fn new(protocol: P) -> Self {
        Self { protocol: Arc::new(protocol), extra: Extra::default() }
    }
    /// One more command. Its handler gets what was parsed and where to write; SIGINT and SIGTERM drop it where it waits.
    #[must_use]
    pub fn command<F, Fut>(mut self, command: Command, handler: F) -> Self
    where
        F: FnOnce(Arc<P>, ArgMatches, Out) -> Fut + 'static,
        Fut: Future<Output = Exit> + 'static,
    {
        self.extra.commands.push((command, extra::handler(handler)));
        self
    }
    /// As [`App::command`], for one that leaves something to be put right: SIGINT and SIGTERM end its [`Stopped`], and a second one ends
    /// it at once.
    #[must_use]
    pub fn lasting<F, Fut>(mut self, command: Command, handler: F) -> Self
    where
        F: FnOnce(Arc<P>, ArgMatches, Out, Stopped) -> Fut + 'static,
        Fut: Future<Output = Exit> + 'static,
    {
        self.extra.commands.push((command, extra::lasting(handler)));
        self
    }
    /// What `read` is where one of its words is a URL (`tcp://10.0.0.5/1`, `rtu:/dev/ttyUSB0`): the driver's, with arguments in its
    /// own words, for the time before there is YAML. The name of `command` does not matter.
    #[must_use]
    pub fn read_url<F, Fut>(mut self, command: Command, handler: F) -> Self
    where
        F: FnOnce(Arc<P>, ArgMatches, Out) -> Fut + 'static,
        Fut: Future<Output = Exit> + 'static,
    {
        self.extra.url = Some((command, extra::handler(handler)));
        self
    }
    /// One more line among the examples of `--help`: what to type after the program's name, and what it does.
    #[must_use]
    pub fn example(mut self, words: &str, what: &str) -> Self {
        self.extra.examples.push((words.to_owned(), what.to_owned()));
        self
    }
    /// Parses the command line and does what it says.
    pub fn run(self) -> ExitCode {
        self.run_from(std::env::args_os()).into()
    }
    /// As [`App::run`], with arguments given; the first is the program's name.
    pub fn run_from(self, arguments: impl IntoIterator<Item = OsString>) -> Exit {
        let (matches, with_url) = match self.parse(arguments) {
            Ok(parsed) => parsed,
            Err(error) => {
                error.print().ok(); // nowhere to say it
                return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            }
        };
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let exit = runtime.block_on(self.dispatch(matches, with_url, Out::std()));
                runtime.shutdown_background(); // a question nobody answers any more is not waited for
                exit
            }
            Err(error) => say(&format!("the runtime cannot start: {error}"), Exit::Fault),
        }
    }
    /// As [`App::run_from`], in a runtime that runs already, with the output of `check` and of the driver's own commands elsewhere.
    pub async fn run_in(self, arguments: impl IntoIterator<Item = OsString>, mut out: Out) -> Exit {
        match self.parse(arguments) {
            Ok((matches, with_url)) => self.dispatch(matches, with_url, out).await,
            Err(error) if error.use_stderr() => {
                out.remark(error.render().to_string().trim_end());
                Exit::Usage
            }
            Err(error) => write!(out, "{}", error.render()).map_or(Exit::Fault, |()| Exit::Ok),
        }
    }
    /// And whether `read` is the driver's.
    fn parse(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<(ArgMatches, bool), clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let with_url = self.extra.url.is_some() && extra::reads_url(&arguments);
        let command = self.extra.add_to(cli::command(P::NAME, &self.extra.examples), with_url);
        Ok((command.try_get_matches_from(arguments)?, with_url))
    }
    async fn dispatch(self, matches: ArgMatches, with_url: bool, mut out: Out) -> Exit {
        let Self { protocol, extra } = self;
        let options = match Options::from_arg_matches(&matches) {
            Ok(options) => options,
            Err(error) => return say(&error.to_string(), Exit::Usage),
        };
        let own = matches.subcommand().and_then(|(name, own)| Some((extra.take(name, with_url)?, own.clone())));
        log::init(options.log_format, own.is_some());
        if let Some((handler, own)) = own {
            return handler(protocol, own, out).await;
        }
        let command = Commands::from_arg_matches(&matches);
        drop(matches); // what it says was taken, and a mapper runs for long
        match command {
            Ok(Commands::Check { paths }) => check::run(&*protocol, paths, &mut out),
            Ok(Commands::Read { targets }) => read::run(protocol, &targets).await,
            Ok(Commands::Write { targets, yes }) => write::run(protocol, &targets, yes).await,
            Ok(Commands::Call { targets, yes }) => call::run(protocol, &targets, yes).await,
            Ok(Commands::Forget { devices: _, api: _, state_dir: Some(folder) }) => forget::on_disk(&folder, &mut out),
            Ok(Commands::Forget { devices, api, state_dir: None }) => forget::run(api, &devices, &mut out).await,
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
