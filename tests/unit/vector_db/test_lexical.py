"""The keyword index on disk."""

import shutil
import tempfile
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.errors import GenerationCorrupt
from vector_db.book_terms import BookTerms
from vector_db.embedder import bundled_embedder
from vector_db.lexical import LexicalIndex, StoredTerms, Terms, TermTable, index_terms
from vector_db.lexical import write_lexical as write_with
from vector_db.tokenizer import tokens

DOCUMENTS = [
    "进程是资源分配的基本单位，进程拥有地址空间",
    "线程是调度的基本单位，同一进程的线程共享地址空间",
    "死锁的四个必要条件：互斥、请求与保持、不可剥夺、循环等待",
    "A transaction is atomic, consistent, isolated and durable",
]


BOOK = BookTerms(("资源分配图",), (("死锁", "deadlock"), ("资源分配图", "resource allocation graph")))


def write_lexical(folder: Path, terms: TermTable) -> None:
    write_with(folder, terms, bundled_embedder())


def table(documents: list[list[str]]) -> TermTable:
    """Documents without headings, of one book."""
    terms = TermTable()
    terms.add(([], document) for document in documents)
    terms.books["os"] = BOOK
    return terms


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lexical")
    write_lexical(folder, table([tokens(document) for document in DOCUMENTS]))
    return folder


@pytest.fixture(scope="module")
def index(index_folder: Path) -> LexicalIndex:
    return LexicalIndex(index_folder, len(DOCUMENTS))


@pytest.mark.parametrize(
    ("question", "best"), [("资源分配", 0), ("线程如何共享", 1), ("什么是死锁", 2), ("durable transactions", 3)]
)
def test_a_question_finds_its_document(index: LexicalIndex, question: str, best: int) -> None:
    scores = index.scores(tokens(question))
    assert scores.shape == (len(DOCUMENTS),) and scores.dtype == np.float32
    assert scores.argmax() == best


def test_documents_without_the_term_score_nothing(index: LexicalIndex) -> None:
    scores = index.scores(["死锁"])
    assert scores[2] > 0
    assert scores[[0, 1, 3]].tolist() == [0, 0, 0]


def test_unknown_terms_score_nothing_and_do_not_disturb_known_ones(index: LexicalIndex) -> None:
    assert index.scores(["量子"]).tolist() == [0] * len(DOCUMENTS)
    assert index.scores([]).tolist() == [0] * len(DOCUMENTS)
    assert index.scores(["量子", "死锁"]).tolist() == index.scores(["死锁"]).tolist()


def test_the_empty_term_scores_nothing(index: LexicalIndex) -> None:
    assert index.scores([""]).tolist() == [0] * len(DOCUMENTS)


def test_rarer_terms_weigh_more_and_unknown_ones_most(index: LexicalIndex) -> None:
    common, rare, unknown = index.idf("地址"), index.idf("死锁"), index.idf("量子")
    assert 0 < common < rare < unknown
    assert unknown == pytest.approx(np.log(1 + (4 + 0.5) / 0.5))
    assert common == pytest.approx(np.log(1 + (4 - 2 + 0.5) / (2 + 0.5)))
    assert rare == pytest.approx(index.highest_idf)


def test_a_term_counts_once_a_document_for_its_rarity(tmp_path: Path) -> None:
    write_lexical(tmp_path, table([["a", "a", "a", "b"], ["c"]]))
    index = LexicalIndex(tmp_path, 2)
    assert index.idf("a") == index.idf("b") == index.idf("c")


def test_opening_again_gives_the_same_scores(index: LexicalIndex, index_folder: Path) -> None:
    again = LexicalIndex(index_folder, len(DOCUMENTS))
    for term in ("进程", "死锁", "transact"):
        assert again.scores([term]).tolist() == index.scores([term]).tolist()
        assert again.idf(term) == index.idf(term)


def test_the_large_files_are_mapped_not_read(index: LexicalIndex, index_folder: Path) -> None:
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8")
    for name in ("data.csc.index.npy", "indices.csc.index.npy", "frequencies.npy", "terms.npy", "word_vectors.npy"):
        assert str(index_folder / name) in mapped


def test_documents_without_terms_can_be_indexed(tmp_path: Path) -> None:
    write_lexical(tmp_path, table([[], []]))
    assert LexicalIndex(tmp_path, 2).scores(["a"]).tolist() == [0, 0]


@examples(deadline=None)
@given(documents=st.lists(st.lists(st.sampled_from("甲乙丙丁abc"), max_size=9), min_size=1, max_size=9))
def test_the_scores_are_those_of_the_library(documents: list[list[str]]) -> None:
    if not any(documents):
        return
    usual = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    usual.index(documents, show_progress=False)
    with tempfile.TemporaryDirectory() as folder:
        write_lexical(Path(folder), table(documents))
        ours = LexicalIndex(Path(folder), len(documents))
        for term in {term for document in documents for term in document}:
            assert ours.scores([term]) == pytest.approx(usual.get_scores([term]), abs=1e-5)


