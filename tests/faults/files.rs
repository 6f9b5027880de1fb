//! Files: what fails is told, and a second attempt finds every byte where it was.

use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::pin::Pin;

use corio::Runtime;
use corio::fs::{self, File};

use crate::plan::{self, Plan};
use crate::trial::Fault::{Errno, Full, Interrupts, Lengths, Survivable};
use crate::trial::{Outcome, apart, behind_the_seam, fresh_tasks, tasks};
use crate::{pattern, scratch_path};

/// Shorter than a line, about as long, and longer than all of them.
const BUFFERS: [usize; 3] = [4, 16, 4096];

fn lines() -> Vec<Vec<u8>> {
    (0..5_u8).map(|n| [&pattern(7 + usize::from(n))[..], b"\n"].concat()).collect()
}

async fn open(buffer: usize) -> io::Result<File> {
    let options = File::options().read(true).write(true).create(true).truncate(true);
    options.buffer(buffer).open(scratch_path("file")).await
}

/// Writes lines, reads them back in every way, cuts the file; with a second attempt for each call.
async fn life_of_a_file(buffer: usize) -> Outcome {
    let lines = lines();
    let all = lines.concat();
    let mut file = again!(open(buffer))?;
    for line in &lines {
        let n = again!(file.write(line))?;
        assert_eq!(n, line.len());
    }
    again!(file.flush())?;
    again!(file.sync_data())?;
    again!(file.seek(SeekFrom::Start(0)))?;
    for line in &lines {
        let found = again!(file.read_line(None))?;
        assert_eq!(found, *line);
    }
    again!(file.seek(SeekFrom::Start(0)))?;
    let found = again!(file.read(Some(10)))?;
    assert_eq!(found, all[..10]);
    let found = again!(file.read(Some(20)))?;
    assert_eq!(found, all[10..30]);
    let found = again!(file.read_all())?;
    assert_eq!(found, all[30..]);
    again!(file.seek(SeekFrom::Start(0)))?;
    let found = again!(file.read_lines(None))?;
    assert_eq!(found, lines);
    let size = again!(file.truncate(Some(12)))?;
    assert_eq!(size, 12);
    again!(file.seek(SeekFrom::End(0)))?;
    again!(file.write(b"more"))?;
    again!(file.flush())?;
    again!(file.close())?;
    let found = again!(fs::read(scratch_path("file")))?;
    assert_eq!(found, [&all[..12], b"more"].concat());
    Ok(())
}

#[test]
fn the_life_of_a_file() {
    async fn run() -> Outcome {
        for buffer in BUFFERS {
            life_of_a_file(buffer).await?;
        }
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Survivable(libc::EIO),
        Survivable(libc::ENOSPC),
        Survivable(libc::EMFILE),
        Survivable(libc::ENOMEM),
        Survivable(libc::EINTR),
        Interrupts,
        Lengths(40),
        Full,
    ];
    tasks("files::the_life_of_a_file", FAULTS, run);
}

/// The same by a trait: an error may be told by a later call, and no byte is lost for it.
async fn life_by_traits(buffer: usize) -> Outcome {
    use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};

    let all = lines().concat();
    let mut file = again!(open(buffer))?;
    let mut rest = &all[..];
    while !rest.is_empty() {
        let piece = &rest[..rest.len().min(21)];
        let n = again!(poll_fn(|cx| Pin::new(&mut file).poll_write(cx, piece)))?;
        rest = &rest[n..];
    }
    again!(poll_fn(|cx| Pin::new(&mut file).poll_flush(cx)))?;
    let end = again!(poll_fn(|cx| Pin::new(&mut file).poll_seek(cx, SeekFrom::End(0))))?;
    assert_eq!(end, all.len() as u64);
    again!(poll_fn(|cx| Pin::new(&mut file).poll_seek(cx, SeekFrom::Start(0))))?;
    let (mut found, mut buf) = (Vec::new(), [0; 11]);
    loop {
        match again!(poll_fn(|cx| Pin::new(&mut file).poll_read(cx, &mut buf)))? {
            0 => break,
            n => found.extend_from_slice(&buf[..n]),
        }
    }
    assert_eq!(found, all);
    again!(poll_fn(|cx| Pin::new(&mut file).poll_write(cx, b"more")))?;
    again!(poll_fn(|cx| Pin::new(&mut file).poll_flush(cx)))?;
    poll_fn(|cx| Pin::new(&mut file).poll_close(cx)).await?;
    let found = again!(fs::read(scratch_path("file")))?;
    assert_eq!(found, [&all[..], b"more"].concat());
    Ok(())
}

