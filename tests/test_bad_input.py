"""Bad input: each is refused with a TypeError or ValueError that names the argument."""

import math

import numpy as np
import pytest
import scipy.sparse
from helpers import noted, points
from optional import torch

from rkbs import BinaryKernelRidge, PairKFold, PowerFeatures, RKBSPair, inspect
from rkbs.data.gdsc import DataNotFoundError, load_gdsc
from rkbs.data.pairs import Pairs
from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    CappedEDP,
    Cauchy,
    KeyNormBias,
    L2Distance,
    Laplace,
    Linear,
    LowRank,
    PositiveFeatures,
    Precomputed,
    Quadratic,
    Scaled,
    TaylorEDP,
)
from rkbs.kernels.features import multi_indices
from rkbs.problems.low_rank import LowRankGram
from rkbs.problems.product import ProductProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import ADMM, DualNewton, SpectralNewton, solve
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import Squared
from rkbs.terms.spectral_penalties import Schatten

X, Y = points((4, 2)), points((3, 2), 1)
T = torch.tensor(X)
W = points((2, 2), 5)
NAN, INF = X.copy(), X.copy()
NAN[2, 1], INF[1, 0] = math.nan, -math.inf
RAGGED = [[1.0, 2.0], [3.0]]

# (id, bad points, exception, what the message says after the argument's name)
POINTS = [
    ("nan", NAN, ValueError, r"contains NaN or infinity \(first at index \(2, 1\)\)"),
    ("inf", INF, ValueError, r"contains NaN or infinity \(first at index \(1, 0\)\)"),
    ("1-d", X[0], ValueError, r"must have shape \(\.\.\., n, d\).*got shape \(2,\)"),
    ("0-d", 3.0, ValueError, r"must have shape"),
    ("no points", X[:0], ValueError, r"must hold at least one point, got shape \(0, 2\)"),
    ("no dimension", X[:, :0], ValueError, r"must hold at least one point, got shape \(4, 0\)"),
    ("empty list", [], ValueError, r"must have shape"),
    ("ragged", RAGGED, TypeError, "must be a rectangular array of real numbers"),
    ("object", X.astype(object), TypeError, "must be an array of real numbers, got dtype object"),
    ("none", None, TypeError, "must be an array of real numbers, got dtype object"),
    ("complex", X + 1j, TypeError, "must be an array of real numbers, got dtype complex128"),
    ("string", X.astype(str), TypeError, "must be an array of real numbers, got dtype <U"),
    ("date", X.astype("M8[s]"), TypeError, "must be an array of real numbers, got dtype datetime"),
    ("masked", np.ma.masked_array(X, X > 0), TypeError, "must not be a masked array"),
    ("sparse", scipy.sparse.eye_array(3), TypeError, r"must be a dense array.*\.toarray\(\)"),
]
# Functions of one set of points, with the name that the message should give.
TAKES_POINTS = {
    "kernel x": ("x", lambda x: EDP()(x, X)),
    "kernel y": ("y", lambda x: EDP()(X, x)),
    "log x": ("x", lambda x: RBF().log(x, X)),
    "pullback x": ("x", lambda x: EDP().pullback(W, W)(x, X)),
    "map_x(x)": (r"map_x\(x\)", lambda x: EDP().pullback(lambda _: x)(X, X)),
    "map_y(y)": (r"map_y\(y\)", lambda x: L2Distance().pullback(None, lambda _: x)(X, X)),
    "map_x": ("map_x", lambda x: EDP().pullback(x, None)),
    "map_y": ("map_y", lambda x: EDP().pullback(None, x)),
    "Precomputed": (r"Precomputed\(matrix=…\)", Precomputed),
    "LowRank": (r"LowRank\(points=…\)", lambda x: LowRank(RBF(), x)),
    "LowRank features": ("x", lambda x: LowRank(RBF(), X, 3).features(x)),
    "left_out": ("x", lambda x: LowRank(RBF(), X, 3).left_out(x)),
    "LowRankGram": ("features", LowRankGram),
    "features q": ("q", PowerFeatures(EDP(), 2, 3)),
    "element": ("x", lambda x: SPACES.f(np.ones(SPACES.dim))(x)),
    "element y": ("y", lambda x: SPACES.g(np.ones(SPACES.dim))(x)),
    "separates": ("x", lambda x: SPACES.separates("x", x)),
    "evaluation_norms": ("y", lambda x: SPACES.evaluation_norms("y", x)),
    "from_kernel map_x": ("map_x", lambda x: RKBSPair.from_kernel(EDP(), 4, 2, map_x=x)),
    "Pairs X": ("X", lambda x: Pairs(x, Y, [0], [0])),
    "Pairs Y": ("Y", lambda x: Pairs(X, x, [0], [0])),
    "grid X": ("X", lambda x: Pairs.grid(x, Y)),
    "grid Y": ("Y", lambda x: Pairs.grid(X, x)),
    "from_mask X": ("X", lambda x: Pairs.from_mask(x, Y, np.ones((4, 3), bool))),
    "from_table": ("table", lambda x: Pairs.from_table(x, 1)),
    "PairKFold": ("X", lambda x: next(PairKFold(2, n_features_x=1).split(x))),
    "inspect X": ("X", lambda x: inspect(EDP(), x)),
    "inspect Y": ("Y", lambda x: inspect(EDP(), X, x)),
}
NONE_IS_FINE = {"map_x", "map_y", "from_kernel map_x", "inspect Y"}  # the identity; Y = X
SPACES = RKBSPair.from_kernel(EDP(), 2, 2)
OTHER = RKBSPair.from_kernel(EDP(), 2, 2)


