"""A pool of devices: functions run beside them, each device has one at a time, and none can bring the pool down.

::

    with open_pool(workers=4, resources={"timing": 1}) as pool:
        requests = [Request(key=str(i), function=measure, argument=i, resource="timing", timeout=10) for i in range(64)]
        for reply in pool.run(requests):
            print(reply.key, reply.status, reply.value)
"""

from .cluster import open_pool
from .pool import Pool, Worker
from .request import Answer, Reply, Request

__all__ = ["Answer", "Pool", "Reply", "Request", "Worker", "open_pool"]
