//! Functions on paths.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use corio::fs::{self, Access};

use super::{Make, forget, unpolled};

const NEVER: &str = "/tmp/never";

pub const TABLE: &[(&str, Make)] = unpolled! {
    "fs::run_blocking" => forget(fs::run_blocking(|| Ok(7)));
    "fs::getcwd" => forget(fs::getcwd());
    "fs::read" => forget(fs::read(NEVER));
    "fs::read_to_string" => forget(fs::read_to_string(NEVER));
    "fs::stat" => forget(fs::stat(NEVER));
    "fs::symlink_metadata" => forget(fs::symlink_metadata(NEVER));
    "fs::statvfs" => forget(fs::statvfs(NEVER));
    "fs::readlink" => forget(fs::readlink(NEVER));
    "fs::canonicalize" => forget(fs::canonicalize(NEVER));
    "fs::abspath" => forget(fs::abspath(NEVER));
    "fs::listdir" => forget(fs::listdir(NEVER));
    "fs::scandir" => forget(fs::scandir(NEVER));
    "fs::getsize" => forget(fs::getsize(NEVER));
    "fs::getmtime" => forget(fs::getmtime(NEVER));
    "fs::getatime" => forget(fs::getatime(NEVER));
    "fs::getctime" => forget(fs::getctime(NEVER));
    "fs::exists" => forget(fs::exists(NEVER));
    "fs::isfile" => forget(fs::isfile(NEVER));
    "fs::isdir" => forget(fs::isdir(NEVER));
    "fs::islink" => forget(fs::islink(NEVER));
    "fs::ismount" => forget(fs::ismount(NEVER));
    "fs::remove" => forget(fs::remove(NEVER));
    "fs::unlink" => forget(fs::unlink(NEVER));
    "fs::mkdir" => forget(fs::mkdir(NEVER));
    "fs::makedirs" => forget(fs::makedirs(NEVER));
    "fs::rmdir" => forget(fs::rmdir(NEVER));
    "fs::removedirs" => forget(fs::removedirs(NEVER));
    "fs::remove_dir_all" => forget(fs::remove_dir_all(NEVER));
    "fs::samefile" => forget(fs::samefile(NEVER, NEVER));
    "fs::rename" => forget(fs::rename(NEVER, NEVER));
    "fs::replace" => forget(fs::replace(NEVER, NEVER));
    "fs::renames" => forget(fs::renames(NEVER, NEVER));
    "fs::link" => forget(fs::link(NEVER, NEVER));
    "fs::symlink" => forget(fs::symlink(NEVER, NEVER));
    "fs::copy" => forget(fs::copy(NEVER, NEVER));
    "fs::access" => forget(fs::access(NEVER, Access::Read));
    "fs::write" => forget(fs::write(NEVER, "lost"));
    "fs::set_permissions" => forget(fs::set_permissions(NEVER, Permissions::from_mode(0o600)));
    "fs::sendfile" => {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        forget(fs::sendfile(&file, &file, 0, 4))
    };
};