DRAWN = st.lists(st.sampled_from("甲乙丙丁abc"), max_size=5)


@examples(deadline=None, max_examples=50)
@given(documents=st.lists(st.tuples(DRAWN, DRAWN), min_size=1, max_size=6))
def test_headings_and_bodies_are_kept_apart_and_scored_as_one(documents: list[Terms]) -> None:
    apart, joined = TermTable(), table([[*heading, *body] for heading, body in documents])
    apart.add(documents)
    with tempfile.TemporaryDirectory() as folder:
        for name, terms in (("apart", apart), ("joined", joined)):
            write_lexical(Path(folder, name), terms)
        index, other = (LexicalIndex(Path(folder, name), len(documents)) for name in ("apart", "joined"))
        words = index.stored.words
        for row, (heading, body) in enumerate(documents):
            kept = [[words[number] for number in part] for part in index.stored.of_chunk(row)]
            assert kept == [heading, body]
        for term in "甲乙丙丁abc":
            assert index.scores([term]).tolist() == other.scores([term]).tolist()


def test_every_word_has_its_vector_in_8_bits(index: LexicalIndex) -> None:
    words = [word for word in index.stored.words if word]
    assert {"死锁", "transact"} <= set(words) and index.number("量子") is None
    kept = np.stack([index.word_vectors[index.number(word)] for word in words]).astype(np.float32) / 127
    assert np.abs(kept - bundled_embedder().encode(words)).max() <= 0.5 / 127 + 1e-6


def test_the_terms_of_the_books_come_back_and_are_found(index: LexicalIndex) -> None:
    assert index.stored.books == {"os": BOOK}
    assert list(index.words.within("死锁与资源分配图的关系")) == ["资源分配图"]
    found = index.glossary.translations(tokens("deadlock", index.words))
    assert list(found.values()) == [["死锁"]]


def test_copied_chunks_score_as_if_they_were_cut_again_and_other_words_are_left_behind(
    index_folder: Path, tmp_path: Path
) -> None:
    terms = TermTable()
    terms.add([(tokens("新的一章"), tokens("银行家算法"))])
    terms.copy(StoredTerms(index_folder), slice(1, 3))
    write_lexical(tmp_path / "copied", terms)
    documents = ["新的一章：银行家算法", *DOCUMENTS[1:3]]
    write_lexical(tmp_path / "made", table([tokens(document) for document in documents]))
    copied, made = LexicalIndex(tmp_path / "copied", 3), LexicalIndex(tmp_path / "made", 3)
    for question in ("线程共享什么", "死锁的条件", "银行家算法"):
        assert copied.scores(tokens(question)).tolist() == made.scores(tokens(question)).tolist()
    assert copied.stored.of_chunk(0)[0].size == len(tokens("新的一章")) and not copied.stored.of_chunk(1)[0].size
    assert "transact" not in terms.vocabulary and "死锁" in terms.vocabulary


FILES = [
    "data.csc.index.npy",
    "indices.csc.index.npy",
    "indptr.csc.index.npy",
    "params.index.json",
    "vocab.index.json",
    "frequencies.npy",
    "terms.npy",
    "lengths.npy",
    "headings.npy",
    "word_vectors.npy",
    "book_terms.json",
]


@pytest.mark.parametrize("damage", ["deleted", "empty", "truncated", "garbage"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_as_corrupt(index_folder: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "lexical"
    shutil.copytree(index_folder, folder)
    path = folder / name
    if damage == "deleted":
        path.unlink()
    else:
        content = {"empty": b"", "truncated": path.read_bytes()[:-3], "garbage": b"\x00garbage\xff" * 9}[damage]
        path.write_bytes(content)
    with pytest.raises(GenerationCorrupt, match="keyword index") as caught:
        LexicalIndex(folder, len(DOCUMENTS))
    assert str(folder) in caught.value.message
    assert "keben rebuild --force" in caught.value.mend


def test_a_missing_folder_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(GenerationCorrupt, match="nowhere"):
        LexicalIndex(tmp_path / "nowhere", 1)


def test_a_page_of_kangxi_radicals_is_found_by_ordinary_characters(tmp_path: Path) -> None:
    pages = ["⽤⼾态与内核态的切换", "⼈⺠法院的审级", "虚拟⻚⾯的置换"]
    write_lexical(tmp_path, table([index_terms("", page)[1] for page in pages]))
    index = LexicalIndex(tmp_path, len(pages))
    for row, question in enumerate(["用户态", "人民法院", "页面置换"]):
        scores = index.scores(tokens(question))
        assert int(scores.argmax()) == row and scores[row] > 0
