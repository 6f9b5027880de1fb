//! Opening text files.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::TextFile;
use super::decode::{DecodeErrors, Format, Newline};
use crate::fs::open::{Open, open};

/// Opens a text file as Python does: `"r"`, `"w"`, `"a"`, `"x"`, with `+`; a `t` changes nothing.
///
/// # Errors
///
/// The system's, with the path; `InvalidInput` for another mode.
///
/// # Cancel safety
///
/// Strict: a file that was opened in vain is closed (but `"w"` may have emptied it).
///
/// # Examples
///
/// ```
/// use corio_io::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// # let path = std::env::temp_dir().join(format!("corio-text-{}", std::process::id()));
/// let mut file = fs::open_text(&path, "w").await?;
/// assert_eq!(file.write("día\n").await?, 4, "characters");
/// file.close().await?;
/// let mut file = fs::open_text(&path, "r").await?;
/// assert_eq!(file.read_line(None).await?, "día\n");
/// # fs::remove(path).await
/// # })
/// # }
/// ```
#[track_caller]
pub fn open_text(path: impl AsRef<Path>, mode: &str) -> OpenText {
    let open = if mode.contains('b') {
        let message = format!("invalid mode {mode:?}: text has no b; see open for bytes");
        let refused = io::Error::new(io::ErrorKind::InvalidInput, message);
        Open::file(path.as_ref(), Err(refused))
    } else {
        open(path, &mode.replacen('t', "", 1))
    };
    OpenText { open, format: Format::default(), by_lines: None }
}

/// Future of [`open_text`]: `io::Result<TextFile>`.
#[derive(Debug)]
#[must_use = "nothing is opened unless this is awaited"]
pub struct OpenText {
    open: Open,
    format: Format,
    /// Whether each line is flushed; `None`: if it is a terminal.
    by_lines: Option<bool>,
}

impl OpenText {
    /// What ends a line. Default: [`Newline::Universal`].
    ///
    /// See [`TextFile`] for an example.
    pub fn newline(mut self, newline: Newline) -> Self {
        self.format.newline = newline;
        self
    }

    /// What becomes of bytes that are no UTF-8. Default: [`DecodeErrors::Strict`].
    ///
    /// See [`TextFile`] for an example.
    pub fn errors(mut self, errors: DecodeErrors) -> Self {
        self.format.errors = errors;
        self
    }

    /// Size of the buffer in bytes. Default: [`BUFFER`](crate::fs::BUFFER), and line by line on a
    /// terminal. Python: `buffering`, from 2 on.
    ///
    /// # Panics
    ///
    /// If it is 0: text cannot do without, as a character may be cut in two. For bytes there is
    /// [`File::options`](crate::fs::File::options).
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// # let folder = fs::temporary_directory().await?;
    /// # let path = folder.path().join("file");
    /// let mut log = fs::open_text(&path, "w").buffer(4096).await?;
    /// log.write("one\n").await?;
    /// assert_eq!(fs::getsize(&path).await?, 0);
    /// log.close().await?;
    /// assert_eq!(fs::getsize(&path).await?, 4);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "buffering")]
    #[track_caller]
    pub fn buffer(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "text cannot be unbuffered");
        self.open.buffer = bytes;
        self.by_lines.get_or_insert(false);
        self
    }

    /// Whether each write with an end of a line in it is flushed. If it fails, nothing of the text was
    /// taken. Default: on a terminal only. Python: `buffering=1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// # let folder = fs::temporary_directory().await?;
    /// # let path = folder.path().join("file");
    /// let mut log = fs::open_text(&path, "w").line_buffering(true).await?;
    /// log.write("one").await?;
    /// assert_eq!(fs::getsize(&path).await?, 0);
    /// log.write(" line\n").await?;
    /// assert_eq!(fs::getsize(&path).await?, 9);
    /// # log.close().await?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "buffering")]
    pub fn line_buffering(mut self, on: bool) -> Self {
        self.by_lines = Some(on);
        self
    }
}

impl Future for OpenText {
    type Output = io::Result<TextFile>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let file = ready!(Pin::new(&mut self.open).poll(cx))?;
        let by_lines = self.by_lines.unwrap_or_else(|| file.writable() && file.is_terminal());
        Poll::Ready(Ok(TextFile { file, format: self.format, by_lines }))
    }
}
