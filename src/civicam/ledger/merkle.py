"""The tree of RFC 6962, section 2.1: hashes, roots and proofs. Pure: where hashes come from is the caller's business.

A node at level `l` and index `i` stands over the leaves from `i * 2**l` to `(i + 1) * 2**l`. Only nodes all of whose
leaves are there are ever asked for, and those never change.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeAlias

from civicam.core.errors import LedgerError

Hash: TypeAlias = bytes
"""32 bytes."""
ReadNode: TypeAlias = Callable[[int, int], Hash]
"""The hash of a complete node, by level and index."""

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()


def leaf_hash(entry: bytes) -> Hash:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """The hash of two nodes' parent."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[Hash]) -> Hash:
    """The root over leaf hashes, or over nodes of one level of which the last may be cut off."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = _split(len(hashes))
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def tree_root(size: int, read: ReadNode) -> Hash:
    """The root of the tree of the first `size` entries."""
    return _range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: ReadNode) -> list[Hash]:
    """The proof that entry `index` is in the tree of `size` entries (RFC 6962, 2.1.1).

    Raises:
        LedgerError: there is no such entry in that tree.
    """
    if not 0 <= index < size:
        raise LedgerError(f"entry {index} is not in a tree of {size}", fix="ask for one that is")
    return _path(index, 0, size, read)


def consistency_proof(old_size: int, size: int, read: ReadNode) -> list[Hash]:
    """The proof that the tree of `size` entries only adds to that of `old_size` (RFC 6962, 2.1.2).

    Raises:
        LedgerError: the old tree is larger.
    """
    if not 0 <= old_size <= size:
        raise LedgerError(f"a tree of {old_size} cannot be a beginning of one of {size}", fix="check the order")
    if old_size in (0, size):
        return []
    return _subproof(old_size, 0, size, read, is_known=True)


def check_inclusion(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Checks a proof of inclusion (RFC 9162, 2.1.3.2).

    Args:
        leaf: the entry's hash.
        index: its place.
        size: of the tree.
        proof: from the leaf upwards.
        root: of the tree.

    Raises:
        LedgerError: it proves nothing.
    """
    if not 0 <= index < size:
        raise LedgerError(f"entry {index} is not in a tree of {size}")
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise LedgerError("the proof is too long", where=f"entry {index} of {size}")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise LedgerError("the proof does not lead to the root", where=f"entry {index} of {size}")


def check_consistency(old_size: int, size: int, old_root: Hash, root: Hash, proof: Sequence[Hash]) -> None:
    """Checks that one tree is a beginning of another (RFC 9162, 2.1.4.2).

    Raises:
        LedgerError: it is not proven.
    """
    where = f"from {old_size} to {size}"
    if not 0 <= old_size <= size:
        raise LedgerError("the old tree is larger than the new one", where=where)
    if old_size in (0, size):
        expected = EMPTY_ROOT if old_size == 0 else root
        if proof or old_root != expected:
            raise LedgerError("the trees are not one beginning of the other", where=where)
        return
    is_whole = old_size & (old_size - 1) == 0  # the old tree is one complete node, which the proof leaves out
    path = [old_root, *proof] if is_whole else list(proof)
    found = _roots_on(path, old_size - 1, size - 1) if path else None
    if found != (old_root, root):
        raise LedgerError("the new tree does not begin with the old one", where=where)


def _roots_on(path: Sequence[Hash], at: int, last: int) -> tuple[Hash, Hash] | None:
    """The old and the new root that a proof leads to; None: it is of another length."""
    while at & 1:
        at, last = at >> 1, last >> 1
    old_found = found = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old_found, found = node_hash(sibling, old_found), node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return None if last else (old_found, found)


def _split(count: int) -> int:
    """The largest power of two below `count`, which is over 1."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(start: int, end: int, read: ReadNode) -> Hash:
    """The hash over leaves `start` to `end`; `start` is a multiple of the next power of two."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_hash(start, middle, read), _range_hash(middle, end, read))


def _path(index: int, start: int, end: int, read: ReadNode) -> list[Hash]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(index, start, middle, read), _range_hash(middle, end, read)]
    return [*_path(index, middle, end, read), _range_hash(start, middle, read)]


def _subproof(old_end: int, start: int, end: int, read: ReadNode, *, is_known: bool) -> list[Hash]:
    if old_end == end:
        return [] if is_known else [_range_hash(start, end, read)]
    middle = start + _split(end - start)
    if old_end <= middle:
        return [*_subproof(old_end, start, middle, read, is_known=is_known), _range_hash(middle, end, read)]
    return [*_subproof(old_end, middle, end, read, is_known=False), _range_hash(start, middle, read)]
