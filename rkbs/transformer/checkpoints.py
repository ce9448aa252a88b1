"""Checkpoints: tensors in safetensors, the state of the loop in JSON; nothing is pickled.

``checkpoint.json`` names the file of its tensors and is written last, in one step: whenever a
process is killed, the folder holds the checkpoint before or the one after.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

_STATE, _FORMAT = "checkpoint.json", 1


class CheckpointError(ValueError):
    """A checkpoint is there, and is damaged or of another run.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from rkbs.transformer import CheckpointError, LanguageModel, TransformerConfig, load_weights
    >>> folder = tempfile.mkdtemp()
    >>> Path(folder, "checkpoint.json").write_text("{")
    1
    >>> try:
    ...     load_weights(LanguageModel(TransformerConfig(vocab=9)), folder)
    ... except CheckpointError as error:
    ...     print("checkpoint.json is damaged" in str(error))
    True
    """


def write_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], state: dict) -> None:
    """Write tensors and the state of the loop, and drop the checkpoint that was there."""
    safetensors = _safetensors()
    folder.mkdir(parents=True, exist_ok=True)
    name = f"step-{step}.safetensors"
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    _replace(folder / name, safetensors.save(plain))
    text = json.dumps({"format": _FORMAT, "step": step, "tensors": name, **state}, indent=1)
    _replace(folder / _STATE, text.encode())
    for path in folder.iterdir():
        if path.name != name and (path.suffix == ".part" or path.match("step-*.safetensors")):
            path.unlink()


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What ``write_checkpoint`` wrote last, or None where it wrote nothing.

    Raises
    ------
    CheckpointError
        For files that cannot be read.
    """
    path = folder / _STATE
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if state["format"] != _FORMAT:
            raise ValueError(f"format {state['format']} instead of {_FORMAT}")
        tensors = folder / state["tensors"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({type(error).__name__}: {error}): remove {folder} to begin anew"
        ) from error
    try:
        return _loaded(tensors.read_bytes()), state
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{tensors} is missing or damaged ({error}): remove {folder} to begin anew"
        ) from error


def save_weights(model: nn.Module, path: Path | str) -> None:
    """A model's state dict as one safetensors file, written in one step.

    Parameters
    ----------
    model : torch.nn.Module
    path : path
        Of the file; its folder is made.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from rkbs.transformer import LanguageModel, TransformerConfig, load_weights, save_weights
    >>> path = pathlib.Path(tempfile.mkdtemp(), "model.safetensors")
    >>> config = TransformerConfig(vocab=9)
    >>> save_weights(LanguageModel(config, seed=1), path)
    >>> load_weights(LanguageModel(config), path).config.vocab
    9
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: x.detach().cpu().contiguous() for name, x in model.state_dict().items()}
    _replace(path, _safetensors().save(tensors))


def load_weights(model: nn.Module, path: Path | str) -> nn.Module:
    """Put weights into a model: of ``save_weights``, or of a training run.

    Parameters
    ----------
    model : torch.nn.Module
        Of the sizes, options and kernel that the weights are of.
    path : path
        A safetensors file, or the ``folder`` of ``train``: then the weights of its best evaluation
        so far, or, where nothing was evaluated, of its last checkpoint.

    Returns
    -------
    The model.

    Raises
    ------
    FileNotFoundError, CheckpointError
        For weights that are not there, damaged, or of another model.

    Examples
    --------
    >>> import tempfile
    >>> from rkbs.transformer import LanguageModel, TransformerConfig, load_weights
    >>> try:
    ...     load_weights(LanguageModel(TransformerConfig(vocab=9)), tempfile.mkdtemp())
    ... except FileNotFoundError as error:
    ...     print(str(error).split(" in ")[0])
    no checkpoint.json
    """
    path = Path(path)
    if path.is_dir():
        found = read_checkpoint(path)
        if found is None:
            raise FileNotFoundError(f"no {_STATE} in {path}: pass the folder of a training run")
        tensors = part_of(found[0], "best") or part_of(found[0], "model")
    elif path.exists():
        try:
            tensors = _loaded(path.read_bytes())
        except ValueError as error:
            raise CheckpointError(f"{path} is no safetensors file ({error})") from error
    else:
        raise FileNotFoundError(f"no weights at {path}: neither a file nor a folder")
    put_weights(model, tensors, path)
    return model


def put_weights(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load a state dict whole; ``CheckpointError`` where names or shapes are not the model's."""
    own = {name: tuple(x.shape) for name, x in model.state_dict().items()}
    theirs = {name: tuple(x.shape) for name, x in tensors.items()}
    if own != theirs:
        different = sorted(n for n in own.keys() | theirs.keys() if own.get(n) != theirs.get(n))
        name = different[0]
        raise CheckpointError(
            f"{path} holds weights of another model: {len(different)} differ, the first is {name}, "
            f"{theirs.get(name, 'missing')} there and {own.get(name, 'missing')} here: make the "
            "model with the same TransformerConfig and kernel"
        )
    model.load_state_dict(tensors)


def part_of(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of ``part.``, by the rest of their names."""
    start = f"{part}."
    return {name[len(start) :]: x for name, x in tensors.items() if name.startswith(start)}


def _replace(path: Path, content: bytes) -> None:
    """The file is there whole, or as it was before."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _safetensors() -> Any:
    """safetensors for torch, asked for where a file is."""
    try:
        import safetensors.torch as found
    except ModuleNotFoundError as error:
        if error.name and not error.name.startswith("safetensors"):
            raise
        raise ImportError(
            "checkpoints need safetensors, which is not installed: pip install rkbs[text]"
        ) from error
    return found


def _loaded(content: bytes) -> dict[str, Tensor]:
    """The tensors of a file; ``ValueError`` for what is none."""
    safetensors = _safetensors()
    from safetensors import SafetensorError

    try:
        return safetensors.load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
