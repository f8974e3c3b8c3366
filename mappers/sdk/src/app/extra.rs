//! What a driver adds to the command line: commands of its own, and `read` in its own words where there is no YAML yet.
use super::{Exit, Out, say, signals};
use clap::{ArgMatches, Command};
use std::{ffi::OsString, future::Future, path::Path, pin::Pin, sync::Arc};

pub(super) type Handler<P> = Box<dyn FnOnce(Arc<P>, ArgMatches, Out) -> Pin<Box<dyn Future<Output = Exit>>>>;

/// Commands and their handlers.
pub(super) struct Extra<P> {
    pub(super) commands: Vec<(Command, Handler<P>)>,
    /// `read`, where it is given a URL.
    pub(super) url: Option<(Command, Handler<P>)>,
    pub(super) examples: Vec<(String, String)>,
}
impl<P> Default for Extra<P> {
    fn default() -> Self {
        Self { commands: vec![], url: None, examples: vec![] }
    }
}

pub(super) fn handler<P, F, Fut>(handler: F) -> Handler<P>
where
    F: FnOnce(Arc<P>, ArgMatches, Out) -> Fut + 'static,
    Fut: Future<Output = Exit> + 'static,
{
    Box::new(|protocol, matches, out| Box::pin(until_stopped(handler(protocol, matches, out))))
}

/// Resolves when the process is asked to stop.
pub type Stopped = Pin<Box<dyn Future<Output = ()>>>;

/// Of a command that ends by itself when it is asked to.
pub(super) fn lasting<P: 'static, F, Fut>(handler: F) -> Handler<P>
where
    F: FnOnce(Arc<P>, ArgMatches, Out, Stopped) -> Fut + 'static,
    Fut: Future<Output = Exit> + 'static,
{
    Box::new(|protocol, matches, out| {
        Box::pin(async move {
            match signals::asked_twice() {
                Ok(stopped) => handler(protocol, matches, out, Box::pin(stopped)).await,
                Err(error) => say(&error.to_string(), Exit::Fault),
            }
        })
    })
}

impl<P> Extra<P> {
    /// The command line with all that was added; `with_url`: `read` is the driver's.
    pub(super) fn add_to(&self, command: Command, with_url: bool) -> Command {
        let command = command.subcommands(self.commands.iter().map(|(command, _)| command.clone()));
        let Some((url, _)) = &self.url else { return command };
        let name = format!("{} read", command.get_name());
        let own = url.clone().name("read").bin_name(&name);
        if with_url {
            return command.mut_subcommand("read", |_| own);
        }
        let help = own.clone().render_help();
        command.mut_subcommand("read", |read| read.after_help(format!("Without YAML, with a URL:\n\n{help}")))
    }
    /// Takes the handler of what was asked for, if it is the driver's.
    pub(super) fn take(self, name: &str, with_url: bool) -> Option<Handler<P>> {
        if with_url && name == "read" {
            return self.url.map(|(_, handler)| handler);
        }
        self.commands.into_iter().find(|(command, _)| command.get_name() == name).map(|(_, handler)| handler)
    }
}

/// Whether `read` is asked to read from a URL: one of its words is one, and no file of that name exists.
pub(super) fn reads_url(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    // The one option with a value that may stand before a command.
    let command = loop {
        match words.next() {
            Some("--log-format") => drop(words.next()),
            Some(word) if word.starts_with("--log-format=") => {}
            other => break other,
        }
    };
    command == Some("read") && words.any(is_url)
}
fn is_url(word: &str) -> bool {
    let scheme = word.split_once(':').filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme);
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    scheme.is_some_and(|scheme| {
        scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.chars().all(letter)
    }) && !Path::new(word).exists()
}

/// Runs a handler until it ends or a signal comes.
async fn until_stopped(work: impl Future<Output = Exit>) -> Exit {
    let stopped = match signals::asked() {
        Ok(stopped) => stopped,
        Err(error) => return say(&error.to_string(), Exit::Fault),
    };
    tokio::select! {
        biased;
        () = stopped => say("stopped before it was done", Exit::Fault),
        exit = work => exit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_from_a_file_and_from_a_device() {
        let reads = |line: &str| reads_url(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in [
            "pollux-toy read tcp://10.0.0.5:502/1 holding 0",
            "pollux-toy read --yaml rtu:/dev/ttyUSB0,9600,8N1/1 holding 0",
            "pollux-toy --log-format json read rtu+tcp://a:4001/1",
            "pollux-toy --log-format=json read tls://a/1",
        ] {
            assert!(reads(line), "{line}");
        }
        for line in [
            "pollux-toy read boiler.yaml boiler-1",
            "pollux-toy check tcp://10.0.0.5/1",
            "pollux-toy read C:",
            "pollux-toy read c:/x",
            "pollux-toy read Tcp://a",
            "pollux-toy write read tcp://a",
            "pollux-toy",
        ] {
            assert!(!reads(line), "{line}");
        }
    }
}
