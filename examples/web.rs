//! A web server: an axum router on corio.
//!
//! Runs until Ctrl-C. The first one stops accepting, lets requests in progress finish, and reports
//! what was left after 10 s; the second ends at once.
//!
//!     cargo run --release --example web -- --addr 127.0.0.1:8080 --workers 2
//!     curl http://127.0.0.1:8080/tasks
use std::fmt::Write;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use corio::net::{ServeReport, TcpListener};
use corio::{TaskStatus, ThreadPoolExecutor};

const HELP: &str = "\
A web server on corio.

usage: web [--addr HOST:PORT] [--workers N] [--misbehave]

  --addr HOST:PORT  what to listen on; port 0 lets the system choose [127.0.0.1:8080]
  --workers N       event loops [one for each core]
  --misbehave       adds /block/{ms}, which blocks its event loop, and /panic

  GET /             plain text        GET /sleep/{ms}  waits for a timer
  GET /json         JSON              GET /hash/{n}    n rounds of CPU work in an executor
  POST /echo        the body          GET /tasks       all tasks, and where they wait
  GET /counts       how many tasks, timers and registered sockets there are
";

/// How long requests in progress may take after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(10);
/// What a shell reports of a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => return fail(&format!("{problem}; see --help")),
    };
    let mut builder = corio::Builder::new().handle_signals(false);
    if let Some(workers) = options.workers {
        builder = builder.workers(workers);
    }
    match builder.run(serve(options)) {
        Ok(Ok(report)) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => fail(&error),
        Err(error) => fail(&error),
    }
}

fn fail(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("web: {why}");
    ExitCode::FAILURE
}

async fn serve(options: Options) -> io::Result<ServeReport> {
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    corio::serve(listener, router(options.misbehave))
        .with_graceful_shutdown(interrupt())
        .drain_deadline(DRAIN)
        .report()
        .await
}

/// Ends with the first Ctrl-C; the second ends the process.
async fn interrupt() {
    let mut ctrl_c = corio::signal::ctrl_c();
    if let Err(error) = (&mut ctrl_c).await {
        eprintln!("web: {error}; stop the process by other means");
        return std::future::pending().await;
    }
    println!("finishing requests for up to {} s; Ctrl-C again ends at once", DRAIN.as_secs());
    let _detached = corio::create_task(async move {
        if ctrl_c.await.is_ok() {
            std::process::exit(INTERRUPTED);
        }
    });
}

fn router(misbehave: bool) -> Router {
    let pool = Arc::new(ThreadPoolExecutor::for_cpu());
    let router = Router::new()
        .route("/", get(async || "Hello from corio!\n"))
        .route("/json", get(json))
        .route("/echo", post(async |body: Bytes| body))
        .route("/sleep/{ms}", get(sleep))
        .route("/hash/{n}", get(hash))
        .route("/tasks", get(tasks))
        .route("/counts", get(counts));
    let router = match misbehave {
        true => router.route("/block/{ms}", get(block)).route("/panic", get(panic)),
        false => router,
    };
    router.with_state(pool)
}

async fn json() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], "{\"message\":\"Hello from corio!\"}\n")
}

async fn sleep(Path(ms): Path<u64>) -> String {
    corio::sleep(Duration::from_millis(ms)).await;
    format!("slept {ms} ms\n")
}

/// CPU work belongs on threads of its own: an event loop that computes serves nobody.
async fn hash(
    State(pool): State<Arc<ThreadPoolExecutor>>,
    Path(n): Path<u64>,
) -> impl IntoResponse {
    let job = corio::run_in_executor(Some(&pool), move || {
        // FNV-1a, n times over the counter's low byte.
        (0..n).fold(0xcbf2_9ce4_8422_2325, |h, i| {
            (h ^ (i & 0xff)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    });
    match job.await {
        Ok(hash) => (StatusCode::OK, format!("{hash:016x}\n")),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn tasks() -> String {
    let mut list = String::new();
    for task in corio::all_tasks() {
        let does = match task.status() {
            TaskStatus::Waiting(Some(frame)) => frame.to_string(),
            TaskStatus::Waiting(None) => "waiting".to_owned(),
            TaskStatus::Scheduled => "ready to run".to_owned(),
            TaskStatus::Running => "running".to_owned(),
            _ => continue,
        };
        let _ = writeln!(list, "{}: {does}, spawned at {}", task.name(), task.spawned_at());
    }
    list
}

async fn counts() -> String {
    let now = corio::Handle::current().metrics();
    format!("tasks {}\ntimers {}\nsources {}\n", now.tasks, now.timers, now.sources)
}

/// What a handler must not do: the other loops take over what waits here.
async fn block(Path(ms): Path<u64>) -> String {
    std::thread::sleep(Duration::from_millis(ms));
    format!("blocked for {ms} ms\n")
}

async fn panic() -> &'static str {
    panic!("a handler panics; its connection is closed, and no other")
}

struct Options {
    addr: String,
    workers: Option<usize>,
    misbehave: bool,
}

impl Options {
    /// `None` if help was asked for.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self { addr: "127.0.0.1:8080".into(), workers: None, misbehave: false };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--addr" => options.addr = value()?,
                "--workers" => {
                    let n = value()?;
                    let n = n.parse().map_err(|_| format!("--workers {n}: not a number"))?;
                    options.workers = Some(n);
                }
                "--misbehave" => options.misbehave = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{arg}: no such option")),
            }
        }
        Ok(Some(options))
    }
}
