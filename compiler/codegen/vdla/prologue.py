"""The first GEMM begins before all of its data are there.

Later ones find theirs loaded meanwhile; only the first has nothing to overlap its loads with but itself. So its kernel
is cut into parts, and what each part needs is loaded just before the next part's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer, Gemm, Load, Unit, entry_bytes

from .stream import Item, MicroOps, Node, Stream, Token

LEAST_BEATS = 64
"""What is loaded for one part takes the bus at least so long: about the latency of memory, so that it is hidden."""
SAFETY = 2
"""What is loaded while a part is computed takes this share of the time, so that slower memories keep up as well."""


@dataclass
class _Part:
    """Micro-ops from `begin` to before `end`, and the loads that they need besides those of earlier parts."""

    begin: int
    end: int = 0
    loads: list[Node] = field(default_factory=list)
    nbytes: int = 0


def begin_early(stream: Stream, config: Config) -> Stream:
    """`stream` with its first GEMM in parts, if nothing is computed before it and its loads can be told apart."""
    first = next((at for at, item in enumerate(stream.items) if _is(item, Unit.COMPUTE)), None)
    if first is None:
        return stream
    gemm = stream.items[first]
    start = next((at for at, item in enumerate(stream.items[:first]) if _is(item, Unit.LOAD)), None)
    if start is None or not isinstance(gemm, Node) or gemm.kind is not Gemm or gemm.micro_ops is None:
        return stream
    between = stream.items[start:first]
    loads = [item for item in between if isinstance(item, Node)]
    tokens = [item for item in between if isinstance(item, Token)]
    given = [token for token in tokens if token.push and token.unit is not Unit.LOAD]
    ordered = {node for edge in stream.edges for node in edge}
    if any(node.kind is not Load or node in ordered for node in loads) or _takes_before_giving(tokens):
        return stream
    parts = _parts(gemm, gemm.micro_ops, loads, config)
    if len(parts) < 2:
        return stream
    items: list[Item] = [*stream.items[:start], *given]
    edges = list(stream.edges)
    for part in parts:
        place = part.begin, part.end - part.begin
        node = gemm
        if part is not parts[-1]:
            fields = gemm.fields | {"overwrite": gemm.fields["overwrite"] and part.begin == 0}
            node = Node(Gemm, Unit.COMPUTE, fields, gemm.micro_ops, place)
            items += [*part.loads, node]
            if part.loads:
                edges.append((part.loads[-1], node))
        else:
            items += [*part.loads, *(token for token in tokens if token not in given)]
            gemm.fields["overwrite"] = False
            gemm.part = place
    return Stream([*items, *stream.items[first:]], edges)


def _is(item: Item, unit: Unit) -> bool:
    return isinstance(item, Node) and item.unit is unit


def _takes_before_giving(tokens: Sequence[Token]) -> bool:
    """Whether compute passes on a token that it takes, so that the order of its tokens matters."""
    compute = [token.push for token in tokens if token.unit is Unit.COMPUTE]
    return compute != sorted(compute, reverse=True)


def _parts(gemm: Node, micro_ops: MicroOps, loads: Sequence[Node], config: Config) -> list[_Part]:
    """The kernel cut where it needs further loads, weights by the tile; all `loads` are in one part or another."""
    fields = gemm.fields
    least = enough = LEAST_BEATS * config.bus_bytes
    reach = (fields["outer"] - 1) * fields["src_outer"] + (fields["inner"] - 1) * fields["src_inner"]
    tiles_move = any(fields[f"wgt_{loop}"] for loop in ("outer", "inner"))
    left = [replace(node, fields=dict(node.fields)) for node in loads if node.fields["buffer"] is not Buffer.ACC]
    parts = [_Part(0, loads=[node for node in loads if node.fields["buffer"] is Buffer.ACC])]
    for place, (_, src, wgt) in enumerate(micro_ops.tolist()):
        tiles = [
            node for node in left if node.fields["buffer"] is Buffer.WGT and (tiles_move or _holds(node, wgt, wgt))
        ]
        inputs = [node for node in left if node.fields["buffer"] is Buffer.INP and _holds(node, src, src + reach)]
        if (tiles or inputs) and parts[-1].nbytes >= enough:
            meanwhile = (place - parts[-1].begin) * fields["outer"] * fields["inner"]
            enough = max(least, meanwhile * config.bus_bytes // SAFETY)
            parts.append(_Part(place))
        for node, last in [*((node, wgt) for node in tiles), *((node, src + reach) for node in inputs)]:
            left.remove(node)
            head, rest = (node, None) if tiles_move and node in tiles else _cut(node, last, config)
            if rest is not None:
                left.append(rest)
            parts[-1].loads.append(head)
            parts[-1].nbytes += head.fields["rows"] * head.fields["cols"] * entry_bytes(config, head.fields["buffer"])
        parts[-1].end = place + 1
    parts[-1].loads += left
    return [replace(part, loads=_joined(part.loads, config)) for part in parts]


def _joined(loads: Sequence[Node], config: Config) -> list[Node]:
    """Loads of one part, those that fill neighbouring entries from neighbouring rows or columns as one again."""
    result: list[Node] = []
    for node in sorted(loads, key=lambda node: (-node.fields["buffer"], node.fields["sram"])):
        if not result or not _extended(result[-1].fields, node.fields, config):
            result.append(node)
    return result


def _extended(one: dict[str, Any], other: Mapping[str, Any], config: Config) -> bool:
    """Make `one` load what `other` does as well, if what `_cut` has cut fits together again."""
    size = entry_bytes(config, one["buffer"])
    if one["buffer"] is not other["buffer"] or other["sram"] != one["sram"] + _entries(one):
        return False
    if one["rows"] == other["rows"] == 1 and not _padded(one) and not _padded(other):
        if other["dram"] == one["dram"] + one["cols"] * size:
            one["cols"] += other["cols"]
            return True
        return False
    same = all(one.get(name, 0) == other.get(name, 0) for name in ("cols", "stride", "pad_left", "pad_right"))
    behind = other["dram"] == one["dram"] + one["rows"] * one["stride"] * size
    if same and behind and not one.get("pad_bottom") and not other.get("pad_top"):
        one |= {"rows": one["rows"] + other["rows"], "pad_bottom": other.get("pad_bottom", 0)}
        return True
    return False


def _entries(fields: Mapping[str, Any]) -> int:
    """Entries that a load fills."""
    rows = fields.get("pad_top", 0) + fields["rows"] + fields.get("pad_bottom", 0)
    cols = fields.get("pad_left", 0) + fields["cols"] + fields.get("pad_right", 0)
    return int(rows * cols)


def _padded(fields: Mapping[str, Any]) -> bool:
    return any(fields.get(f"pad_{side}") for side in ("top", "bottom", "left", "right"))


def _cut(node: Node, last: int, config: Config) -> tuple[Node, Node | None]:
    """A load up to entry `last` at least, and one of what is behind; the whole where that is not possible."""
    fields = node.fields
    needed = last + 1 - fields["sram"]
    size = entry_bytes(config, fields["buffer"])
    if fields["rows"] > 1:
        width = fields.get("pad_left", 0) + fields["cols"] + fields.get("pad_right", 0)
        top = fields.get("pad_top", 0)
        rows = max(1, -(-needed // width) - top)
        if rows >= fields["rows"]:
            return node, None
        moved = {"sram": fields["sram"] + (top + rows) * width, "dram": fields["dram"] + rows * fields["stride"] * size}
        rest = fields | moved | {"rows": fields["rows"] - rows, "pad_top": 0}
        fields |= {"rows": rows, "pad_bottom": 0}
    else:
        if _padded(fields) or needed >= fields["cols"]:
            return node, None
        moved = {"sram": fields["sram"] + needed, "dram": fields["dram"] + needed * size}
        rest = fields | moved | {"cols": fields["cols"] - needed}
        fields["cols"] = needed
    return node, replace(node, fields=rest)


def _holds(node: Node, first: int, last: int) -> bool:
    """Whether a load fills any entry from `first` to `last`."""
    begin = node.fields["sram"]
    return bool(begin <= last and first < begin + _entries(node.fields))
