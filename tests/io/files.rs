//! Files: what aiofiles' own tests ask of them, and that nothing written is lost.

use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use corio::fs::{self, Access, File};
use corio_tests::kit::poll_once;

use crate::unix::{Scratch, scratch};
use crate::{everywhere, once, play, plays, until};

/// A file with these contents.
fn file(contents: &[u8]) -> (Scratch, PathBuf) {
    let folder = scratch();
    let path = folder.path().join("file");
    std::fs::write(&path, contents).unwrap();
    (folder, path)
}

// conforms: 28 test_binary.py test_simple_peek
// conforms: 28 test_binary.py test_simple_read
// conforms: 28 test_binary.py test_staggered_read
// conforms: 28 test_binary.py test_simple_seek
// conforms: 28 test_binary.py test_simple_readinto
// conforms: 28 test_binary.py test_simple_readall
// conforms: 28 test_binary.py test_name_property
// conforms: 28 test_binary.py test_mode_property
#[test]
fn reading_in_pieces_and_whole() {
    everywhere(async || {
        let (_folder, path) = file(b"0123456789");
        for buffer in [0, 3, 1 << 16] {
            let mut file = File::options().read(true).buffer(buffer).open(&path).await.unwrap();
            assert_eq!((file.mode(), file.path()), ("rb", &*path));
            assert_eq!(file.peek(Some(1)).await.unwrap(), b"0");
            let mut seen = Vec::new();
            loop {
                let byte = file.read(Some(1)).await.unwrap();
                if byte.is_empty() {
                    break;
                }
                seen.extend(byte);
            }
            assert_eq!(seen, b"0123456789");
            assert_eq!(file.seek(SeekFrom::Start(4)).await.unwrap(), 4);
            assert_eq!(file.read(Some(2)).await.unwrap(), b"45");
            assert_eq!(file.tell().await.unwrap(), 6);
            assert_eq!(file.seek(SeekFrom::Current(-1)).await.unwrap(), 5);
            assert_eq!(file.read(None).await.unwrap(), b"56789");
            assert_eq!(file.read(None).await.unwrap(), b"");
            assert_eq!(file.seek(SeekFrom::End(-2)).await.unwrap(), 8);
            assert_eq!(file.read_all().await.unwrap(), b"89");
            file.seek(SeekFrom::Start(0)).await.unwrap();
            let (n, bytes) = file.read_into(vec![0; 4]).await;
            assert_eq!((n.unwrap(), bytes), (4, b"0123".to_vec()));
            let (n, bytes) = file.read_at(7, vec![0; 9]).await.unwrap();
            assert_eq!((n, &bytes[..3]), (3, &b"789"[..]));
            assert_eq!(file.tell().await.unwrap(), 4, "reading elsewhere does not move");
        }
    });
}

// conforms: 28 test_binary.py test_simple_iteration
// conforms: 28 test_binary.py test_simple_readlines
#[test]
fn lines_of_a_file() {
    everywhere(async || {
        let (_folder, path) = file(b"one\ntwo\n\nfour");
        for buffer in [1, 5, 1 << 16] {
            let mut file = File::options().read(true).buffer(buffer).open(&path).await.unwrap();
            let mut lines = file.lines();
            let mut all = Vec::new();
            while let Some(line) = lines.next_line().await {
                all.push(line.unwrap());
            }
            assert_eq!(all, [&b"one\n"[..], b"two\n", b"\n", b"four"]);
            file.seek(SeekFrom::Start(0)).await.unwrap();
            assert_eq!(file.read_lines(Some(5)).await.unwrap(), [b"one\n", b"two\n"]);
            file.seek(SeekFrom::Start(0)).await.unwrap();
            assert_eq!(file.read_line(Some(2)).await.unwrap(), b"on");
            assert_eq!(file.read_line(None).await.unwrap(), b"e\n");
        }
    });
}

