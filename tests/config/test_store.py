"""CONFIG GET and CONFIG SET: error texts, atomicity, and the functions that apply a change."""

from __future__ import annotations

import pytest

from tests.config.differential import PermissiveConfig
from twisted_redis.config import BY_NAME, Config, ConfigError, ConfigSetError, to_bytes


@pytest.fixture
def config() -> Config:
    return PermissiveConfig()


def refusal(config: Config, *words: bytes, local: bool = False, loading: bool = False) -> str:
    before = config.get(b"*")
    with pytest.raises(ConfigSetError) as caught:
        config.set(list(zip(words[::2], words[1::2], strict=True)), local=local, loading=loading)
    assert config.get(b"*") == before
    return f"{caught.value.code} {caught.value}"


def failed(name: str, reason: str) -> str:
    return f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"


def test_get_echoes_plain_names_and_completes_patterns(config: Config) -> None:
    assert config.get(b"MaxMemory") == {"MaxMemory": "0"}
    assert config.get(b"MaxMemory", b"maxmemory", b"maxmemory*[yt]") == {
        "MaxMemory": "0",
        "maxmemory-eviction-tenacity": "10",
        "maxmemory-policy": "noeviction",
    }
    assert config.get(b"nothing", b"no*thing") == {}
    assert config.get(b"slave-priorit?", b"replica-priority") == {
        "slave-priority": "100",
        "replica-priority": "100",
    }


def test_hidden_directives_need_their_name(config: Config) -> None:
    assert config.get(b"rdb-key-*") == {}
    assert config.get(b"rdb-key-save-delay") == {"rdb-key-save-delay": "0"}


def test_values_become_attributes(config: Config) -> None:
    config.set(
        [
            (b"maxmemory", b"100mb"),
            (b"MAXMEMORY-CLIENTS", b"5%"),
            (b"slave-priority", b"7"),
            (b"save", b"900 1 300 10"),
            (b"client-output-buffer-limit", b"replica 1kb 2 3"),
            (b"notify-keyspace-events", b"KEA"),
            (b"shutdown-on-sigterm", b"save now"),
            (b"oom-score-adj", b"relative"),
            (b"appendonly", b"YES"),
            (b"requirepass", b"se\0cr\xfft"),
        ]
    )
    assert config.maxmemory == 100 * 1024 * 1024
    assert config.maxmemory_clients == -5
    assert config.replica_priority == 7
    assert config.save == ((900, 1), (300, 10))
    assert config.client_output_buffer_limit.replica == (1024, 2, 3)
    assert config.client_output_buffer_limit.pubsub.soft_seconds == 60
    assert config.notify_keyspace_events & 3 == 3
    assert config.shutdown_on_sigterm == {"save", "now"}
    assert config.appendonly is True
    assert to_bytes(config.requirepass) == b"se\0cr\xfft"
    assert config.get(b"maxmemory", b"maxmemory-clients", b"notify-keyspace-events", b"oom-score-adj") == {
        "maxmemory": "104857600",
        "maxmemory-clients": "5%",
        "notify-keyspace-events": "AKE",
        "oom-score-adj": "yes",
    }


def test_empty_values(config: Config) -> None:
    config.set([(b"save", b""), (b"bind", b""), (b"latency-tracking-info-percentiles", b"")])
    assert (config.save, config.bind, config.latency_tracking_info_percentiles) == ((), (), ())


def test_refusals(config: Config) -> None:
    assert refusal(config, b"Foo", b"1") == ("ERR Unknown option or number of arguments for CONFIG SET - 'Foo'")
    assert refusal(config, b"Databases", b"1") == failed("Databases", "can't set immutable config")
    assert refusal(config, b"dir", b"/") == failed("dir", "can't set protected config")
    assert refusal(config, b"TIMEOUT", b"x") == failed("timeout", "argument couldn't be parsed into an integer")
    assert refusal(config, b"timeout", b"1", b"hz", b"2", b"Timeout", b"3") == failed("Timeout", "duplicate parameter")
    assert refusal(config, b"repl-diskless-load", b"swapdb", loading=True) == (
        "LOADING Redis is loading the dataset in memory"
    )


def test_the_first_refusal_counts(config: Config) -> None:
    assert "immutable" in refusal(config, b"databases", b"1", b"foo", b"1")
    assert "Unknown option" in refusal(config, b"foo", b"1", b"databases", b"1")
    assert "LOADING" in refusal(config, b"repl-diskless-load", b"swapdb", b"foo", b"1", loading=True)


