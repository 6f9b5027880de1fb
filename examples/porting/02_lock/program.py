"""A lock: by hand in try/finally, and as a context."""

import asyncio


async def by_hand(lock, account, amount):
    await lock.acquire()
    try:
        balance = account["balance"]
        await asyncio.sleep(0.001)
        account["balance"] = balance + amount
    finally:
        lock.release()


async def as_context(lock, account, amount):
    async with lock:
        balance = account["balance"]
        await asyncio.sleep(0.001)
        account["balance"] = balance + amount


async def main():
    lock = asyncio.Lock()
    account = {"balance": 0}
    print("locked:", lock.locked())
    jobs = [by_hand(lock, account, n) for n in range(5)]
    jobs += [as_context(lock, account, n) for n in range(5)]
    await asyncio.gather(*jobs)
    print("balance:", account["balance"])
    async with lock:
        print("locked:", lock.locked())
    print("locked:", lock.locked())
    try:
        lock.release()
    except RuntimeError:
        print("it is not acquired")


asyncio.run(main())
