"""A loop by hand: made, given callbacks, run, and closed in `finally`."""

import asyncio


async def work(loop):
    print("work begins")
    loop.call_soon(print, "called soon")
    loop.call_later(0.01, print, "called later")
    await asyncio.sleep(0.02)
    print("work ends")
    return 42


def main():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.call_soon(print, "first of all")
        print("running:", loop.is_running())
        print("result:", loop.run_until_complete(work(loop)))
        loop.call_soon(loop.stop)
        loop.run_forever()
        print("stopped")
    finally:
        loop.close()
        asyncio.set_event_loop(None)
    print("closed:", loop.is_closed())


main()
