"""What a knowledge base refuses: fitted, certified, and measured on real generations."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_generations import CALIBRATION, SCALE, published

from core.settings import Settings
from rag.calibrate import LABELLED, SELF_MADE, Asked, ask, best_threshold, calibrate, cosine_scale, f1, fit
from rag.candidates import FEATURES, CandidateFinder
from rag.probes import Kind, Probe
from rag.relevance import probabilities
from vector_db.embedder import bundled_embedder
from vector_db.library import open_knowledge_base
from vector_db.manifest import Calibration, RelevanceModel
from vector_db.reader import Generation

MANY = 120


def drawn(kind: Kind, count: int, mean: float, seed: int, spread: float = 0.05) -> list[Asked]:
    """Questions whose features lie about `mean`."""
    chance = np.random.default_rng(seed)
    return [Asked(kind, row) for row in chance.normal(mean, spread, size=(count, len(FEATURES)))]


def separable(count: int = MANY) -> list[Asked]:
    return [*drawn("own", count, 1, 0), *drawn("near", count, 0.3, 1), *drawn("far", count, 0, 2)]


def relevance(one: Asked, calibration: Calibration) -> float:
    assert one.features is not None
    return float(probabilities(one.features[None], calibration.relevance)[0])


def accepted(asked: Sequence[Asked], calibration: Calibration) -> list[bool]:
    return [one.features is not None and relevance(one, calibration) >= calibration.threshold for one in asked]


def test_questions_that_can_be_told_apart_are() -> None:
    asked = separable()
    calibration = fit(asked, SCALE, "made")
    assert accepted(asked, calibration) == [one.kind == "own" for one in asked]
    certificate = calibration.certificate
    assert certificate is not None and certificate.near is not None and certificate.far is not None
    for rate in (certificate.precision, certificate.recall, certificate.f1, certificate.near, certificate.far):
        assert (rate.value, rate.low, rate.high) == (1, 1, 1)
    assert (calibration.cosine, certificate.source) == (SCALE, "made")


def test_the_threshold_lies_between_the_scores_that_it_parts() -> None:
    asked = separable()
    calibration = fit(asked, SCALE, "made")
    highest = max(relevance(one, calibration) for one in asked[::2] if one.kind != "own")
    lowest = min(relevance(one, calibration) for one in asked[::2] if one.kind == "own")
    assert highest < calibration.threshold < lowest
    labelled = fit(asked, SCALE, LABELLED)
    lowest, highest = (
        pick(relevance(one, labelled) for one in asked[::2] if (one.kind == "own") == own)
        for pick, own in ((min, True), (max, False))
    )
    assert highest < labelled.threshold < lowest


@pytest.mark.parametrize("spread", [0.05, 0.5], ids=["far apart", "mixed"])
def test_the_curve_agrees_with_the_certificate_where_questions_are_served(spread: float) -> None:
    asked = [*drawn("own", MANY, 1, 0, spread), *drawn("near", MANY, 0.3, 1, spread), *drawn("far", MANY, 0, 2, spread)]
    calibration = fit(asked, SCALE, "made")
    certificate = calibration.certificate
    assert certificate is not None
    (served,) = (point for point in certificate.curve if point.threshold == round(calibration.threshold, 3))
    for name in ("precision", "recall", "f1"):
        assert getattr(served, name) == pytest.approx(getattr(certificate, name).value, abs=6e-4)
    thresholds = [point.threshold for point in certificate.curve]
    assert thresholds == sorted(thresholds) and (thresholds[0], thresholds[-1]) == (0, 1) and len(thresholds) == 42
    recalls = [point.recall for point in certificate.curve]
    assert recalls == sorted(recalls, reverse=True) and recalls[0] == 1
    # Everything is accepted: a third of the questions were to be answered.
    assert certificate.curve[0].precision == pytest.approx(1 / 3, abs=1e-3)
    for point in certificate.curve:
        both = point.precision + point.recall
        assert point.f1 == pytest.approx(2 * point.precision * point.recall / both if both else 0, abs=2e-3)


def test_the_certificate_is_measured_on_the_other_half_alone() -> None:
    asked = separable()
    # Every second question of each kind is turned into its opposite: what was fitted is right, what is certified wrong.
    for at in range(1, MANY, 2):
        own, near, far = asked[at], asked[MANY + at], asked[2 * MANY + at]
        asked[at] = Asked("own", near.features)
        asked[MANY + at], asked[2 * MANY + at] = Asked("near", own.features), Asked("far", own.features)
        assert far.kind == "far"
    calibration = fit(asked, SCALE, "made")
    certificate = calibration.certificate
    assert certificate is not None and certificate.f1.value == certificate.recall.value == 0
    assert accepted(asked[0:MANY:2], calibration) == [True] * (MANY // 2)
    assert (certificate.accepted, certificate.near_refused, certificate.far_refused) == (MANY // 2,) * 3


def test_what_is_certified_has_its_interval_around_it() -> None:
    asked = [
        *drawn("own", MANY, 0.6, 0, spread=0.5), *drawn("near", MANY, 0.3, 1, spread=0.5),
        *drawn("far", MANY, 0, 2, spread=0.5),
    ]  # fmt: skip
    certificate = fit(asked, SCALE, "made").certificate
    assert certificate is not None
    for rate in (certificate.precision, certificate.recall, certificate.f1):
        assert 0 <= rate.low < rate.value < rate.high <= 1
    assert certificate.near is not None and certificate.far is not None
    assert certificate.near.value < certificate.far.value


def test_without_questions_of_a_kind_it_has_no_rate() -> None:
    asked = [*drawn("own", MANY, 1, 0), *drawn("far", MANY, 0, 1)]
    certificate = fit(asked, SCALE, "made").certificate
    assert certificate is not None and certificate.near is None and certificate.near_refused == 0
    assert certificate.far is not None and certificate.far.value == 1


@pytest.mark.parametrize("few", [(0, 0, 0), (3, 3, 3), (MANY, 1, 1), (2, MANY, MANY)])
def test_of_too_few_questions_nothing_is_learnt_and_nothing_certified(few: tuple[int, int, int]) -> None:
    own, near, far = few
    nothing = fit([], SCALE, "made")
    asked = [*drawn("own", own, 1, 0), *drawn("near", near, 0.3, 1), *drawn("far", far, 0, 2)]
    calibration = fit(asked, SCALE, "made")
    assert calibration.certificate is None and calibration.cosine == SCALE
    assert (calibration.relevance, calibration.threshold) == (nothing.relevance, nothing.threshold)
    assert len(calibration.relevance.weights) == len(FEATURES)


def test_a_question_for_which_nothing_is_found_is_never_accepted() -> None:
    lost = [Asked("own", None)] * MANY
    calibration = fit([*separable(), *lost], SCALE, "made")
    certificate = calibration.certificate
    assert certificate is not None and calibration.threshold > 0
    assert certificate.recall.value == pytest.approx(0.5) and certificate.precision.value == 1
    refused = [Asked("far", None)] * MANY
    certificate = fit([*separable(), *refused], SCALE, "made").certificate
    assert certificate is not None and certificate.f1.value == 1 and certificate.far_refused == MANY


@pytest.mark.parametrize("kinds", [("own", "near", "far"), ("own",)])
def test_where_nothing_is_found_at_all_nothing_is_learnt(kinds: tuple[Kind, ...]) -> None:
    others = [one for one in separable() if one.kind not in kinds]
    calibration = fit([*others, *(Asked(kind, None) for kind in kinds for _ in range(MANY))], SCALE, "made")
    assert calibration.certificate is None and calibration.relevance == fit([], SCALE, "made").relevance


def test_where_every_question_to_refuse_finds_nothing_those_that_find_something_are_accepted() -> None:
    asked = [*drawn("own", MANY, 1, 0), *([Asked("near", None)] * MANY), *([Asked("far", None)] * MANY)]
    calibration = fit(asked, SCALE, "made")
    assert calibration.certificate is not None and calibration.certificate.f1.value == 1


def test_equal_features_are_no_obstacle() -> None:
    same = np.ones(len(FEATURES))
    calibration = fit([Asked(kind, same) for kind in ("own", "near", "far") for _ in range(MANY)], SCALE, "made")
    assert np.isfinite(calibration.relevance.weights).all() and 0 <= calibration.threshold <= 1


SCORES = st.lists(st.sampled_from([-1.0, 0.0, 0.1, 0.2, 0.35, 0.5, 0.8, 1.0]), min_size=1, max_size=12)


@given(own=SCORES, foreign=SCORES)
def test_no_threshold_has_a_higher_f1_than_the_best(own: list[float], foreign: list[float]) -> None:
    if max(own + foreign) < 0:
        return
    mine, others = np.array(own), np.array(foreign)
    threshold = best_threshold(mine, others)
    assert 0 <= threshold <= 1
    highest = max(f1(mine, others, one) for one in np.linspace(0, 1, 101))
    assert f1(mine, others, threshold) == pytest.approx(highest)


def test_f1_counts_what_is_accepted_rightly_and_wrongly() -> None:
    own, foreign = np.array([0.9, 0.6, 0.2, -1]), np.array([0.7, 0.1])
    # Two of four are accepted, and one that should not be: precision 2/3, recall 1/2.
    assert f1(own, foreign, 0.5) == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert f1(own, foreign, 1.0) == 0


@pytest.fixture(scope="module")
def library(library_settings: Settings) -> Iterator[Generation]:
    base = open_knowledge_base(library_settings, "default")
    with base.generation() as generation:
        yield generation
    base.close()


def finder() -> CandidateFinder:
    return CandidateFinder(bundled_embedder(), 50, max_unknown_rate=0.1)


def test_a_knowledge_base_is_calibrated_the_same_each_time(library: Generation) -> None:
    calibration = calibrate(library, bundled_embedder(), finder())
    assert calibration == calibrate(library, bundled_embedder(), finder()) == library.manifest.calibration


def test_a_probe_is_asked_as_the_service_would_ask(library: Generation) -> None:
    asked = ask(library, finder(), Probe("死锁的四个必要条件是什么？", "own"), SCALE)
    assert asked.kind == "own" and asked.features is not None and asked.features.shape == (len(FEATURES),)
    everything = np.arange(len(library.ids))
    assert ask(library, finder(), Probe("死锁", "near", everything), SCALE) == Asked("near", None)


def test_the_scale_is_that_of_passages_at_random(library: Generation) -> None:
    scale = cosine_scale(library, bundled_embedder())
    assert scale is not None and abs(scale.mean) < 0.2 and 0.01 < scale.deviation < 0.3
    # Whoever asks what a section is about has a cosine far above it.
    chunk = library.store.get([library.ids[0]])[0]
    cosine = float(library.vectors[0] @ bundled_embedder().encode_queries([chunk.text])[0])
    assert (cosine - scale.mean) / scale.deviation > 3


def test_without_an_embedder_or_vectors_there_is_no_scale(library: Generation, tmp_path: Path) -> None:
    assert cosine_scale(library, None) is None
    folder = published(tmp_path, {"os": [(("死锁",), "死锁是指进程互相等待。")]}, CALIBRATION, unread={"os"})
    generation = Generation(folder)
    assert cosine_scale(generation, bundled_embedder()) is None
    assert calibrate(generation, None, CandidateFinder(None, 50, 0.1)).cosine is None
    generation.retire()


def test_a_library_of_one_passage_has_a_scale_on_which_its_answer_is_far_above_chance(tmp_path: Path) -> None:
    text = "比热容是单位质量的物质升高单位温度所吸收的热量。"
    generation = Generation(published(tmp_path, {"physics": [(("热学", "比热容"), text)]}, CALIBRATION))
    scale = cosine_scale(generation, bundled_embedder())
    asked = ask(generation, finder(), Probe("什么是比热容？", "own"), scale)
    generation.retire()
    assert scale is not None and scale.deviation > 0.01
    assert asked.features is not None and asked.features[FEATURES.index("cosine")] > 1


def test_an_empty_library_is_calibrated_too(tmp_path: Path) -> None:
    generation = Generation(published(tmp_path, {}, CALIBRATION))
    calibration = calibrate(generation, bundled_embedder(), finder())
    generation.retire()
    assert calibration.certificate is None and calibration.cosine is None


def test_a_library_of_many_passages_is_certified_by_questions_that_it_made_itself(tmp_path: Path) -> None:
    nouns = (
        "进程 线程 内存 页面 磁盘 文件 目录 网络 路由 数据库 事务 索引 日志 缓存 编译器 语法 算法 图 树 队列".split()
    )
    verbs = "管理 分配 检查 保存 传输 恢复 排序 查找 保护 复制".split()
    sections = [
        ((one, verb), f"{one}的{verb}需要先比较{other}与{third}，再由操作员按照{verb}规则逐步完成第{number}种处理。")
        for number, (one, verb) in enumerate((one, verb) for one in nouns for verb in verbs)
        for other, third in [(nouns[(number * 7 + 3) % 20], nouns[(number * 11 + 5) % 20])]
    ]
    generation = Generation(published(tmp_path, {"os": sections}, CALIBRATION))
    calibration = calibrate(generation, bundled_embedder(), finder())
    generation.retire()
    certificate = calibration.certificate
    assert certificate is not None and certificate.source == SELF_MADE
    assert certificate.accepted > 20 and certificate.near_refused > 20 and certificate.far_refused > 20
    assert certificate.far is not None and certificate.far.value > 0.8


def test_a_relevance_is_a_probability_by_the_model_of_the_passages_language() -> None:
    count = len(FEATURES)
    model = RelevanceModel(weights=(1.0,) * count, intercept=-2, foreign_weights=(0.5,) * count, foreign_intercept=-1)
    features = np.array([[0.0] * count, [1.0] * count, [-9.0] * count, [1.0] * count])
    features[:3, FEATURES.index("foreign")] = 0
    wanted = [-2, count - 1 - 2, -9 * (count - 1) - 2, 0.5 * count - 1]
    assert probabilities(features, model) == pytest.approx(1 / (1 + np.exp(-np.array(wanted, dtype=float))))
