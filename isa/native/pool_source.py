"""The thread pool in LLVM's assembly language: `dovetail_parallel_for` and the threads' own loop, `dovetail_worker`.

A pool is a block of memory, zero at first but for `STATE_CLOSED`:

- ``ticket``: the number of the job in the upper half, odd while there is none, and the first iteration that nobody has
  taken in the lower. Threads take iterations by exchanging the ticket, so that they cannot take any of a job that has
  been replaced in between.
- ``function, closure, extent, chunk``: the job. They change only while the ticket is closed.
- ``done``: how many iterations are complete. The caller works too, and waits for nothing but those that others took:
  a pool whose threads are gone (in a forked process) still does all the work.
- ``pieces``: into how many pieces a job is cut, if it has as many iterations.
- ``busy``: somebody's job is in it. Others do theirs alone.
- ``asleep``: threads that wait for the semaphore, as they do when they have found no work for a while.
"""

from __future__ import annotations

LINE = 64
FUNCTION, CLOSURE, EXTENT, CHUNK, PIECES = LINE, LINE + 8, LINE + 16, LINE + 24, LINE + 32
DONE, BUSY, ASLEEP, STOP, SEMAPHORE = 2 * LINE, 3 * LINE, 4 * LINE, 5 * LINE, 6 * LINE
POOL_BYTES = 8 * LINE
STATE_CLOSED = 1 << 32
"""The first ticket."""

_SPINS_BEFORE_SLEEP = 10000
_SPINS_BEFORE_YIELD = 2000

_PAUSES = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}


