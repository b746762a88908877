"""Learning rates that change from iteration to iteration."""
from cython cimport final

from ..memory.lanes cimport ITERATE, limit, nit_of
from ..memory.problems cimport LEARNING_RATE
from ..stopping cimport RUNNING

import numpy as np

# How many rates of a schedule are computed at first; the table doubles whenever a problem gets to its end. But a
# function of the iteration is not asked beyond the last one: it may be a list of rates.
cdef Py_ssize_t FIRST_RATES = 256


@final
cdef class LearningRates:
    """A learning rate for every iteration: `rates(start, stop)` returns those from start to stop as float64."""

    def __init__(self, rates):
        self.rates = rates
        self.most = 0
        self.table = rates(0, 0)

    cdef int extend(self, Py_ssize_t n) except -1:
        known = self.table.shape[0]
        n = max(n, min(max(2 * known, FIRST_RATES), self.most))
        self.table = np.concatenate([self.table, self.rates(known, n)])
        return 0

    cdef int look_up(self, Lanes *lanes) except -1 nogil:
        """Gives every lane at an iterate the rate of its own iteration."""
        cdef Py_ssize_t lane, nit
        for lane in range(lanes.live):
            if lanes.phase[lane] == ITERATE and lanes.status[lane] == RUNNING:
                nit = nit_of(lanes, lane)
                if nit >= self.table.shape[0]:
                    with gil:
                        self.extend(nit + 1)
                limit(lanes, LEARNING_RATE)[lane] = self.table[nit]
        return 0
