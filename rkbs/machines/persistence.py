"""Fitted machines in files, without pickle: one archive of JSON and numpy's arrays."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rkbs._version import __version__
from rkbs.machines._encoding import MACHINES, Encoder, decoded, known_classes
from rkbs.machines.intervals import Intervals
from rkbs.machines.posterior import Posterior

FORMAT = 1
"""The version of the format: higher wherever an older rkbs would read what is meant otherwise."""
_HEADER = "rkbs.json"
_DATE = (1980, 1, 1, 0, 0, 0)
"""Of all entries: the same machine gives the same file."""


def save(machine: Any, path: str | os.PathLike[str], *, classes: Iterable[type] = ()) -> None:
    """Write a fitted machine to a file that ``load`` reads in another process.

    The file holds what predictions need, and nothing that runs: the training points, or
    similarities, ids, kernels, coefficients, offsets, repairs, the certificate, and the machine's
    parameters. It is a zip archive with ``rkbs.json`` and an array of numpy's format, read without
    pickle, for each array, with checksums: ``np.load`` opens it too. It is complete or not there: a
    file of that name is replaced at the end. Parameters come back as they were, but for numbers in
    data frames, tensors and ranges, which come back as arrays.

    Parameters
    ----------
    machine : machine, Intervals or Posterior
        Fitted.
    path : str or path
        Any name; no suffix is added.
    classes : iterable of type, optional
        Classes of your own, such as kernels, that the machine is made of: frozen dataclasses.

    Raises
    ------
    TypeError
        For what is no machine of rkbs, and for what a file cannot keep, such as a kernel of a
        Python function; then nothing was written.
    sklearn.exceptions.NotFittedError

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelRidge, Pairs, load, save
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> machine = BinaryKernelRidge(RBF(), RBF(), alpha=0.1).fit(Pairs.grid(x, y), x - y.T)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(machine, Path(folder) / "machine.rkbs")
    ...     again = load(Path(folder) / "machine.rkbs")
    >>> np.array_equal(again.predict_grid(x, y), machine.predict_grid(x, y))
    True
    """
    fitted = machine.machine if isinstance(machine, (Intervals, Posterior)) else machine
    if not isinstance(fitted, MACHINES):
        names = ", ".join(cls.__name__ for cls in MACHINES)
        raise TypeError(
            f"machine must be a fitted machine of rkbs ({names}) or its Intervals, Posterior, got "
            f"{type(fitted).__name__}: of a search pass its best_estimator_, of a pipeline its "
            "last step"
        )
    check_is_fitted(fitted)
    encoder = Encoder(known_classes(classes))
    encoder.value(machine, "")
    header = {
        "format": FORMAT,
        "rkbs": __version__,
        "objects": encoder.objects,
        "arrays": len(encoder.arrays),
    }
    text = json.dumps(header, indent=1, allow_nan=False)
    _write(Path(path), text, encoder.arrays)


def load(path: str | os.PathLike[str], *, classes: Iterable[type] = ()) -> Any:
    """The machine that ``save`` has written: it predicts as it did, to the last bit.

    No code of the file runs, and no module that it names is imported: objects are made of the
    classes of rkbs, and of ``classes``, by calling them.

    Parameters
    ----------
    path : str or path
    classes : iterable of type, optional
        Those that were passed to ``save``.

    Returns
    -------
    machine, Intervals or Posterior

    Raises
    ------
    ValueError
        For a file of another kind, of a newer format, with classes that are not known, or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from rkbs import Constant, BinaryKernelRidge, Pairs, load, save
    >>> x = np.linspace(0, 1, 5)[:, None]
    >>> machine = BinaryKernelRidge(Constant(), Constant()).fit(Pairs.grid(x, x), np.ones((5, 5)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(machine, Path(folder) / "ones")
    ...     load(Path(folder) / "ones").predict_grid([[9.0]], x).round(6)
    array([[1., 1., 1., 1., 1.]])
    """
    path, known = Path(path), known_classes(classes)
    with _archive(path) as archive:
        header = _header(archive, path)
        _check_header(header, path, known)
        try:
            arrays = [_array(archive, k) for k in range(header["arrays"])]
            return decoded(header["objects"], arrays, known)
        except Exception as error:  # whatever a damaged file makes of the classes
            raise _damaged(path) from error


def _write(path: Path, text: str, arrays: list[np.ndarray]) -> None:
    """The archive under another name beside ``path``, and then in its place."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} is to be in the folder {path.parent}, which is not there")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with beside.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(zipfile.ZipInfo(_HEADER, _DATE), text)
                for k, array in enumerate(arrays):
                    entry = zipfile.ZipInfo(_entry(k), _DATE)
                    with archive.open(entry, "w", force_zip64=True) as out:
                        np.lib.format.write_array(out, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _archive(path: Path) -> zipfile.ZipFile:
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise _foreign(path)
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # what a damaged directory of the archive gives is not documented
        raise _damaged(path) from error


def _header(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    if _HEADER not in archive.namelist():
        raise _foreign(path)
    try:
        return dict(json.loads(archive.read(_HEADER)))
    except Exception as error:
        raise _damaged(path) from error


def _check_header(header: dict[str, Any], path: Path, known: dict[str, type]) -> None:
    """``ValueError`` for a newer format and for classes that are not known."""
    found = header.get("format")
    if not isinstance(found, int):
        raise _damaged(path)
    if found > FORMAT:
        raise ValueError(
            f"{path} is of format {found}, written by rkbs {header.get('rkbs')}; this is rkbs "
            f"{__version__}, which reads formats up to {FORMAT}: update rkbs"
        )
    try:
        unknown = {item["class"] for item in header["objects"]} - set(known)
    except (KeyError, TypeError) as error:
        raise _damaged(path) from error
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise ValueError(
            f"{path} was saved with classes that are not of rkbs {__version__}: {names}. Pass "
            f"classes=[{names}] where they are yours"
        )


def _array(archive: zipfile.ZipFile, k: int) -> np.ndarray:
    with archive.open(_entry(k)) as entry:
        array = np.lib.format.read_array(entry, allow_pickle=False)
        if entry.read(1):  # the checksum is compared at the end
            raise ValueError("an array is longer than it says")
    return array


def _entry(k: int) -> str:
    return f"arrays/{k}.npy"


def _foreign(path: Path) -> ValueError:
    return ValueError(f"{path} is no file of rkbs.save: pass the path that was given there")


def _damaged(path: Path) -> ValueError:
    return ValueError(
        f"{path} is truncated or damaged: copy it again in binary mode, compare its size with the "
        "original's, or save the machine again"
    )
