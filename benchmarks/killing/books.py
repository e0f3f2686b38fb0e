"""Three small textbooks, every sentence of which says the edition: an answer from two editions shows it."""

import re
from dataclasses import dataclass
from pathlib import Path

_EDITION = re.compile(r"(?:第|edition )(\d{6})")
_BOOKS = {
    "os.md": """# 操作系统

## 死锁

### 死锁的必要条件

死锁的四个必要条件（第{n}版）是互斥条件、请求与保持条件、不可剥夺条件和循环等待条件。

### 银行家算法

银行家算法（第{n}版）在分配资源之前检查系统是否仍处于安全状态，用来避免死锁。
""",
    "networks.md": """# Computer Networks

## Transport

### TCP connection setup

TCP opens a connection with a three-way handshake of SYN, SYN-ACK and ACK segments, says edition {n}.

### Congestion window

A TCP sender keeps a congestion window that slow start doubles every round trip, says edition {n}.
""",
    "databases.md": """# Database Systems

## Transactions

### ACID properties

The ACID properties of a transaction are atomicity, consistency, isolation and durability, says edition {n}.

### Third normal form

In third normal form no attribute depends transitively on a candidate key, says edition {n}.
""",
}


@dataclass(frozen=True, slots=True)
class Known:
    """A question, and words that its right answer holds."""

    question: str
    words: str


QUESTIONS = (
    Known("死锁的四个必要条件是什么？", "循环等待条件"),
    Known("What are the ACID properties of a transaction?", "durability"),
    Known("银行家算法有什么用？", "安全状态"),
    Known("How does TCP open a connection with the three-way handshake?", "SYN-ACK"),
    Known("What is third normal form?", "transitively"),
)
# Finds passages of all books at once.
EVERYTHING = Known("死锁 TCP transaction 银行家算法 congestion window third normal form", "第")


def write_edition(folder: Path, number: int) -> None:
    """All books in edition `number`."""
    for name, text in _BOOKS.items():
        (folder / name).write_text(text.format(n=f"{number:06}"), encoding="utf-8")


def editions(text: str) -> set[int]:
    """Which editions `text` is from."""
    return {int(number) for number in _EDITION.findall(text)}
