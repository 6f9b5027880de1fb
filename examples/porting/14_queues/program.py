"""The last in first, and the smallest first."""

import asyncio


async def main():
    stack = asyncio.LifoQueue()
    for word in ("one", "two", "three"):
        await stack.put(word)
    while not stack.empty():
        print(await stack.get())
    queue = asyncio.PriorityQueue(maxsize=3)
    for item in ((2, "tea"), (1, "water"), (3, "coffee")):
        queue.put_nowait(item)
    print("full:", queue.full())
    try:
        queue.put_nowait((0, "air"))
    except asyncio.QueueFull:
        print("no room for air")
    while True:
        try:
            priority, word = queue.get_nowait()
        except asyncio.QueueEmpty:
            break
        print(priority, word)
        queue.task_done()
    await queue.join()
    print("all is done")


asyncio.run(main())
