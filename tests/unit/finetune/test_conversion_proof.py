"""A conversion proves itself before it is published: the tokenizer, the weights, and the folder as a whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_chat_models
from safetensors.torch import load_file
from tiny_internlm2 import (
    BYTE,
    CHAT,
    Pieces,
    random_weights,
    reference_logits,
    tiny_config,
    tiny_pieces,
    write_json,
    write_model,
    write_tokenizer_model,
)
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaForCausalLM

from core.errors import ConfigError, ModelError
from core.settings import LlmSettings
from finetune.layout import convert
from finetune.sentence_pieces import read_sentencepiece
from finetune.tokenizer import build_tokenizer, convert_tokenizer, special_tokens
from finetune.tokenizer_proof import SAMPLES, prove_tokenizer, sentencepiece_ids
from rag.engine.folder import inspect_folder

NAMES = [text for text, *_ in tiny_pieces()]
END, START = NAMES.index("[UNUSED_TOKEN_145]"), NAMES.index("[UNUSED_TOKEN_146]")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted model with InternLM2's whole vocabulary; InternLM2's own layout beside it."""
    return tiny_chat_models.tiny_internlm2(tmp_path_factory.mktemp("whole") / "chat")


# A model of InternLM2's own vocabulary


def test_the_special_tokens_have_internlm2s_ids(whole: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(whole, local_files_only=True)
    assert [tokenizer.convert_tokens_to_ids(token) for token in CHAT.values()] == list(range(92538, 92544))
    assert (tokenizer.unk_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    turns = [{"role": "system", "content": "简洁。"}, {"role": "user", "content": "死锁"}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert ids[:2] == [1, 92543] and ids.count(92543) == 3 and ids.count(92542) == 2
    assert inspect_folder(whole, LlmSettings()).end_ids == (2, 92542)


@pytest.mark.parametrize("text", SAMPLES)
def test_texts_come_back(whole: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(whole, local_files_only=True)
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    assert len(ids) < len(text.encode())
    model = read_sentencepiece(whole.with_name("chat-internlm2") / "tokenizer.model")
    cut = {token: 92538 + number for number, token in enumerate(CHAT.values())}
    assert ids == sentencepiece_ids(model, cut, text)


def test_its_logits_are_those_of_internlm2(whole: Path) -> None:
    import torch

    source = whole.with_name("chat-internlm2")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    ids = AutoTokenizer.from_pretrained(whole, local_files_only=True).encode(SAMPLES[0] + SAMPLES[2] + "<|im_end|>")
    assert ids[-1] == 92542
    with torch.no_grad():
        logits = LlamaForCausalLM.from_pretrained(whole).eval()(torch.tensor([ids])).logits[0]
    expected = reference_logits(config, load_file(source / "model.safetensors"), ids)
    assert float((logits - expected).abs().max()) < 1e-4


# Tokenizers that are not as they should be


def converted(tmp_path: Path, **described: Any) -> tuple[Any, list[int]]:
    """The tokenizer of a folder with this tokenizer_config.json, and the ids that end an answer."""
    write_tokenizer_model(tmp_path / "tokenizer.model", tiny_pieces())
    write_json(tmp_path / "tokenizer_config.json", described)
    (tmp_path / "out").mkdir()
    ends = convert_tokenizer(tmp_path, tmp_path / "out", len(NAMES) + 2)
    return AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True), ends


def test_chat_tokens_under_the_names_of_the_first_releases(tmp_path: Path) -> None:
    """As in folders of early 2024: the places keep their names, and the template writes them."""
    old = tiny_chat_models.CHATML.replace("<|im_start|>", "[UNUSED_TOKEN_146]")
    tokenizer, ends = converted(
        tmp_path,
        added_tokens_decoder={str(place): {"content": NAMES[place], "special": True} for place in (END, START)},
        eos_token="[UNUSED_TOKEN_145]",
        chat_template=old.replace("<|im_end|>", "[UNUSED_TOKEN_145]"),
    )
    assert ends == [END]
    assert tokenizer.chat_template == tiny_chat_models.CHATML
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "的"}])["input_ids"]
    assert ids[1] == START and END in ids
    assert tokenizer.eos_token == "<|im_end|>"


def test_chat_tokens_that_were_shifted_behind_the_vocabulary(tmp_path: Path) -> None:
    """As transformers 5 saves them: no row of the embedding has these ids, the places do."""
    behind = {str(len(NAMES) + 2 + place): {"content": token} for place, token in enumerate(CHAT.values())}
    tokenizer, ends = converted(tmp_path, added_tokens_decoder=behind)
    assert ends == [2, END]
    assert tokenizer.convert_tokens_to_ids("<|im_start|>") == START