@pytest.mark.parametrize("place", TAKES_POINTS)
def test_points(place):
    name, function = TAKES_POINTS[place]
    for kind, bad, error, says in POINTS:
        if bad is None and place in NONE_IS_FINE:
            function(bad)
            continue
        if "map" in name and not isinstance(bad, (np.ndarray, list)) and "(" not in name:
            error, says = TypeError, "must be a callable, a matrix or None"  # not even an array
        with noted(kind), pytest.raises(error, match=rf"^{name} {says}"):
            function(bad)


MATRICES = ("map_x", "map_y", "Precomputed", "from_kernel map_x", "Pairs X", "Pairs Y", "grid X")
MATRICES += (
    "LowRank",
    "LowRankGram",
    "PairKFold",
    "from_mask X",
    "from_table",
    "grid Y",
    "inspect X",
    "inspect Y",
    "left_out",
)


@pytest.mark.parametrize("place", MATRICES)
def test_three_axes_where_a_matrix_is_needed(place):
    name, function = TAKES_POINTS[place]
    with pytest.raises(ValueError, match=rf"^{name} must be a matrix, got shape \(1, 4, 2\)"):
        function(X[None])


KERNEL_PAIRS = [
    ("x and y must share their last axis: x has dimension 2", ValueError, X, Y[:, :1]),
    ("x and y must both be numpy arrays or both torch tensors", TypeError, X, T),
    ("x and y must both be numpy arrays or both torch tensors", TypeError, T, X),
    ("x must be a floating tensor, got torch.int64", TypeError, torch.ones(2, 2, dtype=int), T),
    ("y must be a floating tensor, got torch.bool", TypeError, T, T > 0),
    ("y must be a floating tensor, got torch.complex64", TypeError, T, torch.ones(2, 2) * 1j),
    (r"x must have shape \(\.\.\., n, d\)", ValueError, T[0], T),
    ("y must hold at least one point", ValueError, T, T[:0]),
]


@pytest.mark.parametrize(("says", "error", "x", "y"), KERNEL_PAIRS)
def test_two_sets_of_points(says, error, x, y):
    for name, kernel in KERNELS.items():
        if name == "constant" and "share their last axis" in says:
            assert (kernel(x, y) == 1).all()  # of points of any two spaces
            continue
        for function in (kernel, kernel.log) if kernel.is_positive else (kernel,):
            with noted(name), pytest.raises(error, match=says):
                function(x, y)


