"""Writes a BERT or a relative of it as graphs: `python -m vector_db.export FOLDER`, with `pip install 'keben[export]'`.

FOLDER/onnx/model.onnx                        as the model, for the backends onnx and openvino
FOLDER/onnx/model_qint8.onnx                  weights of 8 bits
FOLDER/openvino/openvino_model.xml            as the model
FOLDER/openvino/openvino_model_qint8.xml      weights and activations of 8 bits, set by passages of the books
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ModelError
from core.settings import PROJECT, EmbeddingSettings
from vector_db.embedder import model_folder
from vector_db.graph import TOKEN_VECTORS, Feeds, padded
from vector_db.onnx_graph import OnnxGraph, quantise_onnx
from vector_db.openvino_graph import convert_openvino, quantise_openvino
from vector_db.token_counter import load_tokenizer

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_TOLERANCE = 1e-3
_CALIBRATION, _TEXTS_IN_BATCH, _LONGEST = 64, 4, 512


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(prog="python -m vector_db.export")
    parser.add_argument("folder", help="folder of a sentence-transformers model")
    parser.add_argument("--books", type=Path, default=PROJECT / "knowledge", help="folder of Markdown or text books")
    options = parser.parse_args()
    folder = model_folder(EmbeddingSettings(model=options.folder))
    export(folder, calibration(folder, paragraphs(options.books)))


def export(folder: Path, batches: list[Feeds]) -> None:
    """Write all graphs below `folder`. batches: what the ranges of 8-bit activations are taken from."""
    (folder / "openvino").mkdir(exist_ok=True)
    plain = folder / "onnx" / "model.onnx"
    export_onnx(folder, plain)
    quantise_onnx(plain, plain.with_name("model_qint8.onnx"))
    convert_openvino(plain, folder / "openvino" / "openvino_model.xml")
    quantise_openvino(plain, folder / "openvino" / "openvino_model_qint8.xml", batches)


def export_onnx(folder: Path, target: Path) -> None:
    """Write the graph of the model in `folder` from its inputs to the vectors of tokens.

    Raises ModelError when it does not give what the model gives.
    """
    import torch
    from transformers import AutoModel

    # Other forms of attention are not exported.
    model = AutoModel.from_pretrained(
        str(folder), attn_implementation="eager", local_files_only=True, trust_remote_code=False, use_safetensors=True
    ).eval()
    names = [name for name in _INPUTS if name != "token_type_ids" or getattr(model.config, "type_vocab_size", 0) > 1]

    class TokenVectors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Any) -> Any:
            return self.model(**dict(zip(names, values, strict=True))).last_hidden_state

    example = padded([[1, 2, 3], [1, 2]])
    axes = {name: {0: "texts", 1: "tokens"} for name in (*names, TOKEN_VECTORS[0])}
    target.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings(), torch.inference_mode():
        # That a graph may be bound to the example's lengths: whether it is, is looked at below.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            TokenVectors().eval(),
            tuple(torch.from_numpy(example[name]) for name in names),
            str(target),
            input_names=names,
            output_names=[TOKEN_VECTORS[0]],
            dynamic_axes=axes,
            opset_version=18,
            dynamo=False,
        )
    longer = padded([list(range(1, 9)), [3], list(range(2, 7))])
    with torch.inference_mode():
        wanted = model(**{name: torch.from_numpy(longer[name]) for name in names}).last_hidden_state.numpy()
    found = OnnxGraph(target, None)({name: longer[name] for name in names})
    if not np.allclose((found - wanted)[longer["attention_mask"] == 1], 0, atol=_TOLERANCE * np.abs(wanted).max()):
        target.unlink()
        raise ModelError(f"the graph of the model in {folder} gives other vectors", mend="use the backend torch")


def paragraphs(books: Path) -> list[str]:
    """The longest paragraphs of each book."""
    found: list[str] = []
    for path in sorted(file for file in books.rglob("*") if file.suffix in {".md", ".txt"}):
        parts = path.read_text(encoding="utf-8").split("\n\n")
        found += sorted(parts, key=len, reverse=True)[:_CALIBRATION]
    return found


def calibration(folder: Path, texts: list[str]) -> list[Feeds]:
    """Batches of texts, spread over all of them, as the model reads them."""
    tokenizer, limit = load_tokenizer(folder)
    tokenizer.enable_truncation(min(limit or _LONGEST, _LONGEST))
    chosen = texts[:: max(1, len(texts) // _CALIBRATION)][:_CALIBRATION]
    ids = sorted((one.ids for one in tokenizer.encode_batch(chosen)), key=len)
    return [padded(ids[start : start + _TEXTS_IN_BATCH]) for start in range(0, len(ids), _TEXTS_IN_BATCH)]


if __name__ == "__main__":
    main()
