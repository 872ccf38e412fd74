"""Follow what a text in Python flows into: is it written to or deleted? In doubt it is. Pure."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable

from engine.relinking.written import in_text, says_writing, words_of

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COPYING = frozenset("copy copy2 copyfile copytree copymode copystat link symlink".split())
_MODE = re.compile(r"[rwaxbtU+]{1,4}(?:[:|]\w*)?")
_PASSING = re.compile(
    r"\w*path|\w*file|\w*dir|join|str|parent|resolve|absolute|expand\w*|format|\w*strip|\w*glob"
    r"|posix|with|list|tuple|set|dict|sorted|reversed|enumerate|zip|iter|next|walk|get|getenv|pop"
    r"|setdefault|option|argument|field|namespace|partial|\w*config|define|encode|cast"
)
_READING = re.compile(r"(?:\w*_)?(?:load|read|from|open|exists)(?:_\w*)?")
_DECLARING = frozenset(
    "add_argument add_option option Option argument Argument Field field get getenv setdefault pop "
    "DEFINE_string".split()
)
_CHANGING = frozenset("append extend add insert update setdefault".split())
LEADING, NEAR = 20, 100  # words of a long list that tell whether it is a command


class Writes:
    """Which expressions of a module name what the program writes to, as names are followed."""

    def __init__(self, tree: ast.AST, elsewhere: Iterable[str] = ()) -> None:
        """`elsewhere` are names that are written to in other modules or cells."""
        self._elsewhere = frozenset(elsewhere)
        self._parents: dict[ast.AST, ast.AST] = {}
        self._names: dict[str, list[ast.Name]] = defaultdict(list)
        self._attributes: dict[str, list[ast.Attribute]] = defaultdict(list)
        self._items: dict[str, list[ast.Subscript]] = defaultdict(list)  # by a key that is a text
        self._imported: set[str] = set()
        self._functions: dict[str, list[Function]] = defaultdict(list)
        self._local: dict[ast.AST, set[str]] = defaultdict(set)
        self._asked: set[ast.AST] = set()
        self._never: set[ast.AST] = set()  # what was followed to all its ends
        for node in ast.walk(tree):  # from outside in: what is around a node is known by then
            self._note(node)
            self._parents.update(dict.fromkeys(ast.iter_child_nodes(node), node))

    def to(self, node: ast.AST) -> bool:
        """Return whether what an expression names may be written to, moved or deleted."""
        self._asked = set()
        is_written = self._flows(node)
        if not is_written:
            self._never |= self._asked
        return is_written

    def names(self, all_names: bool = False) -> frozenset[str]:
        """Return the names of what comes from elsewhere, and is written to here.

        They are imported, or attributes and keys of what may be another module's or a config's.
        """
        uses: dict[str, list[ast.expr]] = defaultdict(list)
        for name, items in self._items.items():
            uses[name] += filter(self._is_innermost, items)
        for name, attributes in self._attributes.items():
            foreign = (a for a in attributes if not _is_own(a))
            uses[name] += filter(self._is_innermost, foreign)
        for name in [*self._names] if all_names or "*" in self._imported else self._imported:
            uses[name] += self._names[name]
        return frozenset(name for name, nodes in uses.items() if any(map(self.to, nodes)))

    def _is_innermost(self, node: ast.expr) -> bool:
        """Return whether nothing further in is taken from a value, unless it is of its path."""
        match self._parents[node]:
            case ast.Subscript(value=value):
                return value is not node
            case ast.Attribute(attr=name) as above:
                call = self._parents[above]
                return _passes(name) or (isinstance(call, ast.Call) and call.func is above)
        return True

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                self._names[name].append(node)
            case ast.Name(id=name):
                self._local[self._function(node)].add(name)
            case ast.Attribute(attr=name, ctx=ast.Load()):
                self._attributes[name].append(node)
            case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                self._items[key].append(node)
            case ast.ImportFrom(names=aliases):
                self._imported |= {alias.asname or alias.name for alias in aliases}
            case ast.arg(arg=name):
                self._local[self._function(node)].add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self._functions[name].append(node)
                above = self._parents.get(node)
                if name == "__init__" and isinstance(above, ast.ClassDef):
                    self._functions[above.name].append(node)

    def _function(self, node: ast.AST) -> ast.AST:
        """Return the function around a node; the module, or what is outermost, if there is none."""
        above = self._parents.get(node)
        while above is not None and not isinstance(above, Function):
            node, above = above, self._parents.get(above)
        return above or self._parents.get(node, node)

    def _owner(self, node: ast.AST, name: str) -> ast.AST | None:
        """Return the function to which a name belongs; None if it is the module's."""
        function = self._function(node)
        while isinstance(function, Function):
            if name in self._local[function]:
                return function
            function = self._function(function)
        return None

    def _flows(self, node: ast.AST) -> bool:
        if node in self._asked or node in self._never:
            return False
        self._asked.add(node)
        parent = self._parents.get(node)
        match parent:
            case ast.Call():
                return self._called(parent, node, "")
            case ast.keyword(arg=keyword):
                call = self._parents[parent]
                return isinstance(call, ast.Call) and self._called(call, node, keyword or "")
            case ast.Attribute():
                return self._accessed(parent)
            case ast.arguments():
                return self._default(parent, node)
            case ast.Assign(targets=targets):
                return any(map(self._bound, targets))
            case (
                ast.AnnAssign(target=target)
                | ast.AugAssign(target=target)
                | ast.For(target=target)
                | ast.AsyncFor(target=target)
                | ast.comprehension(target=target)
            ):
                return self._bound(target)
            case ast.Return():
                return self._returned(self._function(parent))
            case ast.expr():
                return self._inside(parent, node)
        return False

    def _inside(self, parent: ast.expr, node: ast.AST) -> bool:
        match parent:
            case ast.Compare():
                return False
            case ast.Subscript(slice=index) if index is node:
                return False
            case ast.NamedExpr(target=target) if self._bound(target):
                return True
            case ast.Dict(keys=keys, values=values) if node in values:
                key = keys[values.index(node)]
                return says_writing(_text(key)) or self._flows(parent)
            case ast.List(elts=parts) | ast.Tuple(elts=parts) if _is_command(parts, node):
                return True
        return self._flows(parent)

    def _returned(self, function: ast.AST) -> bool:
        if not isinstance(function, ast.FunctionDef):
            return False
        if says_writing(function.name) or function.name in self._elsewhere:
            return True
        for use in (*self._names[function.name], *self._attributes[function.name]):
            call = self._parents[use]
            is_called = isinstance(call, ast.Call) and call.func is use
            if self._flows(call if is_called else use):
                return True
        return False

    def _called(self, call: ast.Call, argument: ast.AST, keyword: str) -> bool:
        name = _last(call.func)
        if argument is call.func:
            return self._flows(call)
        if _is_content(call, argument, name):
            return False
        if name in _COPYING:
            return argument is not (call.args[0] if call.args else None) and keyword != "src"
        if _writes(call, argument) or says_writing(keyword):
            return True
        return (
            self._declares(call, argument, name)
            or self._given(call, argument, keyword, name)
            or (_passes(name) and self._flows(call))
        )

    def _declares(self, call: ast.Call, argument: ast.AST, name: str) -> bool:
        """Return whether a default is of an option that is written to."""
        if name not in _DECLARING:
            return False
        values = [*call.args, *(k.value for k in call.keywords if k.arg in ("dest", "name"))]
        texts = [_text(value) for value in values if value is not argument]
        options = [text.lstrip("-").replace("-", "_") for text in texts if text]
        return any(says_writing(option) or self._named(option) for option in options)

    def _given(self, call: ast.Call, argument: ast.AST, keyword: str, name: str) -> bool:
        """Return whether a function of the module, or what keeps an argument, writes to it."""
        if container := _container(call):
            return self._bound(container)
        if keyword and not _READING.fullmatch(name) and self._named(keyword):
            return True
        for function in self._functions.get(name, ()):
            parameters = [*function.args.posonlyargs, *function.args.args]
            if parameters and parameters[0].arg in ("self", "cls"):
                del parameters[0]
            placed = dict(zip(call.args, (p.arg for p in parameters), strict=False))
            parameter = keyword or placed.get(argument, "")  # type: ignore[call-overload]
            if parameter and self._parameter(function, parameter):
                return True
        return False

    def _named(self, name: str) -> bool:
        """Return whether something of this name is written to, wherever it is."""
        uses = [*self._names[name], *self._attributes[name], *self._items[name]]
        return name in self._elsewhere or any(self._flows(use) for use in uses)

    def _accessed(self, attribute: ast.Attribute) -> bool:
        call, name = self._parents[attribute], attribute.attr
        if not (isinstance(call, ast.Call) and call.func is attribute):
            return self._flows(attribute)
        return _writes(call, attribute) or (_passes(name) and self._flows(call))

    def _default(self, arguments: ast.arguments, node: ast.AST) -> bool:
        plain = [*arguments.posonlyargs, *arguments.args]
        pairs = [
            *zip(reversed(plain), reversed(arguments.defaults), strict=False),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        function = self._parents[arguments]
        return any(self._parameter(function, a.arg) for a, value in pairs if value is node)

    def _parameter(self, function: ast.AST, name: str) -> bool:
        if says_writing(name):
            return True
        uses = [use for use in self._names[name] if self._owner(use, name) is function]
        return any(self._flows(use) for use in uses)

    def _bound(self, target: ast.expr) -> bool:
        match target:
            case ast.Name(id=name):
                owner = self._owner(target, name)
                uses: list[ast.expr] = [
                    u for u in self._names[name] if self._owner(u, name) is owner
                ]
                if owner is None:
                    uses += self._attributes[name]
                    if name in self._elsewhere:
                        return True
                return says_writing(name) or any(self._flows(use) for use in uses)
            case ast.Attribute(attr=name):
                return says_writing(name) or self._named(name)
            case ast.Subscript(value=value, slice=key):
                return says_writing(_text(key)) or self._bound(value)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return any(map(self._bound, parts))
            case ast.Starred(value=value):
                return self._bound(value)
        return False


def _last(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _passes(name: str) -> bool:
    """Return whether what a function returns names what its argument does."""
    words = words_of(name)
    return any(map(_PASSING.fullmatch, words)) and not {"load", "read"} & {*words}


def _is_content(call: ast.Call, argument: ast.AST, name: str) -> bool:
    """Return whether an argument is what is written, and not where."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="torch"), attr="save"), args=[first, *_]
        ):
            return first is argument
        case ast.Call(args=[first, _, *_]) if name in ("dump", "save_file", "save_model"):
            return first is argument
    return False


def _is_own(attribute: ast.Attribute) -> bool:
    return isinstance(attribute.value, ast.Name) and attribute.value.id in ("self", "cls")


def _text(node: ast.AST | None) -> str:
    """Return the text that an expression is, empty for any other."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_command(parts: list[ast.expr], node: ast.AST) -> bool:
    """Return whether a list is a command that writes to one of its words."""
    if node not in parts:
        return False
    place = parts.index(node)
    near = (parts[:LEADING], parts[LEADING:place][-NEAR:], parts[place + 1 :][:NEAR])
    first, left, right = ([_word(part) for part in group] for group in near)
    before, after = (" ".join(g).encode() for g in ([*first[:place], *left], right))
    return place > 0 and in_text(before + b" P " + after, len(before) + 1, len(before) + 2)


def _word(part: ast.AST) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "WORD"


def _container(call: ast.Call) -> ast.expr | None:
    """Return what a call puts its arguments into."""
    match call.func:
        case ast.Attribute(value=value, attr=name) if name in _CHANGING:
            return value
    return None


def _writes(call: ast.Call, named: ast.AST) -> bool:
    """Return whether a call writes to what it is given, by its name or by a mode.

    A mode that is not known counts as one that writes.
    """
    if says_writing(_last(call.func)) and not _container(call):
        return True
    modes = [k.value for k in call.keywords if k.arg in ("mode", "flags")]
    others = [argument for argument in call.args if argument is not named]
    if _last(call.func) == "open":
        modes += others[:1]
        if any(not isinstance(mode, ast.Constant) for mode in modes):
            return True
    texts = map(_text, [*modes, *others])
    return any(_MODE.fullmatch(text) and not {*"wax+"}.isdisjoint(text) for text in texts)
