from .lanes cimport Lanes


cdef class LearningRates:
    cdef object rates
    cdef Py_ssize_t most  # iterations of any problem
    cdef const double[::1] table
    cdef int extend(self, Py_ssize_t n) except -1
    cdef int look_up(self, Lanes lanes) except -1 nogil


cdef class Rule:
    cdef readonly bint needs_values  # f at every iterate
    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil
    cdef void start(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void receive(self, Lanes lanes) noexcept nogil
    cdef void propose(self, Lanes lanes) noexcept nogil


cdef class FixedForm(Rule):
    cdef Py_ssize_t n_scalars   # rows of state with a number for every lane,
    cdef Py_ssize_t n_memories  # and with one for every coordinate of every lane
    cdef double initial_scalar
    cdef double initial_memory
    cdef void prepare(self, Lanes lanes) noexcept nogil
    cdef void step(self, Lanes lanes, Py_ssize_t i) noexcept nogil


cdef class GradientDescent(FixedForm):
    cdef double momentum
    cdef bint nesterov


cdef class Adagrad(FixedForm):
    cdef double eps


cdef class RMSprop(FixedForm):
    cdef double decay
    cdef double eps
    cdef double momentum
    cdef bint centered


cdef class Adam(FixedForm):
    cdef double beta1
    cdef double beta2
    cdef double eps
    cdef bint amsgrad
    cdef double weight_decay


cdef class NAdam(FixedForm):
    cdef double beta1
    cdef double beta2
    cdef double eps
    cdef double decay
