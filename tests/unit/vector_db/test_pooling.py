"""Pooling, worked out by hand; what a folder says of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ModelError
from vector_db.pooling import pooled, read_pooling, unit

STATES = np.asarray([[[3, 4], [0, 2], [9, 9]], [[1, 0], [0, 1], [0, 1]]], dtype=np.float32)
MASK = np.asarray([[1, 1, 0], [1, 1, 1]])


def model(folder: Path, pooling: dict[str, Any], *more: str) -> Path:
    kinds = ["Transformer", "Pooling", *more]
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": f"{n}_{kind}"} for n, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


def test_padding_has_no_part_in_the_vector() -> None:
    assert pooled("cls", STATES, MASK) == pytest.approx(np.asarray([[0.6, 0.8], [1, 0]]))
    assert pooled("lasttoken", STATES, MASK) == pytest.approx(np.asarray([[0, 1], [0, 1]]))
    assert pooled("mean", STATES, MASK) == pytest.approx(unit(np.asarray([[1.5, 3], [1, 2]], dtype=np.float32)))


def test_the_vector_of_nothing_is_nothing() -> None:
    assert (pooled("mean", STATES, MASK * 0) == 0).all() and pooled("mean", STATES, MASK).dtype == np.float32


@pytest.mark.parametrize(
    ("config", "way"),
    [
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "lasttoken"),
    ],
)
def test_the_folder_says_how(tmp_path: Path, config: dict[str, Any], way: str) -> None:
    assert read_pooling(model(tmp_path, config, "Normalize")) == way


@pytest.mark.parametrize(
    ("config", "more", "named"),
    [
        ({"pooling_mode": "max"}, [], "max"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, [], "mean_sqrt_len_tokens"),
        ({"pooling_mode": ["cls", "mean"]}, [], "cls, mean"),
        ({"pooling_mode": "mean", "include_prompt": False}, [], "without the instruction"),
        ({"pooling_mode": "mean"}, ["Dense"], "Dense"),
    ],
)
def test_what_is_not_worked_out_here_is_left_to_torch(
    tmp_path: Path, config: dict[str, Any], more: list[str], named: str
) -> None:
    with pytest.raises(ModelError, match=named) as caught:
        read_pooling(model(tmp_path, config, *more))
    assert str(tmp_path) in caught.value.message and "KEBEN_EMBEDDING__BACKEND" in caught.value.mend


@pytest.mark.parametrize("name", ["modules.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("content", ["{", "[]", "[1]", '"a"'])
def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: str) -> None:
    folder = model(tmp_path, {"pooling_mode": "mean"})
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        read_pooling(folder)
    assert str(tmp_path) in caught.value.message
