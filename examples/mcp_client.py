"""Call Keben's tools by the Model Context Protocol: over HTTP, or with a `keben mcp` process of one's own.

python examples/mcp_client.py --url http://127.0.0.1:8000 "What is a transaction?"
python examples/mcp_client.py --command keben "What is a transaction?"
"""

import argparse
import asyncio

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


async def ask(client: Client, question: str) -> None:
    async with client:
        tools = await client.list_tools()
        print("tools:", ", ".join(tool.name for tool in tools.tools))
        result = await client.call_tool("ask", {"question": question})
        # The text is made for a model to read; the same answer is there as JSON.
        print(*(part.text for part in result.content if part.type == "text"))
        if result.is_error:
            raise SystemExit(1)
        answer = result.structured_content or {}
        print(f"\n{len(answer['citations'])} citations, refused: {answer['refused']}")


async def run(given: argparse.Namespace) -> None:
    if given.command:
        await ask(Client(StdioServerParameters(command=given.command, args=["mcp"])), given.question)
        return
    headers = {"Authorization": f"Bearer {given.key}"} if given.key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        await ask(Client(streamable_http_client(f"{given.url}/mcp", http_client=http)), given.question)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("question")
    options.add_argument("--url", default="http://127.0.0.1:8000", help="where `keben serve` listens")
    options.add_argument("--key", help="made by `keben keys create`; none is needed on one machine")
    options.add_argument("--command", help="start this with 'mcp' instead, as: .venv/bin/keben")
    asyncio.run(run(options.parse_args()))


if __name__ == "__main__":
    main()
