"""Timings that can be compared: the sides take turns, in one process, and the best round of each counts."""

import gc
import time


def best_seconds(*functions, rounds=7):
    """The shortest time of each function, all of them called in turn in every round."""
    best = [float("inf")] * len(functions)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for i, function in enumerate(functions):
                begin = time.perf_counter()
                function()
                best[i] = min(best[i], time.perf_counter() - begin)
    finally:
        gc.enable()
    return best
