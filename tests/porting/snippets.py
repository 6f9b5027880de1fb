"""Runs the Python of a page: each block of its own between ```python and ```, in order.

    python3 snippets.py docs/from-asyncio.md

Prints how many there were. One that fails ends it, with the page's own line numbers.
"""

import re
import signal
import sys


def blocks(text):
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start(1))
        yield "\n" * line + found[1]


def main(path):
    with open(path, encoding="utf-8") as page:
        sources = list(blocks(page.read()))
    # What a shell has started in the background ignores it, and asyncio leaves that as it is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for source in sources:
        exec(compile(source, path, "exec"), {"__name__": "__main__"})
    print("ran", len(sources))


main(sys.argv[1])
