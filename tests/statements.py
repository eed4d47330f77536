"""Every statement that the platform issues while the tests run, and whether one shard could answer it.

On Citus a tenant's rows lie on the node of its agency (dialtrace.db.distribution). A statement that names the agency of
every distributed table that it touches is sent there, whole. One that does not is asked of every node, or refused. The
collector listens to SQLAlchemy; the check is a parser's (sqlglot), with the equalities of the statement as classes: an
agency is named where a class of `agency_id` holds a parameter, a literal or `dialtrace_agency()`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from dialtrace.db.distribution import COLUMN, kind_of
from dialtrace.db.tables import metadata

PLATFORM = str(Path(__file__).parents[1] / "platform")
DISTRIBUTED = frozenset(table.name for table in metadata.sorted_tables if kind_of(table) == "distributed")

_NOT_A_QUERY = re.compile(
    r"\s*(SET|RESET|SHOW|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|EXECUTE|LISTEN|NOTIFY|LOCK|DEALLOCATE|DISCARD|ALTER|"
    r"CREATE|DROP|GRANT|COMMENT|COPY|DO|EXPLAIN|VACUUM|ANALYZE|TRUNCATE|DECLARE|FETCH|CLOSE|CALL)\b",
    re.IGNORECASE,
)
_PREPARE = re.compile(r"\s*PREPARE\s+\w+\s*(\([^)]*\))?\s+AS\s+", re.IGNORECASE)
_PARAMETER = re.compile(r"%\(\w+\)s|%s")


@dataclass
class Collected:
    """By the statement's text: from which module of the platform it came, and as whom."""

    found: dict[str, tuple[str, str]] = field(default_factory=dict)

    def listen(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """SQLAlchemy's event before_cursor_execute."""
        info = connection.info
        if statement.startswith("SET LOCAL"):
            info["tests_mode"] = (
                "system"
                if "ROLE dialtrace_system" in statement
                else ("directory" if "dialtrace.agency = ''" in statement else "tenant")
            )
        elif statement not in self.found and (module := _module_of(sys._getframe(1))) is not None:
            self.found[statement] = (module, info.get("tests_mode", "none"))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps([[text, *of] for text, of in self.found.items()]), encoding="utf-8")

    def read(self, path: Path) -> None:
        for text, module, mode in json.loads(path.read_text(encoding="utf-8")):
            self.found.setdefault(text, (module, mode))


def _module_of(frame: Any) -> str | None:
    """The nearest module of the platform that asks, but not `db` itself; None for what a test asks by itself."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PLATFORM):
            module = name.removeprefix(PLATFORM + "/").removesuffix(".py")
            if not module.startswith("db/"):
                return module
        elif "/tests/" in name:
            return None
        frame = frame.f_back
    return None


def faults_in(collected: Collected) -> list[str]:
    """What a cluster could not send to one node, one line each."""
    found = []
    for text, (module, mode) in sorted(collected.found.items(), key=lambda one: one[1]):
        if mode == "system":
            continue
        for fault in _read(text):
            found.append(f"{module} ({mode}): {fault}: {' '.join(text.split())[:300]}")
    return found


def _read(text: str) -> list[str]:
    try:
        return crossing(text)
    except sqlglot.errors.SqlglotError as error:
        return [f"cannot be read ({str(error).splitlines()[0][:100]})"]


def crossing(text: str) -> list[str]:
    """Which distributed tables a statement touches without naming their agency. Raises sqlglot's ParseError."""
    found = []
    for part in _queries(text):
        found += _unbound(part)
    return found


def _queries(text: str) -> Iterator[exp.Expression]:
    text = _PARAMETER.sub("$1", text).replace("%%", "%")
    for part in text.split(";\n") if ";\n" in text else [text]:
        part = _PREPARE.sub("", part)
        if part.strip() and not _NOT_A_QUERY.match(part):
            yield from (one for one in sqlglot.parse(part, read="postgres") if one is not None)


class _Classes:
    """Which columns are equal (union-find over (scope, alias) pairs), and which classes hold a value."""

    def __init__(self) -> None:
        self._parent: dict[Any, Any] = {}

    def root(self, one: Any) -> Any:
        self._parent.setdefault(one, one)
        while self._parent[one] != one:
            one = self._parent[one]
        return one

    def join(self, one: Any, other: Any) -> None:
        self._parent[self.root(one)] = self.root(other)

    def is_bound(self, one: Any) -> bool:
        return bool(self.root(one) == self.root("a value"))


