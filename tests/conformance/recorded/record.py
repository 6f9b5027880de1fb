#!/usr/bin/env python3
"""Records what CPython's asyncio does in the scenarios of tests/conformance.

    python3 record.py > asyncio.txt

Each scenario is written twice: here, and as a Rust test of the same name. Both tell what happens,
line by line; the test compares. Recorded are orders and counts that are not obvious from the
documentation.
"""

import asyncio
import platform

SCENARIOS = {}
lines = []


def say(*words):
    lines.append(" ".join(str(word) for word in words))


def scenario(section):
    def enlist(function):
        SCENARIOS[f"{section} {function.__name__}"] = function
        return function

    return enlist


async def turn():
    await asyncio.sleep(0)


async def turns(count=5):
    for _ in range(count):
        await turn()


spawn = asyncio.create_task


async def acquire(lock, name):
    await lock.acquire()
    say(name)


@scenario("lock")
async def test_acquire():
    lock = asyncio.Lock()
    await lock.acquire()
    first, second = spawn(acquire(lock, "first")), spawn(acquire(lock, "second"))
    await turn()
    say("release")
    lock.release()
    await turns()
    third = spawn(acquire(lock, "third"))
    await turn()
    for _ in range(2):
        say("release")
        lock.release()
        await turns()
    say(first.done(), second.done(), third.done())


@scenario("lock")
async def a_late_comer_queues_behind_a_woken_waiter():
    lock = asyncio.Lock()

    async def use(name):
        async with lock:
            say(name)

    await lock.acquire()
    spawn(use("waiter"))
    await turn()
    lock.release()
    say("released")
    await use("late")


@scenario("lock")
async def test_cancel_race():
    lock = asyncio.Lock()
    hold = asyncio.Event()

    async def use(name, until=None):
        async with lock:
            say(name, "in")
            if until:
                await until.wait()
            say(name, "out")

    tasks = [spawn(use("a", hold)), spawn(use("b")), spawn(use("c"))]
    await turns()
    hold.set()
    tasks[1].cancel()
    await turns()
    say([task.done() for task in tasks], tasks[1].cancelled(), lock.locked())


@scenario("lock")
async def test_cancel_release_race():
    lock = asyncio.Lock()
    await lock.acquire()
    tasks = [spawn(acquire(lock, name)) for name in "abcd"]
    await turn()
    tasks[0].cancel()
    lock.release()
    await turns()
    say([task.done() for task in tasks], lock.locked())
    tasks[2].cancel()
    lock.release()
    await turns()
    say([task.done() for task in tasks], lock.locked())
    lock.release()
    await turns()
    say(lock.locked())


@scenario("lock")
async def test_finished_waiter_cancelled():
    lock = asyncio.Lock()
    await lock.acquire()
    first, second = spawn(acquire(lock, "first")), spawn(acquire(lock, "second"))
    await turn()
    lock.release()
    first.cancel()
    await turns()
    say(first.cancelled(), second.done(), lock.locked())


@scenario("event")
async def test_wait():
    event = asyncio.Event()

    async def wait(name):
        await event.wait()
        say(name)

    tasks = [spawn(wait("first")), spawn(wait("second"))]
    await turn()
    tasks.append(spawn(wait("third")))
    event.set()
    await turns()
    say([task.done() for task in tasks])


@scenario("event")
async def test_clear_with_waiters():
    event = asyncio.Event()

    async def wait(name):
        await event.wait()
        say(name, event.is_set())

    first = spawn(wait("first"))
    await turn()
    event.set()
    event.clear()
    second = spawn(wait("second"))
    await turns()
    say(first.done(), second.done())
    event.set()
    event.clear()
    event.set()
    await turns()
    say(second.done())


@scenario("condition")
async def test_wait():
    condition = asyncio.Condition()

    async def wait(name):
        await condition.acquire()
        await condition.wait()
        say(name)

    tasks = [spawn(wait(name)) for name in ("first", "second", "third")]
    await turns()
    say(condition.locked())
    await condition.acquire()
    condition.notify()
    await turns()
    say("nobody before the release")
    condition.release()
    await turns()
    say("a release without notify", condition.locked())
    condition.notify(2)
    condition.release()
    await turns()
    condition.release()
    await turns()
    condition.release()
    say([task.done() for task in tasks], condition.locked())


