"""No search: every step is the direction's own, at a learning rate."""
from cython cimport final

from ..directions.first_order cimport FirstOrder
from ..memory.lanes cimport ITERATE, Lanes, accept, accept_all, ask, ask_all, end_faulty


@final
cdef class FixedRate(Search):
    def __init__(self, FirstOrder direction not None):
        Search.__init__(self, direction)

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        ask(lanes, lane, lanes.want_at_iterate[lane])
        self.direction.start(lanes, lane)

    cdef double usual_gtol(self, double size) noexcept nogil:
        """A learning rate has units: so may its tolerance."""
        return 1e-6 * min(1.0, size)

    cdef void receive(self, Lanes *lanes) noexcept nogil:
        cdef Py_ssize_t lane
        if not lanes.any_fault:
            accept_all(lanes)
            return
        for lane in range(lanes.live):
            lanes.phase[lane] = ITERATE
        end_faulty(lanes)
        accept(lanes)

    cdef void propose(self, Lanes *lanes) noexcept nogil:
        (<FirstOrder>self.direction).step(lanes)
        ask_all(lanes)
