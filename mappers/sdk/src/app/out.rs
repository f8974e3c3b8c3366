//! Where a command writes: results to standard output, what it is doing to standard error.
use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

/// Results (it is a [`Write`]), remarks, and a line that tells how far the work is where a person watches.
pub struct Out {
    results: Box<dyn Write>,
    remarks: Box<dyn Write>,
    watched: bool,
    /// A progress line stands on the terminal.
    shown: bool,
}
impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").field("watched", &self.watched).finish_non_exhaustive()
    }
}

impl Out {
    /// Standard output, and standard error.
    pub fn std() -> Self {
        let watched = io::stderr().is_terminal();
        Self { results: Box::new(io::stdout()), remarks: Box::new(io::stderr()), watched, shown: false }
    }
    /// Elsewhere, as a test wants it; nobody watches.
    pub fn new(results: impl Write + 'static, remarks: impl Write + 'static) -> Self {
        Self { results: Box::new(results), remarks: Box::new(remarks), watched: false, shown: false }
    }
    /// A line for people on standard error.
    pub fn remark(&mut self, text: &str) {
        self.clear();
        writeln!(self.remarks, "{text}").ok(); // nowhere to say it
    }
    /// What is being done: replaced by the next, gone with the next result. Nothing where nobody watches.
    pub fn progress(&mut self, text: &str) {
        if self.watched {
            write!(self.remarks, "\r\x1b[2K{text}").and_then(|()| self.remarks.flush()).ok(); // it is only for the eye
            self.shown = true;
        }
    }
    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            write!(self.remarks, "\r\x1b[2K").and_then(|()| self.remarks.flush()).ok();
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.clear();
        self.results.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.results.flush()
    }
}
impl Drop for Out {
    fn drop(&mut self) {
        self.clear();
        self.flush().ok(); // who reads may have left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Paper;

    #[test]
    fn progress_is_for_terminals_and_never_stands_among_results() {
        let (out, err) = (Paper::default(), Paper::default());
        let mut both = Out::new(out.clone(), err.clone());
        both.progress("1 of 9");
        assert_eq!(err.text(), "", "nobody watches");
        both.watched = true;
        both.progress("2 of 9");
        writeln!(both, "found").unwrap();
        both.remark("done");
        drop(both);
        assert_eq!((out.text().as_str(), err.text().as_str()), ("found\n", "\r\x1b[2K2 of 9\r\x1b[2Kdone\n"));
    }
}
