//! A file read and written by every method.

use std::io::{self, ErrorKind, SeekFrom};
use std::path::Path;

use corio::fs;

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// What bytes are in Python.
fn b(bytes: &[u8]) -> String {
    format!("b'{}'", bytes.escape_ascii())
}

/// What a list is in Python.
fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

/// What a list of bytes is in Python.
fn lines(lines: &[Vec<u8>]) -> String {
    list(lines.iter().map(|line| b(line)))
}

async fn bytes_of(path: &Path) -> io::Result<()> {
    let mut f = fs::open(path, "w+").await?;
    println!("write: {}", f.write("one\ntwo\n").await?);
    f.write_lines(["three\n", "four\n"]).await?;
    println!("tell: {} seek: {}", f.tell().await?, f.seek(SeekFrom::Start(0)).await?);
    println!("read: {} line: {}", b(&f.read(Some(3)).await?), b(&f.read_line(None).await?));
    println!("read1: {} peek: {}", b(&f.read1(Some(2)).await?), b(&f.peek(Some(1)).await?[..1]));
    let (limited, hinted) = (f.read_line(Some(1)).await?, f.read_lines(Some(1)).await?);
    println!("limited: {} hinted: {}", b(&limited), lines(&hinted));
    println!("the rest: {} the end: {}", lines(&f.read_lines(None).await?), b(&f.read(None).await?));
    println!("from the end: {}", f.seek(SeekFrom::End(-5)).await?);
    let (count, buffer) = f.read_into(vec![0; 8]).await;
    let count = count?;
    println!("readinto: {count} {}", b(&buffer[..count]));
    println!("truncate: {} tell: {}", f.truncate(Some(8)).await?, f.tell().await?);
    f.seek(SeekFrom::Start(0)).await?;
    println!("left: {}", b(&f.read(None).await?));
    let can = [f.readable(), f.writable(), f.seekable(), f.is_terminal()].map(py);
    println!("can: {}", can.join(" "));
    f.flush().await?;
    f.close().await?;
    println!("closed: {}", py(f.closed()));
    if f.read(None).await.is_err() {
        println!("it cannot be read any more");
    }
    let mut f = fs::open(path, "r").await?;
    println!("readall: {}", b(&f.read_all().await?));
    f.close().await?;
    let mut f = fs::open(path, "a").await?;
    println!("append: {} readable: {}", f.write("last\n").await?, py(f.readable()));
    f.close().await?;
    let mut f = fs::open(path, "r").await?;
    let mut lines = f.lines();
    while let Some(line) = lines.next_line().await {
        println!("line: {}", b(&line?));
    }
    f.close().await?;
    let again = fs::open(path, "x").await;
    if again.is_err_and(|error| error.kind() == ErrorKind::AlreadyExists) {
        println!("it is there already");
    }
    Ok(())
}

async fn text_of(path: &Path) -> io::Result<()> {
    let mut f = fs::open_text(path, "w+").await?;
    println!("characters: {}", f.write("größe\n").await?);
    f.write_lines(["länge\n", "breite"]).await?;
    f.seek(SeekFrom::Start(0)).await?;
    let (read, line) = (f.read(Some(3)).await?, f.read_line(None).await?);
    println!("read: {read} line: {}", line.trim_end());
    let rest = f.read_lines(None).await?;
    println!("lines: {}", list(rest.iter().map(|line| format!("'{}'", line.trim_end()))));
    f.seek(SeekFrom::Start(0)).await?;
    f.truncate(None).await?;
    println!("empty: {}", f.read(None).await?.len());
    f.close().await?;
    let mut f = fs::open(path, "w").await?;
    f.write("one\r\ntwo\n").await?;
    f.close().await?;
    let mut f = fs::open_text(path, "r").await?;
    let mut lines = f.lines();
    while let Some(line) = lines.next_line().await {
        println!("line of {} characters", line?.chars().count());
    }
    f.close().await
}

async fn program() -> io::Result<()> {
    let mut folder = fs::temporary_directory().await?;
    bytes_of(&folder.path().join("bytes")).await?;
    text_of(&folder.path().join("text")).await?;
    let path = folder.path().to_owned();
    folder.close().await?;
    println!("removed: {}", py(!path.exists()));
    Ok(())
}

pub fn main() {
    corio::run(program()).expect("the disk is well");
}
