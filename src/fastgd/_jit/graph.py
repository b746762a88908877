"""A function as a graph of scalar operations, in which equal expressions are one node."""

import math
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

# Operations on numbers are named as NumPy's functions, which also say what they mean.
COMPARISONS = ("less", "less_equal", "equal", "not_equal")
BOOLEAN = frozenset((*COMPARISONS, "logical_and", "logical_or", "logical_not"))
UNARY = ("negative", "absolute", "sign", "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos",
         "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "cbrt", "floor",
         "ceil", "trunc", "rint", "logical_not")
BINARY = ("add", "subtract", "multiply", "divide", "power", "minimum", "maximum", "arctan2", "hypot", "logaddexp",
          "logical_and", "logical_or", *COMPARISONS)
# What a node can be besides an operation: a number, coordinate i of the point, number k of the problem's own data.
NUMBER, COORDINATE, DATUM = "number", "coordinate", "datum"

# Operations whose result is never -0.0, whatever they are applied to.
NEVER_MINUS_ZERO = frozenset(("absolute", "exp", "exp2", "cosh", "cos", "hypot", "log", "log2", "log10", "arccos",
                              "arccosh", "sign", *BOOLEAN))

# Operations that are infinite for single values of their last argument.
POLES = frozenset(("divide", "log", "log2", "log10", "log1p", "arctanh"))
NEVER_NEGATIVE = frozenset(("exp", "exp2", "cosh", "absolute", "hypot"))

# A sum of at least so many terms is computed as a tree: a change of one of them then passes through few of the others,
# and rounding errors do not add up. Products are not: their parts may be beyond the range where the whole is not.
LONG_SUM = 8

# A function that takes more calls per node of its graph does its work again and again.
CALLS_PER_NODE = 3

# Coefficients of a sum that are rather left in its terms.
SMALLEST, LARGEST = 2.0**-500, 2.0**500


class TraceError(Exception):
    """The function does something that is no fixed sequence of operations, or is one that is too long."""


# What has been refused in the trace that is under way: a bare `except:` of the function may catch a refusal.
REFUSED: ContextVar = ContextVar("REFUSED")


class Refusal(BaseException):
    """A TraceError to be, while the function runs: it must not catch this as one of the errors that it expects."""

    def __init__(self, reason):
        super().__init__(reason)
        REFUSED.get([]).append(reason)


def compute(operation, *values):
    """An operation on numbers."""
    if operation == "power":  # np.power of two numbers takes the square root where the second happens to be 0.5
        return np.float64(values[0]) ** np.float64(values[1])
    return getattr(np, operation)(*values)[()]


def is_minus_zero(value):
    return value == 0.0 and math.copysign(1.0, value) < 0.0


@dataclass(frozen=True)
class Node:
    """An operation on nodes that come before it."""

    operation: str
    arguments: tuple  # numbers of nodes; of a NUMBER its value, of a COORDINATE or a DATUM its index
    coordinates: int  # those that it depends on, as a set of bits
    may_be_minus_zero: bool


