"""What calls leave behind: no threads, no open files, no memory. Measured in processes of their own, for in this one
the heap still grows with what other tests have started."""

import contextlib
import gc
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import fastgd
from fastgd import functions, minimize

from .problems import valley

NUMBER_OF_CALLS = int(os.environ.get("NUMBER_OF_CALLS", 4000))


def used_by_this_process():
    """Threads, open files, and memory in MB where /proc tells."""
    gc.collect()
    if not os.path.exists("/proc/self/statm"):
        return threading.active_count(), 0, 0
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return threading.active_count(), len(os.listdir("/proc/self/fd")), pages * os.sysconf("SC_PAGESIZE") / 2**20


def used_before_and_after(call, n_before, n_calls):
    for _ in range(n_before):
        call()
    before = used_by_this_process()
    for _ in range(n_calls):
        call()
    return before, used_by_this_process()


class PlannedError(Exception):
    pass


def with_workers():
    x0 = np.random.default_rng(1).uniform(-1.0, 1.0, (64, 16))
    minimize(functions.sphere.compiled, x0, workers=2, chunk_size=16)
    minimize(valley, x0[:, :2], workers=2, chunk_size=16, maxiter=1)
    minimize(valley, x0[0, :2], workers=3, maxiter=1)
    for error in (PlannedError(), KeyboardInterrupt()):
        def fun(x, error=error):
            raise error

        for problems in (x0, x0[:2]):
            with contextlib.suppress(PlannedError, KeyboardInterrupt):
                minimize(fun, problems, workers=4, chunk_size=16)


def stop(x):
    raise StopIteration


def in_this_thread():
    start = np.array([0.5, 0.25])
    minimize(functions.sphere.compiled, start, maxiter=1)
    minimize(valley, start, maxiter=1, callback=stop)
    fastgd.gradient(valley, start)
    with contextlib.suppress(ZeroDivisionError):
        minimize(lambda x: 1 / 0, start)


@pytest.mark.parametrize(("call", "n_before", "n_calls", "megabytes"), [
    (with_workers, 20, 40, 5.0),  # threads have heaps of their own
    (in_this_thread, 300, NUMBER_OF_CALLS // 4, 1.0)])
def test_many_calls_leave_nothing_behind(call, n_before, n_calls, megabytes):
    """Calls that succeed, that raise, that the callback ends, that are interrupted."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        before, after = pool.submit(used_before_and_after, call, n_before, n_calls).result()
    assert after[:2] == before[:2]
    assert after[2] < before[2] + megabytes
