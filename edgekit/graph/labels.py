"""Labels: which units every element of every dimension depends on.

A label is a tuple of unit ids; an element goes as soon as one of its units goes. Product
structure (head x dimension, group x channel) is several ids in one label, so it survives
reshapes. Units that must go together are joined (union-find); a unit that turns out to be a
product is substituted; a unit that must stay is frozen, which removes it from every label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Label = tuple[int, ...]
Axis = tuple[Label, ...] | None
"""Labels of one dimension's elements in order; `None` where the size can never change."""
Axes = list[Axis]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why units were frozen; only a `barrier` is worth telling the user about."""

    operator: str
    node: str
    why: str
    barrier: bool = False


@dataclass
class Labels:
    """The union-find over units, with substitution, freezing and marks."""

    _parent: list[int] = field(default_factory=list)
    _lineage: list[int] = field(default_factory=list)
    _products: dict[int, Label] = field(default_factory=dict)
    _frozen: dict[int, Reason] = field(default_factory=dict)
    _inexact: set[int] = field(default_factory=set)
    _roles: dict[int, str] = field(default_factory=dict)
    _done: dict[tuple[int, int], tuple[Axis, Axis]] = field(default_factory=dict)

    def fresh(self, size: int) -> Axis:
        """A dimension of `size` new units; one of size 1 cannot shrink."""
        return None if size <= 1 else self._units(size)

    def _units(self, size: int) -> tuple[Label, ...]:
        first = len(self._parent)
        self._parent.extend(range(first, first + size))
        self._lineage.extend([first] * size)
        return tuple((unit,) for unit in range(first, first + size))

    def root(self, unit: int) -> int:
        """The representative of the units that are tied to `unit`."""
        return _find(self._parent, unit)

    def lineage(self, unit: int) -> int:
        """The family of dimensions a unit belongs to: those ever joined with its own."""
        return _find(self._lineage, self._lineage[self.root(unit)])

    def resolve(self, label: Label) -> Label:
        """The label in roots: products expanded, frozen units left out, no unit twice."""
        if len(label) == 1:
            root = self.root(label[0])
            if root in self._frozen:
                return ()
            return (
                self.resolve(self._products[root])
                if root in self._products
                else (root,)
            )
        found: dict[int, None] = {}
        for unit in label:
            found.update(dict.fromkeys(self.resolve((unit,))))
        return tuple(found)

    def reasons(self, label: Label) -> Iterable[Reason]:
        """Why the frozen part of a label is frozen."""
        for unit in label:
            root = self.root(unit)
            if root in self._frozen:
                yield self._frozen[root]
            elif root in self._products:
                yield from self.reasons(self._products[root])

    def freeze(self, axis: Axis, reason: Reason) -> None:
        """Keep every unit of the axis whole, for `reason`."""
        for label in axis or ():
            self.freeze_label(label, reason)

    def freeze_label(self, label: Label, reason: Reason) -> None:
        """Keep every unit of the label whole, for `reason`."""
        for unit in self.resolve(label):
            self._frozen[unit] = reason

    def inexact(self, unit: int) -> bool:
        """Return whether cutting the unit changes the remaining outputs."""
        return self.root(unit) in self._inexact

    def role(self, unit: int) -> str | None:
        """The role of the unit; `None` without one."""
        return self._roles.get(self.root(unit))

    def mark_inexact(self, axis: Axis) -> None:
        """Mark the units of the axis as inexact."""
        for label in axis or ():
            self._inexact.update(self.resolve(label))

    def mark_role(self, axis: Axis, role: str) -> None:
        """Give the units of the axis a role; the stronger of two roles stays."""
        for label in axis or ():
            for unit in self.resolve(label):
                self._roles[unit] = _stronger(self._roles.get(unit), role)

    def unify(self, reason: Reason, *axes: Axis) -> Axis:
        """Tie dimensions of equal size, element by element; one that cannot shrink freezes all."""
        tracked = [axis for axis in axes if axis is not None]
        if len(tracked) < len(axes):
            for axis in tracked:
                self.freeze(axis, reason)
            return None
        for other in tracked[1:]:
            self._unify_pair(tracked[0], other, reason)
        return tracked[0] if tracked else None

    def _unify_pair(self, one: Axis, other: Axis, reason: Reason) -> None:
        if one is other or one is None or other is None:
            return
        key = (id(one), id(other))
        if key in self._done:
            return
        self._done[key] = (one, other)
        for a, b in zip(one, other, strict=True):
            self.tie(a, b, reason)

    def tie(self, one: Label, other: Label, reason: Reason) -> None:
        """Make two elements come and go together."""
        if len(one) == len(other) == 1:
            x, y = self.root(one[0]), self.root(other[0])
            if x == y or not (self._settled(x) or self._settled(y)):
                self._join(x, y)
                return
        a, b = self.resolve(one), self.resolve(other)
        if set(a) == set(b):
            return
        a, b = _without(a, b), _without(b, a)
        if not a or not b:
            self.freeze_label(a or b, reason)
        elif len(a) == 1 and len(b) == 1:
            self._join(a[0], b[0])
        elif len(a) == 1 and a[0] not in b:
            self._substitute(a[0], b)
        elif len(b) == 1 and b[0] not in a:
            self._substitute(b[0], a)
        elif len(a) == len(b):
            for x, y in zip(a, b, strict=True):
                self.tie((x,), (y,), reason)
        else:
            self.freeze_label(a + b, reason)

    def _settled(self, root: int) -> bool:
        return root in self._frozen or root in self._products

    def split(
        self, axis: Axis, outer: int, inner: int, reason: Reason
    ) -> tuple[Axis, Axis]:
        """One dimension seen as two, `outer` blocks of `inner` elements."""
        if axis is None or inner == 1:
            return axis, None
        if outer == 1:
            return None, axis
        labels = [self.resolve(label) for label in axis]
        if not any(labels):
            return None, None
        blocks = [labels[i * inner : (i + 1) * inner] for i in range(outer)]
        heads = [_common_prefix(block) for block in blocks]
        rests = [
            tuple(label[len(head) :] for label in block)
            for head, block in zip(heads, blocks, strict=True)
        ]
        if all(rest == rests[0] for rest in rests):
            return tuple(heads), rests[0]
        if all(len(label) == 1 for label in labels) and len(set(labels)) == len(labels):
            return self._split_units(labels, outer, inner)
        for block in blocks[1:]:
            for a, b in zip(blocks[0], block, strict=True):
                self.tie(a, b, reason)
        return None, tuple(self.resolve(label) for label in blocks[0])

    def _split_units(
        self, labels: Sequence[Label], outer: int, inner: int
    ) -> tuple[Axis, Axis]:
        rows, columns = self._units(outer), self._units(inner)
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                self._substitute(labels[i * inner + j][0], row + column)
        return rows, columns

    def _join(self, one: int, other: int) -> None:
        a, b = self.root(one), self.root(other)
        if a == b:
            return
        self._parent[b] = a
        if b in self._inexact:
            self._inexact.add(a)
        if b in self._roles:
            self._roles[a] = _stronger(self._roles.get(a), self._roles[b])
        self._lineage[_find(self._lineage, self._lineage[b])] = _find(
            self._lineage, self._lineage[a]
        )

    def _substitute(self, unit: int, product: Label) -> None:
        root = self.root(unit)
        if root in self._inexact:
            self._inexact.update(product)
        if root in self._roles:
            for part in product:
                self._roles[part] = _stronger(self._roles.get(part), self._roles[root])
        self._products[root] = product


def merge(axes: Sequence[Axis], sizes: Sequence[int]) -> Axis:
    """Several dimensions flattened into one."""
    if all(axis is None for axis in axes):
        return None
    labels: list[Label] = [()]
    for axis, size in zip(axes, sizes, strict=True):
        inner: Sequence[Label] = axis if axis is not None else ((),) * size
        labels = [a + b for a in labels for b in inner]
    return tuple(labels)


ROLES = ("hidden", "channel", "embedding", "group", "head_dim", "head", "recurrent")
"""From weak to strong: a unit with two roles goes by the stronger one."""


def _stronger(one: str | None, other: str) -> str:
    return other if one is None else max(one, other, key=ROLES.index)


def _find(parent: list[int], item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


def _common_prefix(labels: Sequence[Label]) -> Label:
    first, length = labels[0], 0
    while all(
        len(label) > length and label[length] == first[length] for label in labels
    ):
        length += 1
    return first[:length]


def _without(label: Label, other: Label) -> Label:
    return tuple(unit for unit in label if unit not in other)
