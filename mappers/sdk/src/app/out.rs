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
    /// The results go to a terminal.
    screen: bool,
    /// Lines of the picture that stands there.
    drawn: usize,
    /// A progress line stands on the terminal.
    shown: bool,
}

/// How much a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Lines.
    pub rows: usize,
    /// Characters of a line.
    pub columns: usize,
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").field("watched", &self.watched).finish_non_exhaustive()
    }
}

impl Out {
    /// Standard output, and standard error.
    pub fn std() -> Self {
        let (watched, screen) = (io::stderr().is_terminal(), io::stdout().is_terminal());
        let (results, remarks) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Self { results, remarks, watched, screen, drawn: 0, shown: false }
    }
    /// Elsewhere, as a test wants it; nobody watches.
    pub fn new(results: impl Write + 'static, remarks: impl Write + 'static) -> Self {
        let (results, remarks) = (Box::new(results), Box::new(remarks));
        Self { results, remarks, watched: false, screen: false, drawn: 0, shown: false }
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
    /// How much the terminal shows now, where the results go to one.
    pub fn screen(&self) -> Option<Screen> {
        const USUAL: Screen = Screen { rows: 24, columns: 80 };
        let size = self.screen.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok())?;
        let size = size.map(|size| Screen { rows: size.ws_row.into(), columns: size.ws_col.into() });
        Some(size.filter(|size| size.rows > 0 && size.columns > 0).unwrap_or(USUAL))
    }
    /// Lines in the place of those that were drawn before, for a terminal that shows them all. A line that is too long ends at its edge.
    pub fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        self.clear();
        let mut text = String::from("\x1b[?7l"); // no line takes two
        if self.drawn > 0 {
            text += &["\x1b[", &self.drawn.to_string(), "A"].concat();
        }
        text.push_str("\r\x1b[J");
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("\x1b[?7h");
        self.drawn = lines.len();
        self.results.write_all(text.as_bytes())?;
        self.results.flush()
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
    fn a_picture_takes_the_place_of_the_one_before() {
        let (out, err) = (Paper::default(), Paper::default());
        let mut both = Out::new(out.clone(), err.clone());
        assert_eq!(both.screen(), None, "nothing is drawn where there is no terminal");
        both.draw(&["a".to_owned(), "b".to_owned()]).unwrap();
        both.draw(&["c".to_owned()]).unwrap();
        let expected = "\x1b[?7l\r\x1b[Ja\nb\n\x1b[?7h\x1b[?7l\x1b[2A\r\x1b[Jc\n\x1b[?7h";
        assert_eq!(out.text(), expected);
    }

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
