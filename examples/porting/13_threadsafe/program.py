"""A thread that has coroutines run by a loop, waits for their results, and cancels one."""

import asyncio
import concurrent.futures
import threading


async def square(number):
    await asyncio.sleep(0.001)
    return number * number


async def endless(begun, ended):
    begun.set()
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("the coroutine is cancelled")
        ended.set()
        raise


def thread(loop):
    future = asyncio.run_coroutine_threadsafe(square(7), loop)
    print("seven squared:", future.result())
    begun, ended = threading.Event(), threading.Event()
    future = asyncio.run_coroutine_threadsafe(endless(begun, ended), loop)
    # What is cancelled before it has begun never runs.
    begun.wait()
    try:
        future.result(timeout=0.02)
    except concurrent.futures.TimeoutError:
        print("it takes too long")
    cancelled = future.cancel()
    ended.wait()
    print("cancelled:", cancelled)
    done = threading.Event()
    loop.call_soon_threadsafe(lambda: (print("called from the thread"), done.set()))
    done.wait()
    loop.call_soon_threadsafe(loop.stop)


def main():
    loop = asyncio.new_event_loop()
    other = threading.Thread(target=thread, args=(loop,))
    other.start()
    loop.run_forever()
    other.join()
    loop.close()
    print("the end")


main()
