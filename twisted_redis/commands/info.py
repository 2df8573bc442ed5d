"""INFO: figures of the server in sections."""

from __future__ import annotations

from twisted_redis.engine.clients import Client
from twisted_redis.engine.declare.flags import LOADING, STALE
from twisted_redis.engine.declare.table import CommandGroup
from twisted_redis.engine.engine import Engine
from twisted_redis.engine.introspect.info_sections import DEFAULT_SECTIONS, HIDDEN_SECTIONS, SECTIONS, Section
from twisted_redis.resp.types import Reply, Verbatim

__all__ = ["info_text"]

command = CommandGroup("server")


def info_text(engine: Engine, wanted: list[str]) -> str:
    """The text of the ``wanted`` sections (lower case), or of the default sections if there are none."""
    names: list[str] = []
    for name in wanted or ["default"]:
        if name in ("all", "everything"):
            chosen = [section for section in SECTIONS if section not in HIDDEN_SECTIONS]
        elif name == "default":
            chosen = list(DEFAULT_SECTIONS)
        else:
            chosen = [name] if name in SECTIONS else []
        names += [section for section in chosen if section not in names]
    texts = []
    for name in SECTIONS:
        if name in names:
            section: Section = SECTIONS[name]
            lines = section.fields(engine)
            texts.append(f"# {section.title}\r\n" + "".join(f"{key}:{value}\r\n" for key, value in lines))
    return "\r\n".join(texts)


@command(
    "INFO",
    arity=-1,
    flags=LOADING | STALE,
    since="1.0.0",
    complexity="O(1)",
    acl=("@dangerous",),
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
    history=(("7.0.0", "Accepts several sections in one call."),),
)
def info(ctx: Client, *sections: bytes) -> Reply:
    """INFO [section [section ...]]

    Returns figures of the server, one on each line, in sections.
    """
    return Verbatim(
        info_text(ctx.engine, [section.lower().decode("latin-1") for section in sections]).encode("utf-8", "replace")
    )
