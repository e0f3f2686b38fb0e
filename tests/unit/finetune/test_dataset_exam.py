"""Exam papers as text: where a question begins and ends, keys inline and at the end, explanations."""

import json
from pathlib import Path

import pytest
from docx import Document
from PIL import Image, ImageDraw, ImageFont

from core.errors import DatasetError
from core.settings import IngestSettings
from finetune.dataset.choice import answered, asked, split_options
from finetune.dataset.documents import read_document
from finetune.dataset.exam import read_exam
from finetune.dataset.found import Found

CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
PAPERS = Path(__file__).parents[4] / "shared" / "data" / "mcq"


def read(text: str) -> Found:
    return read_exam(text, Path("paper.txt"), "paper.txt")


def pairs(found: Found) -> list[tuple[str, str]]:
    return [(one.exchanges[0].input, one.exchanges[0].output) for one in found.kept]


@pytest.mark.parametrize(
    ("text", "stem", "options"),
    [
        ("选择 A. 栈 B. 队列", "选择", {"A": "栈", "B": "队列"}),
        ("题\nA、栈；\nB、队列；", "题", {"A": "栈", "B": "队列"}),
        ("题（A）栈（B）队列（C）树", "题", {"A": "栈", "B": "队列", "C": "树"}),
        ("题\nA. 栈  B. 队列\nC. 树  D. 图", "题", {"A": "栈", "B": "队列", "C": "树", "D": "图"}),
        ("哪个？\nA. 维生素B、C\nB. 钙", "哪个？", {"A": "维生素B、C", "B": "钙"}),
        ("Which?\nA) a stack\nB) a queue", "Which?", {"A": "a stack", "B": "a queue"}),
        ("A. 只有一个", "A. 只有一个", {}),
        ("没有选项", "没有选项", {}),
    ],
)
def test_options(text: str, stem: str, options: dict[str, str]) -> None:
    assert split_options(text) == (stem, options)


def test_answer_below_each_question_and_explanation() -> None:
    found = read(
        "# 期末试卷\n一、单项选择题\n"
        "1. 栈的特点是（ ）。\nA. 先进先出  B. 后进先出\n**答案：B** 解析：栈只在一端操作。\n"
        "两种操作：\n1. 入栈\n2. 出栈\n"
        "2、下列属于线性结构的有\nA．栈\nB．树\nC．队列\n【答案】A、C\n【解析】树是层次结构。\n"
        "二、简答题\n1. 什么是进程？\n答：进程是程序的一次执行。\n它是资源分配的单位。\n"
    )
    assert pairs(found) == [
        (
            "栈的特点是（ ）。\nA. 先进先出\nB. 后进先出",
            "B. 后进先出\n\n栈只在一端操作。\n两种操作：\n1. 入栈\n2. 出栈",
        ),
        ("下列属于线性结构的有\nA. 栈\nB. 树\nC. 队列", "AC\nA. 栈\nC. 队列\n\n树是层次结构。"),
        ("什么是进程？", "进程是程序的一次执行。\n它是资源分配的单位。"),
    ]
    assert (found.rows, found.left_out) == (3, [])
    assert found.outside[0].reason == "a heading: # 期末试卷"


@pytest.mark.parametrize("key", ["1-3 BAC", "1.B 2.A 3.C", "1. B\n2. A\n3. C", "1~2：BA\n3、C", "1 B 2 A 3 C"])
def test_a_key_at_the_end(key: str) -> None:
    question = "{n}. 题目{n}\nA. 甲\nB. 乙\nC. 丙\n"
    found = read("".join(question.format(n=n) for n in (1, 2, 3)) + f"\n参考答案\n{key}\n")
    assert [answer for _, answer in pairs(found)] == ["B. 乙", "A. 甲", "C. 丙"]


def test_a_key_with_explanations_for_parts_that_are_numbered_anew() -> None:
    found = read(
        "一、选择题\n1. 甲题 A. 对 B. 错\n2. 乙题 A. 对 B. 错\n二、判断题\n1. 栈是线性表。\n"
        "答案与解析\n一、选择题\n1. A 解析：因为甲。\n还有一行\n2. B\n二、判断题\n1. 正确\n"
    )
    assert [answer for _, answer in pairs(found)] == ["A. 对\n\n因为甲。\n还有一行", "B. 错", "正确"]


def test_an_answer_written_into_the_brackets_is_taken_out_of_the_question() -> None:
    found = read("1. TCP 属于（ C ）。\nA. 物理层 B. 网络层 C. 传输层\n2. IP 属于 (B)\nA. 物理层 B. 网络层\n")
    assert pairs(found) == [
        ("TCP 属于（ ）。\nA. 物理层\nB. 网络层\nC. 传输层", "C. 传输层"),
        ("IP 属于 （ ）\nA. 物理层\nB. 网络层", "B. 网络层"),
    ]


