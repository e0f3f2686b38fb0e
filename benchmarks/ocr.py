"""Compares the OCR engines on pages that it draws itself, in Chinese and English, clean and as a scan.

    python benchmarks/ocr.py [--pages 8] [--no-parallel]

Prints a Markdown table: character error rate (Levenshtein distance to the text that was drawn, white space
and width of characters aside, over its length), seconds a page, and how much faster pages are read side by
side on all cores than one by one. Figures of one run on this machine; nothing is asserted.
"""

import argparse
import io
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from core.errors import ModelError
from ingest.readers.ocr import Ocr

FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
SIZE, MARGIN, TYPE, LEADING = (1654, 2339), 180, 33, 56  # A4 at 200 dpi; 12 points, in pixels
CHINESE = (
    "进程是程序在一个数据集合上的一次执行过程，是系统进行资源分配和调度的基本单位。进程由程序段、数据段和进"
    "程控制块三部分组成，其中进程控制块是进程存在的唯一标志，操作系统通过它来感知和管理进程。",
    "死锁的产生有四个必要条件：互斥条件、请求和保持条件、不可剥夺条件以及循环等待条件。只要破坏其中任何一个"
    "，死锁就不会发生。银行家算法在分配资源之前先判断系统是否处于安全状态，若不安全则推迟分配，其时间复杂度"
    "为O(m×n²)。",
    "虚拟存储器利用局部性原理，只把当前需要的页面装入内存，其余的留在磁盘上。访问不在内存的页面时发生缺页中"
    "断，由操作系统调入；若没有空闲页框，则按最近最久未使用（LRU）或时钟算法选择一页换出。设访问内存需100ns"
    "，缺页率为p，则平均访问时间为(1-p)×100+p×8000000ns。",
    "二叉排序树的左子树上所有结点的关键字都小于根结点，右子树上的都大于根结点。在平衡的情况下，查找的时间复"
    "杂度为O(log n)，最坏情况下退化为单支树，复杂度为O(n)。1962年提出的AVL树要求任一结点左右子树的高度之差"
    "不超过1。",
)
ENGLISH = (
    "A process is a program in execution and the unit to which the system gives memory and a share of the "
    "processor. It consists of its code, its data and a process control block, by which the operating system "
    "knows and manages it.",
    "Deadlock needs four conditions at the same time: mutual exclusion, hold and wait, no preemption, and "
    "circular wait. If any of them is broken, deadlock cannot occur. The banker's algorithm grants a request only "
    "if the system stays in a safe state, and takes O(m x n^2) steps to decide it.",
    "Virtual memory relies on locality: only the pages that are needed now are kept in main memory. An access to "
    "any other page causes a page fault, and the page is loaded; without a free frame, the least recently used "
    "page (LRU) is evicted. With 100 ns per access and a fault rate of 0.1%, the effective time is about 8,100 "
    "ns.",
    "In a binary search tree all keys of the left subtree are smaller than the root's, and all keys of the right "
    "subtree are larger. A search takes O(log n) steps when the tree is balanced and O(n) in the worst case. AVL "
    "trees (1962) keep the heights of both subtrees of every node within one of each other.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the OCR engines on pages drawn here.")
    parser.add_argument("--pages", type=int, default=8, help="pages for the comparison of serial and parallel")
    parser.add_argument("--no-parallel", action="store_true", help="leave that comparison out")
    options = parser.parse_args()
    if not FONT.is_file():
        parser.error(f"{FONT} is missing: install fonts-noto-cjk")
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}; A4 at 200 dpi; error rate by characters\n")
    print("| engine | zh clean | zh scan | en clean | en scan | s/page | serial / parallel |")
    print("|---|---|---|---|---|---|---|")
    for name in ("rapidocr", "tesseract"):
        try:
            print(row(name, cores, 0 if options.no_parallel else options.pages), flush=True)
        except ModelError as error:
            print(f"| {name} | not measured: {error.message} | | | | | |", flush=True)


def row(name: str, cores: int, pages: int) -> str:
    """One line of the table; pages: how many are read both one by one and side by side, 0 for none."""
    engine = Ocr(name)
    engine.read(Image.new("RGB", (400, 200), "white"))  # loads the models
    rates, seconds = [], 0.0
    for paragraphs, spaced in ((CHINESE, False), (ENGLISH, True)):
        clean = drawn(paragraphs, spaced=spaced)
        for image in (clean, as_scan(clean, seed=7)):
            started = time.perf_counter()
            lines, _ = engine.read(image)
            seconds += time.perf_counter() - started
            rates.append(error_rate("".join(line.text for line in lines), "".join(paragraphs)))
    cells = [name, *(f"{rate:.4f}" for rate in rates), f"{seconds / 4:.2f}"]
    return "| " + " | ".join([*cells, speedup(name, cores, pages) if pages else "–"]) + " |"


def speedup(name: str, cores: int, pages: int) -> str:
    """Time for `pages` scans one by one, over the time on all cores."""

    def timed(workers: int) -> float:
        started = time.perf_counter()
        read = sum(1 for _ in Ocr(name, workers=workers).read_all(scans(pages)))
        assert read == pages
        return time.perf_counter() - started

    one, many = timed(1), timed(cores)
    return f"{one:.1f} s / {many:.1f} s = {one / many:.2f}"


def scans(count: int) -> Iterator[Image.Image]:
    page = drawn(CHINESE, spaced=False)
    return (as_scan(page, seed=number) for number in range(count))


def drawn(paragraphs: tuple[str, ...], *, spaced: bool) -> Image.Image:
    """A page of text, broken into lines at words (spaced) or anywhere."""
    image = Image.new("L", SIZE, 255)
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(str(FONT), TYPE)
    y = MARGIN
    for paragraph in paragraphs:
        for line in wrapped(paragraph.split() if spaced else list(paragraph), " " if spaced else "", font.getlength):
            draw.text((MARGIN, y), line, fill=0, font=font)
            y += LEADING
        y += LEADING // 2
    return image


def wrapped(parts: list[str], glue: str, length: Callable[[str], float]) -> Iterator[str]:
    line = ""
    for part in parts:
        longer = f"{line}{glue}{part}" if line else part
        if length(longer) > SIZE[0] - 2 * MARGIN:
            yield line
            longer = part
        line = longer
    yield line


def as_scan(page: Image.Image, seed: int) -> Image.Image:
    """The page as a scanner gives it: turned a little, blurred, greyish, noisy, and JPEG."""
    chosen = np.random.default_rng(seed)
    turned = page.rotate(float(chosen.uniform(-0.8, 0.8)), Image.Resampling.BICUBIC, fillcolor=255)
    pixels = np.asarray(turned.filter(ImageFilter.GaussianBlur(1.0)), dtype=np.float64)
    noisy = 30 + 0.8 * pixels + chosen.normal(0, 12, pixels.shape)
    packed = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(packed, "JPEG", quality=45)
    return Image.open(io.BytesIO(packed.getvalue())).convert("L")


def error_rate(found: str, wanted: str) -> float:
    """Levenshtein distance over the length of `wanted`."""
    a, b = normal(found), normal(wanted)
    row = np.arange(len(b) + 1)
    letters = np.array([ord(char) for char in b])
    for number, char in enumerate(a, 1):
        best = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(char)))
        # Insertions run along the row: a minimum over all places before, each a step further away.
        steps = np.arange(len(b) + 1)
        row = np.minimum.accumulate(np.concatenate(([number], best)) - steps) + steps
    return float(row[-1]) / len(b)


def normal(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


if __name__ == "__main__":
    main()
