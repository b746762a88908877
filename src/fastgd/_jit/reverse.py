"""Exact derivatives of a graph, by reverse accumulation.

A. Griewank, A. Walther, "Evaluating Derivatives", 2nd edition, SIAM, 2008, chapter 3.
"""

import math

import numpy as np

from .graph import Graph
from .trace import BOOL, Symbol, combine, kind, select

LN2, LN10 = math.log(2.0), math.log(10.0)


def share(a, b):
    """exp(a) / (exp(a) + exp(b)), half of it where both are the same infinity. Of a - b alone: the rounding of
    log(exp(a) + exp(b)), which a large number makes large, does not enter."""
    return 1.0 / (1.0 + combine("exp", select(a == b, 0.0, b - a)))


# Of every operation, from its result y and its arguments: the partial derivative by each argument, or whether that is
# the argument chosen.
PARTIAL_DERIVATIVES = {
    "add": lambda y, a, b: (1.0, 1.0),
    "subtract": lambda y, a, b: (1.0, -1.0),
    "multiply": lambda y, a, b: (b, a),
    "divide": lambda y, a, b: (1.0 / b, -y / b),
    "power": lambda y, a, b: (select(b == 0.0, 0.0, b * combine("power", a, b - 1.0)),
                              select(y == 0.0, 0.0, y * combine("log", a))),
    "minimum": lambda y, a, b: (a <= b, ~(a <= b)),
    "maximum": lambda y, a, b: (a >= b, ~(a >= b)),
    "arctan2": lambda y, a, b: (b / combine("hypot", a, b) / combine("hypot", a, b),
                                -a / combine("hypot", a, b) / combine("hypot", a, b)),
    "hypot": lambda y, a, b: (a / y, b / y),
    "logaddexp": lambda y, a, b: (share(a, b), share(b, a)),
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
    """
    slopes = {graph.root: 1.0}
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
            else:
                part = slope * partial
                if number in conditional:
                    part = select(slope == 0.0, 0.0, part)
                    conditional.add(argument)
            slopes[argument] = slopes[argument] + part if argument in slopes else part
    return slopes


def gradient(graph):
    """The graph with the gradient at its end, and the node of each of its components.

    Where the function has no finite value it has no gradient, even if the formulas of the derivatives give one.
    """
    extended = Graph(graph.n_dim)
    extended.nodes, extended.root, extended._numbers = list(graph.nodes), graph.root, dict(graph._numbers)
    with np.errstate(all="ignore"):
        slopes = accumulate(extended, [Symbol(extended, number) for number in range(len(graph.nodes))])
    finite = extended.apply("less", extended.apply("absolute", extended.root), extended.number(math.inf))
    components = [slopes.get(extended.coordinate(i), 0.0) for i in range(graph.n_dim)]
    nodes = [slope.node if type(slope) is Symbol else extended.number(slope) for slope in components]
    return extended, [extended.apply("where", finite, node, extended.number(math.nan)) for node in nodes]


def rounding_error(graph, x, data):
    """The value at a point by NumPy, and about how much of it may be due to rounding, in whatever order."""
    values = graph.evaluate(x, data)
    with np.errstate(all="ignore"):
        slopes = accumulate(graph, values)
        sizes = [abs(float(slope * values[number])) for number, slope in slopes.items()]
    return float(values[graph.root]), np.finfo(float).eps * sum(size for size in sizes if not math.isnan(size))
