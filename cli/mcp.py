"""`keben mcp`: the textbooks as tools of programs that speak the Model Context Protocol."""

import typer

from cli.options import Kb

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def mcp(kb: Kb = None) -> None:
    """Offer the textbooks to an MCP client on standard input and output, until it closes them."""
    from core.settings import load_settings
    from server.mcp_stdio import serve_stdio

    serve_stdio(load_settings(**({"kb": kb} if kb else {})))