def source(architecture: str) -> str:
    """The module, for a processor architecture as a triple names it."""
    declaration, pause = _PAUSES.get(architecture, ("", ""))

    def field(name: str, offset: int) -> str:
        return f"%{name} = getelementptr i8, ptr %pool, i64 {offset}"

    return f"""
declare i32 @sem_post(ptr)
declare i32 @sem_wait(ptr)
declare i32 @sched_yield()
{declaration}

define internal i1 @work(ptr %pool, i64 %worker) {{
entry:
  {field("function_at", FUNCTION)}
  {field("closure_at", CLOSURE)}
  {field("extent_at", EXTENT)}
  {field("chunk_at", CHUNK)}
  {field("done_at", DONE)}
  br label %take
take:
  %any = phi i1 [false, %entry], [true, %run], [%any, %claim]
  %ticket = load atomic i64, ptr %pool acquire, align 8
  %job = lshr i64 %ticket, 32
  %odd = trunc i64 %job to i1
  br i1 %odd, label %none, label %look
look:
  %begin = and i64 %ticket, 4294967295
  %extent = load atomic i64, ptr %extent_at monotonic, align 8
  %left = icmp ult i64 %begin, %extent
  br i1 %left, label %claim, label %none
claim:
  %chunk = load atomic i64, ptr %chunk_at monotonic, align 8
  %function = load atomic ptr, ptr %function_at monotonic, align 8
  %closure = load atomic ptr, ptr %closure_at monotonic, align 8
  %beyond = add i64 %begin, %chunk
  %end = call i64 @llvm.umin.i64(i64 %beyond, i64 %extent)
  %upper = shl i64 %job, 32
  %following = or i64 %upper, %end
  %exchange = cmpxchg ptr %pool, i64 %ticket, i64 %following acq_rel monotonic
  %taken = extractvalue {{ i64, i1 }} %exchange, 1
  br i1 %taken, label %run, label %take
run:
  call void %function(ptr %closure, i64 %worker, i64 %begin, i64 %end)
  %count = sub i64 %end, %begin
  %before = atomicrmw add ptr %done_at, i64 %count release
  br label %take
none:
  ret i1 %any
}}

declare i64 @llvm.umin.i64(i64, i64)

define void @dovetail_parallel_for(ptr %pool, ptr %function, ptr %closure, i64 %extent) {{
entry:
  {field("function_at", FUNCTION)}
  {field("closure_at", CLOSURE)}
  {field("extent_at", EXTENT)}
  {field("chunk_at", CHUNK)}
  {field("done_at", DONE)}
  {field("pieces_at", PIECES)}
  {field("busy_at", BUSY)}
  {field("asleep_at", ASLEEP)}
  {field("semaphore", SEMAPHORE)}
  %many = icmp sgt i64 %extent, 1
  %some = icmp ne ptr %pool, null
  %useful = and i1 %many, %some
  br i1 %useful, label %enter, label %alone
enter:
  %was = atomicrmw xchg ptr %busy_at, i64 1 acquire
  %free = icmp eq i64 %was, 0
  br i1 %free, label %begin, label %alone
alone:
  call void %function(ptr %closure, i64 0, i64 0, i64 %extent)
  ret void
begin:
  %pieces = load i64, ptr %pieces_at
  %piece = udiv i64 %extent, %pieces
  %chunk = call i64 @llvm.umax.i64(i64 %piece, i64 1)
  store atomic ptr %function, ptr %function_at monotonic, align 8
  store atomic ptr %closure, ptr %closure_at monotonic, align 8
  store atomic i64 %extent, ptr %extent_at monotonic, align 8
  store atomic i64 %chunk, ptr %chunk_at monotonic, align 8
  store atomic i64 0, ptr %done_at monotonic, align 8
  %closed = load atomic i64, ptr %pool monotonic, align 8
  %open = add i64 %closed, {STATE_CLOSED}
  store atomic i64 %open, ptr %pool seq_cst, align 8
  %sleeping = load atomic i64, ptr %asleep_at seq_cst, align 8
  %someone = icmp ne i64 %sleeping, 0
  br i1 %someone, label %rouse, label %join
rouse:
  %called = atomicrmw xchg ptr %asleep_at, i64 0 seq_cst
  br label %wake
wake:
  %remaining = phi i64 [%called, %rouse], [%fewer, %post]
  %last = icmp eq i64 %remaining, 0
  br i1 %last, label %join, label %post
post:
  %posted = call i32 @sem_post(ptr %semaphore)
  %fewer = sub i64 %remaining, 1
  br label %wake
join:
  %helped = call i1 @work(ptr %pool, i64 0)
  br label %wait
wait:
  %spins = phi i64 [0, %join], [%more, %pause], [0, %yield]
  %done = load atomic i64, ptr %done_at acquire, align 8
  %complete = icmp eq i64 %done, %extent
  br i1 %complete, label %leave, label %again
again:
  %more = add i64 %spins, 1
  %long = icmp ugt i64 %more, {_SPINS_BEFORE_YIELD}
  br i1 %long, label %yield, label %pause
pause:
  {pause}
  br label %wait
yield:
  %yielded = call i32 @sched_yield()
  br label %wait
leave:
  %mine = load atomic i64, ptr %pool monotonic, align 8
  %job = lshr i64 %mine, 32
  %next = add i64 %job, 1
  %ticket = shl i64 %next, 32
  store atomic i64 %ticket, ptr %pool release, align 8
  store atomic i64 0, ptr %busy_at release, align 8
  ret void
}}

declare i64 @llvm.umax.i64(i64, i64)

define ptr @dovetail_worker(ptr %start) {{
entry:
  %pool = load ptr, ptr %start
  %number_at = getelementptr i8, ptr %start, i64 8
  %worker = load i64, ptr %number_at
  {field("asleep_at", ASLEEP)}
  {field("stop_at", STOP)}
  {field("semaphore", SEMAPHORE)}
  br label %look
look:
  %spins = phi i64 [0, %entry], [0, %look2], [%more, %pause], [0, %sleep], [0, %erase]
  %stop = load atomic i64, ptr %stop_at acquire, align 8
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %leave, label %look2
look2:
  %worked = call i1 @work(ptr %pool, i64 %worker)
  br i1 %worked, label %look, label %idle
idle:
  %more = add i64 %spins, 1
  %long = icmp ugt i64 %more, {_SPINS_BEFORE_SLEEP}
  br i1 %long, label %tired, label %pause
pause:
  {pause}
  br label %look
tired:
  %others = atomicrmw add ptr %asleep_at, i64 1 seq_cst
  %ticket = load atomic i64, ptr %pool seq_cst, align 8
  %job = lshr i64 %ticket, 32
  %closed = trunc i64 %job to i1
  br i1 %closed, label %sleep, label %withdraw
sleep:
  %slept = call i32 @sem_wait(ptr %semaphore)
  br label %look
withdraw:
  %noted = load atomic i64, ptr %asleep_at seq_cst, align 8
  %called = icmp eq i64 %noted, 0
  br i1 %called, label %sleep, label %erase
erase:
  %without = sub i64 %noted, 1
  %exchange = cmpxchg ptr %asleep_at, i64 %noted, i64 %without seq_cst seq_cst
  %erased = extractvalue {{ i64, i1 }} %exchange, 1
  br i1 %erased, label %look, label %withdraw
leave:
  ret ptr null
}}
"""
