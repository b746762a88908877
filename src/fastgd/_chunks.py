"""A batch as chunks of problems, which crews solve in any order with the same results."""

import time
from contextlib import suppress

from ._crews import as_crew
from ._progress import as_progress
from ._spread import Spread
from .result import Status

# The numbers of batch_args that a compiled function has in one piece: those of a larger batch by chunks.
MOST_DATA_AT_ONCE = 1 << 20


def solve(plan, answers, *, workers, chunk_size, maxtime, observer, progress, checkpoint):
    """Solves all problems of a plan; see `minimize` for the options."""
    n_problems = plan.points.n_problems
    size = chunk_size or plan.chunk_size()
    crew = as_crew(workers)
    may_be_one_run = crew is None and progress is False and checkpoint is None
    if may_be_one_run and (n_problems <= size or plan.kind == "pointwise"):
        made = plan.objective()  # what is wrong is told before anything is written
        plan.points.move_to(answers["x"])
        return plan.solve(answers, maxtime, observer, made=made)
    job = Job(plan.flat(), answers, size, time.monotonic() + maxtime, observer, progress, checkpoint)
    try:
        objective, _, _ = job.sample.objective()  # what is compiled is compiled once, what is wrong is told at once
        if may_be_one_run and not objective.needs_gil and job.plan.data_size() <= MOST_DATA_AT_ONCE:
            # Its lanes run empty only once. The bits are those of chunks: machine code gets blocks that end where
            # vector registers do (CompiledBlock.prepare), so that no value depends on its neighbours.
            made = job.plan.objective()
            job.begin()
            return job.plan.solve(answers, job.seconds_left(), observer, made=made)
        if crew is None or not job.ranges:
            job.begin()
            for chunk in job.ranges:
                job.solve_here(chunk)
                job.finish(chunk)
        elif n_problems < crew.n_workers and Spread.is_for(plan):
            crew.solve_spread(job)
        else:
            crew.solve(job)
    except BaseException as error:  # what is done is not lost
        job.close_after(error)
        raise
    else:
        job.close()


class Job:
    """The chunks of a run, and where their answers go."""

    def __init__(self, plan, answers, size, deadline, observer, progress, checkpoint):
        self.plan = plan
        self.answers = answers
        self.deadline = deadline
        self.observer = observer
        self.n_done = 0
        self.sample = plan.sample(size)
        self.progress = self.checkpoint = None
        n_problems = len(plan.points.rows)
        self.ranges = [(start, min(start + size, n_problems)) for start in range(0, n_problems, size)]
        if checkpoint is not None:
            from ._checkpoint import Checkpoint

            self.checkpoint = Checkpoint(checkpoint, plan, size, observer)
            self.ranges = self.checkpoint.resume(answers, self.ranges)
        if progress is not False:
            self.progress = as_progress(progress, n_problems, self.checkpoint.done.sum() if self.checkpoint else 0)
        if checkpoint is not None and self.checkpoint.done.any():
            self.report(self.checkpoint.done)

    def begin(self):
        """Arguments are valid: from here on answers are written."""
        waiting = [slice(*chunk) for chunk in self.ranges] if self.n_done else [slice(None)]
        self.plan.points.move_to(self.answers["x"], waiting)

    def answers_of(self, chunk):
        """The rows of a chunk."""
        return {name: values[slice(*chunk)] for name, values in self.answers.items()}

    def seconds_left(self):
        return self.deadline - time.monotonic()

    def wall_clock_deadline(self):
        return time.time() + self.seconds_left()

    def solve_here(self, chunk, running=None):
        """Solves a chunk in this thread."""
        part, answers, seconds = self.plan.part(*chunk), self.answers_of(chunk), self.seconds_left()
        if seconds > 0.0:
            part.solve(answers, seconds, self.observer, running)
        else:
            part.leave(answers, Status.MAXTIME)

    def solve_side_by_side(self, evaluate, n_workers):
        """Solves all problems side by side in this thread, which has their points evaluated elsewhere."""
        self.begin()
        # all at once, but for a run that is resumed
        for chunk in self.ranges if self.n_done else [(0, self.plan.points.n_problems)]:
            part, answers = self.plan.part(*chunk), self.answers_of(chunk)
            if self.seconds_left() > 0.0:
                Spread(part, evaluate, n_workers, self.wall_clock_deadline()).solve(answers, self.observer)
            else:
                part.leave(answers, Status.MAXTIME)
            self.finish(chunk)

    def store(self, chunk, numbers):
        """Writes down the answers of a chunk that was solved elsewhere."""
        for name, values in self.answers_of(chunk).items():
            values[...] = numbers[name]
        self.finish(chunk)

    def finish(self, chunk):
        """A chunk is done."""
        if self.checkpoint is not None:
            self.checkpoint.add(chunk, self.answers)
        self.report(slice(*chunk))

    def report(self, problems):
        """These have ended."""
        status = self.answers["status"][problems]
        self.n_done += len(status)
        if self.progress is not None:
            self.progress.show(self.n_done, self.plan.points.n_problems, status)

    def close_after(self, error):
        """What goes wrong now does not take the place of what has ended the run."""
        try:
            self.close()
        except Exception as another:
            with suppress(Exception):  # the user's may take no notes
                error.add_note(f"fastgd: then the run could not be closed: {type(another).__name__}: {another}")

    def close(self):
        try:
            if self.checkpoint is not None:
                self.checkpoint.save(self.answers)
        finally:
            if self.progress is not None:
                self.progress.close()
