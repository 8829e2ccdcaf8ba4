"""Native threads that share the iterations of parallel loops; one pool a number of threads and process."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from functools import lru_cache

import llvmlite.binding as llvm

from . import objects, pool_source
from .processor import host

PARALLEL_FOR = "dovetail_parallel_for"
"""What compiled code calls: ``void (ptr pool, ptr function, ptr closure, i64 extent)``, where the function takes the
closure, the number of the thread, and the first iteration and the end of those that it is to do."""

CACHE_KIND = "native"

_PIECES_PER_THREAD = 8
"""Of a long loop, so that a thread that comes late or is interrupted delays the others by little."""

_lock = threading.Lock()


@lru_cache(maxsize=1)
def provide() -> objects.Code:
    """Makes `PARALLEL_FOR` known to objects that are loaded from now on."""
    source = pool_source.source(host().triple.partition("-")[0])
    code = objects.load([objects.assemble(CACHE_KIND, source)])
    llvm.add_symbol(PARALLEL_FOR, code.address_of(PARALLEL_FOR))
    return code


class Pool:
    """`threads` - 1 sleeping threads, and memory that they share with callers; see `pool_source`."""

    def __init__(self, threads: int) -> None:
        worker = ctypes.c_void_p(provide().address_of("dovetail_worker"))
        self._libc = ctypes.CDLL(None)
        self._memory = ctypes.create_string_buffer(pool_source.POOL_BYTES + pool_source.LINE)
        self.address = -(-ctypes.addressof(self._memory) // pool_source.LINE) * pool_source.LINE
        self._word(0).value = pool_source.STATE_CLOSED
        self._word(pool_source.PIECES).value = threads * _PIECES_PER_THREAD
        self._semaphore = ctypes.c_void_p(self.address + pool_source.SEMAPHORE)
        self._libc.sem_init(self._semaphore, 0, 0)
        self._process = os.getpid()
        self._starts, self._threads = [], []
        for number in range(1, threads):
            start, thread = (ctypes.c_uint64 * 2)(self.address, number), ctypes.c_ulong()
            if self._libc.pthread_create(ctypes.byref(thread), None, worker, start):
                break
            self._starts.append(start)
            self._threads.append(thread)
        atexit.register(self.stop)

    def stop(self) -> None:
        """Ends the threads, before their code goes; a forked process has none to end."""
        if os.getpid() != self._process:
            return
        self._word(pool_source.STOP).value = 1
        for _ in self._threads:
            self._libc.sem_post(self._semaphore)
        for thread in self._threads:
            self._libc.pthread_join(thread, None)
        self._threads.clear()

    def _word(self, offset: int) -> ctypes.c_uint64:
        return ctypes.c_uint64.from_address(self.address + offset)


@lru_cache
def _pool(threads: int, process: int) -> Pool:
    return Pool(threads)


def pool(threads: int) -> int:
    """The address of this process's pool of `threads`, the caller among them; it is made when it is first asked for."""
    with _lock:
        return _pool(threads, os.getpid()).address
