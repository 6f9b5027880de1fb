"""A Future that another task sets: awaited by several, with callbacks, errors and a cancel."""

import asyncio


async def produce(future):
    await asyncio.sleep(0.01)
    print("producing")
    future.set_result("the value")
    print("nothing has run meanwhile")


async def consume(name, future):
    value = await future
    print(name, "has", value)
    return len(value)


async def main():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    future.add_done_callback(lambda done: print("callback:", done.result()))
    consumers = [asyncio.create_task(consume(name, future)) for name in ("one", "two")]
    producer = asyncio.create_task(produce(future))
    print("done:", future.done())
    try:
        future.result()
    except asyncio.InvalidStateError:
        print("there is no result yet")
    print("main has", await future)
    print("lengths:", await consumers[0], await consumers[1])
    await producer
    print("done:", future.done(), "result:", future.result(), "exception:", future.exception())
    try:
        future.set_result("another one")
    except asyncio.InvalidStateError:
        print("it keeps its value")

    failing = loop.create_future()
    loop.call_soon(failing.set_exception, ValueError("no luck"))
    try:
        await failing
    except ValueError as error:
        print("failed:", error)

    given_up = loop.create_future()
    removed = lambda _: print("never called")
    given_up.add_done_callback(removed)
    print("removed:", given_up.remove_done_callback(removed))
    print("cancel:", given_up.cancel(), "again:", given_up.cancel())
    try:
        await given_up
    except asyncio.CancelledError:
        print("cancelled:", given_up.cancelled())


asyncio.run(main())
