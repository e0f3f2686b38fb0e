"""How fast answers are written: `python benchmarks/generate.py [--size 20m|1.8b|7b] [--clients N ...] [--tokens N]`.

Markdown tables on stdout, progress on stderr. Let nothing else run beside it: clients and server share the machine.

The model has InternLM2's shape at that size and random weights, so it writes nonsense at the speed of a real one, and
each answer has exactly --tokens tokens. The prompts are those that the service makes of questions for headings of the
sample books. All ways write the answers to the same prompts, on the same device, in the same number format:

    Keben            `POST /ask` with `stream` to a real `keben serve`, as many clients at a time as the row says,
                     retrieval and citation check included; with --model-only, `InternLM2Chat.astream` without a server
    generate_batch   (a) transformers' `model.generate_batch` over all prompts at once, as it comes
    one at a time    (b) the tutorials' chat model: one `model.generate` under a lock, whoever else waits

    tokens/s         of all clients together, from the first request to the last token; "× (a)", "× (b)": ratios
    first token      median time from asking to the first token, waiting for others included
    between tokens   median and 99th percentile of the time between two tokens of an answer
    of bandwidth     tokens/s against what one client could get if reading the weights were all (measured by a sum)
    memory           resident memory of the server and its model's process, or of the card

--write-prompts FILE saves the prompts, --prompts FILE takes them from there: for a machine without the sample books'
knowledge base, together with --model-only.
"""

import argparse
import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generating.baselines import Baseline, Messages, Times, bandwidth
from generating.models import SIZES, write_random_model
from generating.table import Row, table

from core.settings import LlmSettings


def main() -> int:
    """Measure and print; the exit code."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="keben-benchmark-") as name:
        folder = Path(name)
        asked: list[str] = []
        if options.prompts:
            conversations: list[Messages] = json.loads(options.prompts.read_text(encoding="utf-8"))
        else:
            from generating.questions import sample_questions

            asked, conversations = sample_questions(folder, options.answers)
        if options.write_prompts:
            options.write_prompts.write_text(json.dumps(conversations, ensure_ascii=False), encoding="utf-8")
            return 0
        measure(options, folder, asked, conversations)
    return 0


def measure(options: argparse.Namespace, folder: Path, asked: list[str], conversations: list[Messages]) -> None:
    """Run every way and print the table."""
    from rag.engine.loading import best_device, best_dtype

    llm = LlmSettings(
        max_running=max(options.clients),
        max_new_tokens=options.tokens,
        timeout_seconds=3600,
        compile=options.compile,
    )
    device = best_device(llm)
    dtype = best_dtype(llm, device)
    model = folder / "model"
    say(f"writing a random model of {options.size} …")
    texts = [turn["content"] for conversation in conversations for turn in conversation]
    write_random_model(model, options.size, texts, str(device))
    rows = [Row("Keben", clients, *run) for clients, run in ours(options, folder, asked, conversations, llm)]
    say("loading it for the baselines …")
    baseline = Baseline(model, str(device), dtype)
    prompts = baseline.encode(conversations[: options.answers])
    if not options.without_a:
        say("(a) generate_batch …")
        rows.append(Row("generate_batch (a)", len(prompts), baseline.generate_batch(prompts, options.tokens)))
    say("(b) one at a time …")
    few = prompts[: options.one_at_a_time]
    rows.append(Row("one at a time (b)", len(few), baseline.under_a_lock(few, options.tokens, len(few))))
    sizes = [len(prompt) for prompt in prompts]
    size = sum(path.stat().st_size for path in model.glob("*.safetensors")) * dtype.itemsize // 2
    print(
        f"{options.size}, {str(dtype).removeprefix('torch.')} on {device}: {len(prompts)} prompts of "
        f"{sum(sizes) // len(sizes)} tokens on average, answers of {options.tokens}\n"
    )
    print(table(rows, bandwidth(str(device)) / size))


def ours(
    options: argparse.Namespace, folder: Path, asked: list[str], conversations: list[Messages], llm: LlmSettings
) -> list[tuple[int, tuple[Times, float]]]:
    """Keben's times and the memory then, in MiB, by number of clients."""
    from generating.clients import ask_over_http, ask_the_model
    from generating.serving import memory_of_tree

    runs: list[tuple[int, tuple[Times, float]]] = []
    if options.model_only:
        from rag.llm import InternLM2Chat

        with closing(InternLM2Chat(folder=folder / "model", settings=llm)) as chat:
            ask_the_model(chat, conversations[:2], 4, 2)
            for clients in options.clients:
                say(f"Keben, {clients} clients …")
                batch = conversations[: _answers(options, clients)]
                times = ask_the_model(chat, batch, options.tokens, clients)
                runs.append((clients, (times, memory_of_tree(chat.state().pid or 0))))
        return runs
    from generating.questions import environment
    from searching.serving import served

    with served(environment(folder, llm), folder / "server.log") as server:
        ask_over_http(server.port, asked[:2], 4, 2)
        for clients in options.clients:
            say(f"Keben, {clients} clients …")
            times = ask_over_http(server.port, asked[: _answers(options, clients)], options.tokens, clients)
            runs.append((clients, (times, memory_of_tree(server.pid))))
    return runs


def _answers(options: argparse.Namespace, clients: int) -> int:
    """One client is asked for fewer answers: it has them one after the other."""
    return min(options.answers, max(clients, options.one_at_a_time))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tokens a second of the service against other ways to write.")
    parser.add_argument("--size", choices=SIZES, default="20m")
    parser.add_argument("--clients", nargs="+", type=int, default=(1, 16), metavar="N", help="at a time (1 16)")
    parser.add_argument("--answers", type=int, default=16, metavar="N", help="different questions (16)")
    parser.add_argument("--tokens", type=int, default=200, metavar="N", help="of each answer (200)")
    parser.add_argument(
        "--one-at-a-time", type=int, default=4, metavar="N", help="answers for (b) and for a single client (4)"
    )
    parser.add_argument("--without-a", action="store_true", help="leave (a) out")
    parser.add_argument("--compile", action="store_true", help="Keben with KEBEN_LLM__COMPILE")
    parser.add_argument("--model-only", action="store_true", help="the chat model without a server")
    parser.add_argument("--prompts", type=Path, metavar="FILE")
    parser.add_argument("--write-prompts", type=Path, metavar="FILE")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
