"""Who solves chunks: threads of this process, executors of processes and machines, map-like callables."""

import os
import sys
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from functools import partial

import numpy as np

from ._remote import Evaluator, RemoteTraceback, Shipment, arrived, on_loan, pickled, solve_shipped, values_shipped
from ._signals import uninterrupted
from ._spread import Outcome, values_at
from .result import Status

# How often threads are told to end, after Ctrl-C.
SECONDS_BETWEEN_CANCELS = 0.02
CONTROL_GROUPS = "/sys/fs/cgroup"
OWN_CONTROL_GROUPS = "/proc/self/cgroup"
# Ctrl-C has its effect between two waits.
LONGEST_WAIT = 0.1
# Functions whose data are larger than this are not sent with every task.
LARGE_SHIPMENT = 1 << 18
# A map-like callable may give nothing back before it is done with all.
CHUNKS_IN_A_MAP = 64


def as_crew(workers):
    """Who solves the chunks; None if it is this thread alone."""
    if isinstance(workers, (int, np.integer)) and not isinstance(workers, bool):
        if workers < -1 or workers == 0:
            raise ValueError(f"workers must be a positive integer or -1, got {workers}")
        n_threads = available_cpus() if workers == -1 else int(workers)
        return Threads(n_threads) if n_threads > 1 else None
    if workers is map:
        return None
    if hasattr(workers, "submit") and not hasattr(workers, "get_executor"):
        if is_of_threads(workers):
            return Threads(workers._max_workers, workers)
        return OnExecutor(workers)
    if callable(workers):
        return OnMap(workers)
    hints = {"get_executor": " (pass its get_executor())", "map": " (pass its map)"}  # a Client of Dask has both
    hint = next((hints[name] for name in hints if callable(getattr(workers, name, None))), "")
    raise TypeError("workers must be an integer, an Executor or a map-like callable, got "
                    f"{type(workers).__name__}{hint}")


def is_of_threads(executor):
    """Whether its workers share the memory of this one; those of an InterpreterPoolExecutor do not, though it is made
    of a ThreadPoolExecutor."""
    names = class_names(executor)
    return "ThreadPoolExecutor" in names and "InterpreterPoolExecutor" not in names


def class_names(thing):
    return {base.__name__ for base in type(thing).__mro__}


