"""The HTTP interface, over the real application."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fakes import serving
from fastapi.testclient import TestClient

from core.settings import ServerSettings, Settings
from server.app import create_app
from server.service import Startup
from vector_db.embedder import BUNDLED
from vector_db.library import open_knowledge_base

ANSWER = {
    "id",
    "cached",
    "answer",
    "citations",
    "refused",
    "reason",
    "model",
    "kb",
    "generation",
    "timings_ms",
    "search_query",
    "closest",
    "usage",
    "fallback",
    "unsupported",
    "trimmed",
}
CITATION = {"id", "book", "source", "heading_path", "page", "page_label", "quote", "start", "end", "score"}
PASSAGE = {"book", "source", "heading_path", "page", "page_label", "text", "score", "relevance", "start", "end"}
QUESTIONS = (
    "什么是进程？",
    "线程是什么？",
    "进程和线程有什么区别？",
    "为什么切换线程的开销比切换进程小？",
    "平均周转时间怎么计算？",
    "时间片过大会怎样？",
    "什么是死锁？",
    "死锁的四个必要条件是什么？",
    "怎样预防死锁？",
    "银行家算法有什么作用？",
    "進程是資源分配的基本單位嗎？",
    "What is a transaction?",
    "What are the ACID properties?",
    "Why is the log written before the page?",
    "How high is a B+-tree?",
    "What is third normal form?",
    "Which anomalies does normalization avoid?",
    "How does TCP open a connection?",
    "What does slow start do?",
    "Which algorithm does OSPF use?",
    "Compare slow start and congestion avoidance.",
    "TCP 三次握手 three-way handshake",
)


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    # Each answer anew: what a cache gives comes in one piece.
    with serving(library_settings.model_copy(update={"server": ServerSettings(cache_answers=0)})) as opened:
        yield opened


@pytest.fixture(scope="module")
def starting(library_settings: Settings) -> TestClient:
    """A client of an application that has not loaded anything yet."""
    startup = Startup(on_ready=lambda: None, on_failure=lambda error: None)
    app = create_app(library_settings, startup)
    app.state.startup = startup
    return TestClient(app, base_url="http://127.0.0.1")


def ask(client: TestClient, question: str, **more: Any) -> dict[str, Any]:
    response = client.post("/ask", json={"question": question, **more})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    return body


def events_of(response: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each server-sent event."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    found: list[tuple[str, dict[str, Any]]] = []
    for block in response.text.replace("\r\n", "\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.strip().split("\n"))
        found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_chinese_question_is_answered_with_citations(client: TestClient) -> None:
    body = ask(client, "死锁的四个必要条件是什么？")
    assert set(body) == ANSWER
    (citation,) = body["citations"]
    assert set(citation) == CITATION
    for condition in ("互斥条件", "请求与保持条件", "不可剥夺条件", "循环等待条件"):
        assert condition in body["answer"] and condition in citation["quote"]
    assert body["answer"].endswith("[1]") and citation["id"] == 1
    assert (citation["book"], citation["source"]) == ("操作系统", "os.md")
    assert citation["heading_path"] == ["死锁", "死锁的必要条件"]
    assert (citation["page"], citation["page_label"]) == (None, None)
    assert citation["end"] - citation["start"] == len(citation["quote"])
    assert citation["score"] > 0
    assert (body["refused"], body["reason"]) == (False, None)
    assert (body["model"], body["kb"]) == ("extractive", "default")
    assert set(body["timings_ms"]) == {"retrieve", "write", "total"}


def test_an_english_question_is_answered_with_citations(client: TestClient) -> None:
    body = ask(client, "What is a transaction?", kb="default", top_k=3)
    assert body["answer"].startswith("A transaction is a sequence of reads and writes")
    assert body["citations"][0]["source"] == "databases.md"
    assert body["citations"][0]["heading_path"] == ["Transactions", "Definition of a transaction"]


def test_a_refusal_is_an_answer(client: TestClient) -> None:
    body = ask(client, "红烧肉怎么做？")
    assert set(body) == ANSWER
    assert body["refused"] is True and body["citations"] == []
    assert "不知道" in body["answer"] and body["reason"]


def test_a_weak_refusal_shows_the_closest_passages(client: TestClient) -> None:
    body = ask(client, "银行家信用卡透支利率怎么算？")
    assert body["refused"] is True
    assert 0 < len(body["closest"]) <= 3
    assert all(set(passage) == PASSAGE for passage in body["closest"])
    relevances = [passage["relevance"] for passage in body["closest"]]
    assert relevances == sorted(relevances, reverse=True)
    assert f"{relevances[0]:.2f}" in body["reason"]
    assert ask(client, "什么是死锁？")["closest"] == []


@pytest.mark.parametrize(
    ("scope", "sources"),
    [
        ({"books": ["databases.md"]}, {"databases.md"}),
        ({"books": ["computer NETWORKS", "os.md"]}, {"networks.html", "os.md"}),
        ({"books": []}, {"databases.md", "networks.html", "os.md"}),
    ],
)
def test_a_question_may_be_bound_to_books(client: TestClient, scope: dict[str, Any], sources: set[str]) -> None:
    question = {"question": "transaction 进程 SYN handshake commit", "top_k": 50, **scope}
    found = client.post("/search", json=question).json()["passages"]
    assert {passage["source"] for passage in found} == sources
    cited = ask(client, "What is a transaction?", **scope)["citations"]
    assert {citation["source"] for citation in cited} <= sources


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("bound", [{"books": ["os.md", "physics.md"]}, {"subjects": ["physics.md"]}])
def test_a_name_that_no_book_has_is_a_problem(client: TestClient, bound: dict[str, Any], stream: bool) -> None:
    response = client.post("/ask", json={"question": "什么是死锁？", "stream": stream, **bound})
    assert response.status_code == 422
    problem = problem_of(response)
    assert "'physics.md'" in problem["detail"]
    assert ("操作系统 (os.md)" in problem["mend"]) is ("books" in bound)


def test_a_body_of_another_type_is_told_which_one_to_send(client: TestClient) -> None:
    for headers in ({}, {"content-type": "application/x-www-form-urlencoded"}):
        response = client.post("/ask", content=b'{"question": "x"}', headers=headers)
        assert response.status_code == 422
        assert problem_of(response)["mend"] == "send Content-Type: application/json"


def test_history_carries_the_topic(client: TestClient) -> None:
    history = [{"role": "user", "content": "什么是死锁？"}, {"role": "assistant", "content": "互相等待。"}]
    body = ask(client, "那它的必要条件有哪些？", history=history)
    assert "循环等待条件" in body["answer"]
    assert body["search_query"] == "死锁的必要条件有哪些？"
    assert ask(client, "什么是进程？", history=history)["search_query"] is None


def test_history_carries_the_topic_in_english(client: TestClient) -> None:
    history = [{"role": "user", "content": "What is a transaction?"}, {"role": "assistant", "content": "A unit."}]
    body = ask(client, "And its four properties?", history=history)
    assert body["search_query"] == "a transaction's four properties?"
    assert "Atomicity" in body["answer"]


def test_a_stream_tells_how_a_follow_up_was_understood(client: TestClient) -> None:
    history = [{"role": "user", "content": "什么是死锁？"}]
    body = {"question": "那它的必要条件有哪些？", "history": history, "stream": True}
    events = events_of(client.post("/ask", json=body))
    assert events[0][1]["search_query"] == events[-1][1]["search_query"] == "死锁的必要条件有哪些？"


def test_options_for_a_language_model_are_taken(client: TestClient) -> None:
    options = {"max_new_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "repetition_penalty": 1.1}
    assert ask(client, "什么是死锁？", options={**options, "seed": 1, "stop": ["。"]})["model"] == "extractive"


@pytest.mark.parametrize("how", ["stream", "accept"])
@pytest.mark.parametrize("question", ["进程和线程有什么区别？", "为什么切换线程的开销比切换进程小？"])
def test_a_stream_tells_the_passages_then_the_text_then_the_answer(client: TestClient, how: str, question: str) -> None:
    body: dict[str, Any] = {"question": question, "top_k": 4}
    headers = {"accept": "text/event-stream"} if how == "accept" else {}
    events = events_of(client.post("/ask", json=body | {"stream": how == "stream"}, headers=headers))
    names = [name for name, _ in events]
    assert names == ["retrieval", *["token"] * (len(names) - 2), "done"] and len(names) > 2
    passages, *tokens, done = (data for _, data in events)
    assert set(passages) == {"passages", "search_query"} and len(passages["passages"]) == 4
    assert all(set(passage) == PASSAGE for passage in passages["passages"])
    assert all(set(token) == {"text"} for token in tokens)
    assert "".join(token["text"] for token in tokens) == done["answer"] != ""
    assert set(done) == ANSWER
    plain = ask(client, **body)
    assert {**done, "timings_ms": 0, "id": ""} == {**plain, "timings_ms": 0, "id": ""}


def test_a_streamed_refusal_has_no_tokens(client: TestClient) -> None:
    events = events_of(client.post("/ask", json={"question": "红烧肉怎么做？", "stream": True}))
    assert [name for name, _ in events] == ["retrieval", "done"]
    assert events[1][1]["refused"] is True


def test_search_gives_passages(client: TestClient) -> None:
    response = client.post("/search", json={"question": "银行家算法", "top_k": 2})
    assert response.status_code == 200
    passages = response.json()["passages"]
    assert set(response.json()) == {"passages"} and 0 < len(passages) <= 2
    assert all(set(passage) == PASSAGE for passage in passages)
    assert passages[0]["heading_path"] == ["死锁", "银行家算法"]
    assert passages[0]["end"] - passages[0]["start"] == len(passages[0]["text"])


def test_search_for_words_of_no_book_gives_what_is_nearest_and_says_how_far_it_is(client: TestClient) -> None:
    def relevances(question: str) -> list[float]:
        response = client.post("/search", json={"question": question})
        assert response.status_code == 200
        return [passage["relevance"] for passage in response.json()["passages"]]

    assert 0 < max(relevances("红烧肉怎么做？")) < relevances("银行家算法")[0] / 2


def test_the_knowledge_bases_are_listed_with_their_books(client: TestClient) -> None:
    (base,) = client.get("/kbs").json()["kbs"]
    assert (base["name"], base["embedder"]) == ("default", BUNDLED)
    assert base["generation"] == ask(client, "什么是死锁？")["generation"]
    books = {book["source"]: book for book in base["books"]}
    assert {source: (book["title"], book["language"], book["dense"]) for source, book in books.items()} == {
        "os.md": ("操作系统", "zh", True),
        "databases.md": ("Database Systems", "en", True),
        "networks.html": ("Computer Networks", "en", True),
    }
    assert base["chunks"] == sum(book["chunks"] for book in base["books"]) > 0


def test_a_ready_server_says_so(client: TestClient) -> None:
    assert (client.get("/healthz").status_code, client.get("/healthz").json()) == (200, {"status": "ok"})
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"status": "ok", "problems": {}})


def test_a_server_that_is_still_loading_is_alive_but_not_ready(starting: TestClient) -> None:
    assert starting.get("/healthz").json() == {"status": "ok"}
    response = starting.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "starting", "problems": {}})
    for asked in (starting.post("/ask", json={"question": "什么是死锁？"}), starting.get("/kbs")):
        assert asked.status_code == 503
        assert "still being loaded" in problem_of(asked)["detail"]


def problem_of(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "mend"}
    assert problem["status"] == response.status_code
    assert problem["type"].startswith("urn:keben:")
    assert problem["title"] and problem["mend"]
    return problem


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown kb": ({"json": {"question": "死锁", "kb": "physics"}}, 404, "'physics'"),
    "bad kb name": ({"json": {"question": "死锁", "kb": "../etc"}}, 422, "body.kb"),
    "blank": ({"json": {"question": " \n\u3000"}}, 422, "empty"),
    "empty": ({"json": {"question": ""}}, 422, "body.question"),
    "too long": ({"json": {"question": "锁" * 2001}}, 422, "2000"),
    "no question": ({"json": {}}, 422, "body.question: Field required"),
    "not a text": ({"json": {"question": 7}}, 422, "body.question"),
    "extra field": ({"json": {"question": "死锁", "topk": 3}}, 422, "body.topk"),
    "top_k zero": ({"json": {"question": "死锁", "top_k": 0}}, 422, "body.top_k"),
    "top_k huge": ({"json": {"question": "死锁", "top_k": 51}}, 422, "body.top_k"),
    "top_k text": ({"json": {"question": "死锁", "top_k": "many"}}, 422, "body.top_k"),
    "malformed": ({"content": b'{"question": "x"', "headers": {"content-type": "application/json"}}, 422, "JSON"),
    "not an object": ({"json": ["死锁"]}, 422, "body"),
    "half a character": (
        {"content": b'{"question": "\\ud800"}', "headers": {"content-type": "application/json"}},
        422,
        "body.question",
    ),
}
BAD_ASK: dict[str, tuple[dict[str, Any], int, str]] = {
    "bad role": ({"json": {"question": "x", "history": [{"role": "system", "content": "y"}]}}, 422, "body.history.0"),
    "bad option": ({"json": {"question": "x", "options": {"temperature": 9}}}, 422, "body.options.temperature"),
    "extra option": ({"json": {"question": "x", "options": {"beams": 2}}}, 422, "body.options.beams"),
    "empty stop": ({"json": {"question": "x", "options": {"stop": [""]}}}, 422, "body.options.stop.0"),
}


@pytest.mark.parametrize(("request_", "status", "telling"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("path", ["/ask", "/search"])
def test_a_bad_request_is_a_problem_that_names_the_fault(
    client: TestClient, path: str, request_: dict[str, Any], status: int, telling: str
) -> None:
    response = client.post(path, **request_)
    assert response.status_code == status
    assert telling in problem_of(response)["detail"]


@pytest.mark.parametrize(("request_", "status", "telling"), BAD_ASK.values(), ids=BAD_ASK.keys())
def test_a_bad_part_of_a_question_is_a_problem(
    client: TestClient, request_: dict[str, Any], status: int, telling: str
) -> None:
    response = client.post("/ask", **request_)
    assert response.status_code == status
    assert telling in problem_of(response)["detail"]


@pytest.mark.parametrize("fault", ["unknown kb", "blank", "extra field"])
def test_a_bad_request_for_a_stream_is_a_problem_too(client: TestClient, fault: str) -> None:
    request, status, telling = BAD[fault]
    response = client.post("/ask", json=request["json"] | {"stream": True})
    assert response.status_code == status
    assert telling in problem_of(response)["detail"]


def test_the_problem_of_an_unknown_knowledge_base_names_those_there_are(client: TestClient) -> None:
    response = client.post("/ask", json={"question": "死锁", "kb": "physics"})
    assert "default" in problem_of(response)["mend"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ask", 405),
        ("PUT", "/search", 405),
        ("PUT", "/kbs", 405),
        ("GET", "/asks", 404),
        ("GET", "/.env", 404),
    ],
)
def test_a_wrong_route_or_method_is_a_problem_that_names_it(
    client: TestClient, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert f"{method} {path}" in problem_of(response)["detail"]
    assert ("allow" in response.headers) is (status == 405)


def test_every_citation_stands_on_the_page_it_names(client: TestClient, library_settings: Settings) -> None:
    base = open_knowledge_base(library_settings, "default")
    with base.generation() as generation:
        pages = {book.source: generation.store.pages(book.id) for book in generation.books.values()}
    base.close()
    answered = 0
    for question in QUESTIONS:
        body = ask(client, question)
        answered += not body["refused"]
        assert bool(body["citations"]) is not body["refused"], question
        for citation in body["citations"]:
            (start, text) = next(
                (page.start, text) for page, text in pages[citation["source"]] if page.number == citation["page"]
            )
            assert citation["quote"] == text[citation["start"] - start : citation["end"] - start], question
            assert f"[{citation['id']}]" in body["answer"], question
    assert answered >= len(QUESTIONS) - 2


def test_a_knowledge_base_tells_when_it_refuses(client: TestClient) -> None:
    body = client.get("/kbs/default").json()
    assert body == client.get("/kbs").json()["kbs"][0]
    assert 0 < body["refusals"]["threshold"] < 1
    assert "certificate" in body["refusals"]


@pytest.mark.parametrize(("name", "status", "named"), [("nope", 404, "'nope'"), ("No Such Name", 422, "path.kb")])
def test_a_knowledge_base_that_is_not_there_is_a_problem(
    client: TestClient, name: str, status: int, named: str
) -> None:
    response = client.get(f"/kbs/{name}")
    assert response.status_code == status
    assert named in problem_of(response)["detail"]