@scenario("condition")
async def test_notify():
    condition = asyncio.Condition()

    async def wait(name):
        async with condition:
            await condition.wait()
            say(name)

    tasks = [spawn(wait(name)) for name in ("first", "second", "third")]
    await turns()
    for count in (1, 2048):
        async with condition:
            condition.notify(count)
        say("notify", count)
        await turns(10)
    say([task.done() for task in tasks])


@scenario("condition")
async def test_wait_for():
    condition = asyncio.Condition()
    ready = []

    def predicate():
        say("asked")
        return bool(ready)

    async def wait():
        async with condition:
            await condition.wait_for(predicate)
            say("true")

    task = spawn(wait())
    await turns()
    for value in ([], [1]):
        async with condition:
            ready.extend(value)
            condition.notify()
        say("notified")
        await turns()
    say(task.done())


@scenario("semaphore")
async def test_acquire():
    semaphore = asyncio.Semaphore(3)
    await semaphore.acquire()
    await semaphore.acquire()
    tasks = [spawn(acquire(semaphore, name)) for name in ("first", "second", "third")]
    await turns()
    say(semaphore._value, semaphore.locked())
    semaphore.release()
    semaphore.release()
    say("released two", semaphore._value, semaphore.locked())
    tasks.append(spawn(acquire(semaphore, "fourth")))
    await turns()
    say([task.done() for task in tasks], semaphore._value)
    semaphore.release()
    await turns()
    say([task.done() for task in tasks], semaphore._value, semaphore.locked())


@scenario("semaphore")
async def test_acquire_cancel_before_awoken():
    semaphore = asyncio.Semaphore(0)
    tasks = [spawn(acquire(semaphore, name)) for name in ("a", "b", "c", "d")]
    await turns()
    tasks[0].cancel()
    tasks[1].cancel()
    semaphore.release()
    await turns()
    say([task.done() for task in tasks], semaphore._value)


@scenario("semaphore")
async def test_acquire_hang():
    semaphore = asyncio.Semaphore(0)
    first, second = spawn(acquire(semaphore, "first")), spawn(acquire(semaphore, "second"))
    await turns()
    first.cancel()
    semaphore.release()
    await turns()
    say(first.cancelled(), second.done(), semaphore.locked())


@scenario("semaphore")
async def test_acquire_no_hang():
    semaphore = asyncio.Semaphore(1)
    await semaphore.acquire()
    first, second = spawn(acquire(semaphore, "first")), spawn(acquire(semaphore, "second"))
    await turns()
    second.cancel()
    semaphore.release()
    first.cancel()
    await turns()
    say(first.cancelled(), second.cancelled(), semaphore.locked(), semaphore._value)


@scenario("semaphore")
async def test_acquire_fifo_order():
    semaphore = asyncio.Semaphore(1)

    async def twice(name):
        for time in (1, 2):
            await semaphore.acquire()
            say(name, time)
            await turns()
            semaphore.release()

    await asyncio.gather(*(twice(name) for name in ("first", "second", "third")))


@scenario("semaphore")
async def test_acquire_fifo_order_2():
    semaphore = asyncio.Semaphore(1)

    async def once(name):
        await semaphore.acquire()
        say(name)

    async def twice(name):
        await once(name)
        semaphore.release()
        await once(name + " again")

    tasks = [spawn(once("first")), spawn(twice("second")), spawn(once("third"))]
    await turn()
    semaphore.release()
    semaphore.release()
    await turns()
    say([task.done() for task in tasks], semaphore._value)


@scenario("semaphore")
async def test_acquire_fifo_order_3():
    semaphore = asyncio.Semaphore(0)

    async def once(name):
        try:
            await semaphore.acquire()
            say(name)
        except asyncio.CancelledError:
            say(name, "cancelled")
            raise

    tasks = [spawn(once(name)) for name in ("first", "second", "third")]
    await turn()
    tasks[0].cancel()
    await turns()
    semaphore.release()
    semaphore.release()
    await turns()
    say([task.done() for task in tasks], semaphore._value)


