"""COMMAND DOCS: builds the documentation of a command from its declaration and its docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_redis.engine.declare.syntax import argument_tree
from twisted_redis.resp.types import Pairs, SetReply, Simple

if TYPE_CHECKING:
    from twisted_redis.engine.declare.table import Command

__all__ = ["docs_of", "summary_of"]


def summary_of(doc: str) -> str:
    """Returns the first paragraph after the syntax line of a docstring, as one line."""
    _, _, text = doc.strip().partition("\n")
    paragraph = text.strip().split("\n\n")[0] if text.strip() else doc
    return " ".join(paragraph.split())


def docs_of(entry: Command) -> Pairs:
    """Returns the documentation of a command and of its subcommands."""
    spec = entry.spec
    summary = summary_of(spec.documentation) if spec.function is not None else spec.documentation
    docs = Pairs([b"summary", summary.encode(), b"since", spec.since.encode(), b"group", spec.group.encode()])
    complexity = spec.complexity or ("That of the subcommand." if spec.is_container else "")
    if complexity:
        docs += [b"complexity", complexity.encode()]
    if spec.module is not None:
        docs += [b"module", spec.module.encode()]
    doc_flags = spec.doc_flags if spec.deprecated_since is None else ("deprecated", *spec.doc_flags)
    if doc_flags:
        docs += [b"doc_flags", SetReply([Simple(flag.encode()) for flag in doc_flags])]
    if spec.deprecated_since is not None:
        docs += [b"deprecated_since", spec.deprecated_since.encode()]
    if spec.replaced_by is not None:
        docs += [b"replaced_by", spec.replaced_by.encode()]
    if spec.history:
        docs += [b"history", SetReply([[since.encode(), text.encode()] for since, text in spec.history])]
    if spec.function is not None:
        arguments = argument_tree(spec)
        if arguments:
            docs += [b"arguments", arguments]
    if entry.subcommands:
        subcommands = Pairs()
        for sub in entry.subcommands.values():
            subcommands += [sub.name.encode(), docs_of(sub)]
        docs += [b"subcommands", subcommands]
    return docs
