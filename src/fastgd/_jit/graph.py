"""A function as a graph of scalar operations, in which equal expressions are one node."""

import math
from dataclasses import dataclass

import numpy as np

# Operations on numbers are named as NumPy's functions, which also say what they mean.
COMPARISONS = ("less", "less_equal", "equal", "not_equal")
BOOLEAN = frozenset((*COMPARISONS, "logical_and", "logical_or", "logical_not"))
UNARY = ("negative", "absolute", "sign", "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos",
         "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "cbrt", "floor",
         "ceil", "trunc", "rint", "logical_not")
BINARY = ("add", "subtract", "multiply", "divide", "power", "minimum", "maximum", "arctan2", "hypot", "logical_and",
          "logical_or", *COMPARISONS)
# What a node can be besides an operation: a number, coordinate i of the point, number k of the problem's own data.
NUMBER, COORDINATE, DATUM = "number", "coordinate", "datum"

# A sum or product of at least so many terms is computed as a tree: a change of one of them then passes through few
# of the others, and rounding errors do not add up.
LONG_CHAIN = 8


class TraceError(Exception):
    """The function does something that is no fixed sequence of operations, or is one that is too long."""


@dataclass(frozen=True)
class Node:
    """An operation on nodes that come before it."""

    operation: str
    arguments: tuple  # numbers of nodes; of a NUMBER its value, of a COORDINATE or a DATUM its index
    coordinates: int  # those that it depends on, as a set of bits


