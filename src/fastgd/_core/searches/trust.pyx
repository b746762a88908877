"""Searches that shorten their steps by damping the direction, which turns it towards the negative gradient."""
from cython cimport final
from libc.math cimport fabs

from ..directions.damped cimport Damped
from ..memory.lanes cimport Lanes, ask, finish, rounding_at
from ..objectives.objective cimport VALUE
from ..stopping cimport NONFINITE, RUNNING, STALLED
from .armijo cimport PROMISED, TRIALS, search_row


@final
cdef class Trust(Armijo):
    def __init__(self, Damped direction not None):
        Armijo.__init__(self, direction, monotone=True)
        self.damped = direction

    cdef void shorten(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """The next trial: along a direction with more damping."""
        cdef bint finite = lanes.fault[lane] == RUNNING
        cdef double fall = fabs(search_row(self, lanes, PROMISED)[lane])
        search_row(self, lanes, TRIALS)[lane] += 1.0
        if (finite and fall < rounding_at(lanes, lane, lanes.here.f[lane])
                or search_row(self, lanes, TRIALS)[lane] > self.most_trials
                or not self.damped.damp(lanes, lane)):
            finish(lanes, lane, STALLED if finite else NONFINITE)
        ask(lanes, lane, VALUE)

    cdef void set_trial_points(self, Lanes *lanes) noexcept nogil:
        """Of all lanes. Where bounds make a direction lead up it is damped until it does not."""
        cdef Py_ssize_t lane
        cdef const double *promised = search_row(self, lanes, PROMISED)
        Armijo.set_trial_points(self, lanes)
        for lane in range(lanes.live):
            while self.marks[lane] and not promised[lane] < 0.0 and self.damped.damp(lanes, lane):
                self.set_trial_point(lanes, lane)
