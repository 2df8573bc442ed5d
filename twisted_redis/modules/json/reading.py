"""The commands that read documents."""

from __future__ import annotations

from typing import Any

from twisted_redis.extending import (
    ACCESS,
    READONLY,
    RO,
    Client,
    CommandError,
    Reply,
    Simple,
    WrongArity,
    WrongType,
    first_key,
    key_at,
    key_range,
)
from twisted_redis.modules.json.common import (
    NO_KEY,
    Words,
    declare,
    kind_of,
    no_path,
    no_path_or,
    read_document,
    values_of,
    wrong_kind,
)
from twisted_redis.modules.json.document import Document, content
from twisted_redis.modules.json.paths import Path, PathError, path_of
from twisted_redis.modules.json.scanner import MOST_SIGNED, JsonError
from twisted_redis.modules.json.text import Form, dumps, formatted, parse_whole

__all__ = ["expanded"]

_READ = first_key(RO | ACCESS)
_LONGEST_OPTION = len("NOESCAPE")
_REPLY_FORMATS = (b"STRING", b"STRINGS", b"EXPAND1", b"EXPAND")
_WRONG_FORMAT = CommandError("ERR wrong reply format")
_NOT_IN_RESP2 = CommandError("ERR FORMAT argument is not supported on RESP2")


def reply_format(word: bytes) -> bytes:
    """Returns the name of a reply format; raises CommandError."""
    if word not in _REPLY_FORMATS:
        raise _WRONG_FORMAT
    return word


def expanded(value: Any, whole: bool, form: Form | None = None) -> Reply:
    """A value as a reply in RESP3; strings and containers as text in ``form`` unless ``whole``."""
    kind = value.__class__
    if kind is int:
        return _number(value)
    if kind not in (dict, list, str):
        return value
    if not whole:
        return dumps(value) if form is None else formatted(value, form)
    if kind is dict:
        return {key.encode("utf-8"): expanded(item, whole) for key, item in value.items()}
    return [expanded(item, whole) for item in value] if kind is list else value.encode("utf-8")


def _number(value: int) -> int | float:
    """RedisJSON replies with a float for an integer of 64 bits without a sign."""
    return value if value <= MOST_SIGNED else float(value)


def _first(ctx: Client, document: Document, path: Path) -> Any:
    """The first value of a path; raises CommandError if there is none."""
    found = values_of(ctx, document, path)
    if not found:
        raise no_path(path.fixed)
    return found[0]


def _get_one(ctx: Client, key: bytes = b"", path: bytes = b"-", *more: bytes) -> Reply:
    """JSON.GET with nothing but a path, which is what nearly all callers send."""
    if more or path[:1] not in b"$.":
        return NotImplemented
    document = ctx.db.read(key, Document)
    if document is None:
        return None
    compiled = path_of(path)
    found = values_of(ctx, document, compiled)
    if not compiled.is_legacy:
        return dumps(found)
    if not found:
        raise no_path(compiled.fixed)
    return dumps(found[0])


@declare("JSON.GET", flags=READONLY, keys=_READ, quick=_get_one)
def get(ctx: Client, words: Words) -> Reply:
    """JSON.GET key [INDENT indent] [NEWLINE newline] [SPACE space] [path [path ...]]

    Returns the values of paths as text: an array for a path, a single value for a legacy path, and an object by path
    for several paths. FORMAT EXPAND and EXPAND1 return them as values of RESP3.
    """
    key = words.data()
    paths: list[Path] = []
    layout = {b"INDENT": "", b"NEWLINE": "", b"SPACE": ""}
    reply_as = b"STRING"
    while words:
        word = words.data()
        if len(word) <= _LONGEST_OPTION:
            option = word.upper()
            if option == b"FORMAT":
                if ctx.resp == 2 and not paths:
                    raise _NOT_IN_RESP2
                wanted = words.text()
                if wanted.upper() == b"STRINGS":
                    raise _WRONG_FORMAT
                reply_as = reply_format(wanted)
                continue
            if option in layout:
                layout[option] = words.text().decode("utf-8")
                continue
            if option == b"NOESCAPE":
                continue
        try:
            paths.append(path_of(word))
        except UnicodeDecodeError:
            break
    document = read_document(ctx, key)
    if document is None:
        return None
    form: Form | None = (layout[b"INDENT"], layout[b"NEWLINE"], layout[b"SPACE"])
    if form == ("", "", ""):
        form = None
    if reply_as != b"STRING" and ctx.resp == 3:
        whole = reply_as == b"EXPAND"
        return [_expanded_values(ctx, document, path, whole, form) for path in paths or [path_of(b".")]]
    if not paths:
        return document.text() if form is None else formatted(content(ctx, document), form)
    if len(paths) > 1:
        return _by_path(ctx, document, paths, form)
    path = paths[0]
    value = _first(ctx, document, path) if path.is_legacy else values_of(ctx, document, path)
    return dumps(value) if form is None else formatted(value, form)


