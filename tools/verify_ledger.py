#!/usr/bin/env python3
"""Checks a city's ledger, offline, with nothing of the city's own software. For auditors: read it before you trust it.

    python verify_ledger.py LOG-KEY FOLDER [--witness KEY ...] [--quorum N] [--earlier CHECKPOINT ...] [--entry N ...]

LOG-KEY is the log's public key as the city published it (NAME+ID+KEY); FOLDER is a copy of the log's public files. It
needs Python 3.11 and the package `cryptography`, and no network. It ends with 0 if all holds, and with 1 if not.

What is checked, in this order:
 1. The checkpoint is signed with the log's key (C2SP signed-note: Ed25519 over the text above the blank line).
 2. Enough witnesses signed it too (C2SP tlog-cosignature v1): each says that it saw no other version of the log.
 3. All entries together make the tree whose root the checkpoint names (RFC 6962, 2.1): nothing was changed, left out,
    added or put in another order.
 4. The log only grew since each earlier checkpoint that you kept (RFC 6962, 2.1.2): nothing was taken back.
 5. For each --entry: the proof that it is in the tree (RFC 6962, 2.1.1), and what it says.
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    """Something does not hold."""


# --- Keys and signatures ----------------------------------------------------------------------------------------------


class Key:
    """A public key, written NAME+ID+BASE64 of one byte (1: a log's, 4: a witness's) and 32 bytes."""

    def __init__(self, text):
        try:
            self.name, key_id, encoded = text.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise Wrong(f"{text!r} is no key") from None
        self.is_witness, self.public = raw[:1] == b"\x04", raw[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if raw[:1] not in (b"\x01", b"\x04") or len(self.public) != 32 or self.id.hex() != key_id:
            raise Wrong(f"{text!r} is no key, or is misspelt")

    def signed(self, note):
        """True if this key signed the note; False if there is no signature of it; Wrong if there is a false one."""
        text, lines = note
        for name, raw in lines:
            if name == self.name and raw[:4] == self.id:
                signature, message = raw[4:], text.encode()
                if self.is_witness:  # eight bytes of time, which is signed with the text
                    time = int.from_bytes(signature[:8], "big")
                    signature, message = signature[8:], f"cosignature/v1\ntime {time}\n{text}".encode()
                try:
                    Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
                except InvalidSignature:
                    raise Wrong(f"the signature of {self.name} is false") from None
                return True
        return False


def read_note(path):
    """A note: its text, and its signature lines as (name, key id and signature)."""
    try:
        text, lines = Path(path).read_bytes().decode().split("\n\n", 1)
        signatures = []
        for line in lines.splitlines():
            dash, name, encoded = line.split(" ")
            if dash != "\u2014":
                raise ValueError
            signatures.append((name, base64.b64decode(encoded, validate=True)))
    except ValueError:
        raise Wrong(f"{path} is no signed note") from None
    return text + "\n", signatures


def read_checkpoint(path, log):
    """The size and the root that a checkpoint names, once it is known that the log signed it."""
    note = read_note(path)
    if not log.signed(note):
        raise Wrong(f"{path} is not signed by {log.name}")
    origin, size, root = note[0].splitlines()[:3]
    if origin != log.name:
        raise Wrong(f"{path} is of another log: {origin}")
    return int(size), base64.b64decode(root, validate=True), note


# --- The tree (RFC 6962, 2.1) -----------------------------------------------------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree over all leaves, with every complete node kept: levels[l][i] stands over leaves i * 2**l and on."""

    def __init__(self, leaves):
        self.levels = [leaves]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)])

    def root(self, start, end):
        """The root over leaves start to end; the tree has a node that begins at start and is large enough."""
        count = end - start
        if count == 0:
            return hashlib.sha256().digest()
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            return self.levels[level][start >> level]
        middle = start + largest_power_below(count)
        return node_hash(self.root(start, middle), self.root(middle, end))

    def proof(self, index, start, end):
        """The hashes beside the way from a leaf to the root, lowest first."""
        if end - start == 1:
            return []
        middle = start + largest_power_below(end - start)
        if index < middle:
            return [*self.proof(index, start, middle), self.root(middle, end)]
        return [*self.proof(index, middle, end), self.root(start, middle)]


def largest_power_below(count):
    return 1 << ((count - 1).bit_length() - 1)


