"""A batch as chunks of problems, which threads and executors solve in any order with the same results."""

import functools
import math
from collections import deque
from time import monotonic

import numpy as np

from ._inputs import Points
from ._objective import is_jitted, recognize
from ._plan import allocate
from .result import Status

# Problems in a chunk. It depends on the kind of function and on n_dim, and never on the workers, because a NumPy
# function whose values depend on the number of points (matrix products do) would make the results depend on it.
POINTWISE_CHUNK = 256
LARGEST_CHUNK = 65_536
COMPILED_CHUNK = 4_096  # with fewer, the end of a chunk, where its lanes empty, takes a notable share
VECTORIZED_CHUNK_BYTES = 1 << 21  # of coordinates: four of the blocks that a function gets

# How often a waiting main thread tells the others to end, after Ctrl-C.
SECONDS_BETWEEN_CANCELS = 0.02


def default_chunk_size(plan):
    if callable(plan.fun) and not is_jitted(plan.fun) and recognize(plan.fun) is None:
        if not plan.vectorized:
            return POINTWISE_CHUNK
        return min(max(VECTORIZED_CHUNK_BYTES // (8 * plan.points.n_dim), COMPILED_CHUNK), LARGEST_CHUNK)
    return COMPILED_CHUNK


def solve(plan, answers, *, workers, chunk_size, maxtime, observer, progress, checkpoint):
    """Solves all problems of a plan; see `minimize` for the options."""
    n_problems = plan.points.n_problems
    size = chunk_size or default_chunk_size(plan)
    crew = as_crew(workers)
    if crew is None and n_problems <= size and plan.points.is_own and progress is False and checkpoint is None:
        plan.solve(answers, maxtime, observer)
    elif crew is not None and n_problems < crew.n_workers and is_pointwise(plan):
        crew.solve_spread(plan, answers, maxtime, observer)
    else:
        job = Job(plan, answers, size, monotonic() + maxtime, observer, progress, checkpoint)
        if job.ranges:
            (crew or Alone()).solve(job)
        job.close()


class Job:
    """The chunks of a run, and where their answers go."""

    def __init__(self, plan, answers, size, deadline, observer, progress, checkpoint):
        self.plan = plan
        self.answers = answers
        self.deadline = deadline
        self.observer = observer
        n_problems = plan.points.n_problems
        self.progress = self.checkpoint = None
        if progress is not False:
            from ._progress import as_progress

            self.progress = as_progress(progress, n_problems)
        self.ranges = [(start, min(start + size, n_problems)) for start in range(0, n_problems, size)]
        if checkpoint is not None:
            from ._checkpoint import Checkpoint

            self.checkpoint = Checkpoint(checkpoint, plan, size)
            self.ranges = self.checkpoint.resume(answers, self.ranges)
        self.n_done = n_problems - sum(stop - start for start, stop in self.ranges)

    def part(self, chunk):
        return self.plan.part(*chunk)

    def answers_of(self, chunk):
        """The rows of the answers that belong to a chunk."""
        return {name: values[slice(*chunk)] for name, values in self.answers.items()}

    def seconds_left(self):
        return self.deadline - monotonic()

    def solve_here(self, chunk, running=None):
        """Solves a chunk in this thread."""
        part, answers, seconds = self.part(chunk), self.answers_of(chunk), self.seconds_left()
        if seconds > 0.0:
            part.solve(answers, seconds, self.observer, running)
        else:
            part.leave(answers, Status.MAXTIME)

    def take(self, chunk, numbers):
        """Writes down the answers of a chunk that was solved elsewhere."""
        for name, values in self.answers_of(chunk).items():
            values[...] = numbers[name]

    def note(self, chunk):
        """A chunk is done."""
        start, stop = chunk
        self.n_done += stop - start
        if self.checkpoint is not None:
            self.checkpoint.add(chunk, self.answers)
        if self.progress is not None:
            self.progress.show(self.n_done, self.plan.points.n_problems, self.answers["status"][start:stop])

    def close(self):
        if self.checkpoint is not None:
            self.checkpoint.save(self.answers)
        if self.progress is not None:
            self.progress.close()


class Alone:
    """This thread does everything."""

    def solve(self, job):
        for chunk in job.ranges:
            job.solve_here(chunk)
            job.note(chunk)


def as_crew(workers):
    """Who solves the chunks; None if it is this thread alone."""
    if isinstance(workers, (int, np.integer)) and not isinstance(workers, bool):
        if workers < -1 or workers == 0:
            raise ValueError(f"workers must be a positive integer or -1, got {workers}")
        n_threads = available_cpus() if workers == -1 else int(workers)
        return Threads(n_threads) if n_threads > 1 else None
    if hasattr(workers, "submit"):
        if type(workers).__name__ == "ThreadPoolExecutor":  # its threads share the memory of this one
            return Threads(workers._max_workers)
        return OnExecutor(workers)
    if callable(workers):
        return OnMap(workers)
    raise TypeError("workers must be an integer, an Executor or a map-like callable, got "
                    f"{type(workers).__name__}")


def available_cpus():
    """The CPUs that this process may use: by its affinity, and by the quota of its control group."""
    import os

    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        n_cpus = min(n_cpus, max(int(quota) // int(period), 1))
    except (OSError, ValueError):  # there is none, or it is "max"
        pass
    return n_cpus


class Threads:
    """Threads of this process. Compiled functions run side by side; Python functions take turns, unless they let go
    of the GIL."""

    def __init__(self, n_threads):
        self.n_workers = n_threads

    def solve_spread(self, plan, answers, maxtime, observer):
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.n_workers) as pool:
            here = functools.partial(pool.map, lambda point, data: value_at(plan.fun, point, plan.args, data))
            spread(plan, here).solve(answers, maxtime, observer)

    def solve(self, job):
        from concurrent.futures import ThreadPoolExecutor

        job.part(job.ranges[0]).objective()  # what is compiled is compiled once, and what is wrong is told at once
        running = []
        pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="fastgd")
        try:
            in_window(job, functools.partial(pool.submit, job.solve_here, running=running), 2 * self.n_workers)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while any(thread.is_alive() for thread in pool._threads):
                for difference in running:
                    difference.deadline = 0.0
                for thread in pool._threads:
                    thread.join(SECONDS_BETWEEN_CANCELS)
            raise
        pool.shutdown()


def in_window(job, submit, window):
    """Hands out the chunks in order, a limited number at a time; the first exception is that of the lowest chunk."""
    from concurrent.futures import FIRST_COMPLETED, wait

    waiting, running, failures = deque(job.ranges), {}, {}
    while running or (waiting and not failures):
        while waiting and len(running) < window and not failures:
            chunk = waiting.popleft()
            running[submit(chunk)] = chunk
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            chunk = running.pop(future)
            if future.exception() is None:
                job.note(chunk)
            else:
                failures[chunk] = future.exception()
    if failures:
        raise failures[min(failures)]


# Other processes


def shipped(plan):
    """The user's functions as bytes, and the plan without them."""
    try:
        import cloudpickle as pickler  # type: ignore[import-untyped, import-not-found]
    except ImportError:
        import pickle as pickler
    try:
        return pickler.dumps((plan.fun, plan.jac, plan.args)), plan.but(fun=None, jac=None, args=())
    except Exception as error:  # of any kind, from the user's objects
        raise TypeError(f"the objective cannot be sent to other processes, because it cannot be pickled: {error}"
                        ) from error


@functools.lru_cache(maxsize=4)
def unshipped(functions):
    """Once in every worker: a jitted function is compiled there once."""
    import pickle

    return pickle.loads(functions)


def solve_shipped(functions, part, seconds):
    """A chunk, solved in another process: its answers."""
    fun, jac, args = unshipped(functions)
    part = part.but(fun=fun, jac=jac, args=args)
    answers = allocate(part.points)
    if seconds > 0.0:
        part.solve(answers, seconds)
    else:
        part.leave(answers, Status.MAXTIME)
    return answers


def value_shipped(functions, point, data):
    """The value at one point, computed in another process."""
    fun, _, args = unshipped(functions)
    return value_at(fun, point, args, data)


class OnExecutor:
    """An executor of the user's: of processes, or of machines."""

    def __init__(self, executor):
        self.executor = executor
        self.n_workers = getattr(executor, "_max_workers", None) or available_cpus()
        self.own = None  # in the place of one that is broken

    def solve_spread(self, plan, answers, maxtime, observer):
        functions, _ = shipped(plan)
        there = functools.partial(self.executor.map, functools.partial(value_shipped, functions))
        spread(plan, there).solve(answers, maxtime, observer)

    def solve(self, job):
        if job.observer is not None:
            raise TypeError("callback and trace do not go with an executor, whose workers cannot call back")
        functions, plan = shipped(job.plan)
        job.part(job.ranges[0]).objective()  # what is wrong is told before anything is sent
        try:
            for chunk in self.solve_in_window(job, functions, plan):
                self.solve_suspect(job, functions, plan, chunk)
        finally:
            if self.own is not None:
                self.own.shutdown(wait=False, cancel_futures=True)

    def submit(self, job, functions, plan, chunk):
        return (self.own or self.executor).submit(solve_shipped, functions, plan.part(*chunk), job.seconds_left())

    def solve_in_window(self, job, functions, plan):
        """Solves what can be solved; returns the chunks whose worker may have died of them."""
        from concurrent.futures import FIRST_COMPLETED, wait

        waiting, running, failures, suspects = deque(job.ranges), {}, {}, []
        while running or (waiting and not failures):
            while waiting and len(running) < 2 * self.n_workers and not failures:
                chunk = waiting.popleft()
                try:
                    running[self.submit(job, functions, plan, chunk)] = chunk
                except Exception as error:
                    if not is_lost(error):
                        raise
                    waiting.appendleft(chunk)
                    break
            broken = not running
            for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                chunk = running.pop(future)
                error = future.exception()
                if error is None:
                    job.take(chunk, future.result())
                    job.note(chunk)
                elif is_lost(error):
                    broken = True
                    suspects.append(chunk)
                else:
                    failures[chunk] = error
            if broken and not running:
                self.renew()
        if failures:
            raise failures[min(failures)]
        return sorted(suspects)

    def solve_suspect(self, job, functions, plan, chunk):
        """Once more, by itself; then its halves; a problem that no worker survives is WORKER_LOST."""
        try:
            numbers = self.submit(job, functions, plan, chunk).result()
        except Exception as error:
            if not is_lost(error):
                raise
            self.renew()
        else:
            job.take(chunk, numbers)
            job.note(chunk)
            return
        start, stop = chunk
        if stop - start == 1:
            job.part(chunk).leave(job.answers_of(chunk), Status.WORKER_LOST)
            job.note(chunk)
            return
        middle = (start + stop) // 2
        self.solve_suspect(job, functions, plan, (start, middle))
        self.solve_suspect(job, functions, plan, (middle, stop))

    def renew(self):
        """A pool of processes is of no use after one of them has died: another one, like it."""
        from concurrent.futures import ProcessPoolExecutor

        pool = self.own or self.executor
        if isinstance(pool, ProcessPoolExecutor):
            if self.own is not None:
                self.own.shutdown(wait=False)
            self.own = ProcessPoolExecutor(self.n_workers, mp_context=pool._mp_context, initializer=pool._initializer,
                                           initargs=pool._initargs)


# What executors call the death of a worker, besides BrokenExecutor.
NAMES_OF_LOSS = ("KilledWorker", "CommClosedError", "TerminatedWorkerError")


def is_lost(error):
    from concurrent.futures import BrokenExecutor

    return isinstance(error, BrokenExecutor) or type(error).__name__ in NAMES_OF_LOSS


class OnMap:
    """A map-like callable, such as the `map` of a `multiprocessing.Pool`, as SciPy takes it."""

    n_workers = 2  # nobody knows how many it has

    def __init__(self, map_like):
        self.map_like = map_like

    def solve_spread(self, plan, answers, maxtime, observer):
        functions, _ = shipped(plan)
        value = ValueOf(functions)
        spread(plan, lambda points, data: self.map_like(value, zip(points, data, strict=True))).solve(
            answers, maxtime, observer)

    def solve(self, job):
        if job.observer is not None:
            raise TypeError("callback and trace do not go with a map-like callable, whose workers cannot call back")
        functions, plan = shipped(job.plan)
        job.part(job.ranges[0]).objective()
        parts = ((plan.part(*chunk), job.seconds_left()) for chunk in job.ranges)
        for chunk, numbers in zip(job.ranges, self.map_like(SolutionOf(functions), parts), strict=True):
            job.take(chunk, numbers)
            job.note(chunk)


class SolutionOf:
    """A function of one argument, which is all that a map passes on."""

    def __init__(self, functions):
        self.functions = functions

    def __call__(self, task):
        return solve_shipped(self.functions, *task)


class ValueOf(SolutionOf):
    def __call__(self, task):
        return value_shipped(self.functions, *task)


# The points of one problem, spread over the workers


def is_pointwise(plan):
    """Whether the points of its stencil are worth being sent out one by one: a Python function, by values."""
    from .difference import Difference

    return (callable(plan.fun) and not plan.vectorized and not is_jitted(plan.fun) and recognize(plan.fun) is None
            and (plan.jac is None or isinstance(plan.jac, (str, Difference))))


def spread(plan, map_points):
    """The plan with a vectorized function, which hands the points to `map_points(points, data)`."""
    floats = plan.unpack or not plan.points.shape

    def values(block, *data):
        chosen = {}  # blocks are filled up by copies of points that they contain
        keys = [column.tobytes() for column in block.T]
        for j, key in enumerate(keys):
            chosen.setdefault(key, j)
        points = [tuple(block[:, j].tolist()) if floats else block[:, j].copy() for j in chosen.values()]
        found = map_points(points, [tuple(array[..., j] for array in data) for j in chosen.values()])
        by_key = {key: value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
                  for key, value in zip(chosen, found, strict=True)}
        return np.asarray([by_key[key] for key in keys])

    points = plan.points if plan.points.shape else Points(plan.points.rows, (1,))
    return plan.but(fun=values, args=(), vectorized=True, unpack=False, points=points)


def value_at(fun, point, args, data):
    """A function's value at a point, which is a tuple of floats or an array."""
    if not isinstance(point, tuple):
        return fun(point, *args, *data)
    try:
        return fun(*point, *args, *data)
    except (OverflowError, ZeroDivisionError):
        return math.nan  # what NumPy's numbers would have come to