def test_numbers_out_of_order_swallow_no_question() -> None:
    question = "{n}. 题目{n}之{k}\nA. 甲\nB. 乙\n答案：B\n解析：因为\n1. 其一\n2. 其二\n"
    found = read("".join(question.format(n=n, k=k) for k, n in enumerate((1, 2, 2, 40, 41, 7, 1, 2))))
    assert [asked.split("\n")[0] for asked, _ in pairs(found)] == [
        "题目1之0", "题目2之1", "题目2之2", "题目40之3", "题目41之4", "题目7之5", "题目1之6", "题目2之7",
    ]  # fmt: skip
    assert {answer for _, answer in pairs(found)} == {"B. 乙\n\n因为\n1. 其一\n2. 其二"}


def test_what_is_left_out_is_listed_with_its_reason() -> None:
    found = read(
        "1. 有答案 A. 甲 B. 乙\n答案：A\n2. 没有答案 A. 甲 B. 乙\n3. 答错了 A. 甲 B. 乙\n答案：D\n以上是全部题目\n"
    )
    assert [one.where for one in found.left_out] == ["paper.txt, line 3, question 2", "paper.txt, line 4, question 3"]
    assert [one.reason for one in found.left_out] == [
        "the answer is empty",
        "the answer 'D' is none of the options A, B",
    ]
    assert found.outside[-1].reason == "belongs to no question: 以上是全部题目"
    assert found.rows == len(found.kept) + len(found.left_out)


def test_forms_of_papers_that_are_found_in_the_wild() -> None:
    found = read(
        "1.(2分) 下列程序段的时间复杂度是\nfor(i=0;i<n;i++)\n  a[i]=0;\nA.O(1)\nB.O(n)\n正确答案：B\n"
        "答案解析：循环 n 次。\n"
        "2（多选）. 线性的有\nA. 栈 B. 队列 C. 树\n我的答案：A 正确答案：AB\n"
        "第3题：栈是线性结构。（√）\n4. 栈的特点是______。\n答案 后进先出\n"
    )
    assert pairs(found) == [
        (
            "(2分) 下列程序段的时间复杂度是\nfor(i=0;i<n;i++)\n  a[i]=0;\nA. O(1)\nB. O(n)",
            "B. O(n)\n\n循环 n 次。",
        ),
        ("线性的有\nA. 栈\nB. 队列\nC. 树", "AB\nA. 栈\nB. 队列"),
        ("栈是线性结构。（ ）", "√"),
        ("栈的特点是______。", "后进先出"),
    ]


def test_english() -> None:
    found = read("Part I\n1) What is a stack?\nA) LIFO\nB) FIFO\nAnswer: A\nExplanation: last in, first out\n")
    assert pairs(found) == [("What is a stack?\nA. LIFO\nB. FIFO", "A. LIFO\n\nlast in, first out")]


def test_a_document_without_questions(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_text("从前有座山，山上有座庙。\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"novel\.txt holds no question with an answer.*\n.*number the questions"):
        read_document(path, path.name, IngestSettings())


def test_a_word_file(tmp_path: Path) -> None:
    document = Document()
    for line in ("一、选择题", "1. 栈是什么？", "A. 后进先出 B. 先进先出", "答案：A", "解析：见第三章。"):
        document.add_paragraph(line)
    document.save(str(tmp_path / "paper.docx"))
    found = read_document(tmp_path / "paper.docx", "paper.docx", IngestSettings())
    assert pairs(found) == [("栈是什么？\nA. 后进先出\nB. 先进先出", "A. 后进先出\n\n见第三章。")]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_a_scanned_page(tmp_path: Path, suffix: str) -> None:
    if not CJK_FONT.is_file():
        pytest.skip("no Noto CJK font on this machine")
    page, font = Image.new("RGB", (1200, 700), "white"), ImageFont.truetype(str(CJK_FONT), 36)
    lines = ("1. 栈的特点是什么？", "A. 先进先出", "B. 后进先出", "答案：B", "2. 队列的特点是什么？", "答案：先进先出")
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((60, 40 + 90 * number), line, fill="black", font=font)
    path = tmp_path / f"scan{suffix}"
    page.save(path)
    found = read_document(path, path.name, IngestSettings())
    assert pairs(found) == [
        ("栈的特点是什么？\nA. 先进先出\nB. 后进先出", "B. 后进先出"),
        ("队列的特点是什么？", "先进先出"),
    ]


def test_four_real_papers_give_their_400_questions() -> None:
    if not PAPERS.is_dir():
        pytest.skip(f"no papers in {PAPERS}: the shared data is not beside this checkout")
    rows = [json.loads(line) for line in (PAPERS / "assistant408_400.jsonl").read_text(encoding="utf-8").splitlines()]
    wanted = {(asked(row["question"], row["options"]), answered(row["answer"], row["options"])) for row in rows}
    papers = sorted((PAPERS / "assistant408_docx").glob("*.docx"))
    read_here = [read_document(path, path.name, IngestSettings()) for path in papers]
    assert [(found.rows, found.left_out) for found in read_here] == [(100, [])] * 4
    # One stem stands on two lines in the paper; the parsed file has the first alone.
    assert len(wanted - {pair for found in read_here for pair in pairs(found)}) <= 1
