"""The algorithm of fastgd in plain NumPy, written for reading: all problems in lock-step, a column each.

It is the oracle of the tests and the baseline of the benchmarks. Nothing here is imported from fastgd.
"""

import math
from dataclasses import dataclass

import numpy as np

GTOL, XTOL, FTOL, MAXITER = 0, 1, 2, -2
EPSILON = 2.0**-52
RUNNING = 100


@dataclass
class Answer:
    """Coordinates first: x and jac are (n_dim, n_problems)."""

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nit: np.ndarray
    status: np.ndarray


def rounded_step(x, x_scale=1.0):
    """The power of two nearest to eps^(1/3) max(x_scale, |x|)."""
    fraction, exponent = np.frexp(2.0 ** (-52 / 3) * np.maximum(x_scale, np.abs(x)))
    return np.ldexp(1.0, np.where(fraction < 0.75, exponent - 1, exponent))


def central_difference(fun, x, step=None):
    """Gradients at the columns of x by (f(x + h) - f(x - h)) / (2h)."""
    gradient = np.empty_like(x)
    shifted = x.copy()
    for i in range(len(x)):
        h = rounded_step(x[i]) if step is None else step
        shifted[i] = x[i] + h
        above = fun(shifted)
        shifted[i] = x[i] - h
        below = fun(shifted)
        shifted[i] = x[i]
        gradient[i] = (above - below) / (2.0 * h)
    return gradient


