"""A knowledge base inside a LangChain chain."""

from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from core.settings import Settings
from rag.build import langchain_retriever


def test_the_retriever_is_a_link_of_a_chain(library_settings: Settings) -> None:
    retriever = langchain_retriever(library_settings, "default", top_k=2)
    count = RunnableLambda(lambda documents: [document.metadata["heading_path"][-1] for document in documents])
    chain = retriever | count
    assert chain.invoke("银行家算法")[0] == "银行家算法"
    batch = chain.batch(["What are the ACID properties?", "死锁的四个必要条件是什么？"])
    assert [found[0] for found in batch] == ["The ACID properties", "死锁的必要条件"]
    assert [len(found) for found in batch] == [2, 2]
    retriever.knowledge_base.close()


def test_documents_say_how_far_they_are_from_a_question_of_no_book(library_settings: Settings) -> None:
    retriever = langchain_retriever(library_settings, "default", top_k=1)
    (near,), (far,) = retriever.batch(["What are the ACID properties?", "红烧肉怎么做？"])
    assert far.metadata["relevance"] < near.metadata["relevance"] / 2
    retriever.knowledge_base.close()


def test_the_retriever_may_be_bound_to_books(library_settings: Settings) -> None:
    retriever = langchain_retriever(library_settings, "default", books=["os.md"])
    found = retriever.invoke("transaction 进程")
    assert {document.metadata["source"] for document in found} == {"os.md"}
    retriever.knowledge_base.close()


def test_documents_say_where_they_stand(library_settings: Settings) -> None:
    retriever = langchain_retriever(library_settings, "default")
    documents = retriever.invoke("死锁的四个必要条件是什么？")
    assert 0 < len(documents) <= library_settings.retrieval.top_k
    assert all(isinstance(document, Document) for document in documents)
    first = documents[0]
    assert "循环等待条件" in first.page_content
    assert set(first.metadata) == {
        "book", "source", "heading_path", "page", "page_label", "start", "end", "score", "relevance"
    }  # fmt: skip
    assert (first.metadata["book"], first.metadata["source"]) == ("操作系统", "os.md")
    assert first.metadata["heading_path"] == ["死锁", "死锁的必要条件"]
    assert first.metadata["end"] - first.metadata["start"] == len(first.page_content)
    assert 0 < first.metadata["relevance"] <= 1
    assert len({document.id for document in documents}) == len(documents)
    retriever.knowledge_base.close()
