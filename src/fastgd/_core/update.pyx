"""Rules: how a method gets from one iterate to the next.

A Rule never calls the objective; per lane it says what it wants to know, and at which point y, and is called again
when that is there. Here are those whose step has a fixed form.
"""
from cython cimport final
from libc.math cimport pow

from .lanes cimport ITERATE, Lanes, accept_all, ask_all, nit_of
from .stopping cimport RUNNING

cdef extern from "updates.h":
    void fastgd_descend(double *y, const double *x, const double *g, const double *rate, Py_ssize_t n) noexcept nogil
    void fastgd_momentum(double *y, const double *x, const double *g, const double *rate, double *v, double momentum,
                         Py_ssize_t n) noexcept nogil
    void fastgd_nesterov(double *y, const double *x, const double *g, const double *rate, double *v, double momentum,
                         Py_ssize_t n) noexcept nogil
    void fastgd_adagrad(double *y, const double *x, const double *g, const double *rate, double *sum, double eps,
                        Py_ssize_t n) noexcept nogil
    void fastgd_scale_by_rms(double *scaled, const double *g, double *square, double decay, double eps,
                             Py_ssize_t n) noexcept nogil
    void fastgd_scale_by_deviation(double *scaled, const double *g, double *square, double *mean, double decay,
                                   double eps, Py_ssize_t n) noexcept nogil
    void fastgd_prepare_adam(double *power1, double *power2, double *keep, double *step, double *correction,
                             const double *rate, double beta1, double beta2, double weight_decay,
                             Py_ssize_t n) noexcept nogil
    void fastgd_adam(double *y, const double *x, const double *g, const double *keep, const double *step,
                     const double *correction, double *m, double *v, double beta1, double beta2, double eps,
                     Py_ssize_t n) noexcept nogil
    void fastgd_amsgrad(double *y, const double *x, const double *g, const double *keep, const double *step,
                        const double *correction, double *m, double *v, double *largest, double beta1, double beta2,
                        double eps, Py_ssize_t n) noexcept nogil
    void fastgd_nadam(double *y, const double *x, const double *g, const double *step_g, const double *step_m,
                      const double *correction, double *m, double *v, double beta1, double beta2, double eps,
                      Py_ssize_t n) noexcept nogil

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
        import numpy as np

        known = self.table.shape[0]
        n = max(n, min(max(2 * known, FIRST_RATES), self.most))
        self.table = np.concatenate([self.table, self.rates(known, n)])
        return 0

    cdef int look_up(self, Lanes lanes) except -1 nogil:
        """Gives every lane at an iterate the rate of its own iteration."""
        cdef Py_ssize_t lane, nit
        for lane in range(lanes.live):
            if lanes.phase[lane] == ITERATE and lanes.status[lane] == RUNNING:
                nit = nit_of(lanes, lane)
                if nit >= self.table.shape[0]:
                    with gil:
                        self.extend(nit + 1)
                lanes.learning_rate[lane] = self.table[nit]
        return 0


