"""What is wrong with a chat model's folder is found before it is loaded, and named with its mend.

Every fault is made for real, by damaging a copy of a tiny model.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_chat_models
from tokenizers import AddedToken, Tokenizer

from core.errors import ModelError
from core.settings import LlmSettings
from rag.engine.folder import ModelFolder, inspect_folder

FAMILIES = {
    "internlm2": tiny_chat_models.tiny_internlm2,
    "internlm3": tiny_chat_models.tiny_internlm3,
    "qwen2": tiny_chat_models.tiny_qwen2,
    "qwen3": tiny_chat_models.tiny_qwen3,
    "llama3": tiny_chat_models.tiny_llama3,
}
FETCH = "fetch the model folder again"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes each model once; read-only."""
    shelf = tmp_path_factory.mktemp("models")

    def made(name: str) -> Path:
        folder = shelf / name
        return folder if folder.is_dir() else FAMILIES[name](folder)

    return made


@pytest.fixture
def qwen(models: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(models("qwen2"), tmp_path / "qwen"))


@pytest.fixture
def llama(models: Callable[[str], Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(models("llama3"), tmp_path / "llama"))


def fault(folder: Path, *words: str, mend: str, **settings: Any) -> ModelError:
    """Inspects a folder that has a fault; `words` are in the message, `mend` in its mend."""
    with pytest.raises(ModelError) as caught:
        inspect_folder(folder, LlmSettings(**settings))
    for word in words:
        assert word in caught.value.message
    assert mend in caught.value.mend
    return caught.value


def change(path: Path, **changes: Any) -> None:
    """Sets keys of a JSON file; None takes one away."""
    values = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in values.items() if value is not None}
    path.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def change_weights(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def sharded(folder: Path) -> list[str]:
    """Splits the weights in two files with an index; the names of the files."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, places = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], {}
    for number, name in enumerate(names):
        part = dict(list(weights.items())[number::2])
        save_file(part, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return names


# What is right


@pytest.mark.parametrize("name", FAMILIES)
def test_the_families_pass(models: Callable[[str], Path], name: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = models(name)
    seen = inspect_folder(folder, LlmSettings())
    loader: Any = AutoModelForCausalLM
    model = loader.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    config = model.config
    assert (seen.path, seen.model_type, seen.architecture) == (folder, config.model_type, type(model).__name__)
    assert seen.parameters == model.num_parameters()
    assert seen.weight_bytes == 4 * seen.parameters
    assert seen.dtype == "float32" and str(model.dtype) == "torch.float32"
    assert (seen.layers, seen.kv_heads) == (config.num_hidden_layers, config.num_key_value_heads)
    assert seen.head_dim == model.model.layers[0].self_attn.head_dim
    assert seen.vocab_size == model.get_input_embeddings().num_embeddings
    inside = [weight for weight in model.model.layers.parameters() if weight.dim() > 1]
    assert seen.layer_parameters == sum(weight.numel() for weight in inside)
    assert seen.chat_template == tokenizer.chat_template
    ends = model.generation_config.eos_token_id
    assert {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} <= set(seen.end_ids)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("internlm2", {"</s>", "<|im_end|>"}),
        ("internlm3", {"</s>", "<|im_end|>"}),
        ("qwen2", {"<|im_end|>", "<|endoftext|>"}),
        ("llama3", {"<|eot_id|>", "<|end_of_text|>"}),
    ],
)
def test_what_ends_an_answer(models: Callable[[str], Path], name: str, tokens: set[str]) -> None:
    folder = models(name)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert {tokenizer.id_to_token(number) for number in inspect_folder(folder, LlmSettings()).end_ids} == tokens


def test_internlm2_has_its_own_ids(models: Callable[[str], Path]) -> None:
    assert inspect_folder(models("internlm2"), LlmSettings()).end_ids == (2, 92542)


def test_the_end_of_a_turn_is_read_from_the_template(qwen: Path) -> None:
    """A format of its own, whose mark no list knows and generation_config.json does not name."""
    tokenizer = Tokenizer.from_file(str(qwen / "tokenizer.json"))
    tokenizer.add_special_tokens([AddedToken("<|halt|>", special=True, normalized=False)])
    tokenizer.save(str(qwen / "tokenizer.json"))
    template = tiny_chat_models.QWEN_CHATML.replace("<|im_end|>", "<|halt|>")
    change(qwen / "tokenizer_config.json", chat_template=template)
    assert tokenizer.token_to_id("<|halt|>") in inspect_folder(qwen, LlmSettings()).end_ids


@pytest.mark.parametrize(
    ("scaling", "length"),
    [
        (None, 2048),
        ({"type": "dynamic", "factor": 2.0}, 4096),
        ({"rope_type": "linear", "factor": 3.0}, 6144),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}, 4096),
        ({"rope_type": "yarn", "factor": 1.5, "original_max_position_embeddings": 1024}, 2048),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 256}, 2048),
    ],
)
def test_how_much_the_model_reads(qwen: Path, scaling: Any, length: int) -> None:
    change(qwen / "config.json", rope_parameters=None, rope_scaling=scaling)
    seen = inspect_folder(qwen, LlmSettings())
    assert (seen.trained_length, seen.context_length) == (2048, length)
    fault(qwen, f"{length + 1:,}", f"{length:,}", mend="no higher", context_tokens=length + 1)


def test_shards(qwen: Path, models: Callable[[str], Path]) -> None:
    sharded(qwen)
    assert inspect_folder(qwen, LlmSettings()).parameters == inspect_folder(models("qwen2"), LlmSettings()).parameters


@pytest.mark.parametrize("place", ["jinja", "json", "named"])
def test_where_a_template_may_be(qwen: Path, place: str) -> None:
    template = tiny_chat_models.QWEN_CHATML
    change(qwen / "tokenizer_config.json", chat_template=None)
    if place == "jinja":
        (qwen / "chat_template.jinja").write_text(template, encoding="utf-8")
    elif place == "json":
        (qwen / "chat_template.json").write_text(json.dumps({"chat_template": template}), encoding="utf-8")
    else:
        several = [{"name": "tool_use", "template": "{"}, {"name": "default", "template": template}]
        change(qwen / "tokenizer_config.json", chat_template=several)
    assert inspect_folder(qwen, LlmSettings()).chat_template == template


def test_another_family_of_transformers(tmp_path: Path, qwen: Path) -> None:
    """One whose weights are not known by name here."""
    from transformers import GPT2Config, GPT2LMHeadModel

    rows = json.loads((qwen / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64}
    GPT2LMHeadModel(
        GPT2Config(vocab_size=rows, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1)
    ).save_pretrained(tmp_path / "gpt")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(qwen / name, tmp_path / "gpt" / name)
    change(tmp_path / "gpt" / "config.json", **sizes, tie_word_embeddings=True)
    assert inspect_folder(tmp_path / "gpt", LlmSettings()).architecture == "GPT2LMHeadModel"
    change(tmp_path / "gpt" / "config.json", num_hidden_layers=3)
    fault(tmp_path / "gpt", "2 layers", "is 3", mend="from the same model")


def test_neither_torch_nor_transformers_is_loaded(models: Callable[[str], Path]) -> None:
    program = (
        "import sys; from pathlib import Path; from core.settings import LlmSettings\n"
        "from rag.engine.folder import inspect_folder\n"
        f"inspect_folder(Path({str(models('qwen2'))!r}), LlmSettings())\n"
        "print(sorted({'torch', 'transformers', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The folder and config.json


def test_no_folder(tmp_path: Path) -> None:
    fault(tmp_path / "nowhere", "nowhere", "not there", mend="KEBEN_LLM__MODEL")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    fault(tmp_path / "model.gguf", "model.gguf", "a file", mend="KEBEN_LLM__MODEL")


def test_no_config(qwen: Path) -> None:
    (qwen / "config.json").unlink()
    fault(qwen, str(qwen), "config.json", mend="KEBEN_LLM__MODEL")


@pytest.mark.parametrize(("text", "words"), [("{", "no JSON"), ("[1]", "no JSON object"), ("[" * 10**5, "no JSON")])
def test_a_config_that_is_no_json(qwen: Path, text: str, words: str) -> None:
    (qwen / "config.json").write_text(text, encoding="utf-8")
    fault(qwen, str(qwen / "config.json"), words, mend=FETCH)


def test_internlm2s_own_layout(tmp_path: Path) -> None:
    folder = tiny_chat_models.write_internlm2(tmp_path / "chat")
    fault(folder, "internlm2", mend=f"keben finetune layout {folder} {folder}-llama")


def test_an_adapter(qwen: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        (qwen / name).unlink()
    (qwen / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
    (qwen / "adapter_model.safetensors").write_bytes(b"")
    fault(qwen, "adapter_config.json", "not a whole model", mend="merge it")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "bert", "architectures": ["BertModel"]}, ["BertModel", "not a chat model"]),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, ["BertForMaskedLM"]),
        ({"architectures": ["Qwen2ForSequenceClassification"]}, ["Qwen2ForSequenceClassification"]),
        ({"model_type": "clip", "architectures": ["CLIPModel"]}, ["'clip'", "unknown"]),
        ({"model_type": "qwen2_vl", "architectures": ["Qwen2VLForConditionalGeneration"]}, ["text alone"]),
        ({"model_type": "internvl_chat", "vision_config": {}}, ["text alone"]),
        ({"model_type": "internlm2", "architectures": ["InternLM2ForRewardModel"]}, ["'internlm2'", "unknown"]),
        ({"model_type": "quux"}, ["'quux'", "unknown"]),
        ({"model_type": None}, ["''", "unknown"]),
        ({"model_type": "chatglm", "auto_map": {"AutoModel": "modeling.M"}}, ["'chatglm'", "code", "auto_map"]),
    ],
)
def test_other_architectures(qwen: Path, changes: dict[str, Any], words: list[str]) -> None:
    change(qwen / "config.json", **changes)
    fault(qwen, str(qwen / "config.json"), *words, mend="KEBEN_LLM__URLS")


def test_auto_map_of_a_type_that_transformers_knows_is_not_followed(qwen: Path) -> None:
    change(qwen / "config.json", auto_map={"AutoModelForCausalLM": "modeling.M"})
    assert inspect_folder(qwen, LlmSettings()).model_type == "qwen2"


@pytest.mark.parametrize("method", ["gptq", "awq", "fp8", "compressed-tensors"])
def test_quantized_weights(qwen: Path, method: str) -> None:
    change(qwen / "config.json", quantization_config={"quant_method": method, "bits": 4})
    error = fault(qwen, method, "quantized", mend="KEBEN_LLM__URLS")
    assert "vLLM" in error.mend and "LMDeploy" in error.mend


def test_weights_that_bitsandbytes_quantized(qwen: Path) -> None:
    change(qwen / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    fault(qwen, "bitsandbytes", mend="KEBEN_LLM__BITS=4")


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.q_proj.qweight", None])
def test_quantized_weights_that_the_config_does_not_tell(qwen: Path, name: str | None) -> None:
    import torch

    def pack(weights: dict[str, Any]) -> None:
        if name:
            weights[name] = torch.zeros(4, 4, dtype=torch.int32)
        else:
            old = weights["model.layers.0.self_attn.q_proj.weight"]
            weights["model.layers.0.self_attn.q_proj.weight"] = old.to(torch.int8)

    change_weights(qwen, pack)
    fault(qwen, "model.safetensors", "q_proj", "quantized", mend="KEBEN_LLM__URLS")


@pytest.mark.parametrize("key", ["num_hidden_layers", "vocab_size", "max_position_embeddings", "hidden_size"])
@pytest.mark.parametrize("value", [None, 0, "8", True])
def test_sizes_that_are_none(qwen: Path, key: str, value: Any) -> None:
    change(qwen / "config.json", **{key: value})
    fault(qwen, key, repr(value), mend=FETCH)


@pytest.mark.parametrize("scaling", ["dynamic", {"type": "dynamic", "factor": "2"}, {"type": "linear", "factor": 0.5}])
def test_rope_scaling_that_is_none(qwen: Path, scaling: Any) -> None:
    change(qwen / "config.json", rope_scaling=scaling)
    fault(qwen, "config.json", "rope_scaling", mend=FETCH)


# The weights


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt"])
def test_pickled_weights(qwen: Path, name: str) -> None:
    (qwen / "model.safetensors").rename(qwen / name)
    fault(qwen, name, "could run code", mend="safe_serialization=True")


def test_no_weights(qwen: Path) -> None:
    (qwen / "model.safetensors").unlink()
    fault(qwen, str(qwen), "model.safetensors", mend=FETCH)


def test_a_missing_shard(qwen: Path) -> None:
    name = sharded(qwen)[1]
    (qwen / name).unlink()
    fault(qwen, name, "missing", mend=FETCH)


def test_a_missing_index(qwen: Path) -> None:
    sharded(qwen)
    (qwen / "model.safetensors.index.json").unlink()
    fault(qwen, "model.safetensors.index.json", "missing", mend=FETCH)


@pytest.mark.parametrize("places", [{}, [], {"a": "../model.safetensors"}])
def test_an_index_that_is_none(qwen: Path, places: Any) -> None:
    sharded(qwen)
    change(qwen / "model.safetensors.index.json", weight_map=places)
    fault(qwen, "model.safetensors.index.json", mend=FETCH)


def test_a_shard_of_another_model(qwen: Path) -> None:
    first, second = sharded(qwen)
    shutil.copy(qwen / first, qwen / second)
    fault(qwen, second, "model.safetensors.index.json says", mend=FETCH)


@pytest.mark.parametrize("left", [0.999, 0.5])
def test_weights_cut_short(qwen: Path, left: float) -> None:
    whole = (qwen / "model.safetensors").read_bytes()
    cut = whole[: int(len(whole) * left)]
    (qwen / "model.safetensors").write_bytes(cut)
    fault(qwen, "model.safetensors", "cut short", f"{len(cut):,}", f"{len(whole):,}", mend=FETCH)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "length of a header"),
        (b"\x80\x02ctorch", "length of a header"),
        (b"PK\x03\x04" + bytes(400), "cut short"),
        ((400).to_bytes(8, "little") + bytes(20), "cut short"),
        ((2).to_bytes(8, "little") + b"[]", "no JSON object"),
        ((2).to_bytes(8, "little") + b"{]", "no JSON"),
        ((8).to_bytes(8, "little") + b'{"a":{}}', "'a'"),
        ((9).to_bytes(8, "little") + b'{"a":{} }', "of a"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
    ],
)
def test_files_that_are_no_safetensors(qwen: Path, data: bytes, words: str) -> None:
    (qwen / "model.safetensors").write_bytes(data)
    fault(qwen, str(qwen / "model.safetensors"), mend="git lfs pull" if "Git" in words else FETCH)


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight",
        "model.norm.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.1.self_attn.k_proj.bias",
        "model.layers.1.mlp.down_proj.weight",
        "model.layers.1.post_attention_layernorm.weight",
    ],
)
def test_a_missing_weight(qwen: Path, name: str) -> None:
    change_weights(qwen, lambda weights: weights.pop(name))
    fault(qwen, name, "1 of", mend=FETCH)


def test_a_missing_output_matrix(llama: Path) -> None:
    change_weights(llama, lambda weights: weights.pop("lm_head.weight"))
    fault(llama, "lm_head.weight", mend=FETCH)
    change(llama / "config.json", tie_word_embeddings=True)
    assert inspect_folder(llama, LlmSettings()).parameters > 0


@pytest.mark.parametrize(("layers", "words"), [(3, "model.layers.2."), (1, "2 layers")])
def test_another_number_of_layers(qwen: Path, layers: int, words: str) -> None:
    change(qwen / "config.json", num_hidden_layers=layers)
    error = fault(qwen, str(qwen), words, mend="")
    assert error.mend


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("vocab_size", 4000, "embed_tokens"),
        ("hidden_size", 128, "embed_tokens"),
        ("intermediate_size", 96, "gate_proj"),
        ("num_key_value_heads", 4, "k_proj"),
        ("num_attention_heads", 2, "k_proj"),
    ],
)
def test_shapes_that_disagree(qwen: Path, key: str, value: int, name: str) -> None:
    change(qwen / "config.json", **{key: value})
    fault(qwen, "model.safetensors", name, "config.json asks for", mend="from the same model")


# The tokenizer


@pytest.mark.parametrize("slow", ["tokenizer.model", "vocab.json", None])
def test_no_fast_tokenizer(qwen: Path, slow: str | None) -> None:
    (qwen / "tokenizer.json").unlink()
    if slow:
        (qwen / slow).write_bytes(b"")
        fault(qwen, slow, "slow", mend="save_pretrained")
    else:
        fault(qwen, str(qwen), "tokenizer.json", mend=FETCH)


@pytest.mark.parametrize("text", ["{", "{}", '{"model": {"type": "Abacus"}}'])
def test_a_tokenizer_that_is_none(qwen: Path, text: str) -> None:
    (qwen / "tokenizer.json").write_text(text, encoding="utf-8")
    fault(qwen, str(qwen / "tokenizer.json"), mend=FETCH)


def test_a_tokenizer_larger_than_the_model(llama: Path) -> None:
    tokenizer = Tokenizer.from_file(str(llama / "tokenizer.json"))
    tokenizer.add_special_tokens(["<|extra|>"])
    tokenizer.save(str(llama / "tokenizer.json"))
    fault(llama, "'<|extra|>'", f"id {tokenizer.token_to_id('<|extra|>')}", "vocab_size", mend="same model")


def test_a_base_model_has_no_chat_template(qwen: Path) -> None:
    change(qwen / "tokenizer_config.json", chat_template=None)
    fault(qwen, str(qwen), "no chat template", mend="tokenizer_config.json")
    (qwen / "tokenizer_config.json").unlink()
    fault(qwen, str(qwen), "no chat template", mend="tokenizer_config.json")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for message in messages %}", "cannot be rendered"),
        ("{{ raise_exception('System role not supported') }}", "System role not supported"),
        ("{{ messages[9]['content'] }}", "cannot be rendered"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ messages[0]['content'] }}", "what the user says"),
        ("{% for message in messages[1:] %}{{ message['content'] }}{% endfor %}", "what the system says"),
        (7, "int, not text"),
    ],
)
def test_a_template_that_cannot_be_used(qwen: Path, template: Any, words: str) -> None:
    change(qwen / "tokenizer_config.json", chat_template=template)
    fault(qwen, str(qwen), words, mend="chat_template")


def test_what_transformers_lets_a_template_use(qwen: Path) -> None:
    template = (
        "{{ strftime_now('%Y') }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
        "{% generation %}{{ message['content'] }}<|im_end|>{% endgeneration %}{% continue %}{% endif %}"
        "{{ message['content'] }}{{ message | tojson(indent=2) }}{% endfor %}"
    )
    change(qwen / "tokenizer_config.json", chat_template=template)
    assert inspect_folder(qwen, LlmSettings()).chat_template == template


def test_a_template_of_another_family(qwen: Path) -> None:
    change(qwen / "tokenizer_config.json", bos_token="<|im_start|>", chat_template=tiny_chat_models.LLAMA3_TEMPLATE)
    fault(qwen, "<|start_header_id|>", "not one token", mend="same model")


def test_an_eos_token_that_is_none(qwen: Path) -> None:
    change(qwen / "tokenizer_config.json", eos_token={"content": "<|fin|>"})
    fault(qwen, "eos_token <|fin|>", "tokenizer_config.json", mend="same model")


@pytest.mark.parametrize("value", [99999, [1, 99999], "<|im_end|>"])
@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_an_eos_id_that_is_none(qwen: Path, file: str, value: Any) -> None:
    change(qwen / file, eos_token_id=value)
    fault(qwen, file, "eos_token_id", "vocab_size", mend="same model")


def test_nothing_ends_a_turn(qwen: Path) -> None:
    plain = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    change(qwen / "tokenizer_config.json", chat_template=plain, eos_token=None)
    change(qwen / "config.json", eos_token_id=None)
    (qwen / "generation_config.json").unlink()
    text = (qwen / "tokenizer.json").read_text(encoding="utf-8")
    (qwen / "tokenizer.json").write_text(text.replace("<|im_end|>", "<|custom|>"), encoding="utf-8")
    fault(qwen, str(qwen), "no token that ends a turn", "<|im_end|>", mend="generation_config.json")


def test_the_result_cannot_be_changed(models: Callable[[str], Path]) -> None:
    seen = inspect_folder(models("qwen2"), LlmSettings())
    assert isinstance(seen, ModelFolder)
    with pytest.raises(AttributeError):
        seen.layers = 3  # type: ignore[misc]