class Graph:
    """Nodes in an order in which each comes after its arguments.

    Attributes
    ----------
    nodes : list of Node
    root : int
        The node that is the function's value.
    n_dim : int
        The number of coordinates of the point, whether or not the function depends on them.
    """

    def __init__(self, n_dim, most_nodes=math.inf):
        self.n_dim = n_dim
        self.most_nodes = most_nodes
        self.nodes = []
        self.root = None
        self._numbers = {}
        self._n_applied = 0

    def _add(self, key, node):
        """The number of this node, or of the one with the same key."""
        number = self._numbers.setdefault(key, len(self.nodes))
        if number == len(self.nodes):
            if number >= self.most_nodes:
                raise Refusal(f"the function has more than {self.most_nodes} operations")
            self.nodes.append(node)
        return number

    def coordinate(self, i):
        return self._add((COORDINATE, i), Node(COORDINATE, (i,), 1 << i, True))

    def datum(self, k):
        return self._add((DATUM, k), Node(DATUM, (k,), 0, True))

    def number(self, value):
        bits = np.float64(value).tobytes()  # 0.0 == -0.0, and a nan is not equal to itself
        return self._add((NUMBER, bits), Node(NUMBER, (float(value),), 0, is_minus_zero(value)))

    def value_of(self, node):
        """The value of a NUMBER; None of other nodes."""
        node = self.nodes[node]
        return node.arguments[0] if node.operation == NUMBER else None

    def is_boolean(self, node):
        return self.nodes[node].operation in BOOLEAN

    def apply(self, operation, *arguments):
        """The node of an operation on nodes, or of what that comes to."""
        self._n_applied += 1
        if self._n_applied > CALLS_PER_NODE * self.most_nodes:
            raise Refusal("the function repeats its operations too often")
        values = [self.value_of(argument) for argument in arguments]
        if None not in values:
            with np.errstate(all="ignore"):
                return self.number(compute(operation, *values))
        simpler = self._simplified(operation, arguments, values)
        if simpler is not None:
            return simpler
        coordinates = 0
        for argument in arguments:
            coordinates |= self.nodes[argument].coordinates
        minus_zero = self._may_be_minus_zero(operation, arguments)
        return self._add((operation, *arguments), Node(operation, arguments, coordinates, minus_zero))

    def _may_be_minus_zero(self, operation, arguments):
        if operation == "add":
            return all(self.nodes[argument].may_be_minus_zero for argument in arguments)
        if operation == "subtract":
            return self.nodes[arguments[0]].may_be_minus_zero
        is_square = operation == "multiply" and arguments[0] == arguments[1]
        return not is_square and operation not in NEVER_MINUS_ZERO

    def _simplified(self, operation, arguments, values):
        """What an operation with a neutral number, or a power of a small exponent comes to; None for others."""
        first, second = arguments[0], arguments[-1]
        for value, other in ((values[0], second), (values[-1], first)):
            if value is None or first == second:
                continue
            if operation == "add" and value == 0.0 and (
                    is_minus_zero(value) or not self.nodes[other].may_be_minus_zero):
                return other
            if operation == "multiply" and value == 1.0:
                return other
            if operation in ("logical_and", "logical_or"):
                return other if bool(value) == (operation == "logical_and") else self.number(value != 0.0)
        if operation == "subtract" and values[1] == 0.0 and not is_minus_zero(values[1]):
            return first
        if operation in ("divide", "power") and values[1] == 1.0:
            return first
        if operation == "where" and values[0] is not None:
            return arguments[1] if values[0] else second
        if operation == "power" and values[1] in (-2.0, -1.0, 0.0, 0.5, 2.0, 3.0, 4.0):
            return self._small_power(first, values[1])
        return None

    def _small_power(self, base, exponent):
        if exponent == 0.0:
            return self.number(1.0)
        if exponent == 0.5:  # as a square root, but for -0.0 and -inf
            root = self.apply("sqrt", self.apply("add", base, self.number(0.0)))
            return self.apply("where", self.apply("equal", base, self.number(-math.inf)), self.number(math.inf), root)
        if exponent < 0.0:  # the reciprocal of the square could be beyond the range, or subnormal
            reciprocal = self.apply("divide", self.number(1.0), base)
            return reciprocal if exponent == -1.0 else self.apply("multiply", reciprocal, reciprocal)
        square = self.apply("multiply", base, base)
        if exponent == 2.0:
            return square
        return self.apply("multiply", square, base if exponent == 3.0 else square)

    def sum(self, nodes):
        """The nodes added up, pair by pair."""
        while len(nodes) > 1:
            pairs = [self.apply("add", *nodes[k:k + 2]) for k in range(0, len(nodes) - 1, 2)]
            nodes = pairs + nodes[len(nodes) & ~1:]
        return nodes[0]

    def balanced(self):
        """The same function without nodes of no use, its long sums as trees."""
        chains = self._long_sums()
        inside = {number for _, partial in chains.values() for number in partial}
        copy = Graph(self.n_dim)
        number_in_copy = {}
        for number in self.needed_by([self.root]):
            node = self.nodes[number]
            if number in inside:
                continue
            if number in chains:
                made = copy.sum([number_in_copy[term] for term in chains[number][0]])
            elif node.operation == NUMBER:
                made = copy.number(node.arguments[0])
            elif node.operation in (COORDINATE, DATUM):
                made = copy._add((node.operation, *node.arguments), node)
            else:
                made = copy.apply(node.operation, *(number_in_copy[argument] for argument in node.arguments))
            number_in_copy[number] = made
        copy.root = number_in_copy[self.root]
        return copy

    def _long_sums(self):
        """By the last node of every long sum: its terms, and its partial sums that nothing else uses."""
        needed = self.needed_by([self.root])
        uses = dict.fromkeys(needed, 0)
        user = {}
        for number in needed:
            for argument in self.arguments_of(number):
                uses[argument] += 1
                user[argument] = self.nodes[number].operation
        chains = {}
        for number in needed:
            if self.nodes[number].operation != "add" or (uses[number] == 1 and user[number] == "add"):
                continue
            terms, partial, waiting = [], [], list(reversed(self.nodes[number].arguments))
            while waiting:
                term = waiting.pop()
                if self.nodes[term].operation == "add" and uses[term] == 1:
                    partial.append(term)
                    waiting.extend(reversed(self.nodes[term].arguments))
                else:
                    terms.append(term)
            if len(terms) >= LONG_SUM:
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
        """The function as a sum: (coefficient, node) of every term that depends on the point, and the other nodes.

        To these belong the terms of which the sum takes as much away as it adds.
        """
        coefficients, terms, others = {self.root: 1.0}, [], []
        for number in reversed(self.needed_by([self.root])):
            if number not in coefficients:
                continue
            coefficient, node = coefficients[number], self.nodes[number]
            if coefficient == 0.0 or not node.coordinates:
                others.append(number)
                continue
            parts = self._parts(coefficient, node)
            # neither infinite nor subnormal, so that it does not matter what is multiplied first
            if parts and all(SMALLEST <= abs(part) <= LARGEST for part, _ in parts):
                for part, argument in parts:
                    coefficients[argument] = coefficients.get(argument, 0.0) + part
            else:
                terms.append((coefficient, number))
        return terms[::-1], others

    def doubt(self):
        """A node that is a nan where the function has no finite value but its differences may have, and otherwise 0.

        A term that one coordinate does not enter is not subtracted from itself, so that nothing tells that it is a nan.
        It is looked at if it does not depend on the point at all, or if it may be finite at all points around this one;
        None if there is no such term.
        """
        terms, others = self.summands()
        doubtful = [number for number in others
                    if self.value_of(number) is None or not math.isfinite(self.value_of(number))]
        singular = self._singular()
        doubtful += [number for _, number in terms if number in singular]
        if not doubtful:
            return None
        total = self.sum(doubtful)
        return self.apply("subtract", total, total)

    def _singular(self):
        """The nodes that may be infinite or a nan at a point, and finite at those around it."""
        positive, not_negative = self._signs()
        without_pole = {"log1p": not_negative, "arctanh": ()}
        singular = set()
        for number, node in enumerate(self.nodes):
            last = node.arguments[-1]
            has_pole = (node.operation in POLES and self.nodes[last].coordinates
                        and last not in without_pole.get(node.operation, positive))
            if has_pole or node.operation in ("equal", "not_equal") or (
                    node.operation == "power" and not (self.value_of(last) or 0.0) > 0.0) or (
                    not singular.isdisjoint(self.arguments_of(number))):
                singular.add(number)
        return singular

    def _signs(self):
        """The nodes that are positive, and those that are never negative, as far as that shows."""
        positive, not_negative = set(), set()
        for number, node in enumerate(self.nodes):
            parts = set(node.arguments)
            if node.operation == NUMBER:
                is_positive, is_other = node.arguments[0] > 0.0, node.arguments[0] == 0.0
            else:
                is_positive = node.operation == "add" and parts <= not_negative and not parts.isdisjoint(positive)
                is_other = node.operation in NEVER_NEGATIVE or (node.operation == "add" and parts <= not_negative) or (
                    node.operation == "multiply" and len(parts) == 1)
            if is_positive:
                positive.add(number)
            if is_positive or is_other:
                not_negative.add(number)
        return positive, not_negative

    def _parts(self, coefficient, node):
        """A multiple of a node as a sum: (coefficient, node) of each part, none if it is no sum."""
        first, second = node.arguments[0], node.arguments[-1]
        if node.operation in ("add", "subtract"):
            return [(coefficient, first), (coefficient if node.operation == "add" else -coefficient, second)]
        if node.operation == "negative":
            return [(-coefficient, first)]
        if node.operation in ("multiply", "divide"):
            for value, argument in ((self.value_of(second), first), (self.value_of(first), second)):
                if value is not None and (node.operation == "multiply" or (argument == first and value != 0.0)):
                    return [(coefficient * value if node.operation == "multiply" else coefficient / value, argument)]
        return []

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
                    values.append(compute(node.operation, *(values[argument] for argument in node.arguments)))
        return values
