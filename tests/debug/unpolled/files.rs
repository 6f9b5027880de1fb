//! Files, opened and text.

use std::io::SeekFrom;

use corio::fs::{self, File, SpooledFile, TempBuilder, TextFile};

use super::{Make, STREAM, forget, no_future, unpolled};

const NEVER: &str = "/tmp/never";

async fn bytes() -> File {
    fs::temporary_file().await.unwrap()
}

async fn text() -> TextFile {
    fs::open_text("/proc/self/status", "r").await.unwrap()
}

async fn spooled() -> SpooledFile {
    fs::spooled_temporary_file(100).await.unwrap()
}

pub const TABLE: &[(&str, Make)] = unpolled! {
    "fs::File::close" => forget(bytes().await.close());
    "fs::File::finish_writes" => forget(bytes().await.finish_writes());
    "fs::File::flush" => forget(bytes().await.flush());
    "fs::File::into_std" => forget(bytes().await.into_std());
    "fs::File::peek" => forget(bytes().await.peek(Some(1)));
    "fs::File::read" => forget(bytes().await.read(Some(1)));
    "fs::File::read1" => forget(bytes().await.read1(Some(1)));
    "fs::File::read_all" => forget(bytes().await.read_all());
    "fs::File::read_at" => forget(bytes().await.read_at(0, vec![0; 1]));
    "fs::File::read_into" => forget(bytes().await.read_into(vec![0; 1]));
    "fs::File::read_line" => forget(bytes().await.read_line(None));
    "fs::File::read_lines" => forget(bytes().await.read_lines(None));
    "fs::File::seek" => forget(bytes().await.seek(SeekFrom::Start(0)));
    "fs::File::sync_all" => forget(bytes().await.sync_all());
    "fs::File::sync_data" => forget(bytes().await.sync_data());
    "fs::File::tell" => forget(bytes().await.tell());
    "fs::File::truncate" => forget(bytes().await.truncate(None));
    "fs::File::write" => forget(bytes().await.write(b"lost"));
    "fs::File::write_at" => forget(bytes().await.write_at(0, b"lost".to_vec()));
    "fs::File::write_lines" => forget(bytes().await.write_lines([b"lost"]));
    "fs::FileLines::next_line" => forget(bytes().await.lines().next_line());
    "fs::FileLines as Stream" => no_future(STREAM);

    "fs::TextFile::close" => forget(text().await.close());
    "fs::TextFile::flush" => forget(text().await.flush());
    "fs::TextFile::read" => forget(text().await.read(None));
    "fs::TextFile::read_line" => forget(text().await.read_line(None));
    "fs::TextFile::read_lines" => forget(text().await.read_lines(None));
    "fs::TextFile::seek" => forget(text().await.seek(SeekFrom::Start(0)));
    "fs::TextFile::sync_all" => forget(text().await.sync_all());
    "fs::TextFile::tell" => forget(text().await.tell());
    "fs::TextFile::truncate" => forget(text().await.truncate(None));
    "fs::TextFile::write" => forget(text().await.write("lost"));
    "fs::TextFile::write_lines" => forget(text().await.write_lines(["lost"]));
    "fs::TextLines::next_line" => forget(text().await.lines().next_line());
    "fs::TextLines as Stream" => no_future(STREAM);

    "fs::open" => forget(fs::open(NEVER, "r"));
    "fs::OpenOptions::open" => forget(File::options().read(true).open(NEVER));
    "fs::open_text" => forget(fs::open_text(NEVER, "r"));
    "fs::temporary_file" => forget(fs::temporary_file());
    "fs::named_temporary_file" => forget(fs::named_temporary_file());
    "fs::temporary_directory" => forget(fs::temporary_directory());
    "fs::spooled_temporary_file" => forget(fs::spooled_temporary_file(100));
    "fs::TempBuilder::unnamed" => forget(TempBuilder::new().unnamed());
    "fs::TempBuilder::named" => forget(TempBuilder::new().named());
    "fs::TempBuilder::directory" => forget(TempBuilder::new().directory());
    "fs::NamedTempFile::close" => forget(fs::named_temporary_file().await.unwrap().close());
    "fs::TempDir::close" => forget(fs::temporary_directory().await.unwrap().close());
    "fs::SpooledFile::rollover" => forget(spooled().await.rollover());
    "fs::Walk::next" => forget(fs::walk("/tmp/never").next());
};
