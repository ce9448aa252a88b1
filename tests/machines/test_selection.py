"""What cross-validation says of its choice: α without certificate, α at an end of the path."""

import pytest
from sklearn.exceptions import ConvergenceWarning

from rkbs.machines._selection import warn_end_of_path, warn_uncertified


@pytest.mark.parametrize(("alpha", "end"), [(0.1, "smallest"), (10.0, "largest")])
def test_an_end_of_the_path_is_named(alpha, end):
    with pytest.warns(UserWarning, match=f"alpha = {alpha:.3g} is the {end} of the 3 on the path"):
        warn_end_of_path(alpha, [10.0, 0.1, 1.0])


def test_inside_a_path_and_of_one_alpha_nothing_is_said():
    warn_end_of_path(1.0, [10.0, 0.1, 1.0])
    warn_end_of_path(1.0, [1.0])
    warn_end_of_path(1.0, [1.0, 1.0])
    warn_uncertified([], "in some fold")


def test_alphas_without_certificate_are_named():
    with pytest.warns(ConvergenceWarning, match=r"certified in some fold.*alpha = 1e-09, 0.001\."):
        warn_uncertified([1e-9, 1e-3], "in some fold")
