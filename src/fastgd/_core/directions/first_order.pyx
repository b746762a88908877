"""Directions of first order: their steps have a fixed form, of the gradient and the learning rate."""
from cython cimport final
from libc.math cimport pow

from ..memory.lanes cimport limit
from ..memory.problems cimport LEARNING_RATE

cdef extern from "directions/first_order.h":
    void fastgd_descend(Lanes *lanes, double *state, double momentum, bint nesterov, Py_ssize_t n) noexcept nogil
    void fastgd_adagrad(Lanes *lanes, double *state, double eps, Py_ssize_t n) noexcept nogil
    void fastgd_rmsprop(Lanes *lanes, double *state, double decay, double eps, double momentum, bint centered,
                        Py_ssize_t n) noexcept nogil
    void fastgd_adam(Lanes *lanes, double *state, double beta1, double beta2, double eps, double weight_decay,
                     bint amsgrad, Py_ssize_t n) noexcept nogil
    void fastgd_nadam(Lanes *lanes, double *state, double beta1, double beta2, double eps, Py_ssize_t n) noexcept nogil


cdef class FirstOrder(Direction):
    """What they have in common: how many numbers they remember. A subclass overrides `step`."""

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return self.n_scalars + self.n_memories * n_dim

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t row
        for row in range(self.n_scalars):
            self.state[row * lanes.capacity + lane] = self.initial_scalar
        for row in range(self.n_scalars, self.n_scalars + self.n_memories * lanes.n_dim):
            self.state[row * lanes.capacity + lane] = self.initial_memory

    cdef void step(self, Lanes *lanes) noexcept nogil:
        """Sets the trial points of all lanes, from the iterates and the `slopes` there."""


@final
cdef class GradientDescent(FirstOrder):
    def __init__(self, double momentum=0.0, bint nesterov=False):
        self.momentum = momentum
        self.nesterov = nesterov
        self.n_memories = momentum > 0.0

    cdef void step(self, Lanes *lanes) noexcept nogil:
        fastgd_descend(lanes, self.state, self.momentum, self.nesterov, lanes.live)


@final
cdef class Adagrad(FirstOrder):
    def __init__(self, double initial_accumulator, double eps):
        self.n_memories = 1
        self.initial_memory = initial_accumulator
        self.eps = eps

    cdef void step(self, Lanes *lanes) noexcept nogil:
        fastgd_adagrad(lanes, self.state, self.eps, lanes.live)


@final
cdef class RMSprop(FirstOrder):
    def __init__(self, double decay, double eps, double momentum, bint centered):
        self.n_scalars = 1
        self.n_memories = 1 + centered + (momentum > 0.0)
        self.decay = decay
        self.eps = eps
        self.momentum = momentum
        self.centered = centered

    cdef void step(self, Lanes *lanes) noexcept nogil:
        fastgd_rmsprop(lanes, self.state, self.decay, self.eps, self.momentum, self.centered, lanes.live)


@final
cdef class Adam(FirstOrder):
    def __init__(self, double beta1, double beta2, double eps, bint amsgrad, double weight_decay):
        self.n_scalars = 5
        self.initial_scalar = 1.0
        self.n_memories = 2 + amsgrad
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.amsgrad = amsgrad
        self.weight_decay = weight_decay

    cdef void step(self, Lanes *lanes) noexcept nogil:
        fastgd_adam(lanes, self.state, self.beta1, self.beta2, self.eps, self.weight_decay, self.amsgrad, lanes.live)


@final
cdef class NAdam(FirstOrder):
    def __init__(self, double beta1, double beta2, double eps, double momentum_decay):
        self.n_scalars = 6
        self.initial_scalar = 1.0
        self.n_memories = 2
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.decay = pow(0.96, momentum_decay)

    cdef void step(self, Lanes *lanes) noexcept nogil:
        cdef Py_ssize_t lane, capacity = lanes.capacity
        cdef double mu, next_mu
        cdef double *decayed = self.state  # 0.96^((k + 1) * momentum_decay)
        cdef double *product = decayed + capacity  # of the mu so far
        cdef double *power2 = product + capacity
        cdef double *step_g = power2 + capacity
        cdef double *step_m = step_g + capacity
        cdef double *correction = step_m + capacity
        cdef const double *rate = limit(lanes, LEARNING_RATE)
        for lane in range(lanes.live):
            decayed[lane] *= self.decay
            mu = self.beta1 * (1.0 - 0.5 * decayed[lane])
            next_mu = self.beta1 * (1.0 - 0.5 * decayed[lane] * self.decay)
            product[lane] *= mu
            power2[lane] *= self.beta2
            step_g[lane] = rate[lane] * (1.0 - mu) / (1.0 - product[lane])
            step_m[lane] = rate[lane] * next_mu / (1.0 - product[lane] * next_mu)
            correction[lane] = 1.0 - power2[lane]
        fastgd_nadam(lanes, self.state, self.beta1, self.beta2, self.eps, lanes.live)
