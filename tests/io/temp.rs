//! Temporary files and folders, walks, and what a killed process keeps.

use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use corio::fs::{self, TempBuilder};
use corio_tests::kit::Signal;

use crate::unix::scratch;
use crate::{everywhere, once, play, plays, until};

// conforms: 28 test_tempfile.py test_temporary_file
#[test]
fn a_file_without_a_name() {
    everywhere(async || {
        let folder = scratch();
        let mut file = TempBuilder::new().folder(folder.path()).unnamed().await.unwrap();
        assert_eq!(file.mode(), "wb+");
        file.write("data").await.unwrap();
        file.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(file.read(None).await.unwrap(), b"data");
        assert_eq!(fs::listdir(folder.path()).await.unwrap(), [""; 0]);
        fs::temporary_file().await.unwrap().close().await.unwrap();
    });
}

// conforms: 28 test_tempfile.py test_named_temporary_file_312
// conforms: 28 test_tempfile.py test_named_temporary_delete_on_close
#[test]
fn a_file_with_a_name_goes_with_its_owner() {
    everywhere(async || {
        let folder = scratch();
        let make = || TempBuilder::new().folder(folder.path()).prefix("a-").suffix(".txt").named();
        let mut file = make().await.unwrap();
        let path = file.path().to_owned();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("a-") && name.ends_with(".txt"), "{name}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner only");
        file.write("data").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"data");
        file.close().await.unwrap();
        assert!(!path.exists() && file.closed());
        file.close().await.unwrap();
        // A drop does it as well.
        let file = make().await.unwrap();
        let path = file.path().to_owned();
        assert!(path.exists());
        drop(file);
        until("the file is removed", || !path.exists()).await;
        // Unless it is to be kept.
        let mut kept = make().await.unwrap().keep();
        kept.write("kept").await.unwrap();
        kept.close().await.unwrap();
        assert_eq!(fs::read(kept.path()).await.unwrap(), b"kept");
        let mut kept =
            TempBuilder::new().folder(folder.path()).delete(false).named().await.unwrap();
        kept.close().await.unwrap();
        assert!(kept.path().exists());
        let nowhere = TempBuilder::new().folder(folder.path().join("nowhere")).named().await;
        assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

// conforms: 28 test_tempfile.py test_spooled_temporary_file
// conforms: 28 test_tempfile.py test_spooled_temporary_file_newlines
// differs: it is a file of bytes, so it has no newlines to translate
#[test]
fn a_spooled_file_rolls_to_the_disk() {
    everywhere(async || {
        let mut file = fs::spooled_temporary_file(10).await.unwrap();
        file.write("0123456789").await.unwrap();
        assert!(!file.is_rolled(), "ten bytes are not too many");
        file.write("\n").await.unwrap();
        assert!(file.is_rolled());
        assert_eq!(file.tell().await.unwrap(), 11);
        file.seek(SeekFrom::Start(0)).await.unwrap();
        assert_eq!(file.read(None).await.unwrap(), b"0123456789\n");
        // By hand, in the middle, with something buffered.
        let mut file = fs::spooled_temporary_file(0).await.unwrap();
        file.write(&[7; 1 << 20]).await.unwrap();
        file.write("tail").await.unwrap();
        assert!(!file.is_rolled(), "without a limit");
        file.seek(SeekFrom::Start(5)).await.unwrap();
        file.write("mark").await.unwrap();
        file.rollover().await.unwrap();
        assert!(file.is_rolled());
        assert_eq!(file.tell().await.unwrap(), 9);
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let all = file.read(None).await.unwrap();
        assert_eq!((all.len(), &all[3..11]), ((1 << 20) + 4, &b"\x07\x07mark\x07\x07"[..]));
        assert!(all.ends_with(b"tail"));
    });
}

// conforms: 28 test_tempfile.py test_temporary_directory
#[test]
fn a_folder_goes_with_everything_in_it() {
    everywhere(async || {
        let mut folder = fs::temporary_directory().await.unwrap();
        let path = folder.path().to_owned();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "for its owner only");
        fs::makedirs(path.join("a/b")).await.unwrap();
        fs::write(path.join("a/b/file"), "x").await.unwrap();
        folder.close().await.unwrap();
        assert!(!path.exists());
        let folder = fs::temporary_directory().await.unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        until("the folder is removed", || !path.exists()).await;
    });
}

