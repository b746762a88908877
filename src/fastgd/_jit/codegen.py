"""Kernels from graphs, in the language of LLVM: straight-line code for several points at once, in a loop over a block.

A kernel gets a block as C functions do (see `fastgd.compiled`): rows of coordinates, rows of the problems' data, and
rows to fill. The number of points is a multiple of 8.
"""

import itertools
import math

from . import elementary
from .graph import BOOLEAN, COMPARISONS, COORDINATE, DATUM, NUMBER
from .instructions import DOUBLE, INSTRUCTIONS, LIBRARY_NAMES, MASK, Code

# How many points the instructions of a kernel are for: registers of half that size compute them in two steps that do
# not wait for each other, which takes up to a fifth off long formulas.
WIDTH = 8
# A loop of more instructions than this is split: the time to compile grows faster than its length.
MOST_INSTRUCTIONS = 3_000
# A kernel of more than this takes seconds to compile.
MOST_LINES = 60_000
# So many equal rows are filled by a loop: the zeros of a Hessian are most of it, if each term has few coordinates.
LONG_RUN = 4

PARAMETERS = ("i64 %n_dim, i64 %n_params, i64 %n_points, i64 %stride, ptr noalias readonly %x, "
              "ptr noalias readonly %params, {}, ptr %user_data")

