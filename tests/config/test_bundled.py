"""The directives of the bundled modules, and the directive that chooses among the modules."""

from __future__ import annotations

import pytest

from twisted_redis.config import Config, ConfigSetError, FatalConfigError, load_arguments

#: The defaults in the configuration file that comes with Redis 8.8 and its modules.
DEFAULTS = {
    "bf-error-rate": "0.01",
    "bf-expansion-factor": "2",
    "bf-initial-size": "100",
    "cf-bucket-size": "2",
    "cf-expansion-factor": "1",
    "cf-initial-size": "1024",
    "cf-max-expansions": "32",
    "cf-max-iterations": "20",
    "ts-chunk-size-bytes": "4096",
    "ts-compaction-policy": "",
    "ts-duplicate-policy": "block",
    "ts-encoding": "compressed",
    "ts-ignore-max-time-diff": "0",
    "ts-ignore-max-val-diff": "0",
    "ts-num-threads": "3",
    "ts-retention-policy": "0",
}


def test_the_defaults_of_redis() -> None:
    assert Config().get(b"bf-*", b"cf-*", b"ts-*") == DEFAULTS


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["all"], {"json", "probabilistic", "timeseries"}),
        (["none"], set()),
        (["json"], {"json"}),
        (["timeseries", "JSON"], {"json", "timeseries"}),
        (["none", "json"], {"json"}),
    ],
)
def test_which_modules(words: list[str], chosen: set[str]) -> None:
    config = load_arguments(["--bundled-modules", *words])
    assert config.bundled_modules == chosen
    hidden = {"probabilistic": ("bf-", "cf-"), "timeseries": ("ts-",)}
    shown = {
        name for name in DEFAULTS if all(module in chosen or not name.startswith(hidden[module]) for module in hidden)
    }
    assert set(config.get(b"bf-*", b"cf-*", b"ts-*")) == shown
    # A pattern does not show a directive that Redis does not have.
    assert "bundled-modules" not in config.get(b"*")
    text = config.get(b"bundled-modules")["bundled-modules"]
    assert load_arguments(["--bundled-modules", text]).bundled_modules == chosen


def test_the_modules_are_chosen_at_the_start() -> None:
    with pytest.raises(FatalConfigError, match="argument\\(s\\) must be one of the following: none, all, json"):
        load_arguments(["--bundled-modules", "search"])
    with pytest.raises(ConfigSetError, match="can't set immutable config"):
        Config().set([(b"bundled-modules", b"none")])


def test_directives_of_modules_that_are_left_out() -> None:
    config = load_arguments(["--bundled-modules", "none"])
    assert config.get(b"bf-error-rate", b"maxmemory") == {"maxmemory": "0"}
    with pytest.raises(ConfigSetError, match="Unknown option or number of arguments for CONFIG SET - 'bf-error-rate'"):
        config.set([(b"bf-error-rate", b"0.1")])


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("bf-error-rate", "0", "Value for `bf-error-rate` must be in the range (0.000000, 1.000000)"),
        ("bf-error-rate", "1", "Value for `bf-error-rate` must be in the range (0.000000, 1.000000)"),
        ("bf-error-rate", "x", "Invalid value for `bf-error-rate`"),
        ("bf-error-rate", "nan", "Invalid value for `bf-error-rate`"),
        ("bf-initial-size", "0", "Value for `bf-initial-size` must be in the range [1, 1073741824]"),
        ("bf-initial-size", "1gb", "Invalid value for `bf-initial-size`"),
        ("cf-initial-size", "3", "Value for `cf-initial-size` must be in the range [4, 1073741824]"),
        ("cf-bucket-size", "256", "Value for `cf-bucket-size` must be in the range [1, 255]"),
        ("ts-chunk-size-bytes", "40", "argument must be between 48 and 1048576 inclusive"),
        ("ts-chunk-size-bytes", "49", "argument must be a multiple of 8"),
        ("ts-compaction-policy", "avg", "Invalid compaction policy"),
        ("ts-compaction-policy", "avg:1h", "Invalid compaction policy"),
        ("ts-compaction-policy", "other:1h:1d", "Invalid compaction policy"),
        ("ts-duplicate-policy", "any", "argument(s) must be one of the following: block, first, last, min, max, sum"),
        ("ts-ignore-max-val-diff", "-1", "argument must be between 0 and 1.79769e+308 inclusive"),
        ("ts-ignore-max-val-diff", "inf", "argument must be between 0 and 1.79769e+308 inclusive"),
        ("ts-num-threads", "2", "can't set immutable config"),
    ],
)
def test_values_that_are_refused(name: str, value: str, error: str) -> None:
    config = Config()
    with pytest.raises(ConfigSetError) as raised:
        config.set([(name.encode(), value.encode())])
    assert str(raised.value) == f"CONFIG SET failed (possibly related to argument '{name}') - {error}"
    assert config.get(b"bf-*", b"cf-*", b"ts-*") == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("bf-error-rate", "0.001", "0.001"),
        ("bf-error-rate", "0.9", "0.25"),
        ("bf-error-rate", "0.1234567891", "0.1234567891"),
        ("cf-initial-size", "4", "4"),
        ("ts-compaction-policy", "max:1M:1h;avg:2h:0:10m", "max:1M:1h;avg:2h:0:10m"),
        ("ts-duplicate-policy", "SUM", "sum"),
        ("ts-encoding", "UNCOMPRESSED", "uncompressed"),
        ("ts-ignore-max-val-diff", "0.5", "0.5"),
        ("ts-retention-policy", "9223372036854775807", "9223372036854775807"),
    ],
)
def test_values_that_are_taken(name: str, value: str, shown: str) -> None:
    config = Config()
    config.set([(name.encode(), value.encode())])
    assert config.get(name.encode()) == {name: shown}
