"""Functions whose points can be tuples, with loops over coordinates written out: what numba compiles fastest.

The numbers of a tuple stay in registers, if every index is known; an array is filled again for every point.
"""

import ast
import copy
import dis
import inspect
import operator
import textwrap
import types

# Loops are not written out to more nodes of the syntax tree: numba's time to compile grows with them.
MOST_NODES = 4_000
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


class UnclearError(Exception):
    """It does not show from its source that the function would be the same of a tuple."""


def of_tuples(fun, n_dim):
    """The function, to be called with a tuple of n_dim numbers, all of whose indices are constants.

    Raises
    ------
    UnclearError, OSError, TypeError, SyntaxError, ValueError
        If that would not be the same function, or there is no source that tells.
    """
    if not isinstance(fun, types.FunctionType):
        raise UnclearError("it is no Python function")
    tree = ast.parse(textwrap.dedent(inspect.getsource(fun.__code__)))
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise UnclearError("it is not defined by def")
    definition.decorator_list = []
    if content(made_of(fun, definition).__code__) != content(fun.__code__):
        raise UnclearError("its source is that of another function")
    if not fun.__code__.co_argcount:
        raise UnclearError("it takes its point by no name")
    if {"len", "range"} & {*fun.__globals__, *fun.__code__.co_varnames, *fun.__code__.co_freevars}:
        raise UnclearError("its len or range may be others")
    point = fun.__code__.co_varnames[0]
    definition = Unroller(point, n_dim).visit(definition)
    require_uses_of_tuples(definition, point)
    return made_of(fun, ast.fix_missing_locations(definition))


def content(code):
    """What tells functions apart; the method of a module that is imported in the same file is an attribute."""
    return code.co_varnames, [
        (step.opname.replace("METHOD", "ATTR"), None if step.opcode in JUMPS else
         content(step.argval) if isinstance(step.argval, types.CodeType) else repr(step.argval))
        for step in dis.get_instructions(code) if step.opname not in ("PUSH_NULL", "EXTENDED_ARG")]


def made_of(fun, definition):
    """The function of another definition, with the variables and defaults of this one."""
    names = [ast.arg(name) for name in fun.__code__.co_freevars]
    arguments = ast.arguments(posonlyargs=[], args=names, kwonlyargs=[], kw_defaults=[], defaults=[])
    plain = copy.deepcopy(definition)  # the defaults are there already
    plain.args.defaults = [ast.Constant(None) for _ in plain.args.defaults]
    plain.args.kw_defaults = [default and ast.Constant(None) for default in plain.args.kw_defaults]
    plain.returns = None
    for argument in ast.walk(plain.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    maker = ast.FunctionDef(name="maker", args=arguments, decorator_list=[], type_params=[],
                            body=[plain, ast.Return(ast.Name(plain.name, ast.Load()))])
    module = ast.fix_missing_locations(ast.Module([maker], []))
    names = {}
    exec(compile(module, "<fastgd>", "exec", dont_inherit=True), fun.__globals__, names)
    made = names["maker"](*(cell.cell_contents for cell in fun.__closure__ or ()))
    made.__defaults__, made.__kwdefaults__ = fun.__defaults__, fun.__kwdefaults__
    return made


def require_uses_of_tuples(definition, point):
    """Raises unless each use of the point means the same for arrays and tuples, with an index that is a constant."""
    right = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and whole_number(node.slice) is not None:
            right.add(node.value)
        elif isinstance(node, ast.Call) and is_call(node, "len"):
            right.add(node.args[0])
        elif isinstance(node, ast.Assign) and all(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets):
            right.add(node.value)
        elif isinstance(node, (ast.Lambda, ast.FunctionDef, ast.ClassDef)) and node is not definition:
            raise UnclearError("it defines other functions")
    for node in ast.walk(definition):
        if isinstance(node, ast.Name) and node.id == point and node not in right:
            raise UnclearError("it uses the point as a whole, or by an index that is not known")


def whole_number(node):
    """The value of an expression of constants; None if it is not one."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if type(value) is int else None


def n_nodes(statements):
    return sum(1 for statement in statements for _ in ast.walk(statement))


def is_call(node, name):
    """Whether a function of that name is called, with positions alone."""
    return isinstance(node.func, ast.Name) and node.func.id == name and node.args and not node.keywords


class Unroller(ast.NodeTransformer):
    """Writes loops over coordinates out, from the outside to the inside, and expressions of constants as constants."""

    def __init__(self, point, n_dim):
        self.point = point
        self.n_dim = n_dim
        self.room = MOST_NODES
        self.values = {}  # of the targets of the loops around, as expressions

    def visit_Name(self, node):
        return copy.deepcopy(self.values[node.id]) if node.id in self.values else node

    def visit_Call(self, node):
        self.generic_visit(node)
        if is_call(node, "len") and isinstance(node.args[0], ast.Name) and node.args[0].id == self.point:
            return ast.Constant(self.n_dim)
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        a, b = whole_number(node.left), whole_number(node.right)
        known = a is not None and b is not None and type(node.op) in OPERATORS
        return ast.Constant(OPERATORS[type(node.op)](a, b)) if known else node

    def visit_For(self, node):
        node.iter = self.visit(node.iter)
        values = self.values_of(node.iter)
        if values is None or not self.can_be_written_out(node, len(values)):
            return self.generic_visit(node)
        self.room -= len(values) * n_nodes(node.body)
        target, before, statements = node.target.id, dict(self.values), []
        for value in values:
            self.values[target] = value
            for statement in copy.deepcopy(node.body):
                result = self.visit(statement)
                statements += result if isinstance(result, list) else [result]
        self.values = before
        if values:
            statements.append(ast.Assign([ast.Name(target, ast.Store())], copy.deepcopy(values[-1])))
        return statements or ast.Pass()

    def values_of(self, iterable):
        """What a loop goes over, as expressions; None if that is not known."""
        if isinstance(iterable, ast.Name) and iterable.id == self.point:
            return [ast.Subscript(ast.Name(self.point, ast.Load()), ast.Constant(k), ast.Load())
                    for k in range(self.n_dim)]
        if isinstance(iterable, ast.Call) and is_call(iterable, "range"):
            limits = [whole_number(argument) for argument in iterable.args]
            if None not in limits and len(limits) <= 3 and (len(limits) < 3 or limits[2]):
                return [ast.Constant(k) for k in range(*limits)]
        return None

    def can_be_written_out(self, node, n_times):
        """Whether the copies are few, and nothing leaves the loop or sets its target."""
        inside = [part for statement in node.body for part in ast.walk(statement)]
        return (isinstance(node.target, ast.Name) and not node.orelse and n_times * n_nodes(node.body) <= self.room
                and not any(isinstance(part, (ast.Break, ast.Continue)) for part in inside)
                and not any(isinstance(part, ast.Name) and part.id == node.target.id
                            and not isinstance(part.ctx, ast.Load) for part in inside))
