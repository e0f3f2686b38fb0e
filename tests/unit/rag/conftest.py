"""A small knowledge base whose passages are known one by one.

shelf      session   folder of a generation: os (Chinese), nets (English), again (the first two passages of os, written
                     otherwise), notes (Chinese, without vectors); calibrated by hand
opened     function  the generation, open
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_generations import CALIBRATION, published

from vector_db.reader import Generation

DEADLOCK = "死锁（deadlock）是指两个或两个以上的进程互相等待对方占有的资源，若无外力作用，它们都无法再向前推进。"
CONDITIONS = "产生死锁必须同时满足四个条件：互斥条件、请求与保持条件、不可剥夺条件、循环等待条件。"
OS = [
    (("死锁", "定义"), DEADLOCK),
    (("死锁", "必要条件"), CONDITIONS),
    (("死锁", "避免"), "银行家算法在分配资源之前检查系统是否仍处于安全状态。"),
    (
        ("死锁", "检测"),
        "资源分配图（resource allocation graph）描述进程申请和占有资源的情况，图中的环说明死锁。"
        "杭研（a place）有人研究。",
    ),
    (("内存", "虚拟内存"), "虚拟内存让程序的地址空间大于物理内存，页面在需要的时候才调入。"),
    (("内存", "置换"), "内存已满时，最近最少使用算法淘汰最久没有访问的页面。"),
    (("线程",), "线程是处理机调度的基本单位，同一进程的线程共享地址空间。"),
]
NETS = [
    (("Transport", "Handshake"), "TCP opens a connection with a three-way handshake of SYN, SYN-ACK and ACK."),
    (("Transport", "Slow start"), "Slow start doubles the congestion window every round trip until a loss."),
    (("Network layer", "Routing"), "A router forwards each packet to the next hop of the longest matching prefix."),
]
# Other punctuation and markup, the same words.
AGAIN = [
    (("第三章", "死锁是什么"), DEADLOCK.replace("，", "；").replace("死锁（", "**死锁**（")),
    (("第三章", "条件"), CONDITIONS.replace("、", "，")),
]
NOTES = [
    (("磁盘",), "电梯算法让磁头沿一个方向移动，依次为途中的请求服务。"),
    (("死锁",), "哲学家就餐问题是死锁的著名例子，每位哲学家拿起左边的筷子以后等待右边的筷子。"),
    (("红黑树",), "红黑树从根到每个叶结点的路径上有同样多的黑色结点。"),
]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the generation; read-only."""
    books = {"os": OS, "nets": NETS, "again": AGAIN, "notes": NOTES}
    return published(tmp_path_factory.mktemp("shelf"), books, CALIBRATION, unread={"notes"})


@pytest.fixture
def opened(shelf: Path) -> Iterator[Generation]:
    """The generation."""
    generation = Generation(shelf)
    yield generation
    generation.retire()
