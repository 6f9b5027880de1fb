//! Servers: what a message, a request, a connection costs, and what a hog does to them.
//!
//! The server runs in this process under the runtime, the load in a process of its own (see
//! [`load`](crate::load)). CPU time is the server's alone, by `getrusage` between the moments
//! that the load names, less what the thread spent that reads those moments. On a machine with as
//! many cores as workers the generator takes its share of them, so the rate says little of the
//! server: read `srv_cpu`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};

use crate::burn;
use crate::load::{HTTP_BODY, raise_descriptor_limit};
use crate::row::{Better, Figures, Metric, Plan, Row, Target, Unit, Workload, Wrong};
use crate::rt::{Net, Rt, Unstable};
use crate::usage::{Usage, resident_bytes};

const SERVER: &[Metric] = &[
    Metric::nanos("srv_cpu"),
    Metric { name: "rate", unit: Unit::PerSecond, better: Better::Higher },
    Metric::nanos("p50"),
    Metric::nanos("p99"),
];

/// 64-byte messages sent back.
pub struct Echo<const CONNS: usize>;

impl<const CONNS: usize> Workload for Echo<CONNS> {
    const ROW: Row = match CONNS {
        1 => echo_row("echo_1", "1 connection sends 64 bytes and gets them back; per message"),
        64 => echo_row("echo_64", "64 connections send 64 bytes and get them back; per message"),
        1000 => {
            echo_row("echo_1000", "1,000 connections send 64 bytes and get them back; per message")
        }
        _ => panic!("there is no echo row of that many connections"),
    };

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let server = Server::<R>::start(plan, serve_echo::<R>)?;
        server.figures("echo", CONNS)
    }
}

const fn echo_row(name: &'static str, about: &'static str) -> Row {
    Row::new(name, about).metrics(SERVER).target(Target::TimesTokio(1.0))
}

/// HTTP/1.1 by hyper.
pub struct Http64;

impl Workload for Http64 {
    const ROW: Row = Row::new(
        "http_64",
        "64 connections ask hyper for 13 bytes, keep-alive without pipelining; per request",
    )
    .metrics(SERVER)
    .target(Target::TimesTokio(1.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let server = Server::<R>::start(plan, serve_http::<R>)?;
        server.figures("http", 64)
    }
}

/// Connections that live for a moment.
pub struct AcceptClose;

impl Workload for AcceptClose {
    const ROW: Row = Row::new(
        "accept_close",
        "connections are accepted and closed by a task each, 8 under way; per connection",
    )
    .metrics(SERVER)
    .target(Target::TimesTokio(1.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let server = Server::<R>::start(plan, close::<R>)?;
        server.figures("accept", 8)
    }
}

/// A server with nothing to do.
pub struct Idle1000Conn;

impl Workload for Idle1000Conn {
    const ROW: Row = Row::new(
        "idle_1000conn",
        "1,000 connections are open and silent for 2 s; of the server, per second",
    )
    .metrics(&[Metric::count("switches"), Metric::nanos("cpu")])
    .target(Target::AtMost(0.5));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let server = Server::<R>::start(plan, serve_echo::<R>)?;
        let seconds = 5 * plan.measure;
        let load = server.load("hold", 1_000, 0, seconds)?;
        Wrong::unless_equal("the number of connections", &load.figure("conns")?, &1_000.0)?;
        let seconds = seconds.as_secs_f64();
        let cpu = load.used.cpu.as_nanos() as f64;
        Ok(vec![load.used.switches as f64 / seconds, cpu / seconds])
    }
}

/// A server with ten thousand connections and nothing to do.
pub struct Idle10kConn;

impl Workload for Idle10kConn {
    const ROW: Row = Row::new(
        "idle_10k_conn",
        "10,000 connections are open and silent for 2 s, then all answer once more; resident bytes \
         of the server per connection, and its context switches and CPU time per second",
    )
    .metrics(&[
        Metric { name: "bytes", unit: Unit::Bytes, better: Better::Lower },
        Metric::count("switches"),
        Metric::nanos("cpu"),
    ])
    .target(Target::TimesTokio(1.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        const CONNS: u64 = 10_000;
        let server = Server::<R>::start(plan, serve_echo::<R>)?;
        let before = resident_bytes()?;
        let seconds = 5 * plan.measure;
        let load = server.load("hold", CONNS as usize, 0, seconds)?;
        Wrong::unless_equal(
            "the connections that answered",
            &load.figure("conns")?,
            &(CONNS as f64),
        )?;
        let bytes = load.resident.saturating_sub(before) as f64 / CONNS as f64;
        let seconds = seconds.as_secs_f64();
        let cpu = load.used.cpu.as_nanos() as f64;
        Ok(vec![bytes, load.used.switches as f64 / seconds, cpu / seconds])
    }
}

/// A server with a hog.
pub struct Hog;

const SPIN: Duration = Duration::from_millis(20);
const SPIN_EVERY: Duration = Duration::from_millis(45);

impl Workload for Hog {
    const ROW: Row = Row::new(
        "hog",
        "64 connections, 5,000 messages/s, while a task spins 20 ms every 45 ms; latency from due",
    )
    .metrics(&[
        Metric::nanos("p99"),
        Metric::nanos("p50"),
        Metric::nanos("p90"),
        Metric::nanos("max"),
    ])
    // With timers by worker, others do not wait for the hog's.
    .best(Unstable { alt_timer: true, ..Unstable::NONE })
    // In the median of ten runs, and in each of them.
    .target(Target::AtMostEver(4_000_000.0, 8_000_000.0));