def _unbound(query: exp.Expression) -> list[str]:
    """Distributed tables of the query whose agency is not known from the query alone."""
    classes = _Classes()
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    wanted: list[tuple[str, Any]] = []
    for table in query.find_all(exp.Table):
        if table.name in DISTRIBUTED and table.name not in ctes:
            if _is_filled(table):
                continue
            wanted.append((table.name, (id(_scope_of(table)), table.alias_or_name)))
    for equal in query.find_all(exp.EQ):
        _take_in(equal, classes)
    for inside in query.find_all(exp.In):
        # A list of one is an equality.
        key = _side(inside.this) if len(inside.expressions) == 1 else None
        if key not in (None, "a value") and _side(inside.expressions[0]) == "a value":
            classes.join(key, "a value")
    _derive(query, classes)
    return [f"{name} without its {COLUMN}" for name, key in wanted if not classes.is_bound(key)]


def _is_filled(table: exp.Table) -> bool:
    """The table that an INSERT fills: its rows bring their agency along."""
    parent = table.parent
    if isinstance(parent, exp.Schema) and isinstance(parent.parent, exp.Insert):
        names = [column.name for column in parent.expressions]
        return parent.parent.this is parent and COLUMN in names
    return False


def _scope_of(node: exp.Expression) -> exp.Expression:
    """The SELECT, UPDATE, DELETE or INSERT that a node stands in."""
    found = node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)
    return found if found is not None else node.root()


def _key_of(column: exp.Column) -> Any:
    """Which table's agency a column is: by its qualifier, looked for from the inside out; without one, the nearest
    table that has it."""
    scope: exp.Expression | None = _scope_of(column)
    while scope is not None:
        sources = {source.alias_or_name for source in _sources_of(scope)}
        if column.table in sources:
            return (id(scope), column.table)
        if not column.table and sources:
            tenant = [one.alias_or_name for one in _sources_of(scope) if _has_agency(one)]
            if tenant:
                return (id(scope), tenant[0])
        scope = scope.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)
    return (0, column.table)


def _has_agency(source: exp.Expression) -> bool:
    return not isinstance(source, exp.Table) or source.name in DISTRIBUTED or source.name not in metadata.tables


def _sources_of(scope: exp.Expression) -> list[exp.Expression]:
    """The tables, subqueries and functions that a scope reads, and the one that it writes."""
    found: list[exp.Expression] = []
    for kind in (exp.Table, exp.Subquery, exp.Lateral, exp.Unnest, exp.Values):
        for source in scope.find_all(kind):
            if source is not scope and source.alias_or_name and _scope_of(source) is scope:
                found.append(source)
    return found


def _take_in(equal: exp.EQ, classes: _Classes) -> None:
    left, right = equal.left.unnest(), equal.right.unnest()
    pairs = [(left, right)]
    if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
        pairs = list(zip(left.expressions, right.expressions, strict=False))
    for one, other in pairs:
        keys = [_side(side) for side in (one, other)]
        if None not in keys:
            classes.join(*keys)


def _side(node: exp.Expression) -> Any:
    """The class member that one side of an equality is; None where it is neither an agency nor a value."""
    while isinstance(node, exp.Cast | exp.Paren):
        node = node.this
    if isinstance(node, exp.Column):
        return _key_of(node) if node.name == COLUMN else None
    if isinstance(node, exp.Any | exp.All):
        return None
    has_columns = next(node.find_all(exp.Column), None) is not None
    is_query = next(node.find_all(exp.Select), None) is not None
    return None if has_columns or is_query else "a value"


def _derive(query: exp.Expression, classes: _Classes) -> None:
    """A subquery's or CTE's column agency_id is what it selects."""
    for source in [*query.find_all(exp.Subquery), *query.find_all(exp.CTE)]:
        select = source.this
        while isinstance(select, exp.Union | exp.Paren):
            select = select.this
        projections: Iterable[exp.Expression] = getattr(select, "expressions", ()) or ()
        for projection in projections:
            inner = projection.this if isinstance(projection, exp.Alias) else projection
            if projection.alias_or_name == COLUMN and (side := _side(inner)) is not None:
                for key in _uses_of(query, source):
                    classes.join(key, side)


def _uses_of(query: exp.Expression, source: exp.Expression) -> Iterator[Any]:
    if isinstance(source, exp.CTE):
        for table in query.find_all(exp.Table):
            if table.name == source.alias:
                yield (id(_scope_of(table)), table.alias_or_name)
    elif source.alias_or_name:
        yield (id(_scope_of(source)), source.alias_or_name)
