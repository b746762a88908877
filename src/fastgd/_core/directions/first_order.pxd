from ..memory.lanes cimport Lanes
from .direction cimport Direction


cdef class FirstOrder(Direction):
    cdef Py_ssize_t n_scalars   # rows of state with a number for every lane,
    cdef Py_ssize_t n_memories  # then one for every coordinate of every lane
    cdef double initial_scalar
    cdef double initial_memory
    cdef void step(self, Lanes *lanes) noexcept nogil


cdef class GradientDescent(FirstOrder):
    cdef double momentum
    cdef bint nesterov


cdef class Adagrad(FirstOrder):
    cdef double eps


cdef class RMSprop(FirstOrder):
    cdef double decay
    cdef double eps
    cdef double momentum
    cdef bint centered


cdef class Adam(FirstOrder):
    cdef double beta1
    cdef double beta2
    cdef double eps
    cdef bint amsgrad
    cdef double weight_decay


cdef class NAdam(FirstOrder):
    cdef double beta1
    cdef double beta2
    cdef double eps
    cdef double decay


cdef inline double *memory(FirstOrder self, const Lanes *lanes, Py_ssize_t which) noexcept nogil:
    """(n_dim, capacity) numbers that the method remembers."""
    return self.state + (self.n_scalars + which * lanes.n_dim) * lanes.capacity