#[test]
fn the_life_of_a_file_by_traits() {
    async fn run() -> Outcome {
        for buffer in [0, 4, 16, 4096] {
            life_by_traits(buffer).await?;
        }
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Survivable(libc::EIO),
        Survivable(libc::ENOSPC),
        Survivable(libc::EMFILE),
        Survivable(libc::ENOMEM),
        Survivable(libc::EINTR),
        Interrupts,
        Lengths(40),
        Full,
    ];
    tasks("files::the_life_of_a_file_by_traits", FAULTS, run);
}

/// Folders and temporary files, with a second attempt for each call: a removal that was refused is
/// not taken for done.
#[test]
fn folders_and_temporary_files() {
    async fn run() -> Outcome {
        let top = scratch_path("folder");
        // Left by the run before.
        let _ = apart(|| std::fs::remove_dir_all(&top));
        again!(fs::mkdir(&top))?;
        let (one, other) = (top.join("one"), top.join("other"));
        again!(fs::write(&one, "text"))?;
        again!(fs::rename(&one, &other))?;
        assert_eq!(again!(fs::listdir(&top))?, ["other"]);
        assert_eq!(again!(fs::getsize(&other))?, 4);
        let step = again!(async { fs::walk(&top).next().await.expect("the top") })?;
        assert_eq!((step.folders.len(), step.files.len()), (0, 1));
        let names = || fs::TempBuilder::new().folder(&top);
        let mut file = again!(names().named())?;
        again!(file.write(b"temporary"))?;
        let path = file.path().to_owned();
        again!(file.close())?;
        assert!(!apart(|| path.exists()), "the file that was closed is there");
        let mut folder = again!(names().directory())?;
        again!(fs::write(folder.path().join("inside"), "text"))?;
        again!(folder.close())?;
        assert!(!apart(|| folder.path().exists()), "the folder that was closed is there");
        again!(fs::unlink(&other))?;
        again!(fs::rmdir(&top))?;
        assert!(!apart(|| top.exists()));
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Survivable(libc::EIO),
        Survivable(libc::ENOMEM),
        Survivable(libc::ENOSPC),
        Survivable(libc::EMFILE),
        Survivable(libc::EINTR),
        Interrupts,
    ];
    tasks("files::folders_and_temporary_files", FAULTS, run);
}

/// Without a second attempt: each refusal reaches the caller, and `close` closes all the same.
#[test]
fn what_a_file_is_refused_is_told() {
    async fn run() -> Outcome {
        let mut file = open(16).await?;
        let written = async {
            for line in lines() {
                file.write(&line).await?;
            }
            file.flush().await?;
            file.sync_all().await
        };
        let written = written.await;
        let closed = file.close().await;
        assert!(file.closed());
        written?;
        closed?;
        let found = fs::read(scratch_path("file")).await?;
        assert!(found == lines().concat(), "nothing was refused, and something is missing");
        Ok(())
    }
    const FAULTS: &[crate::Fault] =
        &[Errno(libc::EIO), Errno(libc::ENOSPC), Errno(libc::EMFILE), Errno(libc::ENFILE)];
    tasks("files::what_a_file_is_refused_is_told", FAULTS, run);
}

/// Against a machine that stops only the device can promise: `sync_all` and `sync_data` ask it, and
/// say what it answers.
#[test]
fn a_sync_asks_the_device() {
    behind_the_seam("files::a_sync_asks_the_device", || {
        let runtime = Runtime::new().unwrap();
        let mut file = runtime.block_on(open(16)).unwrap();
        for call in ["fsync", "fdatasync"] {
            // So that nothing is left to do but the call itself.
            runtime.block_on(file.write(b"data")).unwrap();
            runtime.block_on(file.flush()).unwrap();
            plan::arm(Plan::Fail { errno: libc::EIO, nth: 1 });
            let synced = runtime.block_on(async {
                match call {
                    "fsync" => file.sync_all().await,
                    _ => file.sync_data().await,
                }
            });
            let struck = plan::disarm();
            assert_eq!((struck.times, struck.call), (1, call));
            let error = synced.unwrap_err().to_string();
            assert!(error.contains(&format!("(os error {})", libc::EIO)), "{error}");
        }
        runtime.block_on(file.close()).unwrap();
    });
}

