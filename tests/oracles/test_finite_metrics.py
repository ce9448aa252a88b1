"""Finite metrics: the inequalities that they keep and break."""

from fractions import Fraction

from verify.oracles.finite_metrics import broken_quadruples, broken_triangles, star


def table(distance, points):
    return [[Fraction(distance(a, b)) for b in points] for a in points]


def test_the_line_keeps_both():
    found = table(lambda a, b: abs(a - b), [0, 1, 3, 7, 8])
    assert broken_triangles(found) == broken_quadruples(found) == 0


def test_squares_break_triangles():
    found = table(lambda a, b: (a - b) ** 2, [0, 1, 2])
    assert broken_triangles(found) == 2  # from 0 to 2 over 1, and back


def test_the_square_in_the_sum_of_coordinates_is_not_ptolemaic():
    corners = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    largest = table(lambda a, b: max(abs(a[0] - b[0]), abs(a[1] - b[1])), corners)
    assert (broken_triangles(largest), broken_quadruples(largest)) == (0, 1)


def test_star():
    found, cross = star(3)
    assert broken_triangles(found) == 0
    assert broken_quadruples(found) > 0
    assert [row[3:] for row in found[:3]] == cross
