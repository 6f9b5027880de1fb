//! Several runs on one loop.

use std::cell::RefCell;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::panic::Location;

use super::engine::Engine;
use crate::builder::Builder;
use crate::error::RunError;
use crate::event_loop::{EventLoop, main_task};
use crate::handle::Handle;

/// Runs one `main` after the other on the same loops; what a run leaves behind is there in the next
/// one. asyncio: `Runner`.
///
/// The calling thread is worker 0 while it is in [`run`](Runner::run). Between two runs its own loop
/// stands still, and with it what is pinned there and timers that were armed there; the other
/// workers go on, and hear of the sockets that this one looks after. asyncio's one loop is had by [`Runner::on`] a single loop.
///
/// Dropping the runner, or [`close`](Runner::close), ends it as [`run`](crate::run) ends: every task
/// that is left is cancelled and awaited, then the executor and the threads are joined.
///
/// The mains share one context: what one sets in a context variable, the next one finds.
///
/// # Interrupts
///
/// On the process's main thread `run` turns SIGINT into a cancel of its main, unless
/// [`Builder::handle_signals`] says no, the program has a handler of its own, or somebody listens to
/// the signal. Main may clean up; if it ends cancelled the run gives [`RunError::Interrupted`], and if
/// the signal comes too late to cancel it. A second SIGINT cancels it again and makes the run end so
/// in any case; one that finds main stuck in a poll, and a third one, end the process. When the run
/// ends the previous disposition is back.
///
/// # Examples
///
/// ```
/// # fn main() {
/// let mut runner = corio_runtime::Runner::new();
/// let mut task = runner.run(async { corio_runtime::create_task(async { 6 * 7 }) }).unwrap();
/// assert_eq!(runner.run(&mut task).unwrap().unwrap(), 42);
/// # }
/// ```
pub struct Runner {
    state: RefCell<State>,
    /// It stays with the thread that becomes worker 0.
    here: PhantomData<*const ()>,
}

enum State {
    /// Nothing was started yet.
    New(Box<Builder>),
    Open(Engine),
    /// The handle is kept for whoever asks for it.
    Closed(Option<Handle>),
}

impl Default for Runner {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Runner {
    /// A runner with the default settings. Its loops are made when they are first needed.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        // Not `Box::default()`: the builder remembers who made it.
        let settings = Builder::new();
        Self::in_state(State::New(Box::new(settings)))
    }

    /// A runner on a single loop, which it closes in the end. asyncio: `Runner(loop_factory=..)`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let mut runner = corio_runtime::Runner::on(corio_runtime::new_event_loop()?);
    /// assert_eq!(runner.run(async { 5 }).unwrap(), 5);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn on(event_loop: EventLoop) -> Self {
        Self::in_state(State::Open(Engine::of(event_loop)))
    }

    fn in_state(state: State) -> Self {
        Self { state: RefCell::new(state), here: PhantomData }
    }

    /// Runs `main` to its end on the calling thread. asyncio: `Runner.run`.
    ///
    /// # Errors
    ///
    /// [`RunError::Closed`] after [`close`](Runner::close); [`RunError::Nested`] inside another run;
    /// [`RunError::Cancelled`] and [`RunError::Interrupted`] if that ended `main`;
    /// [`RunError::Stopped`] if its single loop was stopped first; [`RunError::Build`] if the loops
    /// could not be made.
    ///
    /// # Panics
    ///
    /// If `main` does, with its panic.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let mut runner = corio::Runner::new();
    /// let task = runner.run(async { corio::create_task(async { 5 }) }).unwrap();
    /// // The loops are still there, and so are their tasks.
    /// assert_eq!(runner.run(async { task.await.unwrap() }).unwrap(), 5);
    /// ```
    #[track_caller]
    pub fn run<F: IntoFuture>(&mut self, main: F) -> Result<F::Output, RunError> {
        let at = Location::caller();
        main_task::check_not_nested()?;
        match self.open()? {
            State::Open(engine) => engine.run(main.into_future(), at)?.settle(),
            State::New(_) | State::Closed(_) => Err(RunError::Closed),
        }
    }

    /// The loops, made if need be. asyncio: `Runner.get_loop`.
    ///
    /// After [`close`](Runner::close) it is the closed one's handle, where asyncio raises
    /// `RuntimeError`.
    ///
    /// # Panics
    ///
    /// If they cannot be made, or if the runner was closed before it made any.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let mut runner = corio::Runner::new();
    /// let handle = runner.get_loop();
    /// let task = handle.create_task(async { 5 });
    /// assert_eq!(runner.run(async { task.await.unwrap() }).unwrap(), 5);
    /// runner.close();
    /// assert!(handle.is_closed());
    /// ```
    #[must_use]
    pub fn get_loop(&self) -> Handle {
        let is_new = matches!(&*self.state.borrow(), State::New(_));
        let opened = open(&mut self.state.borrow_mut());
        if let Err(error) = opened {
            panic!("the runner's loop cannot be made: {error}");
        }
        match &*self.state.borrow() {
            State::Open(engine) => {
                if is_new {
                    engine.stand_still();
                }
                engine.handle()
            }
            State::Closed(Some(handle)) => handle.clone(),
            State::New(_) | State::Closed(None) => panic!("the runner is closed and had no loop"),
        }
    }

    /// Ends the runner; see the type. Closing it again does nothing. asyncio: `Runner.close`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let mut runner = corio::Runner::new();
    /// let task = runner.run(async { corio::create_task(std::future::pending::<()>()) }).unwrap();
    /// runner.close();
    /// assert!(task.cancelled());
    /// assert!(matches!(runner.run(async {}), Err(corio::RunError::Closed)));
    /// ```
    #[track_caller]
    pub fn close(&mut self) {
        self.close_at(Location::caller());
    }

    fn close_at(&mut self, at: &'static Location<'static>) {
        let state = self.state.get_mut();
        let handle = match state {
            State::New(_) => None,
            State::Open(engine) => Some(engine.handle()),
            State::Closed(_) => return,
        };
        if let State::Open(engine) = std::mem::replace(state, State::Closed(handle)) {
            engine.close(at);
        }
    }

    fn open(&mut self) -> Result<&State, RunError> {
        let state = self.state.get_mut();
        open(state)?;
        Ok(state)
    }
}

/// Makes the loops of a new runner.
fn open(state: &mut State) -> Result<(), RunError> {
    if !matches!(state, State::New(_)) {
        return Ok(());
    }
    let State::New(builder) = std::mem::replace(state, State::Closed(None)) else {
        unreachable!("it is new, see above")
    };
    let settled = builder.settle().map_err(RunError::Build)?;
    *state = State::Open(Engine::start(settled).map_err(RunError::Build)?);
    Ok(())
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.close_at(Location::caller());
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.state.borrow() {
            State::New(_) => "new",
            State::Open(_) => "open",
            State::Closed(_) => "closed",
        };
        f.debug_struct("Runner").field("state", &state).finish_non_exhaustive()
    }
}

impl Builder {
    /// A runner with these settings.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// let mut runner = corio_runtime::Builder::new().workers(2).runner();
    /// assert_eq!(runner.run(async { 5 }).unwrap(), 5);
    /// runner.close();
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn runner(self) -> Runner {
        Runner::in_state(State::New(Box::new(self.built_here())))
    }
}
