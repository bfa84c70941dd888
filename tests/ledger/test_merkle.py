"""The tree, against one that is built naively, and proofs that prove nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.core.errors import LedgerError
from civicam.ledger.merkle import (
    EMPTY_ROOT,
    Hash,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    tree_root,
)

# RFC 6962 does not give any; these are the tree heads that certificate transparency's own tests use.
ENTRIES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                                            "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Tree:
    """Every complete node of a tree, built the naive way."""

    def __init__(self, leaves: list[Hash]) -> None:
        self.leaves = leaves

    def node(self, level: int, index: int) -> Hash:
        hashes = self.leaves[index << level : (index + 1) << level]
        assert len(hashes) == 1 << level
        return naive_root(hashes)


def naive_root(hashes: list[Hash]) -> Hash:
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > 1:
        pairs = [hashes[at : at + 2] for at in range(0, len(hashes), 2)]
        hashes = [node_hash(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return hashes[0]


def tree_of(size: int) -> Tree:
    return Tree([leaf_hash(str(number).encode()) for number in range(size)])


sizes = st.integers(1, 300)


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_known_trees_have_their_known_roots(size: int) -> None:
    tree = Tree([leaf_hash(entry) for entry in ENTRIES[:size]])
    assert tree_root(size, tree.node).hex() == root_of(tree.leaves).hex() == ROOTS[size]


@given(sizes)
def test_the_root_is_that_of_the_naive_tree(size: int) -> None:
    tree = tree_of(size)
    assert tree_root(size, tree.node) == root_of(tree.leaves) == naive_root(tree.leaves)


@given(sizes, st.data())
def test_every_entry_is_proven_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    tree, index = tree_of(size), data.draw(st.integers(0, size - 1))
    root, proof = tree_root(size, tree.node), inclusion_proof(index, size, tree.node)
    check_inclusion(tree.leaves[index], index, size, proof, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index) if size > 1 else st.just(size))
    for leaf, at, of, path, head in (
        (leaf_hash(b"another"), index, size, proof, root),
        (tree.leaves[index], other, size, proof, root),
        (tree.leaves[index], index, size, proof[:-1] if proof else [root], root),
        (tree.leaves[index], index, size, [*proof, root], root),
        (tree.leaves[index], index, size, proof, leaf_hash(root)),
    ):
        with pytest.raises(LedgerError):
            check_inclusion(leaf, at, of, path, head)


@given(sizes, st.data())
def test_a_tree_that_only_grew_is_proven_and_one_that_changed_is_not(size: int, data: st.DataObject) -> None:
    old_size = data.draw(st.integers(0, size))
    tree = tree_of(size)
    old_root, root = tree_root(old_size, tree.node), tree_root(size, tree.node)
    proof = consistency_proof(old_size, size, tree.node)
    check_consistency(old_size, size, old_root, root, proof)
    if 0 < old_size < size:
        changed = data.draw(st.integers(0, old_size - 1))
        leaves = [*tree.leaves]
        leaves[changed] = leaf_hash(b"changed")
        forged = Tree(leaves)
        with pytest.raises(LedgerError):
            check_consistency(
                old_size, size, old_root, tree_root(size, forged.node), consistency_proof(old_size, size, forged.node)
            )
        for path in (proof[:-1], [*proof, root], [leaf_hash(one) for one in proof]):
            with pytest.raises(LedgerError):
                check_consistency(old_size, size, old_root, root, path)


@pytest.mark.parametrize(("old_size", "size"), [(0, 3), (3, 3)])
def test_what_needs_no_proof_takes_none(old_size: int, size: int) -> None:
    tree = tree_of(size)
    roots = tree_root(old_size, tree.node), tree_root(size, tree.node)
    check_consistency(old_size, size, *roots, [])
    with pytest.raises(LedgerError):
        check_consistency(old_size, size, *roots, [roots[1]])
    with pytest.raises(LedgerError):
        check_consistency(old_size, size, leaf_hash(b""), roots[1], [])


def test_what_is_not_there_cannot_be_proven() -> None:
    tree = tree_of(3)
    with pytest.raises(LedgerError, match="not in a tree of 3"):
        inclusion_proof(3, 3, tree.node)
    with pytest.raises(LedgerError, match="cannot be a beginning"):
        consistency_proof(4, 3, tree.node)
    with pytest.raises(LedgerError, match="larger"):
        check_consistency(4, 3, EMPTY_ROOT, EMPTY_ROOT, [])


def test_a_proof_among_many_reads_few_nodes() -> None:
    asked = []

    def node(level: int, index: int) -> Hash:
        asked.append((level, index))
        return leaf_hash(b"")

    proof = inclusion_proof(5_000_000, 10_000_000, node)
    assert len(proof) <= 24
    assert len(asked) <= 40
