"""When a run must end."""
from cython cimport final


@final
cdef class Clock:
    """The deadline of a run. Another thread may cancel the run."""

    def __cinit__(self):
        self.deadline = INFINITY

    def cancel(self):
        """Ends the run before its next call to the objective; answers are no longer wanted."""
        self.deadline = 0.0