    fn measure<R: Rt>(plan: &Plan) -> Result<Figures, Wrong> {
        let server = Server::<R>::start(plan, serve_echo::<R>)?;
        server.rt.submit_detached(async {
            R::spawn_home(|| async {
                loop {
                    R::sleep(SPIN_EVERY - SPIN).await;
                    burn::hog(SPIN);
                }
            })
            .await
        });
        let load = server.load("echo", 64, 5_000, 8 * plan.measure)?;
        ["p99", "p50", "p90", "max"].into_iter().map(|name| load.figure(name)).collect()
    }
}

type Conn<R> = <<R as Rt>::Net as Net>::Conn;

/// A server that makes a task of each connection.
struct Server<'a, R> {
    rt: R,
    port: u16,
    plan: &'a Plan,
}

impl<'a, R: Rt> Server<'a, R> {
    fn start<F, Fut>(plan: &'a Plan, serve: F) -> Result<Self, Wrong>
    where
        F: Fn(Conn<R>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = io::Result<()>> + Send + 'static,
    {
        raise_descriptor_limit()?;
        let rt = R::start(&plan.setup);
        let (started, port) = mpsc::channel();
        rt.submit_detached(async move {
            let failed = R::spawn_home(move || accept::<R, _, _>(started, serve)).await;
            eprintln!("the server ended: {failed:?}");
        });
        let port = port.recv().map_err(|_| Wrong("the server did not start".to_owned()))?;
        Ok(Self { rt, port, plan })
    }

    /// The figures of a server row, under load without a given rate.
    fn figures(&self, kind: &str, conns: usize) -> Result<Figures, Wrong> {
        let measure = 3 * self.plan.measure;
        let load = self.load(kind, conns, 0, measure)?;
        let answers = load.figure("answers")?;
        if answers < 1.0 {
            return Err(Wrong("the server answered nothing".to_owned()));
        }
        let rate = answers / measure.as_secs_f64();
        let cpu = load.used.cpu.as_nanos() as f64 / answers;
        Ok(vec![cpu, rate, load.figure("p50")?, load.figure("p99")?])
    }

    /// Puts the server under load from another process.
    fn load(
        &self,
        kind: &str,
        conns: usize,
        rate: u64,
        measure: Duration,
    ) -> Result<Loaded, Wrong> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", "--kind", kind]);
        for (flag, value) in [
            ("--port", u64::from(self.port)),
            ("--conns", conns as u64),
            ("--rate", rate),
            ("--warm-up", self.plan.warm_up.as_millis() as u64),
            ("--measure", measure.as_millis() as u64),
        ] {
            command.arg(flag).arg(value.to_string());
        }
        follow(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
    }
}

/// What a span of load found.
struct Loaded {
    /// What this process used, without the thread that followed the load.
    used: Usage,
    /// Memory of this process when the span began, in bytes.
    resident: u64,
    figures: HashMap<String, f64>,
}

impl Loaded {
    fn figure(&self, name: &str) -> Result<f64, Wrong> {
        let figure = self.figures.get(name).copied();
        figure.ok_or_else(|| Wrong(format!("the load has no figure {name:?}")))
    }
}

/// Reads what the load says until it ends.
fn follow(mut load: Child) -> Result<Loaded, Wrong> {
    let out = load.stdout.take().ok_or_else(|| Wrong("the load is mute".to_owned()))?;
    let (mut begin, mut end) = (None, None);
    let mut figures = HashMap::new();
    for line in BufReader::new(out).lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["begin"] => begin = Some((resident_bytes()?, used_by_others())),
            ["end"] => end = Some(used_by_others()),
            ["figure", name, value] => {
                let value: f64 = value.parse().map_err(|_| Wrong(line.clone()))?;
                figures.insert(name.to_owned(), value);
            }
            _ => return Err(Wrong(format!("the load said {line:?}"))),
        }
    }
    let status = load.wait()?;
    match (begin, end) {
        (Some((resident, begin)), Some(end)) if status.success() => {
            Ok(Loaded { used: end.since(begin), resident, figures })
        }
        _ => Err(Wrong(format!("the load ended early, {status}"))),
    }
}

/// What all threads of this process but the calling one have used.
fn used_by_others() -> Usage {
    Usage::of_process().since(Usage::of_thread())
}

async fn accept<R, F, Fut>(started: mpsc::Sender<u16>, serve: F) -> io::Result<()>
where
    R: Rt,
    F: Fn(Conn<R>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    let (mut listener, addr) = R::Net::listen().await?;
    // The receiver is waiting for it.
    let _ = started.send(addr.port());
    loop {
        let conn = R::Net::accept(&mut listener).await?;
        let serve = serve.clone();
        R::spawn_home_detached(move || async move {
            // A client that goes away in the middle of something is no failure of the server's;
            // a wrong answer is noticed by the load.
            let _ = serve(conn).await;
        });
    }
}

/// Larger than a message, as a server's buffer is.
const BUFFER: usize = 1024;

async fn serve_echo<R: Rt>(conn: Conn<R>) -> io::Result<()> {
    let mut stream = R::Net::open(conn)?;
    let mut buffer = [0; BUFFER];
    loop {
        match R::Net::read(&mut stream, &mut buffer).await? {
            0 => return Ok(()),
            n => R::Net::write_all(&mut stream, &buffer[..n]).await?,
        }
    }
}

async fn serve_http<R: Rt>(conn: Conn<R>) -> io::Result<()> {
    let stream = R::Net::hyper(R::Net::open(conn)?);
    let service = service_fn(hello);
    let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
    served.await.map_err(io::Error::other)
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(HTTP_BODY.as_bytes()))))
}

async fn close<R: Rt>(conn: Conn<R>) -> io::Result<()> {
    drop(R::Net::open(conn)?);
    Ok(())
}
