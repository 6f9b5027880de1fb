//! Functions on paths: a call that has begun runs on, one that has not never does, and there is
//! nothing in between.

use std::fs::Metadata;
use std::io;

use corio::fs::{self, Access};

use crate::driver::{Case, Make, awaits, case};
use crate::support::{Folder, Gate, settle, turns};

/// A call that waits for the only thread, in a folder with a file `f` of four bytes, a folder `d`
/// and a link `l` to the file. The check sees whether it was done.
fn call<T: Send + 'static, F: Future<Output = io::Result<T>> + Send + 'static>(
    make: impl FnOnce(&Folder) -> F,
    check: impl FnOnce(&Folder, Option<T>) + 'static,
) -> Case {
    let folder = Folder::with("f", b"text");
    std::fs::create_dir(folder.at("d")).unwrap();
    std::os::unix::fs::symlink(folder.at("f"), folder.at("l")).unwrap();
    let (operation, gate) = (make(&folder), Gate::shut());
    let stimulus = async move {
        turns().await;
        gate.open().await;
    };
    case(operation, stimulus, async move |got: Option<io::Result<T>>| {
        settle().await;
        check(&folder, got.map(Result::unwrap));
    })
}

/// A call that only looks: the folder stays as it was.
fn look<T: Send + 'static, F: Future<Output = io::Result<T>> + Send + 'static>(
    make: impl FnOnce(&Folder) -> F,
    is: impl FnOnce(T) -> bool + 'static,
) -> Case {
    call(make, |folder, got| {
        assert!(got.is_none_or(is));
        assert_eq!(folder.names(), ["d", "f", "l"]);
    })
}

/// A call that changes the names from `d f l` to others, or not.
fn change<T: Send + 'static, F: Future<Output = io::Result<T>> + Send + 'static>(
    make: impl FnOnce(&Folder) -> F,
    names: &'static [&'static str],
) -> Case {
    call(make, move |folder, got| {
        let there = folder.names();
        assert!(there == names || (there == ["d", "f", "l"] && got.is_none()), "{there:?}");
    })
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "fs::run_blocking" => look(|_f| fs::run_blocking(|| Ok(7)), |got| got == 7);
    "fs::getcwd" => look(|_f| fs::getcwd(), |path| path.is_absolute());
    "fs::read" => look(|f| fs::read(f.at("f")), |bytes| bytes == b"text");
    "fs::read_to_string" => look(|f| fs::read_to_string(f.at("f")), |text| text == "text");
    "fs::stat" => look(|f| fs::stat(f.at("f")), |found: Metadata| found.len() == 4);
    "fs::symlink_metadata" => {
        look(|f| fs::symlink_metadata(f.at("l")), |found: Metadata| found.is_symlink())
    };
    "fs::statvfs" => look(|f| fs::statvfs(f.path()), |found| found.block_size > 0);
    "fs::readlink" => look(|f| fs::readlink(f.at("l")), |path| path.ends_with("f"));
    "fs::canonicalize" => look(|f| fs::canonicalize(f.at("l")), |path| path.ends_with("f"));
    "fs::abspath" => look(|f| fs::abspath(f.at("l")), |path| path.ends_with("l"));
    "fs::listdir" => look(|f| fs::listdir(f.path()), |names| names.len() == 3);
    "fs::scandir" => look(|f| fs::scandir(f.path()), |entries| entries.len() == 3);
    "fs::getsize" => look(|f| fs::getsize(f.at("f")), |size| size == 4);
    "fs::getmtime" => look(|f| fs::getmtime(f.at("f")), |_| true);
    "fs::getatime" => look(|f| fs::getatime(f.at("f")), |_| true);
    "fs::getctime" => look(|f| fs::getctime(f.at("f")), |_| true);
    "fs::samefile" => look(|f| fs::samefile(f.at("f"), f.at("l")), |same| same);
    "fs::access" => look(|f| fs::access(f.at("f"), Access::Read), |may| may);
    "fs::exists" => look(|f| fs::exists(f.at("f")), |is| is);
    "fs::isfile" => look(|f| fs::isfile(f.at("f")), |is| is);
    "fs::isdir" => look(|f| fs::isdir(f.at("d")), |is| is);
    "fs::islink" => look(|f| fs::islink(f.at("l")), |is| is);
    "fs::ismount" => look(|f| fs::ismount(f.at("d")), |is| !is);

    "fs::remove" => change(|f| fs::remove(f.at("f")), &["d", "l"]);
    "fs::unlink" => change(|f| fs::unlink(f.at("f")), &["d", "l"]);
    "fs::rename" => change(|f| fs::rename(f.at("f"), f.at("n")), &["d", "l", "n"]);
    "fs::replace" => change(|f| fs::replace(f.at("f"), f.at("l")), &["d", "l"]);
    "fs::renames" => change(|f| fs::renames(f.at("f"), f.at("n/n")), &["d", "l", "n"]);
    "fs::mkdir" => change(|f| fs::mkdir(f.at("n")), &["d", "f", "l", "n"]);
    "fs::makedirs" => change(|f| fs::makedirs(f.at("n/n")), &["d", "f", "l", "n"]);
    "fs::rmdir" => change(|f| fs::rmdir(f.at("d")), &["f", "l"]);
    "fs::removedirs" => change(|f| fs::removedirs(f.at("d")), &["f", "l"]);
    "fs::remove_dir_all" => change(|f| fs::remove_dir_all(f.at("d")), &["f", "l"]);
    "fs::link" => change(|f| fs::link(f.at("f"), f.at("n")), &["d", "f", "l", "n"]);
    "fs::symlink" => change(|f| fs::symlink(f.at("f"), f.at("n")), &["d", "f", "l", "n"]);
    "fs::copy" => change(|f| fs::copy(f.at("f"), f.at("n")), &["d", "f", "l", "n"]);
    "fs::write" => change(|f| fs::write(f.at("n"), "new"), &["d", "f", "l", "n"]);
    "fs::set_permissions" => call(
        |f| {
            let mut permissions = std::fs::metadata(f.at("f")).unwrap().permissions();
            permissions.set_readonly(true);
            fs::set_permissions(f.at("f"), permissions)
        },
        |folder, got: Option<()>| {
            let permissions = std::fs::metadata(folder.at("f")).unwrap().permissions();
            assert!(permissions.readonly() || got.is_none());
        },
    );
    "fs::sendfile" => call(
        |f| {
            let out = std::fs::File::create(f.at("n")).unwrap();
            let from = std::fs::File::open(f.at("f")).unwrap();
            fs::sendfile(&out, &from, 0, 4)
        },
        |folder, got: Option<usize>| {
            let there = std::fs::read(folder.at("n")).unwrap();
            assert!(there == b"text" || (there.is_empty() && got.is_none()));
        },
    );
};