cdef class Rule:
    """The protocol of methods."""

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        """How many rows of state a lane needs."""
        return 0

    cdef void start(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """A problem has come into a lane, with y at x0: sets its state, and what it wants to know there."""
        lanes.ask(lane, lanes.want_at_iterate[lane])

    cdef void receive(self, Lanes lanes) noexcept nogil:
        """What the lanes wanted has been evaluated (or its fault noted): decides which y are iterates now."""

    cdef void propose(self, Lanes lanes) noexcept nogil:
        """Sets the next y, and what is wanted there, for the lanes at an iterate.

        It may compute on those that have ended, too: they are replaced before anything is evaluated.
        """


cdef class FixedForm(Rule):
    """What is common to the methods that take one step of a fixed form per gradient.

    A subclass says how many rows of state it needs, and overrides `step`, and `prepare` if it keeps a number per lane.
    """

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return self.n_scalars + self.n_memories * n_dim

    cdef void start(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t row
        Rule.start(self, lanes, lane)
        for row in range(self.n_scalars):
            lanes.state[row * lanes.capacity + lane] = self.initial_scalar
        for row in range(self.n_scalars, self.n_scalars + self.n_memories * lanes.n_dim):
            lanes.state[row * lanes.capacity + lane] = self.initial_memory

    cdef void receive(self, Lanes lanes) noexcept nogil:
        cdef Py_ssize_t lane
        if not lanes.any_fault:
            accept_all(lanes)
            return
        for lane in range(lanes.live):
            lanes.phase[lane] = ITERATE
        lanes.end_faulty()
        lanes.accept()

    cdef void propose(self, Lanes lanes) noexcept nogil:
        cdef Py_ssize_t i
        self.prepare(lanes)
        for i in range(lanes.n_dim):
            self.step(lanes, i)
        ask_all(lanes)

    cdef void prepare(self, Lanes lanes) noexcept nogil:
        """Sets the rows that have a number for every lane."""

    cdef void step(self, Lanes lanes, Py_ssize_t i) noexcept nogil:
        """Sets coordinate i of y."""


cdef inline double *scalar(Lanes lanes, Py_ssize_t which) noexcept nogil:
    """Row of numbers per lane of a FixedForm."""
    return lanes.state + which * lanes.capacity


cdef inline double *memory(FixedForm self, Lanes lanes, Py_ssize_t which, Py_ssize_t i) noexcept nogil:
    """Row of numbers per lane for coordinate i."""
    return lanes.state + (self.n_scalars + which * lanes.n_dim + i) * lanes.capacity


@final
cdef class GradientDescent(FixedForm):
    def __init__(self, double momentum=0.0, bint nesterov=False):
        self.momentum = momentum
        self.nesterov = nesterov
        self.n_memories = momentum > 0.0

    cdef void step(self, Lanes lanes, Py_ssize_t i) noexcept nogil:
        cdef Py_ssize_t at = i * lanes.capacity
        if self.momentum == 0.0:
            fastgd_descend(lanes.y + at, lanes.x + at, lanes.slopes + at, lanes.learning_rate, lanes.live)
        elif self.nesterov:
            fastgd_nesterov(lanes.y + at, lanes.x + at, lanes.slopes + at, lanes.learning_rate,
                            memory(self, lanes, 0, i), self.momentum, lanes.live)
        else:
            fastgd_momentum(lanes.y + at, lanes.x + at, lanes.slopes + at, lanes.learning_rate,
                            memory(self, lanes, 0, i), self.momentum, lanes.live)


@final
cdef class Adagrad(FixedForm):
    def __init__(self, double initial_accumulator, double eps):
        self.n_memories = 1
        self.initial_memory = initial_accumulator
        self.eps = eps

    cdef void step(self, Lanes lanes, Py_ssize_t i) noexcept nogil:
        cdef Py_ssize_t at = i * lanes.capacity
        fastgd_adagrad(lanes.y + at, lanes.x + at, lanes.slopes + at, lanes.learning_rate, memory(self, lanes, 0, i),
                       self.eps, lanes.live)


@final
cdef class RMSprop(FixedForm):
    def __init__(self, double decay, double eps, double momentum, bint centered):
        self.n_scalars = 1  # the scaled gradient
        self.n_memories = 1 + centered + (momentum > 0.0)
        self.decay = decay
        self.eps = eps
        self.momentum = momentum
        self.centered = centered

    cdef void step(self, Lanes lanes, Py_ssize_t i) noexcept nogil:
        cdef Py_ssize_t at = i * lanes.capacity
        cdef double *scaled = scalar(lanes, 0)
        if self.centered:
            fastgd_scale_by_deviation(scaled, lanes.slopes + at, memory(self, lanes, 0, i), memory(self, lanes, 1, i),
                                      self.decay, self.eps, lanes.live)
        else:
            fastgd_scale_by_rms(scaled, lanes.slopes + at, memory(self, lanes, 0, i), self.decay, self.eps, lanes.live)
        if self.momentum > 0.0:
            fastgd_momentum(lanes.y + at, lanes.x + at, scaled, lanes.learning_rate,
                            memory(self, lanes, 1 + self.centered, i), self.momentum, lanes.live)
        else:
            fastgd_descend(lanes.y + at, lanes.x + at, scaled, lanes.learning_rate, lanes.live)


@final
cdef class Adam(FixedForm):
    def __init__(self, double beta1, double beta2, double eps, bint amsgrad, double weight_decay):
        self.n_scalars = 5
        self.initial_scalar = 1.0
        self.n_memories = 2 + amsgrad
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.amsgrad = amsgrad
        self.weight_decay = weight_decay

    cdef void prepare(self, Lanes lanes) noexcept nogil:
        fastgd_prepare_adam(scalar(lanes, 0), scalar(lanes, 1), scalar(lanes, 2), scalar(lanes, 3), scalar(lanes, 4),
                            lanes.learning_rate, self.beta1, self.beta2, self.weight_decay, lanes.live)

    cdef void step(self, Lanes lanes, Py_ssize_t i) noexcept nogil:
        cdef Py_ssize_t at = i * lanes.capacity
        if self.amsgrad:
            fastgd_amsgrad(lanes.y + at, lanes.x + at, lanes.slopes + at, scalar(lanes, 2), scalar(lanes, 3),
                           scalar(lanes, 4), memory(self, lanes, 0, i), memory(self, lanes, 1, i),
                           memory(self, lanes, 2, i), self.beta1, self.beta2, self.eps, lanes.live)
        else:
            fastgd_adam(lanes.y + at, lanes.x + at, lanes.slopes + at, scalar(lanes, 2), scalar(lanes, 3),
                        scalar(lanes, 4), memory(self, lanes, 0, i), memory(self, lanes, 1, i), self.beta1, self.beta2,
                        self.eps, lanes.live)


@final
cdef class NAdam(FixedForm):
    def __init__(self, double beta1, double beta2, double eps, double momentum_decay):
        self.n_scalars = 6
        self.initial_scalar = 1.0
        self.n_memories = 2
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.decay = pow(0.96, momentum_decay)

    cdef void prepare(self, Lanes lanes) noexcept nogil:
        cdef Py_ssize_t lane
        cdef double mu, next_mu
        cdef double *decayed = scalar(lanes, 0)  # 0.96^((k + 1) * momentum_decay)
        cdef double *product = scalar(lanes, 1)  # of the mu so far
        cdef double *power2 = scalar(lanes, 2)
        cdef double *step_g = scalar(lanes, 3)
        cdef double *step_m = scalar(lanes, 4)
        cdef double *correction = scalar(lanes, 5)
        for lane in range(lanes.live):
            decayed[lane] *= self.decay
            mu = self.beta1 * (1.0 - 0.5 * decayed[lane])
            next_mu = self.beta1 * (1.0 - 0.5 * decayed[lane] * self.decay)
            product[lane] *= mu
            power2[lane] *= self.beta2
            step_g[lane] = lanes.learning_rate[lane] * (1.0 - mu) / (1.0 - product[lane])
            step_m[lane] = lanes.learning_rate[lane] * next_mu / (1.0 - product[lane] * next_mu)
            correction[lane] = 1.0 - power2[lane]

    cdef void step(self, Lanes lanes, Py_ssize_t i) noexcept nogil:
        cdef Py_ssize_t at = i * lanes.capacity
        fastgd_nadam(lanes.y + at, lanes.x + at, lanes.slopes + at, scalar(lanes, 3), scalar(lanes, 4),
                     scalar(lanes, 5), memory(self, lanes, 0, i), memory(self, lanes, 1, i), self.beta1, self.beta2,
                     self.eps, lanes.live)
