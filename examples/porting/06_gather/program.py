"""A list of tasks, awaited together: all values in order, or the errors among them."""

import asyncio


async def fetch(number):
    await asyncio.sleep(0.001 * (5 - number))
    if number == 3:
        raise ValueError("no three")
    return number * 10


async def main():
    tasks = [asyncio.create_task(fetch(number)) for number in (0, 1, 2, 4)]
    print(await asyncio.gather(*tasks))
    results = await asyncio.gather(*map(fetch, range(5)), return_exceptions=True)
    for number, result in enumerate(results):
        if isinstance(result, ValueError):
            print(number, "failed:", result)
        else:
            print(number, "gave", result)
    tasks = [asyncio.create_task(fetch(number)) for number in (2, 4)]
    values = []
    for task in tasks:
        values.append(await task)
    print(sum(values))


asyncio.run(main())
