"""Exact derivatives of a graph: gradients by reverse accumulation, Hessians by differentiating those once more.

A. Griewank, A. Walther, "Evaluating Derivatives", 2nd edition, SIAM, 2008, chapters 3 and 5.
"""

import math

import numpy as np

from .graph import Graph, Refusal
from .trace import BOOL, Symbol, combine, kind, select

LN2, LN10 = math.log(2.0), math.log(10.0)


def shares(a, b):
    """exp(a) and exp(b), divided by their sum; 1/2 each where both are the same infinity.

    They depend on b - a alone: the rounding of log(exp(a) + exp(b)), which grows with a and b, does not enter. The
    exponential never overflows, so that the derivatives of these formulas are numbers wherever the formulas are.
    """
    difference = b - a
    difference = select((a == b) & (difference != difference), 0.0, difference)
    first_is_larger = difference <= 0.0
    small = combine("exp", select(first_is_larger, difference, -difference))
    return (select(first_is_larger, 1.0, small) / (1.0 + small), select(first_is_larger, small, 1.0) / (1.0 + small))


def power_by_base(a, b):
    """The derivative of a ** b by a; 0 where b is 0, even at a = 0."""
    slope = b * combine("power", a, b - 1.0)
    return select((b == 0.0) & (slope != slope), 0.0, slope)


# Of every operation, from its result y and its arguments: the partial derivative by each argument, or whether that is
# the argument chosen.
PARTIAL_DERIVATIVES = {
    "add": lambda y, a, b: (1.0, 1.0),
    "subtract": lambda y, a, b: (1.0, -1.0),
    "multiply": lambda y, a, b: (b, a),
    "divide": lambda y, a, b: (1.0 / b, -y / b),
    "power": lambda y, a, b: (power_by_base(a, b),
                              select(y == 0.0, 0.0, y * combine("log", a))),
    "minimum": lambda y, a, b: (a <= b, ~(a <= b)),
    "maximum": lambda y, a, b: (a >= b, ~(a >= b)),
    "arctan2": lambda y, a, b: (b / combine("hypot", a, b) / combine("hypot", a, b),
                                -a / combine("hypot", a, b) / combine("hypot", a, b)),
    "hypot": lambda y, a, b: (a / y, b / y),
    "logaddexp": lambda y, a, b: shares(a, b),
    "where": lambda y, condition, a, b: (None, condition, ~condition),
    "negative": lambda y, a: (-1.0,),
    "absolute": lambda y, a: (combine("sign", a),),
    "sqrt": lambda y, a: (0.5 / y,),
    "cbrt": lambda y, a: (1.0 / (3.0 * (y * y)),),
    "exp": lambda y, a: (y,),
    "exp2": lambda y, a: (y * LN2,),
    "expm1": lambda y, a: (combine("exp", a),),
    "log": lambda y, a: (1.0 / a,),
    "log2": lambda y, a: (1.0 / (a * LN2),),
    "log10": lambda y, a: (1.0 / (a * LN10),),
    "log1p": lambda y, a: (1.0 / (1.0 + a),),
    "sin": lambda y, a: (combine("cos", a),),
    "cos": lambda y, a: (-combine("sin", a),),
    "tan": lambda y, a: (1.0 + y * y,),
    "arcsin": lambda y, a: (1.0 / combine("sqrt", (1.0 - a) * (1.0 + a)),),
    "arccos": lambda y, a: (-1.0 / combine("sqrt", (1.0 - a) * (1.0 + a)),),
    "arctan": lambda y, a: (1.0 / (1.0 + a * a),),
    "sinh": lambda y, a: (combine("cosh", a),),
    "cosh": lambda y, a: (combine("sinh", a),),
    "tanh": lambda y, a: ((1.0 - y) * (1.0 + y),),
    "arcsinh": lambda y, a: (1.0 / combine("hypot", 1.0, a),),
    "arccosh": lambda y, a: (1.0 / (combine("sqrt", a - 1.0) * combine("sqrt", a + 1.0)),),
    "arctanh": lambda y, a: (1.0 / ((1.0 - a) * (1.0 + a)),),
}


def accumulate(graph, values):
    """By node, the derivative of the root; `values` are those of all nodes, as symbols or as numbers.

    The function need not be differentiable everywhere: of two branches it takes the derivative of the one chosen, even
    if the other one has none.

    Returns
    -------
    slopes : dict
        The derivatives.
    masked : dict
        The factors (slope, partial) of those nodes that are their product, but 0 wherever the slope is.
    """
    slopes, masked = {graph.root: 1.0}, {}
    conditional = set()  # the nodes whose slope is 0 where they are in the other branch
    for number in reversed(graph.needed_by([graph.root])):
        node, slope = graph.nodes[number], slopes.get(number)
        if slope is None or node.operation not in PARTIAL_DERIVATIVES:
            continue  # the root does not depend on it, or not smoothly
        partials = PARTIAL_DERIVATIVES[node.operation](values[number], *(values[k] for k in node.arguments))
        for argument, partial in zip(node.arguments, partials, strict=True):
            if graph.value_of(argument) is not None or graph.is_boolean(argument):
                continue
            if kind(partial) == BOOL:
                part = select(partial, slope, 0.0)
                conditional.add(argument)
            elif number in conditional:
                part = masked_product(slope, partial)
                conditional.add(argument)
                if type(slope) is type(partial) is Symbol:
                    masked[part.node] = slope, partial
            else:
                part = slope * partial
            slopes[argument] = slopes[argument] + part if argument in slopes else part
    return slopes, masked


