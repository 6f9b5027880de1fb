//! Everything below a folder: Python's `os.walk`.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::ops::{DirEntry, entries};
use super::task::{FsTask, run_blocking};
use crate::context::failed;

/// Walks through a folder and those below it, each before those in it. Links to folders are not
/// followed.
///
/// Python: `os.walk`, top-down; there errors are left out unless they are asked for.
///
/// # Examples
///
/// ```
/// use corio_io::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let top = fs::temporary_directory().await?;
/// fs::makedirs(top.path().join("a/b")).await?;
/// fs::write(top.path().join("a/file"), "").await?;
/// let mut walk = fs::walk(top.path());
/// let mut folders = 0;
/// while let Some(step) = walk.next().await {
///     let step = step?;
///     folders += 1;
///     assert_eq!(step.files.len(), usize::from(step.folder.ends_with("a")));
/// }
/// assert_eq!(folders, 3);
/// # Ok(())
/// # })
/// # }
/// ```
pub fn walk(top: impl AsRef<Path>) -> Walk {
    Walk { todo: vec![top.as_ref().into()] }
}

/// A walk; made by [`walk`].
#[derive(Clone, Debug)]
#[must_use = "a walk does nothing unless it is awaited"]
pub struct Walk {
    /// Folders that are still to be looked into, the next one last.
    todo: Vec<PathBuf>,
}

/// A folder on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkStep {
    /// Its path.
    pub folder: PathBuf,
    /// The folders in it.
    pub folders: Vec<DirEntry>,
    /// Everything else in it.
    pub files: Vec<DirEntry>,
}

impl Walk {
    /// The next folder; `None` after the last one.
    ///
    /// See [`walk`] for an example.
    ///
    /// # Errors
    ///
    /// The system's, with the path: that a folder may not be read, or is gone. The walk goes on with
    /// the others.
    ///
    /// # Cancel safety
    ///
    /// Strict: the next call looks into the same folder.
    #[track_caller]
    #[expect(clippy::should_implement_trait, reason = "it is a future's name, as in `for await`")]
    pub fn next(&mut self) -> NextFolder<'_> {
        let mut task = None;
        // Not in a closure, which would not pass the place on.
        if let Some(folder) = self.todo.last().cloned() {
            task = Some(run_blocking(move || {
                let found = entries(&folder);
                let found = found.map_err(|error| failed("walk", folder.display(), error))?;
                let (folders, files) = found.into_iter().partition(DirEntry::is_dir);
                Ok(WalkStep { folder, folders, files })
            }));
        }
        NextFolder { walk: self, task }
    }

    /// Leaves out what is below the folder that was returned last. Python: `dirs.clear()`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # corio_runtime::run(async {
    /// let top = fs::temporary_directory().await?;
    /// fs::makedirs(top.path().join("target/debug")).await?;
    /// let mut walk = fs::walk(top.path());
    /// let mut folders = 0;
    /// while let Some(step) = walk.next().await.transpose()? {
    ///     folders += 1;
    ///     if step.folder.ends_with("target") {
    ///         walk.skip_below(&step);
    ///     }
    /// }
    /// assert_eq!(folders, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn skip_below(&mut self, step: &WalkStep) {
        self.todo.retain(|folder| folder.parent() != Some(&step.folder));
    }
}

/// Future of [`Walk::next`]: `Option<io::Result<WalkStep>>`.
#[must_use = "nothing is looked at unless this is awaited"]
pub struct NextFolder<'a> {
    walk: &'a mut Walk,
    task: Option<FsTask<WalkStep>>,
}

impl Future for NextFolder<'_> {
    type Output = Option<io::Result<WalkStep>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { walk, task } = self.get_mut();
        let Some(task) = task else { return Poll::Ready(None) };
        let step = ready!(Pin::new(task).poll(cx));
        walk.todo.pop();
        if let Ok(step) = &step {
            walk.todo.extend(step.folders.iter().rev().map(|entry| entry.path().to_owned()));
        }
        Poll::Ready(Some(step))
    }
}

impl fmt::Debug for NextFolder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextFolder").field("walk", self.walk).finish_non_exhaustive()
    }
}