// conforms: 28 test_binary.py test_simple_truncate
// conforms: 28 test_binary.py test_simple_write
#[test]
fn writing_reading_and_cutting() {
    everywhere(async || {
        let (_folder, path) = file(b"0123456789");
        for buffer in [0, 4, 1 << 16] {
            std::fs::write(&path, b"0123456789").unwrap();
            let options = File::options().read(true).write(true).buffer(buffer);
            let mut file = options.open(&path).await.unwrap();
            assert_eq!(file.read(Some(2)).await.unwrap(), b"01");
            assert_eq!(file.write(b"ab").await.unwrap(), 2, "where reading stopped");
            assert_eq!(file.tell().await.unwrap(), 4);
            assert_eq!(file.read(Some(2)).await.unwrap(), b"45");
            assert_eq!(file.truncate(None).await.unwrap(), 6);
            assert_eq!(file.tell().await.unwrap(), 6, "cutting does not move");
            assert_eq!(file.truncate(Some(3)).await.unwrap(), 3);
            file.seek(SeekFrom::Start(0)).await.unwrap();
            assert_eq!(file.read(None).await.unwrap(), b"01a");
            assert_eq!(file.write_at(1, b"XY".to_vec()).await.unwrap().0, 2);
            file.close().await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"0XY");
        }
    });
}

// conforms: 28 test_binary.py test_simple_flush
#[test]
fn what_is_written_is_seen_after_a_flush() {
    once(async {
        let (_folder, path) = file(b"");
        let mut buffered = fs::open(&path, "w").await.unwrap();
        assert_eq!(buffered.write("data").await.unwrap(), 4);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        buffered.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
        buffered.write_lines(["a\n", "b\n"]).await.unwrap();
        buffered.sync_all().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"dataa\nb\n");
        let raw = File::options().write(true).truncate(true).buffer(0);
        let mut raw = raw.open(&path).await.unwrap();
        raw.write(b"at once").await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"at once");
        let mut append = fs::open(&path, "a").await.unwrap();
        append.write(b"!").await.unwrap();
        drop(append);
        until("the dropped file is flushed", || std::fs::read(&path).unwrap() == b"at once!").await;
    });
}

