"""Actors of Dask, which evaluate points in its workers."""

import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from distributed import TimeoutError, wait  # type: ignore[import-untyped, import-not-found]

# Workers of Dask that have no actor by then get tasks.
SECONDS_FOR_ACTORS = 0.2


class Actors:
    """Groups of points go to workers of Dask directly, because a task, which goes through its scheduler, takes 10 ms
    longer. Those that an actor cannot take, or that are lost with it, become tasks."""

    def __init__(self, loop, futures, submit):
        with suppress(TimeoutError):  # of workers that are busy or gone
            wait(futures, timeout=SECONDS_FOR_ACTORS)
        self.loop = loop
        self.submit = submit
        self.actors = [future.result() for future in futures if future.status == "finished"]
        self.lost = set()
        self.n_sent = 0

    def __call__(self, task):
        actors = self.present()
        if not actors:
            return self.submit(task)
        answer = Future()
        self.n_sent += 1
        self.loop.add_callback(self.evaluate, actors[self.n_sent % len(actors)], task, answer)
        return answer

    def stop(self):
        """What they have been sent is not wanted any more. Before it knows that, none must be given up."""
        answers = []
        for actor in self.present():
            with suppress(Exception):  # of one that is lost
                answers.append(actor.stop())
        end = time.monotonic() + SECONDS_FOR_ACTORS
        for answer in answers:
            with suppress(Exception):
                answer.result(max(end - time.monotonic(), 0.0))

    def present(self):
        return [actor for actor in self.actors if id(actor) not in self.lost]

    async def evaluate(self, actor, task, answer):
        try:
            try:
                values = await actor.values(task)
            except (OSError, RuntimeError):  # how an actor says that it is lost
                self.lost.add(id(actor))
                self.submit(task).add_done_callback(partial(pass_on, answer))
            else:
                if answer.set_running_or_notify_cancel():
                    answer.set_result(values)
        except BaseException as error:  # whatever it is, somebody waits for the answer
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)


def pass_on(answer, future):
    """Gives the result of one future to another, unless that was cancelled."""
    if not answer.set_running_or_notify_cancel():
        return
    if (error := future.exception()) is None:
        answer.set_result(future.result())
    else:
        answer.set_exception(error)
