"""A file read and written by every method, each on a thread, which is what aiofiles does."""

import asyncio
import os
import tempfile


class File:
    """What aiofiles makes of a file: the executor runs its methods."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        method = getattr(self._file, name)
        return lambda *args: asyncio.to_thread(method, *args)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    def __aiter__(self):
        return self

    async def __anext__(self):
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    def closed(self):
        return self._file.closed


async def open_file(path, mode, **how):
    return File(await asyncio.to_thread(open, path, mode, **how))


async def bytes_of(path):
    f = await open_file(path, "wb+")
    print("write:", await f.write(b"one\ntwo\n"))
    await f.writelines([b"three\n", b"four\n"])
    print("tell:", await f.tell(), "seek:", await f.seek(0))
    print("read:", await f.read(3), "line:", await f.readline())
    print("read1:", await f.read1(2), "peek:", (await f.peek(1))[:1])
    print("limited:", await f.readline(1), "hinted:", await f.readlines(1))
    print("the rest:", await f.readlines(), "the end:", await f.read())
    print("from the end:", await f.seek(-5, os.SEEK_END))
    buffer = bytearray(8)
    count = await f.readinto(buffer)
    print("readinto:", count, bytes(buffer[:count]))
    print("truncate:", await f.truncate(8), "tell:", await f.tell())
    await f.seek(0)
    print("left:", await f.read())
    print("can:", await f.readable(), await f.writable(), await f.seekable(), await f.isatty())
    await f.flush()
    await f.close()
    print("closed:", f.closed())
    try:
        await f.read()
    except ValueError:
        print("it cannot be read any more")
    async with await open_file(path, "rb", buffering=0) as f:
        print("readall:", await f.readall())
    async with await open_file(path, "ab") as f:
        print("append:", await f.write(b"last\n"), "readable:", await f.readable())
    async with await open_file(path, "rb") as f:
        async for line in f:
            print("line:", line)
    try:
        await open_file(path, "xb")
    except FileExistsError:
        print("it is there already")


async def text_of(path):
    async with await open_file(path, "w+", encoding="utf-8") as f:
        print("characters:", await f.write("größe\n"))
        await f.writelines(["länge\n", "breite"])
        await f.seek(0)
        print("read:", await f.read(3), "line:", (await f.readline()).rstrip())
        print("lines:", [line.rstrip() for line in await f.readlines()])
        await f.seek(0)
        await f.truncate()
        print("empty:", len(await f.read()))
    async with await open_file(path, "wb") as f:
        await f.write(b"one\r\ntwo\n")
    async with await open_file(path, "r", encoding="utf-8") as f:
        async for line in f:
            print("line of", len(line), "characters")


async def main():
    with tempfile.TemporaryDirectory() as folder:
        await bytes_of(os.path.join(folder, "bytes"))
        await text_of(os.path.join(folder, "text"))
    print("removed:", not os.path.exists(folder))


asyncio.run(main())