def masked_product(a, b):
    """The product of two derivatives, but 0 wherever the first one is: the second one may be infinite there."""
    is_finite = type(b) is not Symbol and math.isfinite(b)
    return a * b if is_finite else select(a == 0.0, 0.0, a * b)


def with_slopes(graph, most_nodes=math.inf):
    """A copy of the graph that computes the gradient, its components as symbols or numbers, and the masked nodes."""
    extended = Graph(graph.n_dim, most_nodes)
    extended.nodes, extended.root, extended._numbers = list(graph.nodes), graph.root, dict(graph._numbers)
    with np.errstate(all="ignore"):
        slopes, masked = accumulate(extended, [Symbol(extended, number) for number in range(len(graph.nodes))])
    return extended, [slopes.get(extended.coordinate(i), 0.0) for i in range(graph.n_dim)], masked


def where_finite(graph, derivatives):
    """The nodes of derivatives, a nan where the function has no finite value: their formulas may give a number."""
    finite = graph.apply("less", graph.apply("absolute", graph.root), graph.number(math.inf))
    nodes = [one.node if type(one) is Symbol else graph.number(one) for one in derivatives]
    return [graph.apply("where", finite, node, graph.number(math.nan)) for node in nodes]


def gradient(graph):
    """A copy of the graph with the gradient at its end, and the node of each of its components."""
    extended, slopes, _ = with_slopes(graph)
    return extended, where_finite(extended, slopes)


def hessian(graph, most_nodes=math.inf):
    """A copy of the graph with the Hessian at its end, and the nodes of its lower triangle, row after row.

    Entry (i, j), j <= i, is number i (i + 1) / 2 + j. It is the derivative of component i of the gradient, carried
    forward from coordinate j. A Refusal is raised if there are more entries, or nodes in the copy, than `most_nodes`.
    """
    n_entries = graph.n_dim * (graph.n_dim + 1) // 2
    if n_entries > most_nodes:
        raise Refusal(f"the Hessian has {n_entries} entries")
    extended, slopes, masked = with_slopes(graph, most_nodes)
    rows = [[0.0] * (i + 1) for i in range(graph.n_dim)]
    partials = {}
    with np.errstate(all="ignore"):
        for j in range(graph.n_dim):
            dependent = {i: slopes[i].node for i in range(j, graph.n_dim)
                         if type(slopes[i]) is Symbol and extended.nodes[slopes[i].node].coordinates >> j & 1}
            by_node = carry_forward(extended, j, dependent.values(), masked, partials)
            for i, node in dependent.items():
                rows[i][j] = by_node.get(node, 0.0)
    return extended, where_finite(extended, [entry for row in rows for entry in row])


def carry_forward(graph, j, targets, masked, partials):
    """By node, the derivative by coordinate j of the targets and all that they are computed from, where it is not 0.

    `partials` keeps the partial derivatives of the nodes, by node, from one coordinate to the next.
    """
    found, conditional = {graph.coordinate(j): 1.0}, set()
    for number in graph.needed_by(targets):
        node = graph.nodes[number]
        if not node.coordinates >> j & 1 or node.operation not in PARTIAL_DERIVATIVES:
            continue
        if number in masked:
            derivative = derivative_of_masked(*masked[number], found)
        else:
            if number not in partials:
                symbols = [Symbol(graph, k) for k in (number, *node.arguments)]
                partials[number] = PARTIAL_DERIVATIVES[node.operation](*symbols)
            derivative = derivative_of(number, node.arguments, partials[number], found, conditional)
        if type(derivative) is Symbol or derivative != 0.0:
            found[number] = derivative
    return found


def derivative_of(number, arguments, partials, found, conditional):
    """The derivative of a node from those of its arguments; notes whether it is 0 where they are not chosen."""
    slopes = [found.get(argument, 0.0) for argument in arguments]
    if kind(partials[-1]) == BOOL:
        conditional.add(number)
        is_zero = all(type(slope) is not Symbol and slope == 0.0 for slope in slopes[-2:])
        return 0.0 if is_zero else select(partials[-2], *slopes[-2:])
    total = 0.0
    for argument, slope, partial in zip(arguments, slopes, partials, strict=True):
        if argument in conditional and argument in found:
            conditional.add(number)
            total = plus(total, masked_product(slope, partial))
        elif argument in found:
            total = plus(total, slope * partial)
    return total


def derivative_of_masked(slope, partial, found):
    """The derivative of a masked product of these, by those of the two."""
    of_slope, of_partial = (found.get(one.node, 0.0) if type(one) is Symbol else 0.0 for one in (slope, partial))
    return plus(masked_product(of_slope, partial), masked_product(slope, of_partial))


def plus(a, b):
    """The sum; b itself where a is the number 0."""
    return b if type(a) is not Symbol and a == 0.0 else a + b


def rounding_error(graph, x, data):
    """The value at a point by NumPy, and about how much of it may be due to rounding, in whatever order."""
    values = graph.evaluate(x, data)
    with np.errstate(all="ignore"):
        slopes, _ = accumulate(graph, values)
        sizes = [abs(float(slope * values[number])) for number, slope in slopes.items()]
    return float(values[graph.root]), np.finfo(float).eps * sum(size for size in sizes if not math.isnan(size))
