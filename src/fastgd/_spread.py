"""A few problems whose function is slow: the points of their differences, evaluated side by side."""

import math
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ._core.objectives.returned import convert_value
from ._core.objectives.vectorized import OutOfTimeError
from ._inputs import Points, as_batch_args
from .difference import Difference
from .result import Status

# Points of one problem are sent out in groups, as many for each worker as make a group take about this long: a cluster
# takes up to 10 ms to send one and to get it back.
SECONDS_OF_A_GROUP = 0.1


class Outcome(NamedTuple):
    """Of a point: its value, or the function's exception, or a status that says why the function was not called."""

    value: float = math.nan
    error: Any = None
    status: Any = None


class Group(NamedTuple):
    """Points to evaluate one after another."""

    points: Any  # (n, n_dim)
    data: list  # for each of them a tuple: the further arguments of its problem
    are_floats: bool  # whether a function gets coordinates one by one

    def part(self, start, stop):
        return self._replace(points=self.points[start:stop], data=self.data[start:stop])


def values_at(fun, args, group, deadline, until_error):
    """The outcomes of some points, perhaps until the first exception, and the seconds that it took."""
    begin = time.perf_counter()
    outcomes = []
    for point, data in zip(group.points, group.data, strict=True):
        if time.time() > deadline:
            outcome = Outcome(status=Status.MAXTIME)
        else:
            try:
                leading = point.tolist() if group.are_floats else (point.copy(),)
                value = fun(*leading, *args, *data)
                outcome = Outcome(float(value) if isinstance(value, float) else convert_value(value))
            except Exception as error:
                outcome = Outcome(error=error)
                if group.are_floats and isinstance(error, (OverflowError, ZeroDivisionError)):
                    outcome = Outcome()  # how Python's floats say inf or nan
        outcomes.append(outcome)
        if until_error and outcome.error is not None:
            break
    return outcomes, time.perf_counter() - begin


class Spread:
    """A vectorized function for the loop, which has its points evaluated by `evaluate(groups, deadline)`.

    That returns for every group of points their outcomes, fewer where an exception made the others pointless, and the
    seconds that they took.
    """

    def __init__(self, plan, evaluate, n_workers, deadline):
        self.plan = plan
        self.evaluate = evaluate
        self.n_workers = n_workers
        self.deadline = deadline
        self.seconds = None  # of a point
        self.floats = plan.unpack or not plan.points.shape
        self.data = as_batch_args(plan.batch_args, plan.points)
        self.n_calls = np.zeros(plan.points.n_problems, dtype=np.intp)
        self.ended = {}  # by problem: the status of those that the loop takes for NONFINITE
        self.strayed = set()  # problems that were at a point that is not finite, where no function is called
        self.raised = set()  # problems whose function raised: what the loop asks again about that block is known
        self.cut_short = set()  # those of the block in which the time ran out: the loop does not count its calls
        self.failed = {}  # outcomes of the block where the function raised: the loop asks which point it was
        self.traceback = None
        self.trouble = None  # what went wrong at those who evaluate the points, and is no problem's fault
        self.at_start = {}  # by problem: f(x0), if that was asked for

    @staticmethod
    def is_for(plan):
        """Whether the points are worth being sent out one by one: those of a Python function, by values."""
        return plan.kind == "pointwise" and (plan.jac is None or isinstance(plan.jac, (str, Difference)))

    def solve(self, answers, observer):
        points = Points(self.plan.points.rows.copy(), self.plan.points.shape)  # for those that will be lost
        plan = replace(self.plan, points=points)
        numbers = np.arange(points.n_problems).reshape(points.batch_shape)
        if not points.shape:
            points = Points(points.rows, (1,))
        replace(plan, fun=self, args=(), vectorized=True, unpack=False, batch_args=(numbers,), points=points).solve(
            answers, self.deadline - time.time(), observer)
        if self.trouble is not None:
            raise self.trouble
        for problem, value in self.at_start.items():
            if answers["status"][problem] == Status.EXCEPTION and np.isnan(answers["jac"][problem, 0]):
                answers["fun"][problem] = value  # the loop has asked for it and for what raised at once
        for problem in self.strayed.union(self.ended, self.raised, self.cut_short):
            answers["nfev"][problem] = self.n_calls[problem]
        for problem in self.strayed:
            answers["njev"][problem] -= 1
            answers["status"][problem] = Status.NONFINITE  # whatever else the loop found there
        for problem, status in self.ended.items():
            own = {name: values[problem:problem + 1] for name, values in answers.items()}
            own["status"][...] = status
            if status == Status.WORKER_LOST:
                plan.part(problem, problem + 1).leave(own, status)

    def __call__(self, block, problems):
        keys = list(zip(problems.tolist(), (column.tobytes() for column in block.T), strict=True))
        columns = {}
        for j, key in enumerate(keys):
            columns.setdefault(key, j)  # blocks are filled up with copies
        outcomes = self.failed
        if not outcomes.keys() >= columns.keys():
            self.failed, outcomes = {}, self.outcomes(block, columns)
        error = next((outcome.error for key, outcome in outcomes.items() if key in columns
                      and outcome.error is not None), None)
        if error is not None:
            if not self.failed:
                self.failed, self.traceback = outcomes, error.__traceback__
            raise error.with_traceback(self.traceback)
        if any(outcomes[key].status == Status.MAXTIME for key in columns):
            self.cut_short.update(problem for problem, _ in columns)
            raise OutOfTimeError
        return np.array([outcomes[key].value for key in keys])

    def outcomes(self, block, columns):
        """By key, those of the lowest problem first."""
        keys = sorted(columns, key=lambda key: key[0])
        finite = np.isfinite(block).all(axis=0)
        asked = []
        for key in keys:
            if not finite[columns[key]]:
                self.strayed.add(key[0])
            elif key[0] not in self.ended:
                asked.append(key)
        points = np.ascontiguousarray(block[:, [columns[key] for key in asked]].T)
        data = [tuple(values[problem] for values in self.data) for problem, _ in asked]
        found = dict(zip(asked, self.evaluated(Group(points, data, self.floats)), strict=True))
        for (problem, point), outcome in found.items():
            if outcome is None:
                continue
            if problem not in self.at_start and (np.frombuffer(point) == self.plan.points.rows[problem]).all():
                self.at_start[problem] = outcome.value
            if outcome.error is not None:
                self.raised.add(problem)
            if outcome.status is None:
                self.n_calls[problem] += 1
            elif outcome.status != Status.MAXTIME:
                self.ended[problem] = outcome.status
        return {key: found.get(key) or Outcome() for key in keys}

    def evaluated(self, group):
        """The outcomes of all points, in order."""
        n = len(group.points)
        if not n:
            return []
        if self.trouble is not None:
            raise OutOfTimeError
        share = -(-n // self.n_workers)
        n_groups = round(share * (self.seconds or 0.0) / SECONDS_OF_A_GROUP)
        size = -(-share // max(n_groups, 1))
        groups = [group.part(start, start + size) for start in range(0, n, size)]
        # when the time is over the loop asks for the values at the answers, and for nothing else
        deadline = self.deadline if time.time() < self.deadline else math.inf
        found, total = [], 0.0
        try:
            for part, (outcomes, seconds) in zip(groups, self.evaluate(groups, deadline), strict=True):
                found += outcomes + [None] * (len(part.points) - len(outcomes))
                total += seconds
        except Exception as error:
            self.trouble = error
            raise OutOfTimeError from error  # the end of the run
        self.seconds = total / n
        return found
