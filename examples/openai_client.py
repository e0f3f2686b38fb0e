"""Ask a knowledge base with OpenAI's own client: whole, as a stream, and as part of a conversation.

python examples/openai_client.py --url http://127.0.0.1:8000 "死锁的四个必要条件是什么？"
"""

import argparse
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("question")
    options.add_argument("--url", default="http://127.0.0.1:8000", help="where `keben serve` listens")
    options.add_argument("--key", default="none", help="made by `keben keys create`; none is needed on one machine")
    options.add_argument("--kb", default="default", help="the knowledge base, which is the model here")
    options.add_argument("--book", action="append", default=[], help="search this book alone; may be given again")
    options.add_argument("--then", help="a question that follows, as: 那怎样预防它？")
    given = options.parse_args()

    client = OpenAI(base_url=f"{given.url}/v1", api_key=given.key)
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": given.question}]

    # As a stream: pieces of text, then one chunk with the citations and, in `keben`, the whole answer.
    stream = client.chat.completions.create(
        model=given.kb, messages=messages, stream=True, extra_body={"books": given.book}
    )
    answer: dict[str, Any] = {}
    for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
        answer = (chunk.model_extra or {}).get("keben", answer)
    print()
    for citation in answer["citations"]:
        page = f", p. {citation['page_label']}" if citation["page_label"] else ""
        print(f"[{citation['id']}] {' › '.join([citation['book'], *citation['heading_path']])}{page}")

    # Whole: a question that needs the conversation is completed from it.
    if given.then:
        messages += [{"role": "assistant", "content": answer["answer"]}, {"role": "user", "content": given.then}]
        completion = client.chat.completions.create(model=given.kb, messages=messages, extra_body={"books": given.book})
        print(f"\n{completion.choices[0].message.content}")


if __name__ == "__main__":
    main()