#[test]
fn a_walk_sees_everything_once() {
    everywhere(async || {
        let folder = scratch();
        let at = |name: &str| folder.path().join(name);
        for path in ["b/c", "b/d", "e"] {
            fs::makedirs(at(path)).await.unwrap();
        }
        for path in ["top", "b/c/leaf", "e/leaf"] {
            fs::write(at(path), "").await.unwrap();
        }
        // A link back up would never end.
        fs::symlink(folder.path(), at("b/d/up")).await.unwrap();
        let mut walk = fs::walk(folder.path());
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        while let Some(step) = walk.next().await {
            let step = step.unwrap();
            let below = |path: &std::path::Path| {
                path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned()
            };
            folders.push(below(&step.folder));
            files.extend(step.files.iter().map(|entry| below(entry.path())));
        }
        assert!(folders.iter().position(|f| f == "b") < folders.iter().position(|f| f == "b/c"));
        folders.sort();
        files.sort();
        assert_eq!(folders, ["", "b", "b/c", "b/d", "e"]);
        assert_eq!(files, ["b/c/leaf", "b/d/up", "e/leaf", "top"]);
        // A folder that is gone is an error, and not the end.
        let mut walk = fs::walk(folder.path());
        let top = walk.next().await.unwrap().unwrap();
        std::fs::remove_dir_all(at("b")).unwrap();
        std::fs::remove_dir_all(at("e")).unwrap();
        assert_eq!(top.folders.len(), 2);
        assert_eq!(walk.next().await.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
        walk.skip_below(&top);
        assert!(walk.next().await.is_none());
    });
}

// conforms: 28 test_open.py test_filetask_async_context_aexit
#[test]
fn a_file_is_closed_with_its_task() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("file");
        let mut file = fs::open(&path, "w").await.unwrap();
        let descriptor = {
            use std::os::fd::AsRawFd;
            format!("/proc/self/fd/{}", file.fileno().unwrap().as_raw_fd())
        };
        let ours = || std::fs::read_link(&descriptor).is_ok_and(|target| target == path);
        let wrote = Signal::new();
        let written = wrote.clone();
        let task = corio::create_task(async move {
            file.write("data").await.unwrap();
            written.set();
            std::future::pending::<()>().await;
        });
        assert!(ours());
        wrote.wait().await;
        let limit = std::time::Duration::from_millis(5);
        assert!(corio::wait_for(task, limit).await.is_err());
        until("the file is flushed and closed", || !ours()).await;
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
    });
}

#[test]
fn a_panic_loses_nothing_that_was_written() {
    everywhere(async || {
        let folder = scratch();
        let path = folder.path().join("file");
        let mut file = fs::open(&path, "w").await.unwrap();
        let task = corio::create_task(async move {
            file.write("data").await.unwrap();
            assert!(file.closed(), "the task's panic");
        });
        assert_eq!(task.await.unwrap_err().panic_message(), Some("the task's panic"));
        until("the file is flushed", || std::fs::read(&path).unwrap() == b"data").await;
    });
}

/// What the writer does before it is killed, and how much of `0123456789` twice is there then.
const STEPS: [(&str, &str); 6] = [
    ("write", ""),
    ("flush", "0123456789"),
    ("sync", "0123456789"),
    ("close", "0123456789"),
    ("flush write", "0123456789"),
    ("sync flush", "01234567890123456789"),
];

/// `write` promises nothing against a kill; `flush`, `close` and `sync_all` promise everything
/// before them. What `sync_all` promises besides, against a machine that stops, is in
/// `faults/files.rs`.
#[test]
fn a_killed_process_keeps_what_was_promised() {
    let (test, part) = ("temp::a_killed_process_keeps_what_was_promised", "killed");
    if plays(part) {
        return once(async {
            let steps = std::env::var("CORIO_TEST_STEPS").unwrap();
            let mut file = fs::open(std::env::var("CORIO_TEST_FILE").unwrap(), "a").await.unwrap();
            for step in steps.split(' ') {
                file.write("0123456789").await.unwrap();
                match step {
                    "flush" => file.flush().await.unwrap(),
                    "sync" => file.sync_all().await.unwrap(),
                    "close" => file.close().await.unwrap(),
                    _ => {}
                }
            }
            let pid = std::process::id().to_string();
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
            std::future::pending::<()>().await;
        });
    }
    for (steps, kept) in STEPS {
        let folder = scratch();
        let path = folder.path().join("file");
        let mut writer = play(test, part, &[]);
        writer.env("CORIO_TEST_FILE", &path).env("CORIO_TEST_STEPS", steps).stdout(Stdio::null());
        assert!(!writer.status().unwrap().success());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept, "{steps}");
    }
}