def test_another_token_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has the id|has room for it"):
        converted(tmp_path, added_tokens_decoder={str(len(NAMES) + 2): {"content": "<image>"}})


def test_several_chat_templates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="chat_template is no text"):
        converted(tmp_path, chat_template=[{"name": "default", "template": "x"}])


def test_a_vocabulary_that_loses_text_is_not_published(tmp_path: Path) -> None:
    pieces: Pieces = [piece for piece in tiny_pieces() if not (piece[2] == BYTE and piece[0] == "<0xF0>")]
    config = tiny_config()
    source = write_model(tmp_path / "internlm2", config, random_weights(config), pieces=pieces)
    with pytest.raises(ModelError, match=r"failed its check and was not published: .* comes back as") as caught:
        convert(source, tmp_path / "llama")
    assert str(source / "tokenizer.model") in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["internlm2"]


def proof(tmp_path: Path, edit: Any, pieces: Pieces | None = None) -> ModelError:
    """The fault found in a tokenizer.json that `edit` has changed after it was made."""
    write_tokenizer_model(tmp_path / "tokenizer.model", pieces or tiny_pieces())
    model = read_sentencepiece(tmp_path / "tokenizer.model")
    special = special_tokens(model.pieces, {})
    path = tmp_path / "tokenizer.json"
    build_tokenizer(model, special, tmp_path / "tokenizer.model").save(str(path))
    prove_tokenizer(path, model, special, tmp_path / "tokenizer.model")
    values = json.loads(path.read_text(encoding="utf-8"))
    edit(values)
    path.write_text(json.dumps(values), encoding="utf-8")
    Tokenizer.from_file(str(path))
    with pytest.raises(ModelError, match="failed its check and was not published") as caught:
        prove_tokenizer(path, model, special, tmp_path / "tokenizer.model")
    assert caught.value.mend
    return caught.value


def test_lost_merges_are_found(tmp_path: Path) -> None:
    error = proof(tmp_path, lambda values: values["model"]["merges"].clear())
    assert "other ids than SentencePiece" in error.message and "死锁" in error.message


def test_merges_in_another_order_are_found(tmp_path: Path) -> None:
    pieces = list(tiny_chat_models.internlm2_pieces())
    assert "other ids" in proof(tmp_path, lambda values: values["model"]["merges"].reverse(), pieces).message


def test_lost_spaces_are_found(tmp_path: Path) -> None:
    def edit(values: dict[str, Any]) -> None:
        values["decoder"]["decoders"] = values["decoder"]["decoders"][1:]

    assert "comes back as" in proof(tmp_path, edit).message


def test_a_chat_token_that_is_cut_up_is_found(tmp_path: Path) -> None:
    def edit(values: dict[str, Any]) -> None:
        values["added_tokens"] = [token for token in values["added_tokens"] if token["content"] != "<|im_end|>"]

    assert "<|im_end|> has the ids" in proof(tmp_path, edit).message


# The folder as a whole


def test_a_folder_that_the_service_would_refuse_is_not_published(tmp_path: Path) -> None:
    config = tiny_config()
    source = write_model(tmp_path / "internlm2", config, random_weights(config))
    (source / "chat_template.jinja").write_text("{{ messages[0]['content'] }}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"not published: .*what the user says") as caught:
        convert(source, tmp_path / "llama")
    assert "chat_template" in caught.value.mend
    assert not (tmp_path / "llama").exists()


@pytest.mark.parametrize("kind", ["qwen2", "internlm3", "mixtral"])
def test_a_model_that_needs_no_conversion(tmp_path: Path, kind: str) -> None:
    write_json(tmp_path / "config.json", {"model_type": kind})
    with pytest.raises(ConfigError, match=kind) as caught:
        convert(tmp_path, tmp_path / "llama")
    assert f"KEBEN_LLM__MODEL={tmp_path}" in caught.value.mend


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    """A model of 200 MB in twelve files: far less is in memory at any time."""
    config = tiny_config(hidden_size=512, intermediate_size=2048, num_hidden_layers=12)
    source = write_model(tmp_path / "internlm2", config, random_weights(config), shards=12)
    size = sum(path.stat().st_size for path in source.glob("*.safetensors"))
    assert size > 190 * 10**6
    program = (
        "import resource\nfrom pathlib import Path\nimport torch, transformers, jinja2\n"
        "from finetune.layout import convert\ntorch.zeros(9) @ torch.zeros(9)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\nbefore = peak()\n"
        f"convert(Path({str(source)!r}), Path({str(tmp_path / 'llama')!r}), shard_bytes=20 * 10**6)\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < size * 0.45
