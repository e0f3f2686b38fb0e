"""Use Keben from LangChain: a knowledge base as the chat model of a chain, the embedder as its embeddings.

python examples/langchain_app.py --url http://127.0.0.1:8000 "什么是死锁？"
"""

import argparse

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

NOTES = ["周三的实验课改到周五下午。", "期末考试在第十八周，闭卷。", "作业每周日晚上十点前交。"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("question")
    options.add_argument("--url", default="http://127.0.0.1:8000", help="where `keben serve` listens")
    options.add_argument("--key", default="none", help="made by `keben keys create`; none is needed on one machine")
    options.add_argument("--kb", default="default", help="the knowledge base, which is the model here")
    given = options.parse_args()
    service = {"base_url": f"{given.url}/v1", "api_key": given.key}

    # A message of the system would be taken and not used: Keben's rules and the course's own prompt hold.
    chat = ChatOpenAI(model=given.kb, **service)
    chain = ChatPromptTemplate.from_template("{question}") | chat | StrOutputParser()
    for piece in chain.stream({"question": given.question}):
        print(piece, end="", flush=True)
    print()

    # Notes of your own beside the books, found with the same embedder. Keben takes text, not tiktoken's numbers.
    embedder = next(model.id for model in chat.root_client.models.list() if model.kind == "embedder")
    embeddings = OpenAIEmbeddings(model=embedder, check_embedding_ctx_length=False, **service)
    notes = InMemoryVectorStore.from_texts(NOTES, embeddings)
    (nearest,) = notes.similarity_search("什么时候考试？", k=1)
    print(f"\n{nearest.page_content}")


if __name__ == "__main__":
    main()