// conforms: 28 test_binary.py test_simple_close_ctx_mgr_iter
// conforms: 28 test_binary.py test_simple_close_ctx_mgr
// conforms: 28 test_open.py test_file_not_found
// conforms: 28 test_open.py test_file_async_context_aexit
#[test]
fn closed_files_and_wrong_modes() {
    everywhere(async || {
        let (_folder, path) = file(b"data");
        let mut file = fs::open(&path, "r").await.unwrap();
        assert!(file.readable() && !file.writable() && file.seekable() && !file.is_terminal());
        let error = file.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        file.close().await.unwrap();
        file.close().await.unwrap();
        assert!(file.closed());
        let error = file.read(None).await.unwrap_err();
        assert!(error.to_string().contains("closed file"), "{error}");
        assert!(file.tell().await.is_err());
        let mut file = fs::open(&path, "a").await.unwrap();
        assert_eq!(file.read(None).await.unwrap_err().kind(), ErrorKind::Unsupported);
        let missing = path.with_file_name("missing");
        let error = fs::open(&missing, "r").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with(&format!("open {}", missing.display())), "{error}");
        let folder = path.parent().unwrap();
        for mode in ["r", "r+", "w"] {
            let error = fs::open(folder, mode).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::IsADirectory, "{mode}: {error}");
            assert!(
                error.to_string().starts_with(&format!("open {}", folder.display())),
                "{error}"
            );
        }
        let error = fs::open_text(folder, "r").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        // Its entries are made safe by a sync of the folder.
        let mut entries = File::options().read(true).open(folder).await.unwrap();
        entries.sync_all().await.unwrap();
        assert_eq!(fs::open(&path, "x").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::open(&path, "rt").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

/// An operation that is dropped at its first poll runs to its end; the next one comes after it.
#[test]
fn a_dropped_operation_is_finished_by_the_next() {
    everywhere(async || {
        let (_folder, path) = file(b"");
        let mut file = fs::open(&path, "w+").await.unwrap();
        for byte in 0..20_u8 {
            let big = vec![byte; 100_000];
            let _ = corio::timeout(Duration::ZERO, file.write(&big)).await;
        }
        file.flush().await.unwrap();
        let seen = std::fs::read(&path).unwrap();
        // Each write is there whole, or not at all, in order.
        assert_eq!(seen.len() % 100_000, 0);
        let order: Vec<u8> = seen.chunks(100_000).map(|chunk| chunk[0]).collect();
        assert!(order.is_sorted(), "{order:?}");
        assert!(seen.chunks(100_000).all(|chunk| chunk.iter().all(|byte| *byte == chunk[0])));
        file.close().await.unwrap();
    });
}

/// The error of an operation that nobody waited for is that of the next one.
#[test]
fn an_unheard_error_is_told_by_the_next_operation() {
    once(async {
        let Ok(mut full) = fs::open("/dev/full", "w").await else { return };
        full.write(&[1; 1000]).await.unwrap();
        let _ = corio::timeout(Duration::ZERO, full.flush()).await;
        let error = match full.write(&[1; 10]).await {
            Err(error) => error,
            // The flush had not begun when it was dropped.
            Ok(_) => full.flush().await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(full.close().await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(full.closed());
    });
}

/// A close flushes whatever was before it, and tells of what it could not write; else of what nobody
/// has heard yet. So does who takes the file away.
#[test]
fn the_last_operation_tells_what_nobody_has_heard() {
    once(async {
        // The read is refused before anything else is done.
        let refuse = async |file: &mut fs::File| {
            file.write(b"0123").await.unwrap();
            while poll_once(file.read(Some(1))).is_ready() {}
        };
        let (_folder, path) = file(b"");
        let mut written = fs::open(&path, "w").await.unwrap();
        refuse(&mut written).await;
        assert_eq!(written.close().await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(std::fs::read(&path).unwrap(), b"0123");
        let mut written = fs::open(&path, "w").await.unwrap();
        refuse(&mut written).await;
        assert_eq!(written.into_std().await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(std::fs::read(&path).unwrap(), b"0123");
        let mut full = fs::open("/dev/full", "w").await.unwrap();
        refuse(&mut full).await;
        assert_eq!(full.close().await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(full.closed());
    });
}

// conforms: 28 test_binary.py test_simple_detach
#[test]
fn detached_files_are_where_the_reader_was() {
    once(async {
        use std::io::Read;
        let (_folder, path) = file(b"0123456789");
        let mut file = fs::open(&path, "r").await.unwrap();
        file.read(Some(3)).await.unwrap();
        let mut rest = String::new();
        file.into_std().await.unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "3456789");
    });
}

// conforms: 28 test_os.py test_stat
// conforms: 28 test_os.py test_statvfs
// conforms: 28 test_os.py test_remove
// conforms: 28 test_os.py test_unlink
// conforms: 28 test_os.py test_mkdir_and_rmdir
// conforms: 28 test_os.py test_rename
// conforms: 28 test_os.py test_renames
// conforms: 28 test_os.py test_replace
// conforms: 28 test_os.py test_link
// conforms: 28 test_os.py test_symlink
// conforms: 28 test_os.py test_readlink
// conforms: 28 test_os.py test_access
// conforms: 28 test_os.py test_getcwd
// conforms: 28 test_os.py test_abspath
// conforms: 28 test_os.py test_exists
// conforms: 28 test_os.py test_isfile
// conforms: 28 test_os.py test_isdir
// conforms: 28 test_os.py test_islink
// conforms: 28 test_os.py test_ismount
// conforms: 28 test_os.py test_getsize
// conforms: 28 test_os.py test_samefile
#[test]
fn functions_on_paths() {
    once(async {
        let folder = scratch();
        let at = |name: &str| folder.path().join(name);
        fs::mkdir(at("a")).await.unwrap();
        assert_eq!(fs::mkdir(at("a")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        fs::makedirs(at("b/c/d")).await.unwrap();
        fs::write(at("a/file"), "data").await.unwrap();
        assert_eq!(fs::read(at("a/file")).await.unwrap(), b"data");
        assert_eq!(fs::getsize(at("a/file")).await.unwrap(), 4);
        assert_eq!(fs::stat(at("a/file")).await.unwrap().len(), 4);
        assert!(fs::exists(at("a")).await.unwrap() && !fs::exists(at("x")).await.unwrap());
        assert!(fs::isdir(at("a")).await.unwrap() && !fs::isfile(at("a")).await.unwrap());
        assert!(fs::isfile(at("a/file")).await.unwrap());
        fs::link(at("a/file"), at("hard")).await.unwrap();
        fs::symlink(at("a/file"), at("soft")).await.unwrap();
        assert!(fs::islink(at("soft")).await.unwrap());
        assert!(fs::samefile(at("hard"), at("soft")).await.unwrap());
        assert_eq!(fs::readlink(at("soft")).await.unwrap(), at("a/file"));
        assert!(fs::symlink_metadata(at("soft")).await.unwrap().is_symlink());
        let real = fs::canonicalize(at("soft")).await.unwrap();
        assert!(real.ends_with("a/file"));
        fs::rename(at("hard"), at("hard2")).await.unwrap();
        fs::replace(at("hard2"), at("hard3")).await.unwrap();
        fs::renames(at("hard3"), at("new/place")).await.unwrap();
        assert_eq!(fs::copy(at("new/place"), at("copy")).await.unwrap(), 4);
        assert!(fs::access(at("copy"), Access::Read).await.unwrap());
        assert!(!fs::access(at("nothing"), Access::Exists).await.unwrap());
        assert!(fs::ismount("/").await.unwrap() && !fs::ismount(at("a")).await.unwrap());
        assert!(fs::statvfs("/").await.unwrap().block_size > 0);
        assert!(fs::abspath("x").await.unwrap().starts_with(fs::getcwd().await.unwrap()));
        fs::remove(at("a/file")).await.unwrap();
        fs::unlink(at("copy")).await.unwrap();
        fs::rmdir(at("a")).await.unwrap();
        fs::remove(at("new/place")).await.unwrap();
        fs::removedirs(at("b/c/d")).await.unwrap();
        assert!(!fs::exists(at("b")).await.unwrap());
    });
}

/// A process that is killed keeps what was flushed or synced, and no more is promised.
#[test]
fn a_killed_process_keeps_what_it_flushed() {
    if plays("writer") {
        once(async {
            let mut file = fs::open(std::env::var("CORIO_TEST_FILE").unwrap(), "w").await.unwrap();
            file.write(b"flushed ").await.unwrap();
            file.flush().await.unwrap();
            file.write(b"synced ").await.unwrap();
            file.sync_all().await.unwrap();
            file.write(b"buffered").await.unwrap();
            let pid = std::process::id().to_string();
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
        });
        return;
    }
    let folder = scratch();
    let path = folder.path().join("file");
    let mut writer = play("files::a_killed_process_keeps_what_it_flushed", "writer", &[]);
    writer.env("CORIO_TEST_FILE", &path).stdout(Stdio::null());
    assert!(!writer.status().unwrap().success());
    assert_eq!(std::fs::read(&path).unwrap(), b"flushed synced ");
}

/// The loop goes on while a thread waits for a slow file.
// conforms: 28 test_concurrency.py test_slow_file
#[test]
fn a_slow_file_stops_nobody() {
    once(async {
        let folder = scratch();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let reader = corio::create_task(fs::read(path.clone()));
        for _ in 0..20 {
            corio::yield_now().await;
        }
        assert!(!reader.done());
        fs::write(&path, "at last").await.unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), b"at last");
    });
}

// conforms: 28 test_os.py test_sameopenfile
#[test]
fn two_descriptors_of_one_file() {
    once(async {
        let folder = scratch();
        let open = async |name: &str| fs::open(folder.path().join(name), "a").await.unwrap();
        let (mut one, mut again, mut two) =
            (open("one").await, open("one").await, open("two").await);
        {
            let (one, again) = (one.fileno().unwrap(), again.fileno().unwrap());
            assert!(fs::sameopenfile(one, again).unwrap());
            assert!(!fs::sameopenfile(one, two.fileno().unwrap()).unwrap());
        }
        for file in [&mut one, &mut again, &mut two] {
            file.close().await.unwrap();
        }
    });
}

// conforms: 28 test_os.py test_getmtime
// conforms: 28 test_os.py test_getatime
// conforms: 28 test_os.py test_getctime
#[test]
fn times_of_a_file() {
    once(async {
        let (_folder, path) = file(b"data");
        let day = Duration::from_secs(86_400);
        let (accessed, modified) = (UNIX_EPOCH + day, UNIX_EPOCH + 2 * day);
        let times = std::fs::FileTimes::new().set_accessed(accessed).set_modified(modified);
        std::fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        assert_eq!(fs::getatime(&path).await.unwrap(), accessed);
        assert_eq!(fs::getmtime(&path).await.unwrap(), modified);
        let found = std::fs::metadata(&path).unwrap();
        let since = Duration::new(found.ctime() as u64, found.ctime_nsec() as u32);
        assert_eq!(fs::getctime(&path).await.unwrap(), UNIX_EPOCH + since);
        assert!(since > 2 * day, "the change of the times is one of the metadata");
    });
}

// conforms: 28 test_os.py test_listdir_empty_dir
// conforms: 28 test_os.py test_listdir_dir_with_multiple_files
// conforms: 28 test_os.py test_listdir_non_existing_dir
// conforms: 28 test_os.py test_scantdir_empty_dir
// conforms: 28 test_os.py test_scandir_dir_with_only_one_file
// conforms: 28 test_os.py test_scandir_non_existing_dir
#[test]
fn folders_are_listed() {
    once(async {
        let folder = scratch();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(fs::listdir(folder.path()).await.unwrap(), [""; 0]);
        assert!(fs::scandir(folder.path()).await.unwrap().is_empty());
        std::fs::write(at("only"), "data").unwrap();
        assert_eq!(fs::listdir(folder.path()).await.unwrap(), ["only"]);
        let entries = fs::scandir(folder.path()).await.unwrap();
        let [only] = &entries[..] else { panic!("{} entries", entries.len()) };
        assert_eq!((only.name().to_str(), only.path()), (Some("only"), &*at("only")));
        assert!(only.is_file() && !only.is_dir() && !only.is_symlink());
        std::fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("only"), at("soft")).unwrap();
        let mut names = fs::listdir(folder.path()).await.unwrap();
        names.sort();
        assert_eq!(names, ["folder", "only", "soft"]);
        for entry in fs::scandir(folder.path()).await.unwrap() {
            let kinds = [entry.is_dir(), entry.is_file(), entry.is_symlink()];
            assert_eq!(kinds, ["folder", "only", "soft"].map(|name| entry.name() == name));
        }
        let gone = at("nothing");
        assert_eq!(fs::listdir(&gone).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fs::scandir(&gone).await.map(drop).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn texts_are_read_whole_and_folders_removed_with_all_that_is_in_them() {
    once(async {
        let folder = scratch();
        let at = |name: &str| folder.path().join(name);
        fs::makedirs(at("tree/below")).await.unwrap();
        fs::write(at("kept"), "gr\u{fc}n\r\n").await.unwrap();
        fs::write(at("tree/below/file"), b"\xff").await.unwrap();
        fs::symlink(at("kept"), at("tree/soft")).await.unwrap();
        assert_eq!(fs::read_to_string(at("tree/soft")).await.unwrap(), "gr\u{fc}n\r\n");
        let error = fs::read_to_string(at("tree/below/file")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("tree/below/file"), "{error}");
        assert!(fs::rmdir(at("tree")).await.is_err(), "it is not empty");
        fs::remove_dir_all(at("tree")).await.unwrap();
        assert_eq!(fs::listdir(folder.path()).await.unwrap(), ["kept"]);
        let error = fs::remove_dir_all(at("tree")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

/// Several calls go to a thread together, and the loop goes on meanwhile.
#[test]
fn many_calls_take_one_trip() {
    everywhere(async || {
        let (folder, path) = file(b"data");
        let (go, wait) = std::sync::mpsc::channel();
        let batch = corio::create_task(fs::run_blocking(move || {
            let found = std::fs::read(&path)?;
            std::fs::rename(&path, path.with_file_name("moved"))?;
            wait.recv_timeout(crate::LIMIT).map_err(std::io::Error::other)?;
            Ok((found, std::thread::current().id()))
        }));
        // One worker alone comes here while the batch waits.
        until("the batch has begun", || folder.path().join("moved").exists()).await;
        go.send(()).unwrap();
        let (found, thread) = batch.await.unwrap().unwrap();
        assert_eq!(found, b"data");
        assert_ne!(thread, std::thread::current().id());
        let gone = folder.path().join("file");
        let error = fs::run_blocking(move || std::fs::read(gone)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn terminals_and_pipes_are_known() {
    once(async {
        let options = || File::options().read(true).write(true).buffer(0);
        let terminal = options().open("/dev/ptmx").await.unwrap();
        assert!(terminal.is_terminal() && !terminal.seekable());
        let folder = scratch();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let pipe = options().open(&path).await.unwrap();
        assert!(!pipe.is_terminal() && !pipe.seekable());
    });
}

/// What is dropped with the last task, or after the runtime, is in the file when that is over: a
/// program may end then.
#[test]
fn what_is_dropped_at_the_very_end_is_written() {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    for round in 0..20 {
        let (bytes, text, late) = (at("bytes"), at("text"), at("late"));
        let data = format!("data {round}");
        let written = data.clone();
        let kept = once(async move {
            let mut bytes = fs::open(bytes, "w").await.unwrap();
            bytes.write(written.as_bytes()).await.unwrap();
            let mut text = fs::open_text(text, "w").await.unwrap();
            text.write(&written).await.unwrap();
            let mut late = fs::open(late, "w").await.unwrap();
            late.write(written.as_bytes()).await.unwrap();
            late
        });
        assert_eq!(std::fs::read_to_string(at("bytes")).unwrap(), data);
        assert_eq!(std::fs::read_to_string(at("text")).unwrap(), data);
        drop(kept);
        assert_eq!(std::fs::read_to_string(at("late")).unwrap(), data);
    }
}
