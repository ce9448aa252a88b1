"""Finite metrics as tables of rationals: triangle and Ptolemy's inequalities by brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, permutations

Table = list[list[Fraction]]


def star(n: int) -> tuple[Table, Table]:
    """A metric of n keys and n queries, all of it, and that of queries and keys alone.

    Keys are 2 apart, queries too; a query is 3 from its own key and 1 from all others.
    """
    same, apart = Fraction(0), Fraction(2)
    block = [[same if i == j else apart for j in range(n)] for i in range(n)]
    cross = [[Fraction(3 if i == j else 1) for j in range(n)] for i in range(n)]
    table = [a + b for a, b in zip(block, cross, strict=True)]
    table += [a + b for a, b in zip(cross, block, strict=True)]
    return table, cross


def broken_triangles(table: Table) -> int:
    """Triples that break the triangle inequality."""
    return sum(
        table[a][c] > table[a][b] + table[b][c] for a, b, c in permutations(range(len(table)), 3)
    )


def broken_quadruples(table: Table) -> int:
    """Quadruples that break Ptolemy's inequality."""
    count = 0
    for a, b, c, e in combinations(range(len(table)), 4):
        products = sorted(
            (table[a][b] * table[c][e], table[a][c] * table[b][e], table[a][e] * table[b][c])
        )
        count += products[2] > products[0] + products[1]
    return count
