"""Ten patients' records over three queues: three consumers, `join`, then cancel."""

import asyncio

QUEUES = 3
RECORDS = 10


async def consumer(name, queue, treated):
    while True:
        record = await queue.get()
        await asyncio.sleep(0.001)
        treated.append((name, record))
        queue.task_done()


async def main():
    queues = [asyncio.Queue() for _ in range(QUEUES)]
    treated = []
    consumers = [
        asyncio.create_task(consumer(name, queue, treated)) for name, queue in enumerate(queues)
    ]
    for record in range(RECORDS):
        await queues[record % QUEUES].put(f"patient {record}")
    for queue in queues:
        await queue.join()
    for task in consumers:
        task.cancel()
    ends = await asyncio.gather(*consumers, return_exceptions=True)
    for name, record in sorted(treated):
        print("doctor", name, "has seen", record)
    print(len(treated), "records,", sum(q.qsize() for q in queues), "left")
    print("cancelled:", all(isinstance(end, asyncio.CancelledError) for end in ends))


asyncio.run(main())
