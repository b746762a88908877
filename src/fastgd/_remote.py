"""What goes to other processes, and what is done there.

The clocks of machines agree on the time of day alone, so that deadlines are seconds of time.time().
"""

import functools
import pickle
import time

from ._objective import resolved
from ._plan import allocate, as_rates
from ._spread import Outcome, values_at
from .result import Status


class Shipment:
    """A plan as bytes: the user's functions, which every worker unpacks once, and any part of the rest."""

    def __init__(self, plan, sample):
        self.functions = pickled((*plan.given, plan.args, plan.method, pickled(rest(sample), "batch_args")),
                                 "the objective")
        self.rest = rest(plan)

    def part(self, chunk):
        return pickled(self.rest.part(*chunk), "batch_args")


def rest(plan):
    return plan.but(fun=None, jac=None, given=None, args=(), method=None, rates=None)


def pickled(thing, what):
    try:
        import cloudpickle as pickler  # type: ignore[import-untyped, import-not-found]
    except ImportError:
        pickler = pickle
    try:
        return pickler.dumps(thing)
    except Exception as error:  # of any kind, from the user's objects
        advice = "" if pickler.__name__ == "cloudpickle" else " (with cloudpickle installed more can)"
        raise TypeError(f"{what} cannot be sent to other processes, because it cannot be pickled{advice}: {error}"
                        ) from error


@functools.lru_cache(maxsize=4)
def unpacked(functions):
    """Once in every worker: a jitted function is compiled there once, a schedule asked once for a rate."""
    fun, jac, args, method, sample = pickle.loads(functions)
    plan = {"fun": resolved(fun), "jac": resolved(jac), "args": args, "method": method, "rates": as_rates(method)}
    pickle.loads(sample).but(**plan).objective()  # a jitted function is checked at the same points everywhere
    return plan


def solve_shipped(functions, task):
    """A part of a plan, to be solved in another process by some time of day: its answers."""
    part, deadline = task
    part = pickle.loads(part).but(**unpacked(functions))
    answers = allocate(part.points)
    seconds = deadline - time.time()
    if seconds <= 0.0:
        part.leave(answers, Status.MAXTIME)
        return answers
    try:
        part.solve(answers, seconds)
    except Exception as error:
        raise portable(error)  # noqa: B904  (it is the same one, or has it as its context)
    return answers


def values_shipped(functions, task):
    """The outcomes of some points, computed in another process, and the seconds that it took."""
    import traceback

    points, *how = task
    plan = unpacked(functions)
    outcomes, seconds = values_at(plan["fun"], plan["args"], pickle.loads(points), *how)
    return [outcome if outcome.error is None else Outcome(
        error=portable(outcome.error), traceback="".join(traceback.format_exception(outcome.error)))
        for outcome in outcomes], seconds


class Evaluator:
    """What stays in another process to evaluate points there."""

    def __init__(self, functions):
        self.functions = functions

    def values(self, task):
        return values_shipped(self.functions, task)


def portable(error):
    """The exception, or one that tells of it: what cannot be pickled breaks a pool of processes."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:  # of any kind, from the user's class
        told = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        return told