def features(kernel=EDP(), d=2, order=3):  # noqa: B008 - frozen
    return PowerFeatures(kernel, d, order)


def grid(**changes):
    return Pairs(**({"X": X, "Y": Y, "i": [0, 1], "j": [0, 2]} | changes))


def tensor_kernel():
    return EDP() + 2 * RBF(torch.tensor(1.0))


def operator(**changes):
    right = {"gram_x": np.eye(4), "gram_y": np.eye(3), "pairs": Pairs.grid(X, Y), "z": Z}
    return SchattenProblem(**({**right, "alpha": 1.0} | changes))


ROW = Precomputed.points(3)
PARTS = dict.fromkeys((KeyNormBias, Scaled), (EDP(),))  # what stands before a parameter
F, G = SPACES.f(np.ones(6)), SPACES.g(np.ones(6))
Z = np.arange(12.0)

TABLE = [
    # ---- parameters of kernels
    *(
        (
            lambda cls=cls, name=name, bad=bad: cls(*PARTS.get(cls, ()), **{name: bad}),
            error,
            rf"{cls.__name__}\({name}=…\) must be",
        )
        for cls, name, values in (
            (RBF, "tau", (0.0, -1.0)),
            (L2Distance, "tau", (0, -1e-300)),
            (Laplace, "tau", (0.0, -2)),
            (Cauchy, "tau", (0.0, -2)),
            (CappedEDP, "cap", (0.0, -2, [1.0, 0.0])),
            (KeyNormBias, "tau", ()),
            (Scaled, "factor", ()),
            (Quadratic, "gamma", ([1.0, math.nan],)),
        )
        for bad, error in [
            *((value, ValueError) for value in (*values, math.nan, math.inf, -math.inf)),
            *((value, ValueError) for value in (np.ones((2, 1)), [], torch.ones(1, 2))),
            *((value, TypeError) for value in (True, "1", None, 1j, [True], np.ones(1) > 0)),
        ]
    ),
    *(
        (lambda bad=bad: TaylorEDP(bad), error, r"TaylorEDP\(order=…\) must be")
        for bad, error in [
            (-1, ValueError),
            (257, ValueError),
            (2.0, TypeError),
            (True, TypeError),
            ("2", TypeError),
        ]
    ),
    (lambda: math.nan * EDP(), ValueError, r"Scaled\(factor=…\) must be finite"),
    (lambda: EDP() * "2", TypeError, "unsupported operand|can't multiply"),
    (lambda: EDP() + 1, TypeError, "unsupported operand"),
    (lambda: np.ones(2) * EDP(), TypeError, "EDP"),
    (lambda: RBF(torch.tensor(1.0))(X, Y), TypeError, r"RBF\(tau=…\) is a torch tensor, but x"),
    (lambda: tensor_kernel()(X, Y), TypeError, r"RBF\(tau=…\) is a torch tensor, but x and y"),
    (lambda: tensor_kernel().log(X, Y), TypeError, r"RBF\(tau=…\) is a torch tensor"),
    # ---- key norms, positive features
    (lambda: KeyNormBias("edp"), TypeError, "kernel must be a Kernel, got 'edp'"),
    (lambda: KeyNormBias(EDP), TypeError, r"the class EDP: did you mean EDP\(\)"),
    *(
        (lambda arrays=arrays: PositiveFeatures(*arrays), error, says)
        for arrays, error, says in [
            ((W.tolist(), W[0], W, W[0]), TypeError, r"\(query_weights=…\) .* got list"),
            ((W, None, W, W[0]), TypeError, r"\(query_biases=…\) .* got NoneType"),
            ((W, W[0], NAN[2:], W[0]), ValueError, r"\(key_weights=…\) contains NaN"),
            ((W, W[0], W > 0, W[0]), TypeError, r"\(key_weights=…\) must be .* real numbers"),
            ((W, W, W, W[0]), ValueError, r"query_biases=…\) must have shapes \(D, d\)"),
            ((W[0], W[0, 0:0], W, W[0]), ValueError, r"got \(2,\) and \(0,\)"),
            ((W, W[0], X, X[:, 0]), ValueError, r"the same features.* got \(2,\) and \(4,\)"),
            ((W[None], W[:1], W, W[0]), ValueError, r"got \(1, 2\) and \(2,\)"),
        ]
    ),
    (
        lambda: PositiveFeatures(W, W[0], W, W[0])(points((4, 3)), X),
        ValueError,
        r"query_weights=…\) are of points of dimension 2, but x has dimension 3 \(shape \(4, 3\)\)",
    ),
    (
        lambda: PositiveFeatures(W, W[0], T[:2], W[0])(X, X),
        TypeError,
        r"PositiveFeatures\(key_weights=…\) is a torch tensor",
    ),
    # ---- parameters of heads
    (lambda: RBF([1.0, 2.0])(X, Y), ValueError, r"RBF\(tau=…\) .* 2 heads.* have no such axis"),
    *(
        (
            lambda heads=heads: Quadratic([1.0, 2.0])(points((*heads, 4, 2)), points((4, 2))),
            ValueError,
            r"Quadratic\(gamma=…\) .* axis −3 .* must be of length 2; x and y have shapes \(",
        )
        for heads in [(3,), (1,), (2, 3)]
    ),
    (
        lambda: (KeyNormBias(EDP(), [1.0, 2.0]).pullback(W, W) + EDP())(X, Y),
        ValueError,
        r"KeyNormBias\(tau=…\) .* no such axis",
    ),
    (
        lambda: PositiveFeatures(*[a[None] for a in (W, W[0], W, W[0])])(X, Y),
        ValueError,
        r"PositiveFeatures\(query_weights=…\) .* 1 heads",
    ),
    (lambda: features(Quadratic([1.0, 2.0]))(X), ValueError, "series for each head"),
    *(
        (
            lambda make=make: BinaryKernelRidge(make()).fit(Pairs.grid(X, Y), Z),
            ValueError,
            rf"^kernel_x=.* for each head in {says}, but a machine's points have no axis of heads",
        )
        for make, says in [
            (lambda: RBF([1.0, 2.0]), r"RBF\(tau=…\)"),
            (lambda: 2.0 * (EDP() + Laplace(torch.ones(2))), r"Laplace\(tau=…\)"),
            (lambda: Scaled(EDP(), np.ones(3)), r"Scaled\(factor=…\)"),
        ]
    ),
    # ---- pullbacks
    (lambda: EDP().pullback("W"), TypeError, "map_x must be a callable, a matrix or None"),
    (lambda: EDP().pullback(None, 3.0), TypeError, "map_y must be a callable, a matrix or None"),
    (lambda: EDP().pullback(T[0]), ValueError, r"map_x must be a matrix \(d, d_in\)"),
    (lambda: EDP().pullback(points((2, 3)))(X, X), ValueError, r"takes points of dimension 3, got"),
    (
        lambda: EDP().pullback(points((3, 2)))(X, X),
        ValueError,
        "x and y must share their last axis",
    ),
    (lambda: EDP().pullback(T[:2])(X, X), TypeError, "matrix is a torch tensor, but the points"),
    # ---- precomputed kernels
    (lambda: Precomputed(W)(ROW, ROW), ValueError, "x must hold indices from 0 to 1"),
    (lambda: Precomputed(W)(ROW[:2], -ROW[1:2]), ValueError, "y must hold indices from 0 to 1"),
    (
        lambda: Precomputed(W)(ROW[:2] / 2, ROW[:2]),
        ValueError,
        "x must hold row numbers .* got the value 0.5",
    ),
    (lambda: Precomputed(W)(ROW[:2], points((2, 3))), ValueError, "y must hold row numbers"),
    (lambda: Precomputed(W)(X[:2], X[:2]), ValueError, "y holds rows of sim.* row 0 is none of"),
    (lambda: Precomputed(W)(*2 * [torch.tensor([[math.nan]])]), ValueError, "x must hold row numb"),
    # ---- features
    (lambda: features(RBF()), TypeError, "kernel must be a DotProductKernel, got RBF"),
    (lambda: features(EDP), TypeError, "kernel must be a DotProductKernel"),
    (lambda: features(d=0), ValueError, "d must be at least 1, got 0"),
    (lambda: features(d=2.0), TypeError, "d must be an integer, got 2.0"),
    (lambda: features(order=-1), ValueError, "order must be at least 0, got -1"),
    (lambda: features(order="3"), TypeError, "order must be an integer"),
    (lambda: features(order=True), TypeError, "order must be an integer"),
    (lambda: features(order=10**6), ValueError, "order=1000000 in dimension d=2.*lower the order"),
    (lambda: multi_indices(10**6, 3), ValueError, "order=3 in dimension d=1000000"),
    (lambda: features()(points((2, 3))), ValueError, "q must have dimension d=2, got 3"),
    (lambda: features()(torch.ones(2, 2, dtype=int)), TypeError, "q must be a floating tensor"),
    (lambda: features().remainder_bound([math.nan]), ValueError, "a contains NaN"),
    (lambda: features().remainder_bound(T > 0), TypeError, "a must be a floating tensor"),
    (lambda: features().remainder_bound([1j]), TypeError, "a must be an array of real numbers"),
    # ---- pairs of spaces
    *(
        (lambda p=p: RKBSPair.from_kernel(EDP(), 2, 2, p=p), ValueError, "p must satisfy 1 < p < ∞")
        for p in (1, 0.5, -2.0, 0, math.inf, math.nan, True)
    ),
    *(
        (lambda p=p: RKBSPair.from_kernel(EDP(), 2, 2, p=p), TypeError, "p must be a real number")
        for p in ("2", None, 2j, [2.0], np.ones(1))
    ),
    (lambda: RKBSPair.from_kernel(L2Distance(), 2, 2), TypeError, "kernel must be a DotProduct"),
    (lambda: SPACES.f(np.ones(5)), ValueError, r"coefficients must have shape \(6,\).*got \(5,\)"),
    (lambda: SPACES.g(np.ones((6, 1))), ValueError, r"coefficients must have shape \(6,\)"),
    (lambda: SPACES.f([]), ValueError, "coefficients must have shape"),
    (lambda: SPACES.f(np.full(6, math.nan)), ValueError, "coefficients contains NaN"),
    (lambda: SPACES.g(np.full(6, math.inf)), ValueError, "coefficients contains NaN or infinity"),
    (lambda: SPACES.f(np.ones(6) * 1j), TypeError, "coefficients must be an array of real numbers"),
    (lambda: SPACES.f(["1"] * 6), TypeError, "coefficients must be an array of real numbers"),
    (
        lambda: SPACES.f(np.ones(6, bool)),
        TypeError,
        "coefficients must be an array of real numbers",
    ),
    (lambda: F + G, ValueError, "two elements belong to different spaces"),
    (lambda: F - OTHER.f(np.ones(6)), ValueError, "two elements belong to different spaces"),
    (lambda: F + 1.0, TypeError, "only elements add to elements, got float"),
    (lambda: F * np.ones(6), TypeError, "factor must be a real number"),
    (lambda: np.ones(6) * F, TypeError, "factor must be a real number"),
    (lambda: "2" * F, TypeError, "factor must be a real number"),
    (lambda: math.nan * F, ValueError, "coefficients contains NaN"),
    (lambda: SPACES.pairing(G, F), ValueError, "f must be an element of this pair's B_X"),
    (lambda: SPACES.pairing(F, F), ValueError, "g must be an element of this pair's B_Y"),
    (lambda: OTHER.pairing(F, G), ValueError, "f must be an element of this pair's B_X"),
    *(
        (
            lambda name=name: getattr(OTHER, name)(F),
            ValueError,
            "element must be an element of this",
        )
        for name in ("norm", "duality_map", "inverse_duality_map")
    ),
    *(
        (
            lambda name=name: getattr(SPACES, name)(np.ones(6)),
            TypeError,
            "element must be an Element",
        )
        for name in ("norm", "duality_map", "inverse_duality_map")
    ),
    (lambda: SPACES.inverse_duality_map(0 * G, 5.0), ValueError, "element is 0, the ι of 0 only"),
    (
        lambda: SPACES.f(np.ma.masked_array(np.ones(6))),
        TypeError,
        "coefficients must not be a mask",
    ),
    (lambda: SPACES.inverse_duality_map(G, -1.0), ValueError, "norm must be finite and ≥ 0"),
    (lambda: SPACES.inverse_duality_map(G, math.nan), ValueError, "norm must be finite and ≥ 0"),
    (lambda: SPACES.section_x(X), ValueError, r"x must be one point of shape \(d,\), got shape"),
    (lambda: SPACES.section_y(3.0), ValueError, r"y must be one point of shape \(d,\)"),
    (lambda: SPACES.section_y(["1", "2"]), TypeError, "y must be an array of real numbers"),
    (lambda: SPACES.section_x(np.ones(3)), ValueError, "q must have dimension d=2, got 3"),
    (lambda: SPACES.section_x(NAN[2]), ValueError, "contains NaN"),
    (lambda: SPACES.separates("X", X), ValueError, 'domain must be "x" or "y"'),
    # ---- pairs of points
    (lambda: grid(i=[0, 4]), ValueError, r"i must lie from 0 to 3 \(rows of X\).*from 0 to 4"),
    (lambda: grid(j=[-1, 2]), ValueError, r"j must lie from 0 to 2 \(rows of Y\).*from -1 to 2"),
    (lambda: grid(i=[0, 1, 2]), ValueError, "i and j must be equally long, got 3 and 2"),
    (lambda: grid(i=[1, 1], j=[2, 2]), ValueError, r"i, j must not repeat a pair: \(i=1, j=2\)"),
    (lambda: grid(i=[], j=[]), ValueError, "i must name at least one pair"),
    (
        lambda: grid(i=np.array([], int), j=np.array([], int)),
        ValueError,
        "i must name at least one",
    ),
    (lambda: grid(i=[0.0, 1.0]), TypeError, "i must be a 1-D integer array"),
    (lambda: grid(j=[[0, 1]]), TypeError, "j must be a 1-D integer array"),
    (lambda: grid(j=np.array([True, False])), TypeError, "j must be a 1-D integer array"),
    (lambda: grid(i=2), TypeError, "i must be a 1-D integer array"),
    (
        lambda: Pairs.from_mask(X, Y, np.ones((3, 4), bool)),
        ValueError,
        r"mask must be boolean of s",
    ),
    (lambda: Pairs.from_mask(X, Y, np.ones((4, 3))), ValueError, "mask must be boolean of shape"),
    (lambda: Pairs.from_mask(X, Y, np.zeros((4, 3), bool)), ValueError, "mask must be True for at"),
    (lambda: Pairs.from_table(X, 0), ValueError, "n_features_x must be at least 1, got 0"),
    (lambda: Pairs.from_table(X, 2), ValueError, "n_features_x must be from 1 to 1"),
    (lambda: Pairs.from_table(X, 1.0), TypeError, "n_features_x must be an integer"),
    (lambda: Pairs.from_table(X[[0, 1, 0]], 1), ValueError, "must not repeat a pair"),
    *(
        (lambda key=key: Pairs.grid(X, Y)[key], TypeError, "pairs are chosen by a slice, an index")
        for key in (
            3,
            np.int64(3),
            "i",
            None,
            [1.5],
            (1, 2),
            (slice(2), 0),
            np.eye(2, dtype=int),
        )
    ),
    (
        lambda: Pairs.grid(X, Y).entries(np.ones((3, 4))),
        ValueError,
        r"matrix must have shape \(4, 3",
    ),
    (lambda: grid().entries(np.ones((3, 4))), ValueError, r"matrix must have shape \(4, 3\), got"),
    (lambda: Pairs.grid(X, Y)[[1, 1]], ValueError, r"i, j must not repeat a pair: \(i=0, j=1\)"),
    *(
        (lambda key=key: Pairs.grid(X, Y)[key], ValueError, r"pairs\[key\] must name at least one")
        for key in (slice(0), [], np.zeros(12, bool))
    ),
    *(
        (lambda z=z: Pairs.grid(X, Y).responses(z), error, says)
        for z, error, says in [
            (Z[:5], ValueError, r"z must have shape \(12,\) or \(4, 3\), got shape \(5,\)"),
            (Z.reshape(3, 4), ValueError, r"z must have shape .*got shape \(3, 4\)"),
            (
                np.where(Z == 3, math.nan, Z),
                ValueError,
                r"z contains NaN.*by seen = ~np.isnan\(z\)",
            ),
            (
                np.where(Z == 3, math.nan, Z).reshape(4, 3),
                ValueError,
                r"by seen = ~np.isnan\(z\), Pairs.from_mask\(X, Y, seen\), z\[seen\]$",
            ),
            (np.where(Z == 3, math.inf, Z), ValueError, r"z contains NaN.*finite numbers$"),
            (Z.astype(str), TypeError, "z must be an array of real numbers"),
            (Z + 1j, TypeError, "z must be an array of real numbers"),
            (Z > 3, TypeError, r"z must be an array of real numbers.*bool: for labels .* 2\*z - 1"),
            (None, TypeError, "z must be an array of real numbers"),
            (RAGGED, TypeError, "z must be a rectangular array of real numbers"),
        ]
    ),
    # ---- penalties, the operator problem and its solvers
    *(
        (lambda p=p: Schatten(p), error, says)
        for p, error, says in [
            (0.999, ValueError, "p must be finite and ≥ 1.0, got 0.999"),
            (-1, ValueError, "p must be finite and ≥ 1"),
            (math.nan, ValueError, "p must be finite and ≥ 1"),
            (math.inf, ValueError, "p must be finite, got inf: .* not unique"),
            ("2", TypeError, "p must be a real number"),
            (None, TypeError, "p must be a real number"),
            (True, TypeError, "p must be a real number"),
        ]
    ),
    *(
        (lambda changes=changes: operator(**changes), error, says)
        for changes, error, says in [
            ({"alpha": 0}, ValueError, "alpha must be positive"),
            ({"alpha": "1"}, TypeError, "alpha must be a real number"),
            ({"z": Z[:5]}, ValueError, "z must have shape"),
            ({"z": 1e200 * Z}, ValueError, "z has the largest size"),
            ({"loss": Logistic()}, ValueError, r"z must be −1 or 1 for Logistic\(\), got 0.0$"),
            ({"loss": Hinge(), "z": Z // 6}, ValueError, r"for labels 0 and 1 pass 2\*z - 1"),
            ({"loss": Squared}, TypeError, r"loss must be a Loss.*: did you mean Squared\(\)\?"),
            ({"loss": "hinge"}, TypeError, r"got 'hinge': choose from .*Hinge\(\), Huber\(\)"),
            ({"loss": Z}, TypeError, "loss must be a Loss, got ndarray$"),
            ({"loss": Schatten(1)}, TypeError, "loss must be a Loss, got Schatten$"),
            ({"loss": RBF}, TypeError, "loss must be a Loss, got the class RBF$"),
            ({"penalty": 1.5}, TypeError, "penalty must be a SpectralPenalty, got 1.5"),
            ({"pairs": (X, Y)}, TypeError, "pairs must be a Pairs, got tuple$"),
            ({"gram_x": np.eye(3)}, ValueError, r"gram_x must have shape \(4, 4\)"),
            ({"gram_y": np.triu(np.ones((3, 3)))}, ValueError, "gram_y must be symmetric"),
        ]
    ),
    (lambda: operator(gram_x=-np.eye(4)).factors, ValueError, "gram_x must be positive semi-def"),
    (lambda: operator().with_alpha(-1), ValueError, "alpha must be positive"),
    *(
        (lambda solver=solver, bad=bad: solver(**bad), error, says)
        for solver in (ADMM, SpectralNewton)
        for bad, error, says in [
            ({"tol": 0}, ValueError, "tol must be positive"),
            ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
            ({"max_iter": 2.0}, TypeError, "max_iter must be an integer"),
        ]
    ),
    *(
        (
            lambda solver=solver: solver().setup(F),
            TypeError,
            "of class SchattenProblem, got Element",
        )
        for solver in (ADMM, SpectralNewton)
    ),
    (lambda: solve(operator(), ADMM), TypeError, r"the class ADMM: did you mean ADMM\(\)\?"),
    (lambda: solve(operator(), None), TypeError, r"solver must be a Solver, got None: choose from"),
    (lambda: solve(operator(), DualNewton()), TypeError, "DualNewton solves problems of class Exp"),
    *(
        (
            lambda alphas=alphas: ADMM().setup(operator()).path(alphas),
            TypeError,
            "alphas must be a sequence of numbers, got",
        )
        for alphas in (1.0, "1.0")
    ),
    (
        lambda: SpectralNewton().setup(operator(penalty=Schatten(3))).path(1.0),
        TypeError,
        "alphas must be a sequence of numbers, got 1.0",
    ),
    # ---- functions of a separable or product problem
    *(
        (
            lambda kind=kind, wrong=wrong: kind(SPACES, Pairs.grid(X, Y), Z, 1.0, 1.0).objective(
                np.ones(6), wrong
            ),
            ValueError,
            rf"coefficients \(v or u\) of shape \(6,\).*got shape {shape}",
        )
        for kind in (SeparableProblem, ProductProblem)
        for wrong, shape in [(np.ones(2), r"\(2,\)"), (np.ones((6, 1)), r"\(6, 1\)")]
    ),
    (
        lambda: SeparableProblem(SPACES, Pairs.grid(X, Y), Z, 1.0, 1.0).objective(np.ones(6)),
        TypeError,
        "needs a function per side, 2, got 1",
    ),
    # ---- inspect, load_gdsc
    (lambda: inspect("edp", X), TypeError, "kernel must be a Kernel, got 'edp'"),
    (lambda: inspect(EDP, X), TypeError, "kernel must be a Kernel"),
    (lambda: inspect(Linear(), X, Y[:, :1]), ValueError, "x and y must share their last axis"),
    (lambda: load_gdsc("/nowhere"), DataNotFoundError, r"no Labels\.txt in /nowhere\. Get the"),
    (lambda: load_gdsc(3), TypeError, "folder"),
]


@pytest.mark.parametrize(("function", "error", "says"), TABLE, ids=[row[2][:50] for row in TABLE])
def test_refused(function, error, says):
    with pytest.raises(error, match=says):
        function()


def test_good_input_next_to_the_bad_is_accepted():
    """The refusals above are not those of a function that refuses everything."""
    for place, (_, function) in TAKES_POINTS.items():
        assert function(X if place != "from_table" else np.hstack([X, X])) is not None
    assert RKBSPair.from_kernel(EDP(), 2, 2, p=1 + 1e-9).p > 1
    assert Pairs.grid(X, Y)[[1, 2]].shape == (2, 4)
    assert inspect(EDP(), X.tolist()).rank == 4
