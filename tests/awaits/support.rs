//! Parts that many entries are made of.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use corio::sync::Lock;
use corio::{Job, to_thread, unconstrained, yield_now};
use futures_core::Stream;

/// Later than any test ends.
pub const FAR: Duration = Duration::from_secs(600);

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Polls once, whether it is ready or not; nothing else makes it wait.
pub async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut future = unconstrained(future);
    poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The next value of a stream.
pub async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// Something that one operation at a time uses, and the check after it.
pub type Lent<T> = Arc<Lock<T>>;

pub fn lent<T>(value: T) -> Lent<T> {
    Arc::new(Lock::new(value))
}

/// An async block that uses what is lent, and takes no budget for that: `lend!(x => x.recv().await)`.
macro_rules! lend {
    ($($name:ident),+ => $body:expr) => {{
        $(let $name = $name.clone();)+
        async move {
            $(
                #[allow(unused_mut, reason = "some bodies only look")]
                let mut $name = $name.try_acquire().expect("it is lent to one at a time");
            )+
            $body
        }
    }};
}
pub(crate) use lend;

/// Several turns of the scheduler.
pub async fn turns() {
    for _ in 0..3 {
        yield_now().await;
    }
}

/// Keeps the only thread of the default executor: what is submitted meanwhile waits.
pub struct Gate {
    open: mpsc::Sender<()>,
    job: Job<Result<(), mpsc::RecvError>>,
}

impl Gate {
    pub fn shut() -> Self {
        let (open, opened) = mpsc::channel();
        Self { open, job: to_thread(move || opened.recv()) }
    }

    /// Returns when the thread is free again.
    pub async fn open(self) {
        self.open.send(()).expect("the job waits for it");
        self.job.await.expect("the executor runs").expect("it was sent");
    }
}

/// All that was submitted to the default executor before is done.
pub async fn settle() {
    to_thread(|| ()).await.expect("the executor runs");
}

/// A folder that goes with its value.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Own>);

#[derive(Debug)]
struct Own(std::path::PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("corio-awaits-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("the folder is new");
        Self(Arc::new(Own(path)))
    }

    pub fn path(&self) -> &std::path::Path {
        &self.0.0
    }

    pub fn at(&self, name: &str) -> std::path::PathBuf {
        self.path().join(name)
    }

    /// With a file in it.
    pub fn with(name: &str, contents: &[u8]) -> Self {
        let folder = Self::new();
        std::fs::write(folder.at(name), contents).expect("the folder is ours");
        folder
    }

    /// The names in it.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).expect("the folder is there").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