def _expanded_values(ctx: Client, document: Document, path: Path, whole: bool, form: Form | None) -> list[Reply]:
    try:
        path.steps()
    except PathError:
        return []
    return [expanded(value, whole, form) for value in values_of(ctx, document, path)]


def _by_path(ctx: Client, document: Document, paths: list[Path], form: Form | None) -> bytes:
    legacy = all(path.is_legacy for path in paths)
    values: dict[str, Any] = {}
    missing: CommandError | None = None
    for path in paths:
        try:
            path.steps()
        except PathError:
            continue
        found: Any = values_of(ctx, document, path)
        if legacy:
            if not found:
                missing = missing or no_path(path.original)
                continue
            found = found[0]
        values[path.original] = found
    if missing is not None:
        raise missing
    return dumps(values) if form is None else formatted(values, form)


@declare("JSON.MGET", flags=READONLY, keys=key_range(RO | ACCESS, 1, -2, 1))
def mget(ctx: Client, words: Words) -> Reply:
    """JSON.MGET key [key ...] path

    Returns the values of a path in each of the keys, or null for a key without a document.
    """
    keys = [words.data() for _ in range(len(words) - 1)]
    if not keys:
        raise WrongArity("json.mget")
    path = words.path()
    return [_value_or_none(ctx, key, path) for key in keys]


def _value_or_none(ctx: Client, key: bytes, path: Path) -> bytes | None:
    try:
        document = read_document(ctx, key)
        if document is None:
            return None
        return dumps(_first(ctx, document, path) if path.is_legacy else values_of(ctx, document, path))
    except (WrongType, PathError, CommandError):
        return None


@declare("JSON.TYPE", flags=READONLY, keys=_READ)
def type_(ctx: Client, words: Words) -> Reply:
    """JSON.TYPE key [path]

    Returns the kinds of the values of a path: null, boolean, integer, number, string, array or object.
    """
    key, path = words.data(), words.path_or_root()
    document = read_document(ctx, key)
    reply: Reply = None
    if document is not None:
        if not path.is_legacy:
            reply = [kind_of(value).encode() for value in values_of(ctx, document, path)]
        else:
            try:
                reply = kind_of(_first(ctx, document, path)).encode()
            except (PathError, CommandError):
                reply = None
    return [reply] if ctx.resp == 3 else reply


@declare("JSON.STRLEN", flags=READONLY, keys=_READ)
def strlen(ctx: Client, words: Words) -> Reply:
    """JSON.STRLEN key [path]

    Returns the bytes of the strings of a path.
    """
    key, path = words.data(), words.path_or_root()
    document = read_document(ctx, key)
    if not path.is_legacy:
        return _of_each(ctx, document, path, str, lambda value: len(value.encode("utf-8")))
    if document is None:
        return None
    value = _first(ctx, document, path)
    if value.__class__ is not str:
        raise wrong_kind("string", kind_of(value))
    return len(value.encode("utf-8"))


def _of_each(ctx: Client, document: Document | None, path: Path, kind: type, result: Any) -> list[Reply]:
    """The result for each value of a path that is of a kind, and null for any other value."""
    if document is None:
        raise NO_KEY
    found = values_of(ctx, document, path)
    return [result(value) if value.__class__ is kind else None for value in found]


@declare("JSON.ARRLEN", flags=READONLY, keys=_READ)
def arrlen(ctx: Client, words: Words) -> Reply:
    """JSON.ARRLEN key [path]

    Returns the number of elements of the arrays of a path.
    """
    key, path = words.data(), words.path_or_root()
    document = read_document(ctx, key)
    if not path.is_legacy:
        return _of_each(ctx, document, path, list, len)
    if document is None:
        return None
    found = values_of(ctx, document, path)
    if not found:
        raise no_path(path.original)
    if found[0].__class__ is not list:
        raise no_path_or(path.original, "not an array")
    return len(found[0])


@declare("JSON.OBJLEN", flags=READONLY, keys=_READ)
def objlen(ctx: Client, words: Words) -> Reply:
    """JSON.OBJLEN key [path]

    Returns the number of members of the objects of a path.
    """
    key, path = words.data(), words.path_or_root()
    document = read_document(ctx, key)
    if not path.is_legacy:
        if document is None:
            raise no_path_or(path.fixed, "not an object")
        return _of_each(ctx, document, path, dict, len)
    value = _first_or_nothing(ctx, document, path)
    if not value:
        return None
    if value[0].__class__ is not dict:
        raise wrong_kind("object", kind_of(value[0]))
    return len(value[0])


def _first_or_nothing(ctx: Client, document: Document | None, path: Path) -> list[Any]:
    """The first value of a path in a list; an empty list if there is none, even if the path is wrong."""
    if document is None:
        return []
    try:
        return values_of(ctx, document, path)[:1]
    except PathError:
        return []