@scenario("semaphore")
async def test_acquire_fifo_order_4():
    semaphore = asyncio.Semaphore(0)
    tasks = [spawn(acquire(semaphore, name)) for name in ("first", "second", "third")]
    await turn()
    for _ in range(5):
        semaphore.release()
    say(semaphore._value)
    await turn()
    say([task.done() for task in tasks], semaphore._value)


async def wait_at(barrier, name):
    try:
        say(name, await barrier.wait())
    except asyncio.BrokenBarrierError:
        say(name, "broken")


@scenario("barrier")
async def test_filling_tasks_check_return_value():
    barrier = asyncio.Barrier(3)
    for _ in range(2):
        tasks = [spawn(wait_at(barrier, name)) for name in ("a", "b", "c")]
        await asyncio.gather(*tasks)


@scenario("barrier")
async def test_filling_task_by_task():
    barrier = asyncio.Barrier(3)
    tasks = []
    for name in ("a", "b", "c"):
        tasks.append(spawn(wait_at(barrier, name)))
        await turn()
        say("waiting", barrier.n_waiting, barrier.broken)
    await turns(10)
    say([task.done() for task in tasks], barrier.n_waiting)


@scenario("barrier")
async def test_blocking_tasks_while_draining():
    barrier = asyncio.Barrier(2)

    async def again(name):
        say(name, await barrier.wait())
        spawn(wait_at(barrier, name + " again"))

    await asyncio.gather(again("a"), again("b"))
    await turns(20)
    say(barrier.n_waiting, barrier.broken)


@scenario("barrier")
async def test_filling_tasks_cancel_one():
    barrier = asyncio.Barrier(3)
    first = spawn(wait_at(barrier, "a"))
    await turn()
    second = spawn(wait_at(barrier, "b"))
    await turns()
    say(barrier.n_waiting)
    second.cancel()
    await turns()
    say(barrier.n_waiting, barrier.broken, second.cancelled())
    await asyncio.gather(first, wait_at(barrier, "c"), wait_at(barrier, "d"))
    say(barrier.n_waiting, barrier.broken)


@scenario("barrier")
async def test_reset_barrier_while_tasks_waiting():
    barrier = asyncio.Barrier(3)
    tasks = [spawn(wait_at(barrier, name)) for name in ("a", "b")]
    await turns()
    await barrier.reset()
    await turns(10)
    say([task.done() for task in tasks], barrier.n_waiting, barrier.broken)
    tasks = [spawn(wait_at(barrier, name)) for name in ("c", "d", "e")]
    await turns(10)
    say([task.done() for task in tasks], barrier.broken)


@scenario("barrier")
async def test_abort_barrier():
    barrier = asyncio.Barrier(3)
    tasks = [spawn(wait_at(barrier, name)) for name in ("a", "b")]
    await turns()
    await barrier.abort()
    await turns(10)
    say([task.done() for task in tasks], barrier.n_waiting, barrier.broken)
    await wait_at(barrier, "late")
    await barrier.reset()
    say(barrier.broken)
    await asyncio.gather(*(wait_at(barrier, name) for name in ("c", "d", "e")))


@scenario("barrier")
async def test_filling_tasks_wait_twice():
    barrier = asyncio.Barrier(2)

    async def twice(name):
        for _ in range(2):
            await wait_at(barrier, name)

    await asyncio.gather(twice("a"), twice("b"))


@scenario("barrier")
async def test_reset_barrier_when_tasks_half_draining():
    barrier = asyncio.Barrier(3)
    early = [spawn(wait_at(barrier, name)) for name in ("a", "b")]
    await turn()
    await wait_at(barrier, "c")
    await barrier.reset()
    await asyncio.gather(*early)
    say(barrier.n_waiting, barrier.broken)


