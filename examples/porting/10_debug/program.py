"""A debug run: a step that blocks for 150 ms, and a coroutine that nobody awaits."""

import asyncio
import logging
import re
import time
import warnings

slow = []
forgotten = []


class Listener(logging.Handler):
    """Keeps what asyncio says of the task that blocks."""

    def emit(self, record):
        said = record.getMessage()
        found = re.search(r"Executing <Task \w+ name='blocks'.* took (\d+\.\d+) seconds", said)
        if found:
            slow.append(float(found[1]))


def listen():
    logger = logging.getLogger("asyncio")
    logger.addHandler(Listener())
    logger.propagate = False
    warnings.showwarning = lambda message, *_: forgotten.append(str(message))


async def blocks():
    time.sleep(0.15)
    return "blocked"


async def main():
    print("debug:", asyncio.get_running_loop().get_debug())
    asyncio.sleep(0.01)
    print(await asyncio.create_task(blocks(), name="blocks"))
    print("main ends")


listen()
asyncio.run(main(), debug=True)
print("slow steps:", len(slow), "long enough:", all(took >= 0.15 for took in slow))
for message in forgotten:
    what, *place = message.splitlines()
    name = re.search("'([^']+)' was never awaited", what)[1]
    print("never awaited:", name, "with its place:", "program.py" in "".join(place))
