"""OpenAI's own client and LangChain's against the real application, over HTTP."""

import asyncio
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from fakes import TINY_REPLY, write_tiny_model
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from live_server import Live, live
from openai import AsyncOpenAI, OpenAI
from pydantic import SecretStr

from core.settings import LlmSettings, ServerSettings, Settings
from server.access import Limits, Role
from server.keys import KeyStore
from vector_db.embedder import BUNDLED, bundled_embedder

pytestmark = pytest.mark.alone

# Of each answer anew, also of one that is given again.
VARIES = {"id": "", "cached": False, "timings_ms": {}}
ASKED: list[Any] = [{"role": "user", "content": "死锁的四个必要条件是什么？"}]


@pytest.fixture(scope="module")
def service(library_settings: Settings) -> Iterator[Live]:
    with live(library_settings) as running:
        yield running


def client_of(service: Live, key: str = "none", **more: Any) -> OpenAI:
    return OpenAI(base_url=f"{service.url}/v1", api_key=key, **{"max_retries": 0, **more})


@pytest.fixture(scope="module")
def client(service: Live) -> Iterator[OpenAI]:
    with client_of(service) as opened:
        yield opened


@pytest.fixture(scope="module")
def keyed(library_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same knowledge base under two names, in a folder where keys can be made."""
    data = tmp_path_factory.mktemp("keyed")
    shutil.copytree(library_settings.data_dir / "default", data / "default")
    return library_settings.model_copy(update={"data_dir": data})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "tiny-chat"
    write_tiny_model(made)
    return made


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "endless-chat"
    write_tiny_model(made, endless=True, positions=60_000)
    return made


def plain_answer(service: Live, question: str, **more: Any) -> dict[str, Any]:
    response = httpx.post(f"{service.url}/ask", json={"question": question, **more}, timeout=60)
    body: dict[str, Any] = response.json()
    return {**body, **VARIES}


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def test_an_answer_is_that_of_ask_with_its_citations(service: Live, client: OpenAI) -> None:
    completion = client.chat.completions.create(model="default", messages=ASKED)
    wanted = plain_answer(service, ASKED[0]["content"])
    message = completion.choices[0].message
    assert message.content == wanted["answer"] and "[1]" in wanted["answer"]
    assert message.model_extra == {"citations": wanted["citations"]} and wanted["citations"]
    assert (completion.choices[0].finish_reason, message.role, message.refusal) == ("stop", "assistant", None)
    assert completion.model == "default" and completion.id.startswith("chatcmpl-")
    assert {**(completion.model_extra or {})["keben"], **VARIES} == wanted
    usage = completion.usage
    assert usage and usage.prompt_tokens > 0 < usage.completion_tokens
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@pytest.mark.parametrize("question", ["死锁的四个必要条件是什么？", "进程和线程有什么区别？", "红烧肉怎么做？"])
def test_a_stream_adds_up_to_the_answer(service: Live, client: OpenAI, question: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model="default",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    wanted = plain_answer(service, question)
    first, *texts, last, usage = chunks
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in texts) == wanted["answer"]
    assert all(chunk.choices[0].finish_reason is None for chunk in (first, *texts))
    assert last.choices[0].finish_reason == "stop" and not last.choices[0].delta.content
    assert last.choices[0].delta.model_extra == {"citations": wanted["citations"]}
    assert {**(last.model_extra or {})["keben"], **VARIES} == wanted
    assert usage.choices == [] and usage.usage and usage.usage.completion_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1
    whole = client.chat.completions.create(model="default", messages=[{"role": "user", "content": question}])
    assert usage.usage == whole.usage


def test_without_being_asked_a_stream_tells_no_usage_and_ends_with_done(service: Live) -> None:
    body = {"model": "default", "messages": ASKED, "stream": True}
    response = httpx.post(f"{service.url}/v1/chat/completions", json=body, timeout=60)
    assert response.headers["content-type"].startswith("text/event-stream")
    data = [line for line in response.text.splitlines() if line]
    assert all(line.startswith("data: ") for line in data) and data[-1] == "data: [DONE]"
    assert not any('"usage": {"prompt' in line for line in data)


def test_the_asynchronous_client_gets_the_same(service: Live) -> None:
    async def both() -> tuple[str | None, str]:
        async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as client:
            whole = await client.chat.completions.create(model="default", messages=ASKED)
            stream = await client.chat.completions.create(model="default", messages=ASKED, stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return whole.choices[0].message.content, "".join(pieces)

    whole, streamed = asyncio.run(both())
    assert whole == streamed == plain_answer(service, ASKED[0]["content"])["answer"]


def test_a_conversation_goes_on_with_the_answers_as_they_came(client: OpenAI) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Answer like a pirate."},
        {"role": "developer", "content": [{"type": "text", "text": "Never cite."}]},
        {"role": "user", "content": [{"type": "text", "text": "什么是死锁？"}]},
    ]
    answer = client.chat.completions.create(model="default", messages=messages)
    messages += [answer.choices[0].message, {"role": "user", "content": "那它的必要条件有哪些？"}]
    followed = client.chat.completions.create(model="default", messages=messages)
    assert "循环等待条件" in (followed.choices[0].message.content or "")
    assert (followed.model_extra or {})["keben"]["search_query"] == "死锁的必要条件有哪些？"


def test_kebens_own_options_are_sent_as_extra_body(client: OpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is a transaction?"}]
    bound = client.chat.completions.create(model="default", messages=asked, extra_body={"books": ["os.md"], "top_k": 1})
    sources = {one["source"] for one in (bound.choices[0].message.model_extra or {})["citations"]}
    assert sources <= {"os.md"}
    with pytest.raises(openai.UnprocessableEntityError, match=r"'physics\.md'"):
        client.chat.completions.create(model="default", messages=asked, extra_body={"books": ["physics.md"]})


def test_fields_of_openais_service_are_taken(client: OpenAI) -> None:
    told = client.chat.completions.create(
        model="default",
        messages=ASKED,
        temperature=0.2,
        top_p=0.9,
        max_completion_tokens=500,
        stop="###",
        seed=7,
        user="student-1",
        n=1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        store=False,
        metadata={"course": "os"},
        response_format={"type": "text"},
        tools=[],
        logprobs=False,
    )
    assert told.choices[0].message.content


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "tools": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "leave it out"),
    "n": ({"n": 2}, "n", "send 1"),
    "response_format": ({"response_format": {"type": "json_object"}}, "response_format", '"text"'),
    "logprobs": ({"logprobs": True}, "logprobs", "leave it out"),
    "logit_bias": ({"logit_bias": {"50256": -100}}, "logit_bias", "leave it out"),
    "image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]},
        "messages.0.content",
        "image_url",
    ),
    "answer last": ({"messages": [*ASKED, {"role": "assistant", "content": "死锁"}]}, "messages", "question last"),
    "system alone": ({"messages": [{"role": "system", "content": "x"}]}, "messages", "question last"),
    "tool message": ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0.role", "role"),
    "no message": ({"messages": []}, "messages", "at least 1"),
    "long question": ({"messages": [{"role": "user", "content": "锁" * 2001}]}, "messages", "2000"),
    "temperature": ({"temperature": 3}, "temperature", "2"),
    "max_tokens": ({"max_tokens": 0}, "max_tokens", "1"),
    "top_k": ({"extra_body": {"top_k": 51}}, "top_k", "50"),
    "mode": ({"extra_body": {"mode": "poem"}}, "mode", "grounded"),
    "unknown": ({"extra_body": {"topk": 3}}, "topk", "topk"),
}


@pytest.mark.parametrize(("change", "field", "telling"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_heeded_is_refused_with_the_field_and_the_mend(
    client: OpenAI, change: dict[str, Any], field: str, telling: str
) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(**{"model": "default", "messages": ASKED, **change})
    assert caught.value.param == field
    assert f"body.{field}" in caught.value.message and telling in caught.value.message
    assert caught.value.type == "invalid_request_error"


def test_a_blank_question_is_refused(client: OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.UnprocessableEntityError, match="empty"):
            client.chat.completions.create(model="default", messages=[{"role": "user", "content": " "}], stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_is_not_there_is_not_found(client: OpenAI, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=ASKED, stream=stream)
    assert (caught.value.code, caught.value.type) == ("model_not_found", "invalid_request_error")
    assert "'gpt-4o'" in caught.value.message and "default" in caught.value.message


def test_knowledge_bases_and_the_embedder_are_models(client: OpenAI) -> None:
    listed = client.models.list().data
    assert [(one.id, (one.model_extra or {})["kind"]) for one in listed] == [
        ("default", "knowledge-base"),
        (BUNDLED, "embedder"),
    ]
    assert all(1_700_000_000 < one.created <= time.time() + 1 for one in listed)
    assert client.models.retrieve("default") == listed[0] and client.models.retrieve(BUNDLED) == listed[1]
    with pytest.raises(openai.NotFoundError, match="no model 'BAAI/bge-m3'"):
        client.models.retrieve("BAAI/bge-m3")


TEXTS = ["死锁是指进程互相等待。", "A transaction is a unit of work."]


@pytest.mark.parametrize("form", [None, "float", "base64"])
def test_texts_are_embedded_as_passages(client: OpenAI, form: Any) -> None:
    more: dict[str, Any] = {"encoding_format": form} if form else {}
    told = client.embeddings.create(model=BUNDLED, input=TEXTS, **more)
    vectors: Any = [one.embedding for one in told.data]
    if form == "base64":
        import base64

        vectors = [np.frombuffer(base64.b64decode(one), dtype="<f4") for one in vectors]
    assert np.allclose(vectors, bundled_embedder().encode(TEXTS), atol=1e-6)
    assert [one.index for one in told.data] == [0, 1] and told.model == BUNDLED
    assert told.usage.prompt_tokens == told.usage.total_tokens > 5


def test_one_text_is_embedded_and_the_real_dimension_may_be_named(client: OpenAI) -> None:
    embedder = bundled_embedder()
    told = client.embeddings.create(
        model=BUNDLED, input=TEXTS[0], dimensions=embedder.dimension, extra_body={"input_type": "query"}
    )
    assert np.allclose(told.data[0].embedding, embedder.encode_queries(TEXTS[:1])[0], atol=1e-6)


BAD_INPUT: dict[str, tuple[dict[str, Any], str]] = {
    "tokens": ({"input": [1, 2, 3]}, "check_embedding_ctx_length=False"),
    "lists of tokens": ({"input": [[1, 2], [3]]}, "check_embedding_ctx_length=False"),
    "blank": ({"input": ["死锁", " "]}, "text 1 is blank"),
    "nothing": ({"input": []}, "at least 1"),
    "many": ({"input": ["死锁"] * 257}, "256"),
    "no words": ({"input": ["死锁", "\u200b"]}, "text 1"),
    "dimensions": ({"input": "死锁", "dimensions": 8}, "dimensions is 8"),
}


@pytest.mark.parametrize(("change", "telling"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_what_cannot_be_embedded_is_refused(client: OpenAI, change: dict[str, Any], telling: str) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.embeddings.create(**{"model": BUNDLED, **change})
    assert telling in caught.value.message


def test_another_embedder_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=BUNDLED) as caught:
        client.embeddings.create(model="text-embedding-3-small", input="死锁")
    assert caught.value.code == "model_not_found"


def test_langchain_asks_streams_and_embeds(service: Live) -> None:
    chat = ChatOpenAI(model="default", base_url=f"{service.url}/v1", api_key=SecretStr("none"), max_retries=0)
    wanted = plain_answer(service, "什么是死锁？")["answer"]
    whole = chat.invoke([("system", "Be brief."), ("human", "什么是死锁？")])
    assert whole.content == wanted and whole.usage_metadata and whole.usage_metadata["output_tokens"] > 0
    chunks = list(chat.stream("什么是死锁？"))
    assert "".join(str(chunk.content) for chunk in chunks) == wanted
    embeddings = OpenAIEmbeddings(
        model=BUNDLED, base_url=f"{service.url}/v1", api_key=SecretStr("none"), check_embedding_ctx_length=False
    )
    query, passages = embeddings.embed_query("什么是死锁？"), embeddings.embed_documents(TEXTS)
    near, far = (sum(a * b for a, b in zip(query, passage, strict=True)) for passage in passages)
    assert near > far and math.isclose(sum(a * a for a in query), 1, abs_tol=1e-3)


def test_keys_decide_what_there_is(keyed: Settings) -> None:
    keys = KeyStore(keyed.state_dir)
    good, _ = keys.create("app", Role.ask)
    narrow, _ = keys.create("other course", Role.ask, ["physics"])
    with live(keyed) as service, client_of(service, good) as client:
        assert client.chat.completions.create(model="default", messages=ASKED).choices
        with pytest.raises(openai.AuthenticationError) as caught:
            client.with_options(api_key="keben_00000000_wrong").chat.completions.create(model="default", messages=ASKED)
        assert caught.value.status_code == 401 and caught.value.code == "invalid_api_key"
        other = client.with_options(api_key=narrow)
        with pytest.raises(openai.NotFoundError) as hidden:
            other.chat.completions.create(model="default", messages=ASKED)
        assert hidden.value.code == "model_not_found"
        assert [one.id for one in other.models.list()] == [BUNDLED]
        with pytest.raises(openai.NotFoundError):
            other.models.retrieve("default")


def test_a_limit_that_is_reached_is_told_with_the_time_to_wait(keyed: Settings) -> None:
    key, _ = KeyStore(keyed.state_dir).create("slow", Role.ask, limits=Limits(requests_per_minute=1))
    with live(keyed) as service, client_of(service, key) as client:
        client.models.list()
        with pytest.raises(openai.RateLimitError) as caught:
            client.models.list()
        assert caught.value.code == "rate_limit_exceeded" and caught.value.type == "rate_limit_error"
        assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 60


def test_the_client_waits_as_long_as_it_is_told_and_tries_again(keyed: Settings, endless: Path) -> None:
    key, _ = KeyStore(keyed.state_dir).create("one at a time", Role.ask, limits=Limits(concurrent=1))
    llm = LlmSettings(model=endless, max_new_tokens=8000)
    with live(keyed.model_copy(update={"llm": llm})) as service, client_of(service, key) as client:
        come = client.chat.completions.create(model="default", messages=ASKED, stream=True)
        assert [next(come) for _ in range(3)]
        leaving = threading.Timer(0.3, come.close)
        leaving.start()
        asked = time.monotonic()
        patient = client.with_options(max_retries=2)
        assert patient.chat.completions.create(model="default", messages=ASKED, max_tokens=2).choices
        leaving.join()
        # Of itself the client would have tried again after half a second.
        assert time.monotonic() - asked >= 1
        assert service.statuses["/v1/chat/completions"] == [200, 429, 200]


def test_a_client_that_finds_nobody_or_waits_in_vain_says_so(library_settings: Settings, endless: Path) -> None:
    settings = library_settings.model_copy(update={"llm": LlmSettings(model=endless, max_new_tokens=8000)})
    with live(settings) as service, pytest.raises(openai.APITimeoutError):
        client_of(service, timeout=0.5).chat.completions.create(model="default", messages=ASKED)
    with pytest.raises(openai.APIConnectionError):
        client_of(service).models.list()


def test_a_model_writes_with_its_own_count_of_tokens(library_settings: Settings, folder: Path) -> None:
    settings = library_settings.model_copy(
        update={"llm": LlmSettings(model=folder), "server": ServerSettings(cache_answers=0)}
    )
    with live(settings) as service, client_of(service) as client:
        whole = client.chat.completions.create(model="default", messages=ASKED, temperature=0)
        wanted = plain_answer(service, ASKED[0]["content"], options={"temperature": 0})
        assert whole.usage and whole.choices[0].message.content == wanted["answer"]
        assert whole.usage.prompt_tokens == wanted["usage"]["input_tokens"]
        assert whole.usage.completion_tokens == wanted["usage"]["output_tokens"]
        assert whole.choices[0].finish_reason == "stop"
        chunks = list(client.chat.completions.create(model="default", messages=ASKED, temperature=0, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip() == TINY_REPLY
        short = client.chat.completions.create(model="default", messages=ASKED, temperature=0, max_tokens=8)
        assert short.choices[0].finish_reason == "length"
        assert short.usage and short.usage.completion_tokens == 8
        stopped = client.chat.completions.create(model="default", messages=ASKED, temperature=0, stop=["。"])
        assert stopped.choices[0].finish_reason == "stop"
        exact = client.chat.completions.create(
            model="default", messages=ASKED, temperature=0, max_tokens=whole.usage.completion_tokens
        )
        assert exact.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_makes_room_within_a_second(
    library_settings: Settings, endless: Path, stream: bool
) -> None:
    llm = LlmSettings(model=endless, max_new_tokens=8000, cache_tokens=30_000)
    server = ServerSettings(max_running=1)
    settings = library_settings.model_copy(update={"llm": llm, "server": server})
    with live(settings) as service, client_of(service) as client:
        if stream:
            with client.chat.completions.create(model="default", messages=ASKED, stream=True) as come:
                assert [next(come) for _ in range(3)]
                with pytest.raises(openai.RateLimitError) as caught:
                    client.chat.completions.create(model="default", messages=ASKED)
                assert int(caught.value.response.headers["Retry-After"]) >= 1
        else:
            with pytest.raises(openai.APITimeoutError):
                client.with_options(timeout=0.5).chat.completions.create(model="default", messages=ASKED)
        left = time.monotonic()
        until(lambda: "\nkeben_answers_running 0.0\n" in httpx.get(f"{service.url}/metrics").text)
        assert time.monotonic() - left < 1
        short = {"model": "default", "messages": ASKED, "max_tokens": 2}
        assert httpx.post(f"{service.url}/v1/chat/completions", json=short).status_code == 200


def model_process() -> Any:
    """The one process that holds a model."""
    import psutil

    (process,) = (child for child in psutil.Process().children() if "rag.engine.worker" in " ".join(child.cmdline()))
    return process


@pytest.mark.parametrize("fallback", [False, True])
def test_a_model_that_dies_in_the_middle_is_told_in_the_stream(
    library_settings: Settings, endless: Path, fallback: bool
) -> None:
    llm = LlmSettings(model=endless, max_new_tokens=8000, fallback=fallback)
    with live(library_settings.model_copy(update={"llm": llm})) as service, client_of(service) as client:
        come = client.chat.completions.create(model="default", messages=ASKED, stream=True)
        assert [next(come) for _ in range(3)]
        model_process().kill()
        if not fallback:
            with pytest.raises(openai.APIError, match="SIGKILL") as caught:
                list(come)
            assert caught.value.type == "server_error"
            return
        *rest, last = come
        text = "".join(chunk.choices[0].delta.content or "" for chunk in rest)
        void, books = text.split("以上内容作废", 1)
        answer = (last.model_extra or {})["keben"]
        assert void and books.endswith(answer["answer"]) and "循环等待条件" in answer["answer"]
        assert "SIGKILL" in answer["fallback"] and answer["model"] == "extractive"