@scenario("barrier")
async def test_reset_barrier_when_tasks_half_draining_half_blocking():
    barrier = asyncio.Barrier(2)
    tasks = [spawn(wait_at(barrier, "a"))]
    await turn()
    tasks.append(spawn(wait_at(barrier, "b")))
    await wait_at(barrier, "x")
    tasks.append(spawn(wait_at(barrier, "c")))
    await barrier.reset()
    for _ in range(2):
        await turns(10)
        say([task.done() for task in tasks], barrier.n_waiting, barrier.broken)


@scenario("barrier")
async def test_reset_barrier_while_tasks_waiting_and_waiting_again():
    barrier = asyncio.Barrier(3)

    async def twice(name):
        for _ in range(2):
            await wait_at(barrier, name)

    tasks = [spawn(twice(name)) for name in ("a", "b")]
    await turns()
    await barrier.reset()
    await turns(10)
    say(barrier.n_waiting, barrier.broken)
    await wait_at(barrier, "c")
    await asyncio.gather(*tasks)


async def put(queue, item):
    await queue.put(item)
    say("put", item)


async def get(queue, name):
    say(name, "got", await queue.get())


@scenario("queue")
async def test_maxsize():
    queue = asyncio.Queue(maxsize=2)
    tasks = [spawn(put(queue, item)) for item in (1, 2, 3)]
    await turns()
    say(queue.qsize(), queue.full())
    for _ in range(3):
        say("take", queue.get_nowait())
        await turns()
    say([task.done() for task in tasks], queue.qsize())


@scenario("queue")
async def test_get_with_waiting_putters():
    queue = asyncio.Queue(maxsize=1)
    for item in ("a", "b"):
        spawn(put(queue, item))
    await turns()
    await get(queue, "main")
    await get(queue, "main")


@scenario("queue")
async def test_put_with_waiting_getters():
    queue = asyncio.Queue()
    for name in ("first", "second"):
        spawn(get(queue, name))
    await turns()
    queue.put_nowait("a")
    queue.put_nowait("b")
    await turns()
    say(queue.qsize())


@scenario("queue")
async def test_get_cancelled_race():
    queue = asyncio.Queue()
    first, second = spawn(get(queue, "first")), spawn(get(queue, "second"))
    await turns()
    first.cancel()
    await turn()
    queue.put_nowait("a")
    await turns()
    say(first.cancelled(), second.done())


@scenario("queue")
async def test_get_cancel_drop_many_pending_readers():
    queue = asyncio.Queue(maxsize=1)
    tasks = [spawn(get(queue, name)) for name in ("first", "second", "third")]
    await turns()
    queue.put_nowait(1)
    tasks[0].cancel()
    await turns()
    queue.put_nowait(2)
    await turns()
    say([task.done() for task in tasks], tasks[0].cancelled(), queue.qsize())


@scenario("queue")
async def test_put_cancel_drop():
    queue = asyncio.Queue(maxsize=1)
    queue.put_nowait(1)
    writer, other = spawn(put(queue, 2)), spawn(put(queue, 3))
    await turns()
    say(queue.get_nowait())
    writer.cancel()
    await turns()
    say(writer.cancelled(), other.done(), queue.get_nowait(), queue.qsize())


@scenario("queue")
async def test_put_cancelled_race():
    queue = asyncio.Queue(maxsize=1)
    tasks = [spawn(put(queue, item)) for item in ("a", "b", "c")]
    await turns()
    tasks[1].cancel()
    await turns()
    say(queue.get_nowait())
    await turns()
    say(queue.get_nowait(), [task.done() for task in tasks])


@scenario("queue")
async def test_task_done():
    queue = asyncio.Queue()
    total = 0

    async def work(name):
        nonlocal total
        while True:
            item = await queue.get()
            total += item
            await turns(item % 3)
            queue.task_done()

    for item in range(100):
        queue.put_nowait(item)
    workers = [spawn(work(name)) for name in (1, 2)]
    await queue.join()
    say(total, queue.qsize())
    for worker in workers:
        worker.cancel()


def main(script="record.py"):
    print(f"# Recorded by {script} with CPython {platform.python_version()}.")
    for name, function in SCENARIOS.items():
        lines.clear()
        asyncio.run(function())
        print(f"== {name}")
        for line in lines:
            print(line)


if __name__ == "__main__":
    main()
