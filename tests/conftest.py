"""What all tests share: settings in a folder of their own, and one small knowledge base built once.

settings           function  Settings with an empty data_dir and source_dir
books_dir          session   a folder with os.md (Chinese), databases.md (English), networks.html (English);
                             read-only: copy it to change a book
library_settings   session   Settings of the knowledge base 'default', built from books_dir by the real rebuild
                             with the bundled embedder; read-only: never rebuild into it
"""

import os
from pathlib import Path

import pytest

from core.settings import Settings
from ingest.rebuild import rebuild

OS_ZH = r"""# 操作系统

## 进程与线程

### 进程的概念

进程是程序在一个数据集合上的一次执行过程，是系统进行资源分配的基本单位。每个进程都有自己的地址空间和进程控制块（PCB）。

### 线程的概念

线程是处理机调度的基本单位。同一进程的各个线程共享该进程的地址空间，因此切换线程的开销比切换进程小得多。

### 进程与线程的比较

| 项目 | 进程 | 线程 |
| --- | --- | --- |
| 资源 | 拥有独立的地址空间 | 共享所属进程的资源 |
| 调度 | 切换开销大 | 切换开销小 |
| 通信 | 需要管道、消息队列等机制 | 可以直接读写共享变量 |

## 处理机调度

### 周转时间

作业的周转时间是从提交到完成所经历的时间。$n$ 个作业的平均周转时间为

$$
T = \frac{1}{n} \sum_{i=1}^{n} (C_i - A_i)
$$

其中 $C_i$ 是第 $i$ 个作业的完成时刻，$A_i$ 是它的到达时刻。

### 时间片轮转

时间片轮转算法让就绪队列中的每个进程轮流运行一个时间片。时间片过大则退化为先来先服务，时间片过小则切换开销过高。

## 死锁

### 死锁的定义

死锁是指两个或两个以上的进程互相等待对方占有的资源，若无外力作用，它们都无法再向前推进。

### 死锁的必要条件

产生死锁必须同时满足以下四个条件：

1. 互斥条件：一个资源每次只能被一个进程使用。
2. 请求与保持条件：进程因请求资源而阻塞时，对已获得的资源保持不放。
3. 不可剥夺条件：进程已获得的资源在用完之前不能被强行剥夺。
4. 循环等待条件：若干进程之间形成头尾相接的循环等待资源关系。

只要破坏其中任何一个条件，就可以预防死锁。

### 银行家算法

银行家算法在分配资源之前检查系统是否仍处于安全状态，用来避免死锁。
"""

DATABASES_EN = r"""# Database Systems

## Transactions

### Definition of a transaction

A transaction is a sequence of reads and writes that the database executes as one unit of work. It ends with a
commit, which makes its effects permanent, or with an abort, which undoes them.

### The ACID properties

Every transaction must have four properties, known as ACID:

- Atomicity: either all operations of the transaction take effect or none does.
- Consistency: the transaction leads from one state that satisfies all constraints to another.
- Isolation: concurrent transactions do not see one another's unfinished changes.
- Durability: the effects of a committed transaction survive a crash.

### Write-ahead logging

The log record of a change is written to disk before the changed page. After a crash the system redoes the committed
changes and undoes the uncommitted ones.

## Indexes

### B+-trees

A B+-tree is a balanced search tree whose records are kept in the leaves. The inner nodes hold keys that guide the
search only. All leaves have the same depth and are linked, so that a range of keys is read in order without going
back to the root.

The height of a B+-tree of order $m$ with $N$ keys is at most $\log_{\lceil m/2 \rceil} N + 1$.

## Schema design

### Normalization

Normalization splits a relation into smaller ones so that each fact is stored once. It avoids the anomalies that
arise when redundant data are inserted, updated or deleted.

### Third normal form

A relation is in third normal form if it is in second normal form and no non-prime attribute depends transitively on
a candidate key.
"""

NETWORKS_HTML = r"""<!DOCTYPE html>
<html lang="en"><head><title>Computer Networks</title></head><body>
<h1>Computer Networks</h1>
<h2>The transport layer</h2>
<h3>TCP connection setup</h3>
<p>TCP opens a connection with a three-way handshake. The client sends a SYN segment, the server answers with
SYN-ACK, and the client confirms with an ACK. After the handshake both sides know the other's initial sequence
number.</p>
<h3>Congestion control</h3>
<p>A TCP sender keeps a congestion window. Slow start doubles the window every round trip until a loss or the
threshold is met; from then on congestion avoidance adds one segment every round trip.</p>
<h2>The network layer</h2>
<h3>Routing</h3>
<p>A router forwards each packet to the next hop that its routing table gives for the longest matching prefix of the
destination address. OSPF fills the table by Dijkstra's shortest path algorithm.</p>
</body></html>
"""


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_the_shell() -> None:
    """`KEBEN_*` variables of whoever runs the tests must not reach them."""
    for variable in [name for name in os.environ if name.upper().startswith("KEBEN_")]:
        del os.environ[variable]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose data_dir and source_dir are empty folders of this test."""
    for name in ("data", "books"):
        (tmp_path / name).mkdir()
    return Settings(data_dir=tmp_path / "data", source_dir=tmp_path / "books")


@pytest.fixture(scope="session")
def books_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the three textbooks above; read-only."""
    folder = tmp_path_factory.mktemp("books")
    for name, text in (("os.md", OS_ZH), ("databases.md", DATABASES_EN), ("networks.html", NETWORKS_HTML)):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def library_settings(tmp_path_factory: pytest.TempPathFactory, books_dir: Path) -> Settings:
    """Settings of the knowledge base 'default' that holds those textbooks; read-only."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), source_dir=books_dir)
    report = rebuild(settings, settings.kb)
    assert report.exit_code == 0, report
    return settings
