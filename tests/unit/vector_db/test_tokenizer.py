"""Terms of the keyword index, with jieba, OpenCC and the stemmer themselves."""

import sys
from concurrent.futures import ThreadPoolExecutor

import opencc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import compatible, plain
from vector_db.lexical import index_terms
from vector_db.stopwords import ENGLISH, QUESTION_WORDS_ZH
from vector_db.tokenizer import Words, content_words, cut, normalise, tokens, warm_up

SENTENCES = [
    "进程是资源分配的基本单位",
    "时间片轮转算法让每个进程轮流运行",
    "网络层的路由器根据转发表传输数据包",
    "关系数据库的规范化消除更新异常",
]


def test_kangxi_radicals_become_ordinary_characters() -> None:
    assert normalise("使⽤⼀个⽂件") == "使用一个文件"
    assert tokens("⽂件系统的应⽤") == tokens("文件系统的应用") != []


def test_radicals_that_unicode_does_not_decompose_are_found() -> None:
    assert tokens("⼈⺠的⻓度") == tokens("人民的长度") != []


@pytest.mark.parametrize("text", ["⽂件", "ＴＣＰ３", "⺠法", "x²", "①", "第Ⅱ章"])
def test_search_reads_the_characters_that_the_embedder_reads(text: str) -> None:
    assert tokens(text) == tokens(compatible(text))


def test_powers_are_no_digits_and_chemical_indexes_are() -> None:
    assert "105" not in tokens("10⁵")
    assert tokens("CO₂") == tokens("CO2")
    assert "log28" not in tokens("log₂8")


def test_full_width_letters_and_ligatures_are_folded() -> None:
    assert tokens("ＴＣＰ协议") == tokens("tcp协议")
    assert tokens("eﬃcient") == tokens("efficient")


@pytest.mark.parametrize("simplified", SENTENCES)
def test_traditional_text_has_the_terms_of_simplified_text(simplified: str) -> None:
    traditional = opencc.OpenCC("s2t").convert(simplified)
    assert traditional != simplified
    assert tokens(traditional) == tokens(simplified) != []


def test_chinese_question_words_are_dropped() -> None:
    assert tokens("什么是死锁？") == ["死锁"]
    assert tokens("请问为什么会产生死锁呢") == tokens("产生死锁")
    assert tokens("的 了 吗 如何 怎么") == []


def test_english_stop_words_are_dropped_in_any_case() -> None:
    assert tokens("What is the meaning of THE transaction?") == ["transact"]
    assert tokens("Please explain") == []


def test_no_stop_word_is_a_term() -> None:
    assert [word for word in sorted(ENGLISH | QUESTION_WORDS_ZH) if word in tokens(word)] == []


def test_inflected_english_words_share_a_term() -> None:
    assert tokens("transactions") == tokens("transaction")
    assert tokens("normalizing normalized") == ["normal", "normal"]
    assert tokens("transaction") != tokens("translation")


def test_names_of_languages_keep_their_signs() -> None:
    assert tokens("C++") == ["c++"]
    assert tokens("C#") == ["c#"]
    assert tokens("C") == ["c"]
    assert "c++" in tokens("用C++实现二叉树")


def test_mixed_text_keeps_the_order_of_its_terms() -> None:
    terms = tokens("使用TCP协议建立connections，需要3次握手")
    wanted = ["tcp", "协议", "connect", "3", "握手"]
    assert [term for term in terms if term in wanted] == wanted


def test_long_chinese_words_are_found_by_their_parts_too() -> None:
    assert {"操作", "系统", "操作系统"} <= set(tokens("操作系统"))


def test_punctuation_and_blanks_have_no_terms() -> None:
    assert tokens("") == tokens(" \n\t，。！？—— ... $%^&*()") == []


def test_markup_of_a_book_does_not_change_its_terms() -> None:
    body = "**死锁**的[必要条件](https://example.org/deadlock)包括*互斥*与 <b>mutual exclusion</b>"
    clean = "死锁的必要条件包括互斥与 mutual exclusion"
    assert index_terms("操作系统 > 死锁", body) == (tokens("操作系统 > 死锁"), tokens(clean))


def test_characters_side_by_side_that_make_no_word_give_their_pairs_too() -> None:
    assert tokens("锁页") == ["锁", "页", "锁页"]
    assert tokens("锁页帧") == ["锁", "页", "帧", "锁页", "页帧"]
    # 的 asks nothing, and parts what stands on either side of it.
    assert tokens("锁的页") == ["锁", "页"]
    # A word between them parts them as well.
    assert "锁页" not in tokens("锁进程页")


def test_words_that_no_dictionary_has_are_not_guessed_at() -> None:
    # With its hidden Markov model jieba takes 杭研 for a word, though not in every sentence.
    assert cut("杭研大厦") == ["杭", "研", "大厦"]
    assert tokens("杭研大厦")[:3] == ["杭", "研", "杭研"]


@pytest.mark.parametrize("sentence", ["小明在杭研大厦", "他来到了网易杭研大厦", "杭研", "去杭研"])
def test_a_word_that_no_dictionary_has_is_found_in_any_sentence(sentence: str) -> None:
    assert "杭研" in tokens(sentence)


def test_the_words_of_a_book_are_found_wherever_they_stand() -> None:
    words = Words(["资源分配图", "分配图", "缺页"])
    assert list(words.within("用资源分配图判断缺页")) == ["资源分配图", "分配图", "缺页"]
    assert list(words.within("图")) == list(words.within("资源")) == list(Words().within("资源分配图")) == []
    assert list(Words(["分配图", "分配"]).within("分配图")) == ["分配", "分配图"]


def test_the_words_of_a_book_are_terms_beside_those_of_the_dictionary() -> None:
    words = Words(["资源分配图"])
    terms = tokens("画出资源分配图", words)
    assert terms == [*tokens("画出资源分配图"), "资源分配图"]
    assert "资源分配图" not in tokens("资源的分配图", words)


CHARACTERS = st.text(st.sampled_from("资源分配图页锁"), max_size=12)


@given(words=st.lists(CHARACTERS.filter(lambda word: len(word) > 1), max_size=8), run=CHARACTERS)
def test_words_are_found_as_a_slow_search_finds_them(words: list[str], run: str) -> None:
    slow = [word for at in range(len(run)) for word in sorted(set(words)) if run.startswith(word, at)]
    assert list(Words(words).within(run)) == slow


def test_content_words_are_words_as_they_stand_without_those_that_ask() -> None:
    assert content_words("什么是进程的地址空间？") == ["进程", "地址", "空间"]
    assert content_words("What are the Transactions of a database?") == ["transactions", "database"]


@given(st.text(st.sampled_from("死锁的必要条件进程与线程 ACIDtransactions+#3，。？⽤⼀進線"), max_size=40))
def test_book_and_question_with_the_same_words_have_the_same_terms(text: str) -> None:
    assert index_terms("", text) == ([], tokens(plain(text)))


@given(st.text(max_size=60))
def test_any_text_gives_clean_terms(text: str) -> None:
    for term in tokens(text):
        assert term and term == term.strip()
        assert term not in QUESTION_WORDS_ZH


def test_threads_do_not_disturb_one_another() -> None:
    text = "transactions normalizing scheduling 進程與線程的切換開銷 durability handshakes relational"
    alone = tokens(text)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(tokens, [text] * 60))
    finally:
        sys.setswitchinterval(interval)
    assert together == [alone] * 60


def test_warm_up_loads_the_dictionaries() -> None:
    warm_up()
    assert tokens("预热") == ["预热"]
