"""A bare FastAPI service around the same retriever and the same answerer: no keys, limits, checks or problem documents.

`python bare.py` serves the default knowledge base of the environment on a free port and prints {"url": …}.
"""

import json
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from core.settings import load_settings
from rag.answer import Question
from rag.build import build_answerer
from vector_db.embedder import open_embedder
from vector_db.library import open_knowledge_base


class Asked(BaseModel):
    question: str


def main() -> None:
    """Serve until told to stop."""
    settings = load_settings()
    kb = open_knowledge_base(settings, settings.kb)
    answerer = build_answerer(settings, open_embedder(settings.embedding))
    answerer.search(kb, "预热 warm up")
    app = FastAPI()

    @app.post("/search")
    def search(body: Asked) -> list[dict[str, Any]]:
        found = answerer.search(kb, body.question)
        return [{"text": passage.chunk.text, "book": passage.book.title, "score": passage.score} for passage in found]

    @app.post("/ask")
    async def ask(body: Asked) -> dict[str, Any]:
        answer = await answerer.answer(kb, Question(body.question))
        quotes = [{"book": citation.book, "quote": citation.quote} for citation in answer.citations]
        return {"answer": answer.answer, "citations": quotes}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