def available_cpus():
    """The CPUs that this process may use: by its affinity, and by the quotas of its control groups."""
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in control_groups():
        for names in ((f"{group}/cpu.max",), (f"/cpu{group}/cpu.cfs_quota_us", f"/cpu{group}/cpu.cfs_period_us")):
            with suppress(OSError, ValueError):  # there is none, of versions 2 and 1, or it is "max"
                quota, period = (int(word) for name in names for word in words_in(CONTROL_GROUPS + name))
                if quota > 0:
                    n_cpus = min(n_cpus, max(quota // period, 1))
    return n_cpus


def control_groups():
    """Those of this process, and those around them up to the root, which is "": a quota holds for all inside."""
    groups = {""}
    with suppress(OSError, ValueError):
        for line in words_in(OWN_CONTROL_GROUPS, "\n"):
            _, _, group = line.split(":", 2)
            while group := group.rstrip("/"):
                groups.add(group)
                group = group.rpartition("/")[0]
    return groups


def words_in(path, separator=None):
    with open(path) as file:
        return file.read().strip().split(separator)


def wait_for_some(futures, seconds):
    """Those that are done and those that are not, as soon as one is done."""
    from concurrent.futures import FIRST_COMPLETED, wait

    with uninterrupted():
        return wait(futures, seconds, FIRST_COMPLETED)


def nothing_more(futures):
    """For what cannot be ended."""


def in_window(tasks, submit, size, done, stop=nothing_more):
    """Hands out tasks in order, some at a time; `done(task, future)` returns what is to be raised, or None.

    Raised is that of the lowest task, as if they were done one after another. What was begun in vain is cancelled;
    `stop(futures)` is to end what cannot be.
    """
    waiting, running, errors = iter(tasks), {}, {}
    try:
        while True:
            while len(running) < size and (task := next(waiting, None)) is not None:
                with uninterrupted():
                    running[submit(task)] = task
            if not running:
                return
            for future in wait_for_some(running, LONGEST_WAIT).done:
                task = running.pop(future)
                error = done(task, future)
                if error is not None:
                    errors[task], waiting = error, iter(())
            if errors:  # KeyboardInterrupt and SystemExit do not wait
                first = min(errors, key=lambda task: (isinstance(errors[task], Exception), task))
                if not isinstance(errors[first], Exception) or not any(task < first for task in running.values()):
                    raise errors[first]
    finally:
        errors.clear()  # whose tracebacks refer to it
        stop([future for future in running if not future.cancel()])


def outcomes_of(groups, submit, size, until_error, read=lambda answer: answer, means_loss=lambda error: False,
                stop=nothing_more):
    """Of every group of points, in order: their outcomes, and the seconds that they took; `read` takes an answer, and
    `means_loss` says of an exception whether the worker died."""
    found, suspects = [([], 0.0)] * len(groups), []

    def done(k, future):
        try:
            found[k] = read(future.result())
            return found[k][0][-1].error if until_error else None
        except BaseException as error:
            if not means_loss(error):
                return error
            suspects.append(k)

    try:
        in_window(range(len(groups)), lambda k: submit(groups[k]), size, done, stop)
    except Exception:  # perhaps the user's, which is raised with its point by who gets the outcomes
        if not any(outcomes and outcomes[-1].error is not None for outcomes, _ in found):
            raise
        return found
    for k in suspects:  # once more, each point by itself
        found[k] = ([], 0.0)
        for point in range(len(groups[k].points)):
            try:
                found[k][0].extend(read(submit(groups[k].part(point, point + 1)).result())[0])
            except Exception as error:
                if not means_loss(error):
                    raise
                found[k][0].append(Outcome(status=Status.WORKER_LOST))
    return found


class Threads:
    """Threads of this process. Compiled functions run side by side; Python functions take turns at the GIL."""

    def __init__(self, n_threads, given=None):
        self.n_workers = n_threads
        self.given = given

    @contextmanager
    def pool(self):
        """What takes a function and its arguments, to be run with the context variables of this thread."""
        from concurrent.futures import ThreadPoolExecutor

        if self.given is not None:
            yield lambda *call: self.given.submit(copy_context().run, *call)
        else:
            with ThreadPoolExecutor(self.n_workers, thread_name_prefix="fastgd") as own:
                yield lambda *call: own.submit(copy_context().run, *call)

    def solve_spread(self, job):
        plan, until_error = job.plan, not job.plan.record_errors
        in_vain = []  # groups that are going on after an exception or Ctrl-C

        def fun(*arguments):
            if in_vain:
                raise InterruptedError
            return plan.fun(*arguments)

        with self.pool() as submit:
            job.solve_side_by_side(lambda groups, deadline: outcomes_of(
                groups, lambda group: submit(values_at, fun, plan.args, group, deadline, until_error),
                2 * self.n_workers, until_error, stop=in_vain.extend), self.n_workers)

    def solve(self, job):
        running = []

        def stop(futures):
            while futures:
                for clock in running:
                    clock.cancel()
                futures = wait_for_some(futures, SECONDS_BETWEEN_CANCELS).not_done

        def done(chunk, future):
            if future.exception() is None:
                job.finish(chunk)
            return future.exception()

        job.begin()
        with self.pool() as submit:
            in_window(job.ranges, lambda chunk: submit(job.solve_here, chunk, running), 2 * self.n_workers, done, stop)


class OnExecutor:
    """An executor of the user's: of processes, or of machines."""

    def __init__(self, executor):
        self.executor = executor
        self.own = None  # in the place of one that is broken
        self.n_workers = getattr(executor, "_max_workers", None) or available_cpus()
        self.options = {}
        if is_from("distributed", executor):
            self.n_workers = sum(executor._client.nthreads().values()) or self.n_workers
            self.options = {"pure": False}  # what is tried again is not what was tried before

    def submit(self, function, *arguments):
        with uninterrupted():
            while True:
                try:
                    return (self.own or self.executor).submit(function, *arguments, **self.options)
                except Exception as error:
                    if not is_lost(error):
                        raise
                    self.renew(error)

    def renew(self, error):
        """A pool of processes is of no use after one of them has died: another one, like it."""
        from concurrent.futures import ProcessPoolExecutor

        pool = self.own or self.executor
        options = {"initializer": getattr(pool, "_initializer", None), "initargs": getattr(pool, "_initargs", ())}
        if isinstance(pool, ProcessPoolExecutor):
            self.own = ProcessPoolExecutor(self.n_workers, pool._mp_context, **options,
                                           max_tasks_per_child=pool._max_tasks_per_child)
        elif is_from("loky", pool):
            from loky import ProcessPoolExecutor as Loky  # type: ignore[import-untyped, import-not-found]
            self.own = Loky(self.n_workers, context=pool._context, env=pool._env, **options)
        else:
            raise error
        if pool is not self.executor:
            pool.shutdown(wait=False)
        self.own.submit(int).result()  # if it cannot do even this, no problem is to blame

    @contextmanager
    def closing(self):
        """For the pools that take the place of a broken one."""
        is_done = False
        try:
            yield
            is_done = True
        finally:
            if self.own is not None:
                self.own.shutdown(wait=is_done)

    def solve_spread(self, job):
        shipment, until_error = Shipment(job.plan, job.sample), not job.plan.record_errors
        with self.closing(), self.sharing(shipment) as functions, self.evaluating(functions) as submit:
            job.solve_side_by_side(lambda groups, deadline: outcomes_of(
                groups, lambda group: submit((pickled(group, "batch_args"), deadline, until_error)),
                2 * self.n_workers, until_error, arrived, is_lost), self.n_workers)

    def sharing(self, shipment):
        """The functions as they go with every task: where they are large, what leads to them."""
        if len(shipment.functions) > LARGE_SHIPMENT:
            if is_from("distributed", self.executor) and not self.executor._client.asynchronous:
                return nullcontext(self.executor._client.scatter(shipment.functions, broadcast=True, hash=False))
            if "ProcessPoolExecutor" in class_names(self.executor):  # of the standard library or loky: on this machine
                return on_loan(shipment.functions)
        return nullcontext(shipment.functions)

    @contextmanager
    def evaluating(self, functions):
        """What takes groups of points: tasks, or Dask's actors, which have one thread in each worker."""
        submit = partial(self.submit, values_shipped, functions)
        client = self.executor._client if is_from("distributed", self.executor) else None
        if client is None or client.asynchronous or set(client.nthreads().values()) != {1}:
            yield submit
            return
        futures = [client.submit(Evaluator, functions, actor=True, workers=[address], pure=False)
                   for address in client.nthreads()]
        from ._actors import Actors

        actors = Actors(client.loop, futures, submit)
        try:
            yield actors
        finally:
            actors.stop()
            client.cancel(futures)

    def solve(self, job):
        if job.observer is not None:
            raise TypeError("callback and trace do not go with an executor, whose workers cannot call back")
        shipment = Shipment(job.plan, job.sample)

        def submit(chunk):
            return self.submit(solve_shipped, functions, (shipment.part(chunk), job.wall_clock_deadline()))

        with self.closing(), self.sharing(shipment) as functions:
            job.begin()
            suspects = self.solve_in_window(job, submit, job.ranges)
            for chunk in self.solve_in_window(job, submit, suspects):
                self.solve_suspect(job, submit, chunk)

    def solve_in_window(self, job, submit, chunks):
        """Solves what can be solved; returns the chunks whose worker may have died of them."""
        suspects = []

        def done(chunk, future):
            try:
                numbers = arrived(future.result())
            except BaseException as error:
                if not is_lost(error):
                    return error
                suspects.append(chunk)
            else:
                job.store(chunk, numbers)

        in_window(chunks, submit, 2 * self.n_workers, done)
        return sorted(suspects)

    def solve_suspect(self, job, submit, chunk):
        """By itself; then its halves; a problem that no worker survives is WORKER_LOST."""
        start, stop = chunk
        middle = (start + stop) // 2
        try:
            numbers = arrived(submit(chunk).result())
        except Exception as error:
            if not is_lost(error):
                raise
        else:
            return job.store(chunk, numbers)
        if middle > start:
            self.solve_suspect(job, submit, (start, middle))
            self.solve_suspect(job, submit, (middle, stop))
        else:
            job.plan.part(*chunk).leave(job.answers_of(chunk), Status.WORKER_LOST)
            job.finish(chunk)


# What executors call the death of a worker, besides BrokenExecutor.
NAMES_OF_LOSS = ("KilledWorker", "CommClosedError", "TerminatedWorkerError")


def is_lost(error):
    from concurrent.futures import BrokenExecutor

    if isinstance(error.__cause__, RemoteTraceback):  # the function raised it, perhaps about a pool of its own
        return False
    return isinstance(error, BrokenExecutor) or type(error).__name__ in NAMES_OF_LOSS


def is_from(package, thing):
    return any(base.__module__.partition(".")[0] == package for base in type(thing).__mro__)


class OnMap:
    """A map-like callable, such as the `map` of a `multiprocessing.Pool`, as SciPy takes it."""

    n_workers = 2  # nobody knows how many it has

    def __init__(self, map_like):
        self.map_like = map_like

    def solve_spread(self, job):
        functions, until_error = Shipment(job.plan, job.sample).functions, not job.plan.record_errors
        values = partial(values_shipped, functions)
        job.solve_side_by_side(lambda groups, deadline: map(arrived, self.map_like(values, [
            (pickled(group, "batch_args"), deadline, until_error) for group in groups])), sys.maxsize)  # a point each

    def solve(self, job):
        if job.observer is not None:
            raise TypeError("callback and trace do not go with a map-like callable, whose workers cannot call back")
        shipment = Shipment(job.plan, job.sample)
        solve = partial(solve_shipped, shipment.functions)
        job.begin()
        for start in range(0, len(job.ranges), CHUNKS_IN_A_MAP):
            ranges = job.ranges[start:start + CHUNKS_IN_A_MAP]
            solutions = self.map_like(solve, ((shipment.part(chunk), job.wall_clock_deadline()) for chunk in ranges))
            for chunk, numbers in zip(ranges, solutions, strict=True):
                job.store(chunk, arrived(numbers))