/// Without a buffer each call is one of the system's, and so are those at a place: signals that
/// interrupt them are nobody's business.
#[test]
fn calls_without_a_buffer() {
    async fn run() -> Outcome {
        let mut file = open(0).await?;
        let mut rest = &b"0123456789"[..];
        while !rest.is_empty() {
            rest = &rest[file.write(rest).await?..];
        }
        assert_eq!(file.write_at(0, b"ab".to_vec()).await?.0, 2);
        let (n, buffer) = file.read_at(1, vec![0; 3]).await?;
        assert_eq!((n, &buffer[..]), (3, &b"b23"[..]));
        file.seek(SeekFrom::Start(0)).await?;
        assert_eq!(file.read(None).await?, b"ab23456789");
        Ok(file.close().await?)
    }
    const FAULTS: &[crate::Fault] = &[Survivable(libc::EINTR), Interrupts];
    tasks("files::calls_without_a_buffer", FAULTS, run);
}

/// A file that is in memory first, and text, with a second attempt for each call.
#[test]
fn spooled_files_and_text() {
    async fn spooled() -> Outcome {
        let mut file = again!(fs::spooled_temporary_file(20))?;
        let all = lines().concat();
        for line in lines() {
            again!(file.write(&line))?;
        }
        again!(file.rollover())?;
        assert!(file.is_rolled());
        again!(file.seek(SeekFrom::Start(3)))?;
        let found = again!(file.read_all())?;
        assert_eq!(found, all[3..]);
        Ok(again!(file.close())?)
    }
    async fn text() -> Outcome {
        let path = scratch_path("file");
        let mut file = again!(fs::open_text(&path, "w"))?;
        for line in ["eins\n", "zwölf\n", "drei"] {
            again!(file.write(line))?;
        }
        again!(file.flush())?;
        again!(file.close())?;
        let mut file = again!(fs::open_text(&path, "r"))?;
        let found = again!(file.read(Some(7)))?;
        assert_eq!(found, "eins\nzw");
        let found = again!(file.read_line(None))?;
        assert_eq!(found, "ölf\n");
        again!(file.seek(SeekFrom::Start(0)))?;
        let found = again!(file.read_lines(None))?;
        assert_eq!(found, ["eins\n", "zwölf\n", "drei"]);
        Ok(again!(file.close())?)
    }
    async fn run() -> Outcome {
        spooled().await?;
        text().await
    }
    const FAULTS: &[crate::Fault] = &[
        Survivable(libc::EIO),
        Survivable(libc::ENOSPC),
        Survivable(libc::EMFILE),
        Survivable(libc::ENOMEM),
        Survivable(libc::EINTR),
        Interrupts,
        Lengths(40),
        Full,
    ];
    tasks("files::spooled_files_and_text", FAULTS, run);
}

/// What asks the system once and for all: who is interrupted asks again.
#[test]
fn calls_on_paths() {
    async fn run() -> Outcome {
        let (from, to) = (scratch_path("file"), scratch_path("sent"));
        fs::write(&from, pattern(500)).await?;
        assert!(fs::statvfs(&from).await?.block_size > 0);
        let (source, target) = apart(|| {
            Ok::<_, io::Error>((std::fs::File::open(&from)?, std::fs::File::create(&to)?))
        })?;
        let mut sent = 0;
        while sent < 500 {
            sent += fs::sendfile(&target, &source, sent as u64, 500 - sent).await?;
        }
        assert_eq!(fs::read(&to).await?, pattern(500));
        assert_eq!(fs::copy(&from, &to).await?, 500);
        assert_eq!(fs::read(&to).await?, pattern(500));
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[
        Survivable(libc::EINTR),
        Interrupts,
        Lengths(40),
        Errno(libc::ENOSPC),
        Errno(libc::EIO),
        Errno(libc::EMFILE),
        Errno(libc::ENOMEM),
    ];
    tasks("files::calls_on_paths", FAULTS, run);
}

/// Threads that cannot be made: the call fails and says so, or another thread does it.
#[test]
fn files_without_threads() {
    async fn run() -> Outcome {
        life_of_a_file(16).await?;
        let jobs: Vec<_> = (0..4).map(|n| corio::to_thread(move || n)).collect();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await?, n);
        }
        Ok(())
    }
    const FAULTS: &[crate::Fault] = &[Errno(libc::EAGAIN), Errno(libc::ENOMEM)];
    fresh_tasks("files::files_without_threads", FAULTS, run);
}