def gradient_noise(seed, problem, iteration, n_dim, scale=0.01, decay=0.55):
    """What is added to the gradient of one problem in one iteration, by NumPy's Philox and the math module."""
    first_counter = (1 << 192) + (problem << 128) + (iteration << 64)
    key = np.random.Philox(seed).state["state"]["key"]
    # NumPy adds 1 to the counter, the four words taken as one integer, before it generates a block.
    words = np.random.Philox(key=key, counter=first_counter - 1).random_raw(-(-n_dim // 4) * 4)
    uniform = [((int(word) >> 11) + 1) / 2**53 for word in words]  # in (0, 1]
    normals = []
    for first, second in zip(uniform[::2], uniform[1::2], strict=True):  # Box and Muller
        radius, angle = math.sqrt(-2 * math.log(first)), 2 * math.pi * second
        normals += [radius * math.cos(angle), radius * math.sin(angle)]
    return math.sqrt(scale / (1 + iteration) ** decay) * np.array(normals[:n_dim])


def minimize(fun, x0, *, learning_rate=0.01, step=None, maxiter=1000, gtol=1e-6, xtol=0.0, ftol=0.0):
    """Gradient descent with a fixed rate (per problem, if it is an array) on every column of x0."""
    x = np.array(x0, dtype=float)
    n_problems = x.shape[1]
    status = np.full(n_problems, RUNNING)
    nit = np.zeros(n_problems, dtype=int)
    jac = np.full_like(x, np.nan)
    x_before = f_before = None
    f = floor = None
    for k in range(maxiter + 1):
        g = central_difference(fun, x, step)
        running = status == RUNNING
        jac = np.where(running, g, jac)
        nit[running] = k
        if ftol:
            f = fun(x)
            floor = np.minimum(1.0, np.abs(f)) if k == 0 else floor
        ended = np.where(np.abs(g).max(axis=0) <= gtol, GTOL, RUNNING)
        if xtol and k:
            small = (np.abs(x - x_before) <= xtol * np.maximum(1.0, np.abs(x))).all(axis=0)
            ended = np.where((ended == RUNNING) & small, XTOL, ended)
        if ftol and k:
            fall = f_before - f
            small = (fall > 0.0) & (fall <= ftol * np.maximum(floor, np.abs(f)))
            ended = np.where((ended == RUNNING) & small, FTOL, ended)
        if k == maxiter:
            ended = np.where(ended == RUNNING, MAXITER, ended)
        status = np.where(running, ended, status)
        running = status == RUNNING
        if not running.any():
            break
        x_before, f_before = x, f
        x = np.where(running, x - learning_rate * g, x)
    return Answer(x, fun(x), jac, nit, status)


def gradient_descent(momentum=0.0, nesterov=False):
    """The next point by x, g and the rate; it remembers the velocity. So do those below, in torch's order."""
    v = 0.0

    def step(x, g, rate):
        nonlocal v
        v = momentum * v + g
        return x - rate * (g + momentum * v if nesterov else v)

    return step


def adagrad(initial_accumulator=0.0, eps=1e-10):
    total = initial_accumulator

    def step(x, g, rate):
        nonlocal total
        total = total + g * g
        return x - rate * g / (np.sqrt(total) + eps)

    return step


def blend(mean, g, weight):
    """mean + weight * (g - mean), by torch's lerp."""
    return mean + weight * (g - mean) if weight < 0.5 else g - (1.0 - weight) * (g - mean)


def rmsprop(decay=0.99, eps=1e-8, momentum=0.0, centered=False):
    square, mean, v = 0.0, 0.0, 0.0

    def step(x, g, rate):
        nonlocal square, mean, v
        square = decay * square + (1.0 - decay) * (g * g)
        mean = blend(mean, g, 1.0 - decay)
        variance = np.maximum(square - mean * mean, 0.0) if centered else square
        v = momentum * v + g / (np.sqrt(variance) + eps)
        return x - rate * v

    return step


def adam(beta1=0.9, beta2=0.999, eps=1e-8, amsgrad=False, weight_decay=0.0):
    m, v, largest, power1, power2 = 0.0, 0.0, 0.0, 1.0, 1.0

    def step(x, g, rate):
        nonlocal m, v, largest, power1, power2
        power1, power2 = power1 * beta1, power2 * beta2
        m = blend(m, g, 1.0 - beta1)
        v = beta2 * v + (1.0 - beta2) * (g * g)
        largest = np.maximum(largest, v) if amsgrad else v
        x = (1.0 - rate * weight_decay) * x
        return x - rate / (1.0 - power1) * m / (np.sqrt(largest) * (1.0 / math.sqrt(1.0 - power2)) + eps)

    return step


def nadam(beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3):
    m, v, decayed, product, power2 = 0.0, 0.0, 1.0, 1.0, 1.0

    def step(x, g, rate):
        nonlocal m, v, decayed, product, power2
        decayed, power2 = decayed * 0.96**momentum_decay, power2 * beta2
        mu, next_mu = (beta1 * (1.0 - 0.5 * share) for share in (decayed, decayed * 0.96**momentum_decay))
        product = product * mu
        m = blend(m, g, 1.0 - beta1)
        v = beta2 * v + (1.0 - beta2) * (g * g)
        scale = np.sqrt(v / (1.0 - power2)) + eps
        x = x - rate * (1.0 - mu) / (1.0 - product) * g / scale
        return x - rate * next_mu / (1.0 - product * next_mu) * m / scale

    return step


def descend(step, slope, x0, rates, noise=lambda k: 0.0):
    """The path x_0, x_1, ... of one of the steps above, one point for every rate and the one after it."""
    path = [np.array(x0, dtype=float)]
    for k, rate in enumerate(rates):
        path.append(step(path[-1], slope(path[-1]) + noise(k), rate))
    return np.array(path)


def added(terms):
    """Their sum, from the first to the last."""
    total = 0.0
    for term in terms:
        total = total + term
    return total


def spectral_gradient(fun, slope, x0, n_steps, gtol=1e-6, lower=-np.inf, upper=np.inf):
    """Algorithm SPG1 of Birgin, Martinez and Raydan (2000) with the steps ABBmin1 of Frassoldati, Zanni and Zanghirati
    (2008): its accepted points, and the number of values that it asked for.

    What is remembered of the past goes back to the beginning of the block of four iterations before the present one.
    Coordinates that stay on a bound do not count in the short step (Crisci, Ruggiero and Zanni, 2019).

    Safeguards: the first step has no component above 1 (or 6e-6 |x|), later ones none above 10 times the longest
    remembered change of x (or 10), before they are cut at the bounds; where the curvature is such that nothing would
    move the search begins anew, with a first step and without a past; a value may be 4 eps above what the condition of
    Armijo allows; at a value that is not finite the step is quartered, otherwise it becomes the minimum of a parabola
    between a tenth and a half of it.
    """
    x = np.array(x0, dtype=float)
    g, path, values, n_values = slope(x), [x], [fun(x)], 1
    short_steps, changes_of_x = [np.inf], [0.0]
    g_before, anew = None, 0
    while len(path) <= n_steps:
        slopes = np.abs(np.where(x == np.where(g > 0, lower, upper), 0.0, g))
        norm = slopes.max()
        if norm <= gtol:
            break
        k = len(path) - 1
        block_before = max(0, 4 * (k // 4 - 1))
        step = 0.0
        if k > 0:
            s, r = x - path[-2], g - g_before
            stays = (s == 0) & ((x == lower) | (x == upper))
            squares, products, changes = added(s * s), added(s * r), added(np.where(stays, 0.0, r * r))
            changes_of_x.append(math.sqrt(squares))
            short_steps.append(products / changes if products > 0 else np.inf)
            step = squares / products if products > 0 else np.inf
            if short_steps[-1] < 0.8 * step:
                step = min(short_steps[max(block_before, anew):])
        if k == 0 or (step < np.inf and not (step * slopes > 0.25 * 2.0**-52 * np.abs(x)).any()):
            length = max(1, 2.0 ** (-52 / 3) * np.abs(x).max()) / norm
            anew, short_steps[-1] = k, np.inf
        else:
            length = min(10 * max(1, *changes_of_x[block_before:]) / norm, step)
        recent = slice(max(block_before, anew), None)
        fraction, highest = 1.0, max(values[recent])
        while True:
            d = fraction * (length * g)
            y = np.where(d >= x - lower, lower, np.where(d <= x - upper, upper, x - d))
            promised = -added(np.clip(d, x - upper, x - lower) * g)
            value, n_values = fun(y), n_values + 1
            finite = np.isfinite(value)
            if finite and value <= highest + 4 * 2.0**-52 * abs(highest) + 1e-4 * promised:
                break
            if finite:
                parabola = -0.5 * promised / (value - values[-1] - promised)
                fraction *= min(max(parabola, 0.1), 0.5)
            else:
                fraction *= 0.25
        x, g_before, g = y, g, slope(y)
        path.append(x)
        values.append(value)
    return np.array(path), n_values


def armijo(fun, slope, x0, n_steps, direction, gtol=1e-6, lower=-np.inf, upper=np.inf):
    """The iterates of a monotone search: the step is shortened until the function has fallen by 1e-4 of what its slope
    promises. `direction(x, g, before)` returns where to go first, as a change of x, and `direction.restart(g)` another
    one after a search has failed, or None; `before` is the pair (x, g) of the iterate before."""
    x, before = np.array(x0, float), None
    f, g = fun(x), slope(x)
    path = [x]
    while len(path) <= n_steps:
        held = ((x <= lower) & (g > 0.0)) | ((x >= upper) & (g < 0.0))
        if np.abs(np.where(held, 0.0, g)).max() <= gtol:
            break
        step, n_trials, fraction = direction(x, g, before, held), 0, 1.0
        if not np.dot(g, np.clip(x + step, lower, upper) - x) < 0.0:
            step = direction.restart(np.where(held, 0.0, g))
        while True:
            y = np.clip(x + fraction * step, lower, upper)
            f_y, fall = fun(y), np.dot(g, y - x)
            if f_y <= f + 4.0 * EPSILON * abs(f) + 1e-4 * fall:
                break
            n_trials += 1
            best = -0.5 * fall / (f_y - f - fall) if np.isfinite(f_y) else 0.25
            fraction *= min(max(best, 0.1), 0.5)
            if n_trials > 60 or abs(fall) < EPSILON * abs(f):
                step, n_trials, fraction = direction.restart(np.where(held, 0.0, g)), 0, 1.0
                if step is None:
                    return np.array(path)
        before = x, g
        x, f, g = y, f_y, slope(y)
        path.append(x)
    return np.array(path)


class DownFirst:
    """Directions that begin with the negative gradient, a length of 1 first."""

    def __init__(self):
        self.is_down = True

    def down(self, g):
        self.is_down = True
        return -g / np.sqrt(np.dot(g, g))

    def restart(self, g):
        return None if self.is_down else self.down(g)


class QuasiNewton(DownFirst):
    """-H g with a dense H: BFGS in the form of products, scaled upwards before; or with `memory`, made anew of the last
    pairs."""

    def __init__(self, memory=None):
        super().__init__()
        self.memory, self.stretch, self.pairs, self.H = memory, 1.0, [], None

    @staticmethod
    def updated(H, s, r):
        left = np.eye(len(s)) - np.outer(s, r) / np.dot(s, r)
        return left @ H @ left.T + np.outer(s, s) / np.dot(s, r)

    def learn(self, s, r):
        """Whether the pair is used."""
        sr, ss, rr = np.dot(s, r), np.dot(s, s), np.dot(r, r)
        if not sr > 1e-12 * np.sqrt(ss * rr):
            return False
        if self.memory is not None:
            self.pairs = [*self.pairs, (s, r)][-self.memory:]
            self.H = np.eye(len(s)) * (sr / rr)
            for pair in self.pairs:
                self.H = self.updated(self.H, *pair)
        else:
            H = np.eye(len(s)) * (sr / rr) if self.is_down else self.H
            self.H = self.updated(H * max(1.0, sr / np.dot(r, H @ r)), s, r)
        return True

    def down(self, g):
        self.pairs, self.stretch = [], 1.0
        return super().down(g)

    def __call__(self, x, g, before, held):
        if before is None:
            return self.down(np.where(held, 0.0, g))
        s, r = x - before[0], g - before[1]
        if self.learn(np.where(held, 0.0, s), np.where(held, 0.0, r)):
            self.is_down, self.stretch = False, 1.0
        else:
            self.stretch = min(3.0 * self.stretch, 1e8)
        if self.is_down:
            stretch = self.stretch
            step = self.down(np.where(held, 0.0, g))
            self.stretch = stretch
            return stretch * step
        return self.stretch * np.where(held, 0.0, -self.H @ np.where(held, 0.0, g))


class Conjugate(DownFirst):
    """Polak and Ribiere's directions, with a factor that is never negative."""

    def __call__(self, x, g, before, held):
        if before is None:
            self.d = -g
            return self.down(g)
        factor = max(np.dot(g, g - before[1]) / np.dot(before[1], before[1]), 0.0)
        self.d = factor * self.d - g
        self.is_down = factor == 0.0
        if not np.dot(g, self.d) < 0.0:
            self.d = -g
            return self.down(g)
        s = x - before[0]
        return 2.0 * np.sqrt(np.dot(s, s) / np.dot(self.d, self.d)) * self.d
