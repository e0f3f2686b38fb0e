"""The Tune view in a real browser: courses, an audit, a training that is followed and stopped, the gate."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from acting import AXE, PHONE, fits, serious
from made_courses import EVIL, ROWS, write_course, write_reports, write_steps
from page_server import serve
from playwright.sync_api import Page, expect
from trainable_models import write_trainable_internlm2

from core.errors import JobConflict
from core.settings import Settings
from finetune.background import Courses
from finetune.training.environment import ENVIRONMENT, is_whole

Open = Callable[..., Page]
pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not is_whole(ENVIRONMENT), reason="the environment of XTuner is missing: keben finetune setup"),
]
SECONDS = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny: not begun; fallen: at the gate; finished: has its model; broken: a faulty file."""
    root = tmp_path_factory.mktemp("tune")
    base = write_trainable_internlm2(root / "base", [text for row in ROWS for text in row])
    courses = root / "courses"
    write_course(courses, "tiny", base, epochs=300)
    for name, falls in (("fallen", ("os fell",)), ("finished", ())):
        write_course(courses, name, base)
        write_steps(courses / "runs" / name, "model", falls)
        write_reports(courses / "runs" / name)
    (courses / "broken.toml").write_text(f'name = "{EVIL}"\n[train]\nbase = 3', encoding="utf-8")
    return courses


@pytest.fixture(scope="module")
def tuning(folder: Path) -> Iterator[str]:
    data = folder.parent / "data"
    data.mkdir()
    with serve(data, KEBEN_COURSES_DIR=str(folder)) as url:
        yield url
    # What a test that failed has left running would outlive it.
    with suppress(JobConflict):
        Courses(Settings(courses_dir=folder)).stop("tiny")


def view(open_page: Open, url: str, **context: object) -> Page:
    page = open_page(url, **context)
    page.locator("#views a", has_text=re.compile("训练|Tune")).click()
    return page


