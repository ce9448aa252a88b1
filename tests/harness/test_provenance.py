"""Fingerprints: of the code that a module depends on, whatever else changes."""

import pytest

from verify.harness.provenance import Sources

TEXTS = {
    "rkbs/__init__.py": "",
    "rkbs/used.py": "X = 1\n",
    "rkbs/unused.py": "Y = 1\n",
    "verify/__init__.py": "",
    "verify/claim.py": "from rkbs.used import X\n",
}


def fingerprint(folder, module, **texts):
    """Of a module where some files have other texts."""
    for name, text in {**TEXTS, **{key.replace("__", "/"): t for key, t in texts.items()}}.items():
        path = folder / (name if "." in name else f"{name}.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Sources(folder).fingerprint(module)


@pytest.mark.parametrize(
    ("change", "claim", "stranger"),
    [
        ({"rkbs__used": "X = 2\n"}, True, True),
        ({"rkbs__used": '"""Says X."""\n\nX = 1  # one\n'}, False, True),
        ({"rkbs__unused": "Y = 2\n"}, False, True),
        ({"verify__claim": "from rkbs.unused import Y\n"}, True, True),
        ({}, False, False),
    ],
)
def test_what_changes_a_fingerprint(change, claim, stranger, tmp_path):
    """Of a claim what its imports lead to; of what is none of the sources, as a test, all texts."""
    for module, changes in (("verify.claim", claim), ("elsewhere", stranger)):
        before = fingerprint(tmp_path, module)
        assert (fingerprint(tmp_path, module, **change) != before) == changes
