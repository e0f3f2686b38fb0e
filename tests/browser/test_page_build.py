"""The Build view: textbooks in, a rebuild followed, what it is worth, and back; by those who may."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from acting import AXE, PHONE, UNKNOWN, ask, fits, ready, serious
from fakes import copy_knowledge_bases
from page_server import serve
from playwright.sync_api import Locator, Page, expect

from core.settings import Settings
from ingest.rebuild import rebuild
from server.access import Limits, Role
from server.keys import KeyStore
from vector_db.layout import KnowledgeBaseFolder

pytestmark = pytest.mark.alone
Open = Callable[..., Page]
HEAT = "# 物理\n\n## 热学\n\n### 比热容\n\n比热容是单位质量的物质升高单位温度所吸收的热量。\n"
ACIDS = "# 化学\n\n## 溶液\n\n### 酸\n\n酸是在水溶液中电离出的阳离子全部是氢离子的化合物。\n"
LIGHT = "# 光学\n\n## 折射\n\n### 折射率\n\n折射率是光在真空中的速度与在介质中的速度之比。\n"
SLOW = 60_000  # what a rebuild may take, and the check of a generation
PAYLOAD = "<img src=x onerror=window.__xss=1>"


@dataclass(frozen=True)
class Workshop:
    """A site with the knowledge bases 'default', kept by hand, and 'optics', uploaded and rebuilt twice; its keys."""

    url: str
    manage: str
    ask: str

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}/{path}", headers={"Authorization": f"Bearer {self.manage}"})


@pytest.fixture(scope="module")
def workshop(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    data = tmp_path_factory.mktemp("workshop") / "data"
    copy_knowledge_bases(Settings(data_dir=shelf), data)
    settings = Settings(data_dir=data)
    optics = KnowledgeBaseFolder(data, "optics")
    optics.create()
    (optics.uploads / "光学.md").write_text(LIGHT, encoding="utf-8")
    assert rebuild(Settings(data_dir=data, source_dir=optics.uploads), "optics").exit_code == 0
    (optics.uploads / f"{PAYLOAD}.md").write_text(
        f"# {PAYLOAD}\n\n## 透镜 {PAYLOAD}\n\n透镜会聚光线。\n", encoding="utf-8"
    )
    assert rebuild(Settings(data_dir=data, source_dir=optics.uploads), "optics").exit_code == 0
    keys = KeyStore(settings.state_dir)
    manage, _ = keys.create("教师", Role.manage, None, None, Limits())
    student, _ = keys.create("学生", Role.ask, None, None, Limits())
    with serve(data, KEBEN_SERVER__POLL_SECONDS="0.1") as url:
        yield Workshop(url, manage, student)


def enter(page: Page, key: str) -> None:
    """Type a key where the page asks for one."""
    page.locator("#key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#key-dialog")).to_be_hidden()


def build(open_page: Open, workshop: Workshop, kb: str = "default", **context: object) -> Page:
    """The view, open at a knowledge base."""
    page = open_page(workshop.url, **context)
    enter(page, workshop.manage)
    page.get_by_role("link", name="建库").click()
    page.locator("#build-kb").select_option(kb)
    expect(part(page, "files").locator("tbody tr")).not_to_have_count(0)
    return page


def part(page: Page, name: str) -> Locator:
    """A section of the view."""
    return page.locator(f"section[aria-labelledby=build-{name}]")


def create(page: Page, name: str) -> None:
    page.get_by_role("button", name="新建…").click()
    page.get_by_label("名称").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator("#build-kb")).to_have_value(name)
    expect(page.locator("dialog[open]")).to_have_count(0)


def drop(page: Page, name: str, text: str) -> None:
    """Drop a file on the view."""
    transfer = page.evaluate_handle(
        """([name, text]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], name));
            return transfer;
        }""",
        [name, text],
    )
    for event in ("dragover", "drop"):
        page.locator(".drop").dispatch_event(event, {"dataTransfer": transfer})


def uploaded(page: Page) -> None:
    """Wait for the end of the uploads."""
    expect(page.locator(".uploads .waiting, .uploads .sending")).to_have_count(0)


def test_textbooks_go_in_and_answers_come_out(open_page: Open, workshop: Workshop, tmp_path: Path) -> None:
    page = build(open_page, workshop)
    create(page, "physics")
    files = part(page, "files")
    expect(files.locator(".empty")).to_contain_text("还没有课本")
    for name in ("report", "certificate", "gaps", "reviews"):
        expect(part(page, name)).to_be_hidden()
    books = {
        "热学.md": HEAT.encode(),
        "坏.pdf": b"no PDF at all",
        "tool.exe": b"MZ",
        "空.md": b"  \n",
        f"{PAYLOAD}.exe": b"MZ",
    }
    for name, content in books.items():
        (tmp_path / name).write_bytes(content)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="选择文件").click()
    chooser.value.set_files([tmp_path / name for name in books])
    drop(page, "化学.md", ACIDS)
    uploaded(page)
    lines = page.locator(".uploads li")
    expect(lines).to_have_count(6)
    assert page.locator(".uploads .stored .name").all_text_contents() == ["热学.md", "空.md", "化学.md"]
    expect(lines.filter(has_text="坏.pdf")).to_contain_text("is not a PDF")
    expect(lines.filter(has_text="坏.pdf")).to_contain_text("→ give the file the suffix of its real format")
    expect(lines.filter(has_text="tool.exe")).to_contain_text("→ convert it to one of")
    expect(page.locator("#build [role=status]")).to_contain_text("3 个已存放，3 个没有存放")
    rows = files.locator("tbody tr")
    expect(rows).to_have_count(3)
    assert all("未读入" in text for text in rows.all_text_contents())

    page.get_by_role("button", name="重建", exact=True).click()
    expect(page.locator(".job progress")).to_be_visible()
    expect(page.locator(".job")).to_contain_text("已发布：版本", timeout=SLOW)
    outcomes = page.locator(".outcomes li")
    expect(outcomes).to_have_count(3)
    expect(outcomes.filter(has_text="热学.md")).to_contain_text("1 段")
    expect(outcomes.filter(has_text="空.md")).to_contain_text("→ if it is a scan")
    expect(part(page, "rebuild").locator(".served")).to_contain_text("2 本书，2 段", timeout=SLOW)
    expect(rows.filter(has_text="空.md").locator(".status")).to_have_text("读不了")
    expect(rows.filter(has_text="空.md")).to_contain_text("holds no text")
    expect(rows.filter(has_text="热学.md").locator(".status")).to_have_text("已读入")
    expect(part(page, "report").locator("tbody tr")).to_have_count(3)
    expect(part(page, "certificate")).to_contain_text("没有证书")
    with page.expect_download() as download:
        page.get_by_role("button", name="下载报告").click()
    report = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert report["published"] and {file["source"] for file in report["files"]} == {"热学.md", "化学.md", "空.md"}
    assert page.evaluate("window.__xss") is None

    page.get_by_role("link", name="提问").click()
    expect(page.locator("#kb option[value=physics]")).to_have_count(1)
    page.locator("#kb").select_option("physics")
    turn = ask(page, "什么是比热容？")
    expect(turn).to_contain_text("单位质量的物质")
    expect(turn.locator(".source").first).to_contain_text("物理")


def test_a_file_goes_and_the_generation_before_comes_back(open_page: Open, workshop: Workshop) -> None:
    page = build(open_page, workshop, "optics")
    served = part(page, "rebuild").locator(".served")
    expect(served).to_contain_text("2 本书")
    rows = part(page, "files").locator("tbody tr")
    expect(rows).to_have_count(2)
    rows.filter(has_text=PAYLOAD).get_by_role("button", name="删除").click()
    expect(page.locator("dialog[open] h2")).to_have_text(f"删除 {PAYLOAD}.md？")
    page.locator("dialog[open]").get_by_role("button", name="删除").click()
    expect(rows).to_have_count(1)
    expect(part(page, "report").locator("tbody th").filter(has_text=PAYLOAD)).to_be_visible()
    before = workshop.get("kbs/optics").json()["generation"]

    page.get_by_role("button", name="退回上一个版本…").click()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.get_by_role("button", name="退回上一个版本…").click()
    page.locator("dialog[open]").get_by_role("button", name="退回").click()
    expect(served).to_contain_text("1 本书", timeout=SLOW)
    now = workshop.get("kbs/optics").json()["generation"]
    expect(part(page, "rebuild")).to_contain_text(f"现在使用版本 {now}，代替 {before}。")
    expect(part(page, "report").locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="退回上一个版本…").click()
    page.locator("dialog[open]").get_by_role("button", name="退回").click()
    expect(page.locator("dialog[open] .fault")).to_contain_text("→ put the old books back and rebuild")
    page.keyboard.press("Escape")
    assert page.evaluate("window.__xss") is None
    assert page.locator("#build img").count() == 0


def test_a_rebuild_is_found_again_after_a_reload_and_cancelled(open_page: Open, workshop: Workshop) -> None:
    page = build(open_page, workshop)
    before = workshop.get("kbs/default").json()["generation"]
    page.get_by_label("没有变化的课本也重新读一遍").check()
    page.get_by_role("button", name="重建", exact=True).click()
    expect(page.locator(".job progress")).to_be_visible()
    page.reload()
    expect(page.locator(".job progress")).to_be_visible()
    expect(page.get_by_role("button", name="重建", exact=True)).to_be_disabled()
    page.get_by_role("button", name="取消重建").click()
    expect(page.locator(".job")).to_contain_text("重建已取消", timeout=SLOW)
    expect(page.get_by_role("button", name="重建", exact=True)).to_be_enabled()
    assert workshop.get("kbs/default").json()["generation"] == before


def test_the_certificate_the_gaps_and_the_feedback_are_shown(open_page: Open, workshop: Workshop) -> None:
    page = open_page(workshop.url)
    enter(page, workshop.manage)
    turn = ask(page, UNKNOWN)
    turn.get_by_role("button", name="没有帮助").click()
    turn.get_by_label("意见").fill(f"少了例子 {PAYLOAD}")
    turn.get_by_role("button", name="提交反馈").click()
    expect(turn).to_contain_text("谢谢")
    deadline = time.monotonic() + 20
    while not workshop.get("kbs/default/gaps").json()["gaps"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    page.get_by_role("link", name="建库").click()
    page.locator("#build-kb").select_option("default")

    refusals = workshop.get("kbs/default").json()["refusals"]
    rates = refusals["certificate"]
    curve = part(page, "certificate").get_by_role("img")
    label = curve.get_attribute("aria-label")
    assert label is not None and len(rates["curve"]) == 42
    for number in (refusals["threshold"], *(rates[name]["value"] for name in ("precision", "recall", "f1"))):
        assert f"{number:.2f}" in label
    assert curve.locator("polyline").count() == 3
    assert curve.locator("text.label").all_text_contents() == ["精确率", "召回率", "F1"]
    expect(part(page, "certificate").locator("tbody tr").first).to_contain_text(f"{rates['precision']['low']:.2f} – ")

    gaps = part(page, "gaps")
    expect(gaps.locator("tbody")).to_contain_text(UNKNOWN)
    gaps.get_by_label("时间").select_option("7")
    expect(gaps.locator("tbody")).to_contain_text(UNKNOWN)
    expect(gaps.get_by_label("时间")).to_be_focused()
    said = part(page, "reviews").locator("li")
    expect(said).to_contain_text(f"少了例子 {PAYLOAD}")
    said.get_by_role("button", name="接受").click()
    expect(said.locator(".status")).to_have_text("已接受")
    (kept,) = workshop.get("kbs/default/feedback").json()["feedback"]
    assert kept["state"] == "accepted"

    page.locator("#language").click()
    expect(said.locator(".status")).to_have_text("accepted")
    expect(part(page, "files").locator("h2")).to_have_text("Textbooks")
    assert page.evaluate("window.__xss") is None


def test_a_knowledge_base_is_made_and_deleted_by_keyboard(open_page: Open, workshop: Workshop) -> None:
    page = build(open_page, workshop)

    def reach(name: str) -> None:
        for _ in range(40):
            if page.evaluate("document.activeElement.textContent") == name:
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{name} is not reached")

    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#build-kb")).to_be_focused()
    reach("新建…")
    page.keyboard.press("Enter")
    expect(page.get_by_label("名称")).to_be_focused()
    page.keyboard.type("default")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open] .fault")).to_contain_text("choose another name")
    page.get_by_label("名称").fill("Not A Name")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(1)
    page.get_by_label("名称").fill("chemistry")
    page.keyboard.press("Enter")
    expect(page.locator("#build-kb")).to_have_value("chemistry")
    expect(page.locator("#build-files")).to_be_focused()
    page.reload()
    expect(page.locator("#build-kb")).to_have_value("chemistry")
    assert "chemistry" in workshop.get("kbs").json()["unbuilt"]
    page.locator("#build-kb").focus()
    reach("删除知识库…")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_contain_text("无法恢复")
    expect(page.locator("dialog[open]").get_by_role("button", name="取消")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#build-kb option[value=chemistry]")).to_have_count(0)
    assert "chemistry" not in workshop.get("kbs").json()["unbuilt"]


def test_a_student_sees_no_other_view(open_page: Open, workshop: Workshop) -> None:
    page = open_page(workshop.url)
    enter(page, workshop.ask)
    ready(page)
    page.evaluate("location.hash = '#/build'")
    page.reload()
    ready(page)
    expect(page.locator("#views")).to_be_hidden()
    expect(page.locator("#build")).to_be_hidden()
    expect(page.locator("#question")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_fits_a_phone_and_axe_finds_nothing_serious(open_page: Open, workshop: Workshop, scheme: str) -> None:
    page = build(open_page, workshop, color_scheme=scheme, **PHONE)
    expect(part(page, "certificate").get_by_role("img")).to_be_visible()
    drop(page, f"{'x' * 120}.exe", "MZ")
    uploaded(page)
    assert fits(page)
    # The view scrolls, the page does not: else the bar would leave the window.
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    if AXE.is_file():
        assert serious(page) == []
    page.get_by_role("button", name="新建…").tap()
    assert fits(page)
    if AXE.is_file():
        assert serious(page) == []
    page.keyboard.press("Escape")
    page.locator("#build-kb").select_option("optics")
    expect(part(page, "certificate")).to_contain_text("没有证书")
    assert fits(page)
    if AXE.is_file():
        assert serious(page) == []
