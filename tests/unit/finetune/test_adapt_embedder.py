"""An embedder adapted to a small course, a static one and a transformer, through to the verdict."""

import json
from pathlib import Path

import numpy as np
import pytest
from course import QUESTIONS, build_course, write_queries
from tiny_texts import write_encoder
from typer.testing import CliRunner

from cli.finetune import app
from core.errors import ConfigError, ModelError
from core.settings import EmbeddingSettings, Settings
from evaluate.intervals import bootstrap
from finetune.embedder.adapt import AdaptReport, Plan, adapt
from vector_db.embedder import BUNDLED, model_folder, open_embedder
from vector_db.static_model import read_weights
from vector_db.token_counter import load_tokenizer

PAIRS = tuple((row["question"], row["gold_text"]) for row in QUESTIONS)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return build_course(tmp_path_factory.mktemp("course"))


def run(settings: Settings, target: Path, base: str = BUNDLED, seed: int = 0) -> AdaptReport:
    plan = Plan(base=base, command="keben finetune embedder", questions=PAIRS, steps=4, seed=seed)
    return adapt(settings, "course", target, plan, bootstrap=bootstrap)


def test_a_static_model(settings: Settings, tmp_path: Path) -> None:
    report = run(settings, tmp_path / "one")
    assert (report.base, report.kb, report.steps) == (BUNDLED, "course", 4)
    assert report.trained["question"] + report.held_out["question"] == len(PAIRS)
    assert [score.measure for score in report.scores] == ["mrr@10", "recall@5"]
    assert all(0 < score.before <= 1 for score in report.scores)
    card = (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    assert report.verdict.capitalize() in card and "`keben-zh-en`" in card

    base, adapted = (open_embedder(EmbeddingSettings(model=name)) for name in (BUNDLED, str(tmp_path / "one")))
    texts = ["栈能用来做什么？", "STACKS, explained"]
    assert adapted.unknown_rate(texts[0]) == base.unknown_rate(texts[0])
    # Words of the books have moved, the others stand where they stood, but for the rounding to 8 bits.
    cosines = (base.encode(texts) * adapted.encode(texts)).sum(axis=1)
    assert 0.9 < cosines[0] < 0.9997 < cosines[1]

    run(settings, tmp_path / "two")
    weights = [(tmp_path / name / "0_StaticEmbedding" / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_a_static_model_as_its_library_saves_it(settings: Settings, tmp_path: Path) -> None:
    # Imported here: torch takes seconds, also for those who run other tests.
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    bundled = model_folder(EmbeddingSettings())
    module = StaticEmbedding(load_tokenizer(bundled)[0], embedding_weights=read_weights(bundled)[:, :8].copy())
    prompts = {"query": "问题", "document": ""}
    SentenceTransformer(modules=[module], prompts=prompts, device="cpu").save(str(tmp_path / "base"))
    run(settings, tmp_path / "adapted", base=str(tmp_path / "base"))
    adapted = open_embedder(EmbeddingSettings(model=str(tmp_path / "adapted")))
    assert adapted.dimension == 8
    asked, told, same = adapted.encode_queries(["栈"])[0], *adapted.encode(["栈", "问题栈"])
    assert asked == pytest.approx(same) and asked != pytest.approx(told)


def test_a_transformer(settings: Settings, tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    instructed = settings.model_copy(
        update={"embedding": settings.embedding.model_copy(update={"query_instruction": "query of the list "})}
    )
    run(instructed, tmp_path / "adapted", base=str(encoder))
    adapted = open_embedder(EmbeddingSettings(model=str(tmp_path / "adapted")))
    base = open_embedder(EmbeddingSettings(model=str(encoder)))
    text = ["the first element of a queue"]
    assert adapted.dimension == 16 and not np.allclose(adapted.encode(text), base.encode(text), atol=1e-6)
    # What stood before questions in training stands before them wherever the folder is loaded.
    assert not np.allclose(adapted.encode(text), adapted.encode_queries(text), atol=1e-3)


def test_it_is_measured_with_the_whole_retriever_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEBEN_DATA_DIR", str(settings.data_dir))
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in QUESTIONS), encoding="utf-8")
    queries = write_queries(tmp_path / "queries.jsonl")
    before = sorted((settings.data_dir / "course").rglob("*"))
    arguments = [
        "embedder",
        "--kb",
        "course",
        "--out",
        tmp_path / "m",
        "--set",
        queries,
        "--pairs",
        pairs,
        "--steps",
        2,
    ]
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    report = json.loads(done.stdout)
    assert [(score["of"], score["measure"]) for score in report["scores"]] == [
        ("held-out sections", "mrr@10"),
        ("held-out sections", "recall@5"),
        ("queries.jsonl", "recall@5"),
        ("queries.jsonl", "mrr@10"),
    ]
    assert report["scores"][-1]["units"] == len(QUESTIONS) and report["scores"][-1]["before"] > 0.5
    assert report["verdict"] in {"helped", "did not help", "worse"}
    # The knowledge base that is served is as it was.
    assert sorted((settings.data_dir / "course").rglob("*")) == before

    plain = CliRunner().invoke(app, ["embedder", "--kb", "course", "--out", str(tmp_path / "n"), "--epochs", "1"])
    assert plain.exit_code == 0 and f"{tmp_path / 'n'}: adapted from keben-zh-en to 'course' in" in plain.stdout
    assert "train: " in plain.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "exactly one of --kb and --data"),
        (["--kb", "course", "--data", "texts"], "exactly one of --kb and --data"),
        (["--data", "texts", "--base", "m"], "--base goes with --kb only"),
        (["--data", "texts", "--epochs", "2"], "--epochs goes with --kb only"),
        (["--kb", "course", "--dimension", "8"], "--dimension goes with --data only"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, ["embedder", "--out", str(tmp_path / "m"), *arguments], catch_exceptions=False)


def test_a_base_that_is_no_model_is_refused_before_anything_is_done(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no sentence-transformers model"):
        run(settings, tmp_path / "m", base=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