def grows(page: Page, count: Callable[[], int], most: int) -> None:
    """Wait until there are more than `most`."""
    for _ in range(SECONDS // 200):
        if count() > most:
            return
        page.wait_for_timeout(200)
    pytest.fail(f"there are no more than {most}")


def choose(page: Page, name: str) -> None:
    page.locator(".tune-course", has_text=name).click()
    expect(page.locator(".tune-title h3").first).to_have_text(name)


def test_courses_are_listed_and_a_faulty_file_says_why(open_page: Open, tuning: str) -> None:
    page = view(open_page, tuning)
    expect(page.locator(".tune-course")).to_have_count(4)
    choose(page, "broken")
    expect(page.locator(".tune-fault")).to_contain_text("train.base")
    expect(page.locator(".tune-fault")).to_contain_text("docs/finetune.md")
    expect(page.locator(".tune-detail .strong")).to_have_count(0)
    page.locator("#language").click()
    expect(page.locator(".tune-course", has_text="broken")).to_contain_text("faulty file")
    assert page.locator("#tune img").count() == 0


def test_what_fell_is_shown_with_its_interval_and_needs_a_reason(open_page: Open, tuning: str) -> None:
    page = view(open_page, tuning)
    choose(page, "fallen")
    row = page.locator(".tune-gate tr.fell")
    expect(row).to_contain_text("course, os: letter")
    expect(row).to_contain_text("−0.200 (−0.350 … −0.050)")
    expect(page.locator(".tune-gate tbody tr")).to_have_count(3)
    expect(page.locator(".tune-gate tbody tr", has_text="仅供参考")).to_contain_text("held-out rows: loss")
    expect(page.locator(".tune-fault")).to_contain_text("0.600 → 0.400")
    expect(page.locator(".tune-findings .tune-error")).to_contain_text("已接受")
    sent: list[str] = []
    page.route("**/courses/fallen/run", lambda route: (sent.append(route.request.post_data or ""), route.abort())[1])
    page.get_by_role("button", name="仍然发布").click()
    assert sent == []
    page.get_by_label("理由").fill("考题有误")
    page.get_by_role("button", name="仍然发布").click()
    expect(page.locator("#tune [role=alert]")).not_to_be_empty()
    page.wait_for_timeout(3000)  # longer than the page waits between two looks
    expect(page.locator("#tune [role=alert]")).not_to_be_empty()
    assert sent == ['{"override":"考题有误"}']


def test_a_model_is_served_by_a_line_and_looked_through_before_an_upload(open_page: Open, tuning: str) -> None:
    page = view(open_page, tuning)
    choose(page, "finished")
    expect(page.locator(".tune-steps .done")).to_have_count(6)
    expect(page.locator("#tune pre")).to_contain_text("KEBEN_LLM__MODEL=")
    # Its gate fell in the report, so no hub is offered.
    expect(page.get_by_text("上传到模型站")).to_have_count(0)


def test_an_audit_shows_rows_as_text_and_a_training_is_followed_and_stopped(open_page: Open, tuning: str) -> None:
    page = view(open_page, tuning)
    choose(page, "tiny")
    page.get_by_role("button", name="审查题目").click()
    findings = page.locator(".tune-findings")
    expect(findings).to_contain_text("different-answers", timeout=SECONDS)
    findings.locator("summary").first.click()
    expect(findings.locator("q").first).to_contain_text(EVIL)
    assert page.locator("#tune img").count() == 0
    expect(page.locator(".tune-title .tune-status").first).to_have_text("未完成", timeout=SECONDS)

    page.get_by_role("button", name="继续").click()
    line = page.locator(".tune-line")
    expect(line).to_be_visible(timeout=SECONDS)

    def drawn() -> int:
        return len((line.get_attribute("points") or "").split())

    before = drawn()
    grows(page, drawn, before + 3)
    assert "损失曲线：第 1 步" in (page.locator(".tune-svg").get_attribute("aria-label") or "")
    expect(page.locator("#tune .visually-hidden[role=status]")).to_have_text("tiny: 训练")
    choose(page, "fallen")
    expect(page.locator(".tune-actions")).to_contain_text("tiny 正在进行")
    choose(page, "tiny")

    page.get_by_role("button", name="停止").click()
    expect(page.locator(".tune-title .tune-status").first).to_have_text("已停止", timeout=SECONDS)
    expect(page.locator(".tune-steps .stopped")).to_contain_text("训练")
    expect(page.get_by_role("button", name="继续")).to_be_focused()
    page.reload()
    choose(page, "tiny")
    expect(page.get_by_role("button", name="继续")).to_be_visible()
    expect(line).to_be_visible()


def test_where_there_is_no_course_the_page_says_where_to_put_one(
    open_page: Open, tuning: str, folder: Path, tmp_path: Path
) -> None:
    with serve(tmp_path, KEBEN_COURSES_DIR=str(tmp_path / "courses")) as url:
        page = view(open_page, url, **PHONE)
        expect(page.locator(".tune-empty")).to_contain_text(str(tmp_path / "courses"))
        expect(page.locator(".tune-empty")).to_contain_text("docs/finetune.md")
        assert fits(page)


def test_nothing_is_wider_than_a_phone(open_page: Open, tuning: str) -> None:
    page = view(open_page, tuning, **PHONE)
    expect(page.locator(".tune-course")).to_have_count(4)
    for name in ("broken", "fallen", "finished", "tiny"):
        choose(page, name)
        for summary in page.locator("#tune summary").all():
            summary.tap()
        assert fits(page), name


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not there; .ci/run fetches it with npm")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"viewport": {"width": 1280, "height": 800}}, PHONE])
def test_axe_finds_nothing_serious(open_page: Open, tuning: str, scheme: str, size: dict[str, object]) -> None:
    page = view(open_page, tuning, color_scheme=scheme, **size)
    for name in ("broken", "fallen", "finished"):
        choose(page, name)
        for summary in page.locator("#tune summary").all():
            summary.click()
        assert serious(page) == []
