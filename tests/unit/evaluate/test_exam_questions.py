"""Reading sets of exam questions."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from core.settings import PROJECT
from evaluate.exam.questions import limited, read_exam, read_exams

DATA = PROJECT.parent / "shared" / "data" / "mcq"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside this checkout")
CMMLU = ",Question,A,B,C,D,Answer\n0,⽤⼀个字节最多能编出（ ）不同的码,128个,256个,16个,8个,B\n"
CEVAL = 'id,question,A,B,C,D,answer,explanation\n7,"设 a, b 为整数",1,2,3,4,C,"1. 因为\n2. 所以"\n8,x,1,2,3,4,A,\n'


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_the_table_of_cmmlu(tmp_path: Path) -> None:
    path = tmp_path / "computer_science.csv"
    path.write_text(CMMLU, encoding="utf-8")
    (question,) = read_exam(path)
    assert question.text == "用一个字节最多能编出（ ）不同的码"  # no radicals
    assert (question.id, question.subject, question.language) == ("0", "computer_science", "zh")
    assert (question.options, question.answers) == (("128个", "256个", "16个", "8个"), ("B",))
    assert question.asked.endswith("\nA. 128个\nB. 256个\nC. 16个\nD. 8个")


def test_the_table_of_ceval(tmp_path: Path) -> None:
    path = tmp_path / "computer_network_val.csv"
    path.write_text("\ufeff" + CEVAL, encoding="utf-8")
    first, second = read_exam(path)
    assert (first.id, first.text, first.answers, first.subject) == ("7", "设 a, b 为整数", ("C",), "computer_network")
    assert second.answers == ("A",)


def test_rows_of_json_lines(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "q", "options": {"B": "2", "A": "1"}, "answer": "b", "subject": "s", "lang": "en"},
        {"question": "q", "options": ["x", "y", "z"], "answer": "C"},
        {"question": "q", "answer": 42, "answers": ["四十二"]},
    ]
    named, listed, short = read_exam(written(tmp_path / "maths.jsonl", *rows))
    assert (named.id, named.subject, named.options, named.answers) == ("maths-1", "s", ("1", "2"), ("B",))
    assert (listed.subject, listed.letters, listed.answers) == ("maths", "ABC", ("C",))
    assert (short.options, short.answers) == ((), ("42", "四十二"))
    assert len({named.key, listed.key, short.key}) == 3


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"question": "q", "options": ["a", "b"], "answer": "C"}, "'C' is none of the letters AB"),
        ({"question": "q", "options": ["a", "b"], "answer": "AB"}, "none of the letters"),
        ({"question": "q", "options": {"A": "1", "C": "2"}, "answer": "A"}, '"options" are A, C'),
        ({"question": "q", "options": ["a"], "answer": "A"}, '"options" are 1'),
        ({"question": "q", "options": {"A": "1", "B": " "}, "answer": "A"}, "options"),
        ({"question": "q"}, '"answer": it is missing'),
        ({"answer": "q"}, '"question": it is missing'),
    ],
)
def test_a_row_at_fault_is_named_with_its_line(tmp_path: Path, row: dict[str, Any], fault: str) -> None:
    path = written(tmp_path / "set.jsonl", {"question": "q", "answer": "1"}, row)
    with pytest.raises(ConfigError, match=r"set\.jsonl, line 2") as raised:
        read_exam(path)
    assert fault in raised.value.message


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n", "line 1: no column question, a?"),
        (CMMLU + "1,q,1,2,3\n", 'line 3: "d" is empty'),
        (CMMLU + "1,q,1,2,3,4,A,5\n", "line 3: 8 cells, 7 columns"),
        (CMMLU + "0,q,1,2,3,4,A\n", "line 3: .*is that of line 2 too"),
        (CMMLU + "1,q,1,2,3,4,E\n", "line 3: .*none of the letters"),
        (CMMLU + '1,"q\n', "not CSV"),
        ("", "no column"),
        (CMMLU.split("\n")[0], "holds no questions"),
    ],
)
def test_a_table_at_fault_is_named_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "set.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=fault.replace("a?", "")):
        read_exam(path)


def test_two_sets_may_have_the_same_ids_but_not_the_same_question(tmp_path: Path) -> None:
    one = written(tmp_path / "one.jsonl", {"id": 1, "question": "q", "answer": "1"})
    two = written(tmp_path / "two.jsonl", {"id": 1, "question": "r", "answer": "1"})
    assert [question.text for question in read_exams([one, two])] == ["q", "r"]
    with pytest.raises(ConfigError, match="both hold '1'"):
        read_exams([one, two, written(tmp_path / "three.jsonl", {"id": 1, "question": "q", "answer": "1"})])


def test_a_limit_takes_the_same_questions_of_each_subject(tmp_path: Path) -> None:
    rows = [{"question": f"q{at}", "answer": "1", "subject": "ab"[at % 2]} for at in range(40)]
    questions = read_exam(written(tmp_path / "set.jsonl", *rows))
    some = limited(questions, 3)
    assert some == limited(questions, 3)
    assert [question.subject for question in some].count("a") == 3
    assert len(some) == 6
    assert [questions.index(one) for one in some] == sorted(questions.index(one) for one in some)
    assert limited(questions, None) == questions == limited(questions, 99)


@needs_data
@pytest.mark.parametrize(
    ("name", "count"), [("assistant408_400", 400), ("cmmlu_half_a", 532), ("cmmlu_fewshot_dev", 35)]
)
def test_the_real_sets(name: str, count: int) -> None:
    questions = read_exam(DATA / f"{name}.jsonl")
    assert len(questions) == count == len({question.key for question in questions})
    assert not [one for one in questions if any("\u2f00" <= sign <= "\u2fd5" for sign in one.asked)]
