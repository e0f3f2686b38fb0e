"""The FastAPI application."""

from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from core.settings import Settings
from server.description import describe_rights
from server.gate import Gate
from server.keys import KeyStore
from server.mcp_http import add_mcp
from server.metrics import Metrics
from server.observe import Observe
from server.problems import add_problem_handlers
from server.routes import router
from server.service import Startup, lifespan
from server.tracing import tracing_to
from server.usage import Usage

_ABOUT = """Keben answers questions from textbooks and shows where in the book each answer stands.

`POST /ask` for an answer, `POST /search` for passages alone. Below `/v1` are the routes that programs made for OpenAI's
interface call, with knowledge bases for models; `/mcp` speaks the Model Context Protocol."""


def create_app(settings: Settings, startup: Startup) -> FastAPI:
    """The application; knowledge bases and models are loaded when it starts, not here."""
    keys, usage = KeyStore(settings.state_dir), Usage(settings.state_dir)
    metrics = Metrics(version("keben"))
    tracing = tracing_to(settings.server.otlp_endpoint, version("keben"))
    metrics.watch(lambda: startup.service.numbers() if startup.service else ())
    # The documentation page of plain FastAPI loads its scripts from the network.
    app: FastAPI = FastAPIOffline(
        title="Keben 课本",
        version=version("keben"),
        description=_ABOUT,
        lifespan=lifespan(settings, startup, usage, metrics, tracing),
    )
    app.state.keys, app.state.settings, app.state.metrics = keys, settings, metrics
    app.include_router(router)
    add_mcp(app)
    add_problem_handlers(app)
    describe_rights(app)
    app.add_middleware(Gate, settings=settings.server, keys=keys, usage=usage, metrics=metrics)
    app.add_middleware(Observe, metrics=metrics, tracing=tracing, questions=settings.server.log_questions)
    return app