@declare("JSON.OBJKEYS", flags=READONLY, keys=_READ)
def objkeys(ctx: Client, words: Words) -> Reply:
    """JSON.OBJKEYS key [path]

    Returns the names of the members of the objects of a path.
    """
    key, path = words.data(), words.path_or_root()
    document = read_document(ctx, key)
    if not path.is_legacy:
        return _of_each(ctx, document, path, dict, _names)
    value = _first_or_nothing(ctx, document, path)
    if not value:
        return None
    if value[0].__class__ is not dict:
        raise no_path_or(path.fixed, "not an object")
    return _names(value[0])


def _names(members: dict[str, Any]) -> list[bytes]:
    return [name.encode("utf-8") for name in members]


@declare("JSON.ARRINDEX", flags=READONLY, keys=_READ)
def arrindex(ctx: Client, words: Words) -> Reply:
    """JSON.ARRINDEX key path value [start [stop]]

    Returns the index of the first element of the arrays of a path that is equal to a value, or -1.
    """
    key, path, text = words.data(), words.path(), words.text()
    start = words.integer() if words else 0
    stop = words.integer() if words else 0
    words.finish()
    try:
        wanted = parse_whole(text)
    except JsonError as error:
        raise JsonError(f"ERR {error}") from None
    document = read_document(ctx, key)
    if document is None:
        raise no_path(path.original)
    if path.is_legacy:
        value = _first(ctx, document, path)
        if value.__class__ is not list:
            raise wrong_kind("array", kind_of(value))
        return _index_of(value, wanted, start, stop)
    found = values_of(ctx, document, path)
    return [_index_of(value, wanted, start, stop) if value.__class__ is list else None for value in found]


def _index_of(items: list[Any], wanted: Any, start: int, stop: int) -> int:
    length = len(items)
    if not length:
        return -1
    start = max(0, length + start) if start < 0 else min(start, length - 1)
    if stop <= 0:
        stop = length if stop == 0 else max(0, length + stop)
    for index in range(start, min(stop, length)):
        if _identical(items[index], wanted):
            return index
    return -1


def _identical(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same kind: 1 and 1.0 are not."""
    if one.__class__ is int and one > MOST_SIGNED:
        one = float(one)
    if other.__class__ is int and other > MOST_SIGNED:
        other = float(other)
    if one.__class__ is not other.__class__:
        return False
    if one.__class__ is dict:
        return len(one) == len(other) and all(
            key in other and _identical(value, other[key]) for key, value in one.items()
        )
    if one.__class__ is list:
        return len(one) == len(other) and all(map(_identical, one, other))
    return bool(one == other)


@declare("JSON.RESP", flags=READONLY, keys=_READ)
def resp(ctx: Client, words: Words) -> Reply:
    """JSON.RESP key [path]

    Returns the values of a path as values of RESP: arrays begin with ``[`` and objects with ``{``.
    """
    key = words.data()
    path = words.path() if words else path_of(b".")
    document = read_document(ctx, key)
    if document is None:
        return None
    if path.is_legacy:
        return _as_resp(_first(ctx, document, path))
    return [_as_resp(value) for value in values_of(ctx, document, path)]


def _as_resp(value: Any) -> Reply:
    kind = value.__class__
    if kind is dict:
        reply: list[Reply] = [Simple(b"{")]
        for name, item in value.items():
            reply += (name.encode("utf-8"), _as_resp(item))
        return reply
    if kind is list:
        return [Simple(b"["), *map(_as_resp, value)]
    if kind is bool:
        return Simple(b"true" if value else b"false")
    if kind is str:
        return value.encode("utf-8")
    return _number(value) if kind is int else value


@declare("JSON.DEBUG", flags=READONLY, keys=key_at(2, RO | ACCESS))
def debug(ctx: Client, words: Words) -> Reply:
    """JSON.DEBUG <MEMORY key [path] | HELP>

    MEMORY returns the bytes that the values of a path take in RedisJSON.
    """
    subcommand = words.text().decode("utf-8").upper()
    if subcommand == "HELP":
        return [b"MEMORY <key> [path] - reports memory usage", b"HELP                - this message"]
    if subcommand != "MEMORY":
        raise CommandError("ERR unknown subcommand - try `JSON.DEBUG HELP`")
    key, path = words.data(), words.path_or_root()
    document = read_document(ctx, key)
    if path.is_legacy:
        return 0 if document is None else _foreign_size(_first(ctx, document, path))
    return [] if document is None else [_foreign_size(v) for v in values_of(ctx, document, path)]


def _foreign_size(value: Any) -> int:
    """The bytes that a value takes in RedisJSON, which doubles a container as it grows."""
    kind = value.__class__
    if kind is float or (kind is int and not -8_388_608 < value <= 8_388_607):
        return 24
    if kind is int:
        return 8 if -128 <= value <= 383 else 12
    if kind is str:
        return 8 + len(value.encode("utf-8"))
    if kind not in (dict, list) or not value:
        return 8
    room = 4
    while room < len(value):
        room *= 2
    if kind is list:
        return 8 + 8 * (room + 2) + sum(map(_foreign_size, value))
    named = sum(len(name.encode("utf-8")) + _foreign_size(item) for name, item in value.items())
    return 8 + 8 * (3 * room + 2) + named
