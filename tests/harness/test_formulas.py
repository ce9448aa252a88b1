"""Formulas in the report can be read."""

import pytest

from verify.harness.formulas import in_html
from verify.harness.ledger import load_claims


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("W^Q ≠ W^K", "W<sup>Q</sup> ≠ W<sup>K</sup>"),
        ("φ_r(q)/d^{1/4}", "φ<sub>r</sub>(q)/d<sup>1/4</sup>"),
        ("∏ r_l!", "∏ r<sub>l</sub>!"),
        ("Σ_{|r|=n} x_i", "Σ<sub>|r|=n</sub> x<sub>i</sub>"),
        ("f_{Φ_Y(y_j)}", "f<sub>Φ<sub>Y</sub>(y<sub>j</sub>)</sub>"),
        ("(Σ_{l>d} σ_l²)^{1/2}", "(Σ<sub>l&gt;d</sub> σ<sub>l</sub>²)<sup>1/2</sup>"),
        ("e^{b_l}", "e<sup>b<sub>l</sub></sup>"),
        ("∂‖T*‖_*", "∂‖T*‖<sub>*</sub>"),
        ("‖v‖_p, (Eθ)_n", "‖v‖<sub>p</sub>, (Eθ)<sub>n</sub>"),
        ("ε = 2⁻⁸ and κ* > 0", "ε = 2⁻⁸ and κ* &gt; 0"),
        ("prop1.all_pairs, from_mask, n_features_x", "prop1.all_pairs, from_mask, n_features_x"),
        ("<b>_a & x^<i>", "&lt;b&gt;_a &amp; x^&lt;i&gt;"),
    ],
)
def test_what_is_raised_and_lowered(text, html):
    assert str(in_html(text)) == html


def test_claims_hold_no_formula_that_is_left_as_it_is():
    for claim in load_claims().values():
        for text in (claim.title, claim.statement, claim.scope, *claim.finding.values()):
            left = str(in_html(text))
            assert "^{" not in left, text
            assert "_{" not in left, text