BRANCH_FREE = {name: getattr(elementary, name) for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh")}
# Their formulas do not hold everywhere: elsewhere they give a nan.
LIMITED = frozenset(("sin", "cos", "power"))


class KernelTooLongError(Exception):
    """The kernel would take too long to compile."""


class Writer:
    """Writes the operations of a graph as instructions, in parts that are not too long to be compiled.

    Parameters
    ----------
    graph : Graph
    width : int
        How many points an instruction is for.
    libm : bool
        Whether elementary functions are those of the C library.

    Attributes
    ----------
    code : Code
        The part that is written at present; the others are in `parts`, too.
    """

    def __init__(self, graph, width, libm):
        self.graph = graph
        self.width = width
        self.libm = libm
        self.parts = []
        self.n_lines = 0
        self.values = {}  # by node, in this part
        self.earlier = {}  # by node: the value in the part that it was written in
        self.kept = {}  # by node: the row of memory in which the parts hand it on
        self.begin_part()

    def begin_part(self):
        if self.parts:
            self.n_lines += len(self.code.lines)
            self.earlier |= {node: value for node, value in self.values.items() if node not in self.earlier}
        self.values = {}
        self.code = Code(self.width)
        self.parts.append(self.code)

    def begin_part_if_long(self):
        if len(self.code.lines) > MOST_INSTRUCTIONS:
            self.begin_part()
        if self.n_lines > MOST_LINES:
            raise KernelTooLongError(f"more than {MOST_LINES} instructions")

    def value(self, root, in_parts=False):
        """A node at the points themselves, and all that it takes, depth first so that few values are alive at a time.

        A new part may begin on the way, where the values of this one are not used any more but through this function.
        """
        waiting = [root]
        while waiting:
            if in_parts:
                self.begin_part_if_long()
            number = waiting[-1]
            missing = [] if number in self.earlier else [
                argument for argument in self.graph.arguments_of(number) if argument not in self.values]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if number not in self.values:
                self.values[number] = self.handed_on(number) or self.operation(number, self.values)
        return self.values[root]

    def handed_on(self, number):
        """The value that an earlier part has computed; None if none has, or if it is there without computing."""
        if number not in self.earlier or self.graph.nodes[number].operation in (NUMBER, COORDINATE, DATUM):
            return None
        if number not in self.kept:
            value = self.earlier[number]
            self.kept[number] = len(self.kept)
            address = value.code.emit(None, f"getelementptr {value.code.type(DOUBLE)}, ptr %kept, "
                                            f"i64 {self.kept[number]}")
            if value.kind == MASK:
                value = value.choose(1.0, value.code.constant(0.0))
            value.code.lines.append(f"  store {value.code.typed(value)}, ptr {address.name}")
        address = self.code.emit(None, f"getelementptr {self.code.type(DOUBLE)}, ptr %kept, i64 {self.kept[number]}")
        value = self.code.emit(DOUBLE, f"load {self.code.type(DOUBLE)}, ptr {address.name}")
        return value == 1.0 if self.graph.is_boolean(number) else value

    def operation(self, number, values):
        """A node from the values of its arguments."""
        node = self.graph.nodes[number]
        if node.operation == NUMBER:
            return self.code.constant(*node.arguments)
        if node.operation == COORDINATE:
            return self.code.load("x", *node.arguments)
        if node.operation == DATUM:
            return self.code.load("params", *node.arguments)
        arguments = [values[argument] for argument in node.arguments]
        if node.operation == "where":
            return self.guarded(INSTRUCTIONS["where"](*arguments), node.arguments[0], values)
        if node.operation in INSTRUCTIONS:
            return INSTRUCTIONS[node.operation](*arguments)
        if node.operation == "logaddexp":
            return elementary.logaddexp(*arguments, *([self.library_log1p_of_exp] if self.libm else []))
        if not self.libm:
            exponent = self.graph.value_of(node.arguments[-1])
            if node.operation == "power" and exponent is not None and math.isfinite(exponent):
                return elementary.power_of(arguments[0], exponent)
            if node.operation in BRANCH_FREE:
                return BRANCH_FREE[node.operation](*arguments)
        return self.code.library(LIBRARY_NAMES.get(node.operation, node.operation), *arguments)

    def library_log1p_of_exp(self, x):
        return self.code.library("log1p", self.code.library("exp", x))

    def guarded(self, result, condition, values):
        """A nan where the condition compares a nan that may be due to a formula that does not hold there."""
        if self.libm:
            return result
        waiting = [condition]
        while waiting:
            number = waiting.pop()
            if self.graph.nodes[number].operation in COMPARISONS:
                for argument in self.graph.arguments_of(number):
                    if is_limited(self.graph, argument):
                        value = self.value(argument) if values is self.values else values[argument]
                        result = (value == value).choose(result, value)
            elif self.graph.nodes[number].operation in BOOLEAN:
                waiting.extend(self.graph.arguments_of(number))
        return result

    def functions(self, name, outputs, where_nan=""):
        """The function of a block: a loop over its points, or over those where the first row of that name is a nan."""
        parameters = PARAMETERS.format(outputs)
        if len(self.parts) == 1:
            body, parts, memory = self.code.lines, [], []
        else:
            own = f"({parameters}, i64 %p, ptr noalias %kept)"
            parts = ["\n".join([f"define internal void @{name}{k}{own} {{", *part.lines, "  ret void", "}"])
                     for k, part in enumerate(self.parts)]
            body = [f"  call void @{name}{k}{own}" for k in range(len(parts))]
            memory = [f"  %kept = alloca [{max(len(self.kept), 1)} x {self.code.type(DOUBLE)}], align 64"]
        test = ["  br label %body"] if not where_nan else [
            f"  %address = getelementptr double, ptr %{where_nan}, i64 %p",
            "  %value = load double, ptr %address",
            "  %is_nan = fcmp uno double %value, %value",
            "  br i1 %is_nan, label %body, label %again",
        ]
        return [*parts, "\n".join([
            f"define i32 @{name}({parameters}) {{", "entry:", *memory, "  br label %loop",
            "loop:", "  %p = phi i64 [ 0, %entry ], [ %next, %again ]", *test,
            "body:", *body, "  br label %again",
            "again:", f"  %next = add i64 %p, {self.width}", "  %more = icmp ult i64 %next, %n_points",
            "  br i1 %more, label %loop, label %done",
            "done:", "  ret i32 0", "}",
        ])]


def is_limited(graph, *roots):
    """Whether nodes may be a nan where the function is not."""
    return any(graph.nodes[number].operation in LIMITED for number in graph.needed_by(roots))


def module(functions, *writers):
    """A module of functions written before."""
    declarations = set().union(*(code.functions for writer in writers for code in writer.parts))
    return "\n\n".join([*functions, *sorted(declarations), ""])


def value_kernel(graph, width, libm):
    """The function's values."""
    return exact_where_nan("value", "f", graph, [graph.root], width, libm)


def gradient_kernel(graph, slopes, width, libm):
    """Exact gradients: `slopes` are the nodes of their components."""
    return exact_where_nan("gradient", "g", graph, slopes, width, libm)


def hessian_kernel(graph, entries, width, libm):
    """Exact Hessians: `entries` are the nodes of their lower triangles, row after row."""
    return exact_where_nan("hessian", "H", graph, entries, width, libm)


def exact_where_nan(name, output, graph, nodes, width, libm):
    """Rows of nodes. Where one of them is not a number they come from the C library: the formulas of `elementary` do
    not hold for all arguments."""
    parameters = PARAMETERS.format(f"ptr noalias %{output}")
    if libm or not is_limited(graph, *nodes):
        whole = write_rows(graph, nodes, output, width, libm)
        return module(whole.functions(name, f"ptr noalias %{output}"), whole)
    total = graph.sum(nodes)  # a nan, if one of them is
    marked = graph.apply("where", graph.apply("equal", total, total), nodes[0], total)
    fast = write_rows(graph, [marked, *nodes[1:]] if len(nodes) > 1 else nodes, output, width, libm)
    exact = write_rows(graph, nodes, output, 1, libm=True)
    both = "\n".join([
        f"define i32 @{name}({parameters}) {{",
        f"  %first = call i32 @fast({parameters})",
        f"  %second = call i32 @exact({parameters})",
        "  ret i32 0",
        "}",
    ])
    return module([*fast.functions("fast", f"ptr noalias %{output}"),
                   *exact.functions("exact", f"ptr noalias %{output}", where_nan=output), both], fast, exact)


def write_rows(graph, nodes, output, width, libm):
    writer = Writer(graph, width, libm)
    for node, run in itertools.groupby(range(len(nodes)), nodes.__getitem__):
        rows = list(run)
        value = writer.value(node, in_parts=True)
        if len(rows) >= LONG_RUN:
            writer.code.fill(value, output, rows[0], len(rows))
        else:
            for i in rows:
                writer.code.store(value, output, i)
    return writer


def difference_kernel(graph, n_dim, width, libm):
    """Differences f(x + h) - f(x - h) in every coordinate, with steps h laid out as x.

    They are separable: the operations that a coordinate does not enter are not repeated, and the terms of the sum that
    it does not enter are not subtracted from themselves. Where such a term may be no number all of them are a nan.
    """
    terms, _ = graph.summands()
    doubt = graph.doubt()
    dependent = [[] for _ in range(n_dim)]
    for number in graph.needed_by([number for _, number in terms]):
        coordinates = graph.nodes[number].coordinates
        while coordinates:
            lowest = coordinates & -coordinates
            dependent[lowest.bit_length() - 1].append(number)
            coordinates ^= lowest
    writer = Writer(graph, width, libm)
    if doubt is not None:
        writer.value(doubt, in_parts=True)
    for i in range(n_dim):
        own = set(dependent[i])
        for number in dependent[i]:
            for argument in graph.arguments_of(number):
                if argument not in own:
                    writer.value(argument, in_parts=True)
        writer.begin_part_if_long()
        write_difference(writer, i, dependent[i], [term for term in terms if term[1] in own], doubt)
    return module(writer.functions("differences", "ptr noalias readonly %h, ptr noalias %g"), writer)


def write_difference(writer, i, dependent, terms, doubt):
    """The difference in one coordinate: its part of the graph at x + h and at x - h; a nan where `doubt` is."""
    code = writer.code
    step = code.load("h", i) if terms else None
    ends = []
    for side in (1, -1):
        values = Shifted(writer)
        for number in dependent:
            if writer.graph.nodes[number].operation == COORDINATE:
                x = writer.value(number)
                values[number] = x + step if side > 0 else x - step
            else:
                values[number] = writer.operation(number, values)
        ends.append(values)
    by_coefficient = {}
    for coefficient, number in terms:
        difference = ends[0][number] - ends[1][number]
        total = by_coefficient.get(coefficient)
        by_coefficient[coefficient] = difference if total is None else total + difference
    result = None
    for coefficient, total in by_coefficient.items():
        part = total if coefficient == 1.0 else total * coefficient
        result = part if result is None else result + part
    result = code.constant(0.0) if result is None else result
    if doubt is not None:
        result = result + writer.value(doubt)
    code.store(result, "g", i)


class Shifted(dict):
    """Values at points of which one coordinate is moved; what does not depend on it is as it was."""

    def __init__(self, writer):
        super().__init__()
        self.writer = writer

    def __missing__(self, number):
        return self.writer.value(number)
