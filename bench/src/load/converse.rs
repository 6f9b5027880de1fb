//! Conversations on many connections: as fast as answers come, or at a given rate.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::dialogue::Dialogue;
use super::{PATIENCE, Window, open, say};
use crate::args::Load;

/// The key of the timer among the connections' numbers.
const TIMER: u64 = u64::MAX;

/// Events taken from the kernel at once.
const EVENTS: usize = 256;

/// How long to wait for events before looking whether the time is over.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Talks for the time that `options` give; says what it found.
///
/// # Errors
/// A socket fails, an answer is wrong, or the server falls silent.
pub fn run(options: &Load, mut dialogue: impl Dialogue) -> io::Result<()> {
    let streams = open(options, &mut dialogue)?;
    let mut generator = Generator::over(streams, dialogue)?;
    let window = Window::of(options);
    match options.rate {
        0 => generator.as_fast_as_answered(window),
        rate => generator.at_rate(window, Duration::from_nanos(1_000_000_000 / rate)),
    }
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// When the request that is unanswered was due.
    asked: Option<Instant>,
}

struct Generator<D> {
    epoll: OwnedFd,
    timer: Option<OwnedFd>,
    clients: Vec<Client>,
    dialogue: D,
    request: Vec<u8>,
    /// Clients whose answers came with the last events.
    answered: Vec<usize>,
    unanswered: usize,
    last_answer: Instant,
}

impl<D: Dialogue> Generator<D> {
    fn over(streams: Vec<TcpStream>, dialogue: D) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut clients = Vec::with_capacity(streams.len());
        for (number, stream) in streams.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(number as u64), EventFlags::IN)?;
            clients.push(Client { stream, received: Vec::new(), asked: None });
        }
        Ok(Self {
            epoll,
            timer: None,
            clients,
            dialogue,
            request: Vec::new(),
            answered: Vec::new(),
            unanswered: 0,
            last_answer: Instant::now(),
        })
    }

    /// Every client asks again as soon as it is answered.
    fn as_fast_as_answered(&mut self, mut window: Window) -> io::Result<()> {
        for client in 0..self.clients.len() {
            self.ask(client, Instant::now())?;
        }
        while window.is_open(Instant::now())? {
            self.wait(&mut window)?;
            for client in std::mem::take(&mut self.answered) {
                self.ask(client, Instant::now())?;
            }
        }
        say("end")?;
        window.report()
    }

    /// Requests fall due at their times and wait for a free client when there is none.
    fn at_rate(&mut self, mut window: Window, period: Duration) -> io::Result<()> {
        self.start_timer(period)?;
        let mut free: VecDeque<usize> = (0..self.clients.len()).collect();
        let mut due = Instant::now();
        while window.is_open(Instant::now())? {
            while due <= Instant::now() {
                let Some(client) = free.pop_front() else { break };
                self.ask(client, due)?;
                due += period;
            }
            self.wait(&mut window)?;
            free.extend(self.answered.drain(..));
        }
        say("end")?;
        // What is unanswered was asked within the span and belongs to it, as does what was due
        // and found no client.
        while self.unanswered > 0 || due < window.end {
            while due < window.end {
                let Some(client) = free.pop_front() else { break };
                self.ask(client, due)?;
                due += period;
            }
            self.wait(&mut window)?;
            free.extend(self.answered.drain(..));
        }
        window.report()
    }

    /// Starts a timer that wakes the generator at every due time.
    fn start_timer(&mut self, period: Duration) -> io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let every = Timespec::try_from(period).map_err(io::Error::other)?;
        let setting = Itimerspec { it_interval: every, it_value: every };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &setting)?;
        epoll::add(&self.epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        self.timer = Some(timer);
        Ok(())
    }

    /// Reads the timer, without which it would not ring again. What it says is not needed: the
    /// clock tells what is due.
    fn rewind_timer(&self) -> io::Result<()> {
        if let Some(timer) = &self.timer {
            rustix::io::read(timer, &mut [0; 8])?;
        }
        Ok(())
    }

    fn ask(&mut self, client: usize, due: Instant) -> io::Result<()> {
        self.dialogue.request(client, &mut self.request);
        let client = &mut self.clients[client];
        client.received.clear();
        client.asked = Some(due);
        self.unanswered += 1;
        // A request is far smaller than an empty socket buffer.
        client.stream.write_all(&self.request)
    }

    /// Waits for events and takes the answers that came.
    fn wait(&mut self, window: &mut Window) -> io::Result<()> {
        let mut events = [const { std::mem::MaybeUninit::uninit() }; EVENTS];
        let (events, _) = epoll::wait(&self.epoll, &mut events, Some(&LOOK))?;
        for event in events {
            match event.data.u64() {
                TIMER => self.rewind_timer()?,
                client => self.receive(client as usize, window)?,
            }
        }
        if self.unanswered > 0 && self.last_answer.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("the server is silent for {PATIENCE:?}")));
        }
        Ok(())
    }

    fn receive(&mut self, number: usize, window: &mut Window) -> io::Result<()> {
        let client = &mut self.clients[number];
        let mut chunk = [0; 4096];
        match client.stream.read(&mut chunk) {
            Ok(0) => return Err(io::Error::other("the server closed a connection")),
            Ok(n) => client.received.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        let Some(asked) = client.asked else {
            return Err(io::Error::other("the server answered twice"));
        };
        if self.dialogue.is_complete(number, &client.received)? {
            client.asked = None;
            self.unanswered -= 1;
            self.last_answer = Instant::now();
            window.count(asked, self.last_answer);
            self.answered.push(number);
        }
        Ok(())
    }
}
