"""What tests of saved machines share."""

import dataclasses
import json
import zipfile

import numpy as np

from rkbs import load, save


def kept(machine, tmp_path, **more):
    path = tmp_path / "machine.rkbs"
    save(machine, path, **more)
    return load(path, **more)


def assert_same(a, b, name="machine"):
    """Every attribute, down to the arrays, bit by bit."""
    assert type(a) is type(b), name
    if isinstance(a, np.ndarray) and a.dtype == object:
        assert a.tolist() == b.tolist(), name
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, name
        assert a.shape == b.shape, name
        assert a.tobytes() == b.tobytes(), name
    elif hasattr(a, "indptr"):
        assert_same(a.toarray(), b.toarray(), name)
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b), name
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{name}[{k}]")
    elif dataclasses.is_dataclass(a) or hasattr(a, "get_params"):
        fields = vars(a) if hasattr(a, "get_params") else [f.name for f in dataclasses.fields(a)]
        if hasattr(a, "get_params"):
            assert list(vars(a)) == list(vars(b)), name
        for part in fields:
            assert_same(getattr(a, part), getattr(b, part), f"{name}.{part}")
    else:
        assert a == b or a != a, name


def rewrite(path, change):
    """The file with another header."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(parts["rkbs.json"])
    change(header)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            text = json.dumps(header) if name == "rkbs.json" else content
            archive.writestr(name, text)