class Graph:
    """Nodes in an order in which each comes after its arguments.

    Attributes
    ----------
    nodes : list of Node
    root : int
        The node that is the function's value.
    """

    def __init__(self, most_nodes):
        self.most_nodes = most_nodes
        self.nodes = []
        self.root = None
        self._numbers = {}

    def _number_of(self, operation, arguments, coordinates):
        key = (operation, *arguments)
        number = self._numbers.get(key)
        if number is None:
            if len(self.nodes) >= self.most_nodes:
                raise TraceError(f"the function has more than {self.most_nodes} operations")
            number = self._numbers[key] = len(self.nodes)
            self.nodes.append(Node(operation, arguments, coordinates))
        return number

    def coordinate(self, i):
        return self._number_of(COORDINATE, (i,), 1 << i)

    def datum(self, k):
        return self._number_of(DATUM, (k,), 0)

    def number(self, value):
        # by the bits: 0.0 == -0.0, and a nan is not equal to itself
        key = (NUMBER, np.float64(value).tobytes())
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(Node(NUMBER, (float(value),), 0))
        return self._numbers[key]

    def value_of(self, node):
        """The value of a NUMBER; None of other nodes."""
        node = self.nodes[node]
        return node.arguments[0] if node.operation == NUMBER else None

    def is_boolean(self, node):
        return self.nodes[node].operation in BOOLEAN

    def apply(self, operation, *arguments):
        """The node of an operation on nodes, or of what that comes to."""
        values = [self.value_of(argument) for argument in arguments]
        if None not in values:
            with np.errstate(all="ignore"):
                return self.number(getattr(np, operation)(*values))
        simpler = self._simplified(operation, arguments, values)
        if simpler is not None:
            return simpler
        coordinates = 0
        for argument in arguments:
            coordinates |= self.nodes[argument].coordinates
        return self._number_of(operation, arguments, coordinates)

    def _simplified(self, operation, arguments, values):
        """What an operation with a neutral number, or a power of a small exponent comes to; None for others."""
        first, second = arguments[0], arguments[-1]
        if operation in ("add", "subtract") and values[1] == 0.0:
            return first
        if operation == "add" and values[0] == 0.0:
            return second
        if operation in ("multiply", "divide", "power") and values[1] == 1.0:
            return first
        if operation == "multiply" and values[0] == 1.0:
            return second
        if operation == "where" and values[0] is not None:
            return arguments[1] if values[0] else second
        if operation == "power" and values[1] in (-2.0, -1.0, 0.0, 0.5, 2.0, 3.0, 4.0):
            return self._small_power(first, values[1])
        return None

    def _small_power(self, base, exponent):
        if exponent == 0.0:
            return self.number(1.0)
        if exponent == 0.5:
            return self.apply("sqrt", base)
        if exponent < 0.0:
            return self.apply("divide", self.number(1.0), self.apply("power", base, self.number(-exponent)))
        square = self.apply("multiply", base, base)
        if exponent == 2.0:
            return square
        return self.apply("multiply", square, base if exponent == 3.0 else square)

    def tree(self, operation, nodes):
        """The nodes joined by a binary operation, pair by pair."""
        while len(nodes) > 1:
            pairs = [self.apply(operation, *nodes[k:k + 2]) for k in range(0, len(nodes) - 1, 2)]
            nodes = pairs + nodes[len(nodes) & ~1:]
        return nodes[0]

    def balanced(self):
        """The same function without nodes of no use, its long sums and products as trees."""
        chains = self._long_chains()
        inside = {number for _, partial in chains.values() for number in partial}
        copy = Graph(2 * self.most_nodes)
        number_in_copy = {}
        for number in self.needed_by([self.root]):
            node = self.nodes[number]
            if number in inside:
                continue
            if number in chains:
                made = copy.tree(node.operation, [number_in_copy[term] for term in chains[number][0]])
            elif node.operation == NUMBER:
                made = copy.number(node.arguments[0])
            elif node.operation in (COORDINATE, DATUM):
                made = copy._number_of(node.operation, node.arguments, node.coordinates)
            else:
                made = copy.apply(node.operation, *(number_in_copy[argument] for argument in node.arguments))
            number_in_copy[number] = made
        copy.root = number_in_copy[self.root]
        return copy

    def _long_chains(self):
        """By the last node of every long sum or product: its terms, and its partial sums that nothing else uses."""
        needed = self.needed_by([self.root])
        uses = dict.fromkeys(needed, 0)
        user = {}
        for number in needed:
            for argument in self.arguments_of(number):
                uses[argument] += 1
                user[argument] = self.nodes[number].operation
        chains = {}
        for number in needed:
            operation = self.nodes[number].operation
            if operation not in ("add", "multiply") or (uses[number] == 1 and user[number] == operation):
                continue
            terms, partial, waiting = [], [], list(reversed(self.nodes[number].arguments))
            while waiting:
                term = waiting.pop()
                if self.nodes[term].operation == operation and uses[term] == 1:
                    partial.append(term)
                    waiting.extend(reversed(self.nodes[term].arguments))
                else:
                    terms.append(term)
            if len(terms) >= LONG_CHAIN:
                chains[number] = terms, partial
        return chains

    def arguments_of(self, number):
        """The nodes that a node is computed from."""
        node = self.nodes[number]
        return () if node.operation in (NUMBER, COORDINATE, DATUM) else node.arguments

    def needed_by(self, numbers):
        """These nodes and all that they are computed from, in order."""
        found, waiting = set(numbers), list(numbers)
        while waiting:
            for argument in self.arguments_of(waiting.pop()):
                if argument not in found:
                    found.add(argument)
                    waiting.append(argument)
        return sorted(found)

    def summands(self):
        """The function as a sum: (coefficient, node) of every term that depends on the point."""
        terms, waiting = [], [(1.0, self.root)]
        while waiting:
            coefficient, number = waiting.pop()
            node = self.nodes[number]
            values = [self.value_of(argument) for argument in self.arguments_of(number)]
            if not node.coordinates:
                continue
            if node.operation in ("add", "subtract"):
                sign = -1.0 if node.operation == "subtract" else 1.0
                waiting.append((sign * coefficient, node.arguments[1]))
                waiting.append((coefficient, node.arguments[0]))
            elif node.operation == "negative":
                waiting.append((-coefficient, node.arguments[0]))
            elif node.operation == "multiply" and values != [None, None]:
                number_first = values[0] is not None
                waiting.append((coefficient * values[1 - number_first], node.arguments[number_first]))
            elif node.operation == "divide" and values[1] is not None and math.isfinite(values[1]) and values[1] != 0.0:
                waiting.append((coefficient / values[1], node.arguments[0]))
            else:
                terms.append((coefficient, number))
        return terms

    def evaluate(self, x, data):
        """The values of all nodes at a point, by NumPy."""
        values = []
        with np.errstate(all="ignore"):
            for node in self.nodes:
                if node.operation == NUMBER:
                    values.append(np.float64(node.arguments[0]))
                elif node.operation == COORDINATE:
                    values.append(np.float64(x[node.arguments[0]]))
                elif node.operation == DATUM:
                    values.append(np.float64(data[node.arguments[0]]))
                else:
                    arguments = [values[argument] for argument in node.arguments]
                    values.append(getattr(np, node.operation)(*arguments))
        return values