def test_one_bad_value_restores_all(config: Config) -> None:
    assert refusal(config, b"timeout", b"5", b"save", b"1 1", b"hz", b"no").startswith(failed("hz", ""))


def test_an_alias_and_its_name_are_two(config: Config) -> None:
    config.set([(b"busy-reply-threshold", b"1"), (b"lua-time-limit", b"2")])
    assert config.busy_reply_threshold == 2


def test_protected_directives() -> None:
    config = Config()
    config.enable_protected_configs = "local"
    assert "protected" in refusal(config, b"dbfilename", b"x.rdb")
    config.set([(b"dbfilename", b"x.rdb")], local=True)
    config.enable_protected_configs = "yes"
    config.set([(b"dbfilename", b"y.rdb"), (b"dir", b"/")])
    assert (config.dbfilename, config.dir, config.resolve("a")) == ("y.rdb", "/", "/a")
    assert refusal(config, b"dir", b"/nowhere") == failed("dir", "No such file or directory")


def test_a_value_without_effect_is_refused() -> None:
    config = Config()
    assert not BY_NAME["tls-session-cache-size"].honoured
    reason = "this server does not support another value than its default yet"
    refused = refusal(config, b"timeout", b"5", b"tls-session-cache-size", b"1")
    assert refused == failed("tls-session-cache-size", reason)
    assert "integer" in refusal(config, b"tls-session-cache-size", b"x")
    config.set([(b"timeout", b"5"), (b"tls-session-cache-size", b"20480")])
    config.tls_session_cache_size = 7  # as if a file had set it
    config.set([(b"tls-session-cache-size", b"7")])
    config.set([(b"tls-session-cache-size", b"20480")])
    assert (config.timeout, config.tls_session_cache_size) == (5, 20480)


def test_appliers_run_once_in_order_and_only_on_change(config: Config) -> None:
    calls: list[str] = []
    config.on_apply(("tls-port", "bind", "slave-priority"), lambda: calls.append(f"listen {config.tls_port}"))
    config.on_apply("timeout", lambda: calls.append("timeout"))
    config.set([(b"timeout", b"1"), (b"tls-port", b"1"), (b"replica-priority", b"1")])
    assert calls == ["timeout", "listen 1"]
    config.set([(b"timeout", b"1"), (b"tls-port", b"1")])
    assert len(calls) == 2
    config.on_apply("tls-cert-file", lambda: calls.append("certificate"))
    config.set([(b"tls-cert-file", b"")])  # the file with that name may be a new one
    config.set([(b"bind", b"* -::*")])
    assert calls[2:] == ["certificate", "listen 1"]


def test_a_refusing_applier_restores_everything(config: Config) -> None:
    seen: list[tuple[int, int]] = []

    def watch() -> None:
        seen.append((config.timeout, config.port))

    def listen() -> None:
        if config.port == 1:
            raise ConfigError("Unable to listen on this port. Check server logs.")

    config.on_apply("timeout", watch)
    config.on_apply("port", listen)
    assert refusal(config, b"timeout", b"9", b"port", b"1", b"lua-time-limit", b"3") == failed(
        "port", "Unable to listen on this port. Check server logs."
    )
    assert seen == [(9, 1), (0, 6379)]


def test_a_broken_applier_restores_too(config: Config) -> None:
    config.on_apply("timeout", lambda: 1 // (config.timeout - 9) and None)
    with pytest.raises(ZeroDivisionError):
        config.set([(b"timeout", b"9")])
    assert config.timeout == 0


def test_values_that_redis_corrects(config: Config) -> None:
    config.set([(b"hz", b"1000"), (b"repl-backlog-size", b"1")])
    assert (config.hz, config.repl_backlog_size) == (500, 16384)
    config.set([(b"hz", b"0")])
    assert config.hz == 1


def test_sensitive_directives() -> None:
    assert Config.is_sensitive(b"RequirePass")
    assert Config.is_sensitive(b"tls-key-file-pass")
    assert not Config.is_sensitive(b"timeout")
    assert not Config.is_sensitive(b"\xff")


def test_unknown_names_cannot_be_applied(config: Config) -> None:
    with pytest.raises(KeyError):
        config.on_apply("no-such-directive", lambda: None)