def root_by_proof(leaf, index, size, proof):
    """The root that a proof of inclusion leads to (RFC 9162, 2.1.3.2); None where it has another length."""
    found, at, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return None if last else found


# --- The files (C2SP tlog-tiles) --------------------------------------------------------------------------------------


def bundle_path(number):
    """`x001/x234/067` for 1234067."""
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups)


def read_entries(folder, size):
    """All entries, in order: bundles of 256, the last one perhaps partial; each behind its length in two bytes."""
    for number in range(-(-size // 256)):
        width = min(256, size - number * 256)
        whole = folder / "tile" / "entries" / bundle_path(number)
        partial = whole.with_name(f"{whole.name}.p") / str(width)
        path = partial if width < 256 and partial.exists() else whole
        if not path.exists():
            raise Wrong(f"{path} is missing: {width} entries from {number * 256} on")
        data, at = path.read_bytes(), 0
        for index in range(width):
            length = int.from_bytes(data[at : at + 2], "big")
            entry = data[at + 2 : at + 2 + length]
            if at + 2 > len(data) or len(entry) != length:
                raise Wrong(f"{path} ends within entry {number * 256 + index}")
            yield entry
            at += 2 + length
        if at != len(data) and path != whole:
            raise Wrong(f"{path} has more in it than {width} entries")


# --- What is checked --------------------------------------------------------------------------------------------------


def check(options):
    """Checks everything, says so line by line, and returns whether all of it holds."""
    log = Key(options.log_key)
    size, root, note = read_checkpoint(options.folder / "checkpoint", log)
    print(f"checkpoint: signed by {log.name}, {size} entries, root {root.hex()}")
    problems = check_witnesses(note, [Key(text) for text in options.witness], options.quorum)

    entries = list(read_entries(options.folder, size))
    tree = Tree([leaf_hash(entry) for entry in entries])
    if tree.root(0, size) == root:
        print(f"entries: all {size} are as they were when the checkpoint was signed")
    else:
        problems.append(f"the {size} entries do not make the tree that the checkpoint signs")
    problems += check_earlier(tree, size, options.earlier, log)
    problems += [problem for index in options.entry for problem in check_entry(tree, entries, index, root)]

    for problem in problems:
        print(f"WRONG: {problem}")
    return not problems


def check_witnesses(note, witnesses, quorum):
    signed, problems = [], []
    for witness in witnesses:
        try:
            if witness.signed(note):
                signed.append(witness.name)
        except Wrong as wrong:
            problems.append(str(wrong))
    print(f"witnesses: {', '.join(signed) or 'none'} of {len(witnesses)} signed it")
    if len(signed) < quorum:
        problems.append(f"{len(signed)} witnesses signed the checkpoint, and {quorum} must")
    return problems


def check_earlier(tree, size, paths, log):
    problems = []
    for path in paths:
        old_size, old_root, _ = read_checkpoint(path, log)
        if old_size <= size and tree.root(0, old_size) == old_root:
            print(f"earlier: the log only grew since {path} ({old_size} entries)")
        else:
            problems.append(f"the log does not begin as {path} said: something was taken back or changed")
    return problems


def check_entry(tree, entries, index, root):
    size = len(entries)
    if not 0 <= index < size:
        return [f"there is no entry {index}"]
    proof = tree.proof(index, 0, size)
    print(f"entry {index}: {len(proof)} hashes prove it; it says:")
    print(json.dumps(json.loads(entries[index]), indent=1, ensure_ascii=False))
    is_proven = root_by_proof(leaf_hash(entries[index]), index, size, proof) == root
    return [] if is_proven else [f"entry {index} is not in the tree"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log_key", help="the log's public key, NAME+ID+KEY")
    parser.add_argument("folder", type=Path, help="a copy of the log's public files")
    parser.add_argument("--witness", action="append", default=[], help="a witness's public key; once for each")
    parser.add_argument("--quorum", type=int, default=0, help="so many witnesses must have signed")
    parser.add_argument("--earlier", action="append", default=[], type=Path, help="a checkpoint that you kept")
    parser.add_argument("--entry", action="append", default=[], type=int, help="prove and show this entry")
    try:
        is_well = check(parser.parse_args())
    except (Wrong, OSError, ValueError) as wrong:
        print(f"WRONG: {wrong}")
        is_well = False
    print("All of it holds." if is_well else "It does NOT hold.")
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
