"""What is said about wrong settings: file, line, key, what was found, what is expected, what is near. All at once."""

from __future__ import annotations

import pytest

from dreamos_tasks.config.home import Home, user_config
from dreamos_tasks.config.loading import load
from dreamos_tasks.errors import ConfigError


def refusal(home: Home, environ: dict[str, str], text: str | bytes = "") -> ConfigError:
    home.config.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as refused:
        load(home, environ)
    return refused.value


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("claims:\n  lease_secnds: 5\n", 2, "claims.lease_secnds is not a setting; did you mean claims.lease_seconds?"),
        ("claim:\n  lease_seconds: 5\n", 1, "claim is not a setting; did you mean claims?"),
        ("\nlease_seconds: 5\n", 2, "lease_seconds is not a setting; did you mean claims.lease_seconds?"),
        (
            "tools:\n  shell:\n    braker: {}\n",
            3,
            "tools.shell.braker is not a setting; did you mean tools.shell.breaker?",
        ),
        ("server:\n  qqqqqq: 5\n", 2, "server.qqqqqq is not a setting; here stand enabled, host, port,"),
        ("1: 5\n", 1, "1 is not a setting; here stand board, claims, daemon, inbox,"),
    ],
)
def test_an_unknown_key_is_refused_with_its_nearest_neighbour(
    text: str, line: int, said: str, home: Home, environ: dict[str, str]
) -> None:
    assert refusal(home, environ, text).message.startswith(f"{home.config}:{line}: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "claims:\n  lease_seconds: soon\n",
            "claims.lease_seconds is 'soon'; expected a number above 0 up to 31536000",
        ),
        ("claims:\n  lease_seconds: '900'\n", "claims.lease_seconds is '900'; expected a number"),
        ("claims:\n  lease_seconds: yes\n", "claims.lease_seconds is true; expected a number"),
        ("claims:\n  lease_seconds: 0\n", "claims.lease_seconds is 0; expected a number above 0"),
        ("claims:\n  lease_seconds: .inf\n", "claims.lease_seconds is Infinity; expected a number above 0"),
        ("claims:\n  lease_seconds: .nan\n", "claims.lease_seconds is NaN; expected a number above 0"),
        ("claims:\n  lease_seconds:\n", "claims.lease_seconds is null; expected a number"),
        ("claims:\n  lease_seconds: 2026-01-01\n", "claims.lease_seconds is '2026-01-01'; expected a number"),
        ("claims:\n  max_lost_leases: 1.5\n", "claims.max_lost_leases is 1.5; expected a whole number from 1 up to"),
        ("claims:\n  max_lost_leases: []\n", "claims.max_lost_leases is a list; expected a whole number"),
        ("server:\n  port: 70000\n", "server.port is 70000; expected a whole number from 0 up to 65535"),
        ("server:\n  host: ''\n", "server.host is ''; expected text, not empty"),
        ("server:\n  host: 5\n", "server.host is 5; expected text"),
        ("daemon:\n  agent_id: --evil\n", "daemon.agent_id is '--evil'; expected a name of 1-100 letters"),
        ("daemon:\n  environment: PATH\n", "daemon.environment is 'PATH'; expected a list of names of"),
        ("daemon:\n  environment: [PATH, A=B]\n", "daemon.environment is 'A=B'; expected a list of names of"),
        ("claims: 5\n", "claims is 5; expected a section with lease_seconds, heartbeat_seconds,"),
        ("tools: [shell]\n", "tools is a list; expected a section for each tool, by its name"),
        ("tools:\n  shell: fast\n", "tools.shell is 'fast'; expected a section with timeout_seconds, max_concurrent,"),
        ("dreamos_tasks: 2\n", "dreamos_tasks is 2; expected 1, the only form this release knows"),
        ("claims: {}\ndreamos_tasks: true\n", "dreamos_tasks is true; expected 1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_expected(
    text: str, said: str, home: Home, environ: dict[str, str]
) -> None:
    assert f": {said}" in refusal(home, environ, text).message


def test_an_unknown_strategy_lists_the_four_and_the_nearest(home: Home, environ: dict[str, str]) -> None:
    error = refusal(home, environ, "monitoring:\n  escalation_strategy: mark_stale\n")
    assert error.message == (
        f"{home.config}:2: monitoring.escalation_strategy is 'mark_stale'; "
        "expected one of log_only, mark_stalled, reassign, escalate; did you mean mark_stalled?"
    )
    assert error.fix == f"write mark_stalled at {home.config}:2"
    assert (error.code, error.exit_code) == ("config_invalid", 2)


def test_all_problems_of_all_sources_are_said_at_once(home: Home, environ: dict[str, str]) -> None:
    user = user_config(environ)
    user.parent.mkdir(parents=True)
    user.write_text("retry:\n  factor: 0\n")
    environ |= {"DREAMOS_TASKS_SERVER__PORT": "many", "DREAMOS_TASKS_NONSENSE_ALTOGETHER": "1"}
    error = refusal(home, environ, "claims:\n  lease_seconds: -1\n  leas: 1\nretry:\n  factor: 2\nserver: {prt: 1}\n")
    assert error.message == "6 settings are wrong"
    lines = error.cause.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"{user}:2",
        f"{home.config}:2",
        f"{home.config}:3",
        f"{home.config}:6",
        "DREAMOS_TASKS_NONSENSE_ALTOGETHER",
        "DREAMOS_TASKS_SERVER__PORT",
    ]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("DREAMOS_TASKS_CLAIMS__LEASE_SECONS", "DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"),
        ("DREAMOS_TASKS_CLAIMS_LEASE_SECONDS", "DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"),
        ("DREAMOS_TASKS_CLAIM__LEASE_SECONDS", "DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"),
        ("DREAMOS_TASKS_TOOLS__HTTP__TIMEOUT", "DREAMOS_TASKS_TOOLS__HTTP__TIMEOUT_SECONDS"),
    ],
)
def test_an_unknown_variable_is_refused_with_its_nearest_neighbour(
    name: str, near: str, home: Home, environ: dict[str, str]
) -> None:
    environ[name] = "5"
    error = refusal(home, environ)
    assert error.message == f"{name}: there is no such setting; did you mean {near}?"
    assert error.fix == f"export {near}=... in its place, or unset {name}"


def test_a_section_cannot_be_one_variable(home: Home, environ: dict[str, str]) -> None:
    environ["DREAMOS_TASKS_CLAIMS"] = '{"lease_seconds": 5}'
    assert refusal(home, environ).message.startswith("DREAMOS_TASKS_CLAIMS: there is no such setting")


def test_a_wrong_value_of_a_variable_names_the_variable(home: Home, environ: dict[str, str]) -> None:
    environ["DREAMOS_TASKS_LOGGING__LEVEL"] = "debug"
    error = refusal(home, environ)
    assert error.message == (
        "DREAMOS_TASKS_LOGGING__LEVEL: logging.level is 'debug'; "
        "expected one of TRACE, DEBUG, INFO, WARNING, ERROR; did you mean DEBUG?"
    )
    assert error.fix == "export DREAMOS_TASKS_LOGGING__LEVEL=DEBUG"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("claims:\n  lease_seconds: [1\n", ":3:1: this is not YAML: expected ',' or ']', but got"),
        ("claims:\n\tlease_seconds: 1\n", ":2:1: this is not YAML: found character '\\t' that cannot start any token"),
        ("claims: {}\n---\nretry: {}\n", ":2:1: this is not YAML: but found another document"),
        (b"claims: \xff\xfe\n", ": this is not YAML: invalid start byte"),
        (b"claims: \x07\n", ": this is not YAML: special characters are not allowed"),
        ("[" * 20_000, ": this is not YAML: it is nested too deeply"),
        ("- claims\n", ":1: settings are sections with keys"),
        ("? [a]\n: 1\n", ":1: a key must be a word"),
        ("claims: &a {}\nretry: *a\n", ":2: retry is an alias, which settings cannot be"),
        ("tools: &a\n  shell: *a\n", ":2: tools.shell is an alias, which settings cannot be"),
        ("claims:\n  lease_seconds: !!int many\n", ":2: claims.lease_seconds is no int that can be read"),
        ("# long\n" * 200_000, ": it is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_settings_is_refused_with_line_and_column(
    text: str | bytes, said: str, home: Home, environ: dict[str, str]
) -> None:
    error = refusal(home, environ, text)
    assert f"{home.config}{said}" in error.message


def test_a_key_that_stands_twice_is_refused_with_both_lines(home: Home, environ: dict[str, str]) -> None:
    error = refusal(home, environ, "claims:\n  lease_seconds: 5\nretry: {}\nclaims: {}\n")
    assert error.message == f"{home.config}:4: claims was set before, at {home.config}:1"


def test_a_folder_in_the_place_of_the_file_is_said(home: Home, environ: dict[str, str]) -> None:
    home.config.mkdir()
    with pytest.raises(ConfigError, match="it is not a file"):
        load(home, environ)


@pytest.mark.parametrize(
    ("text", "keys", "rule"),
    [
        ("claims: {lease_seconds: 10, heartbeat_seconds: 10}", "claims.heartbeat_seconds", "before the lease runs out"),
        ("monitoring: {silent_agent_seconds: 5}", "monitoring.silent_agent_seconds", "only be called silent after"),
        ("retry: {base_seconds: 400}", "retry.base_seconds", "cannot be longer than the longest"),
        ("board: {store: postgres}", "board.store", "needs the database's url"),
        ("board: {url: 'postgresql://here'}", "board.url", "a url is for store: postgres"),
        ("board: {store: postgres, url: 'postgresql://here', path: b.db}", "board.path", "a url and no path"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    text: str, keys: str, rule: str, home: Home, environ: dict[str, str]
) -> None:
    error = refusal(home, environ, text)
    assert error.message.startswith(f"{home.config}:1: {keys} ({home.config}:1)")
    assert rule in error.message


def test_the_password_of_a_database_is_in_no_error(home: Home, environ: dict[str, str]) -> None:
    home.config.write_text("board:\n  url: ['postgresql://ada:c4nary@here/board']\n")
    environ["DREAMOS_TASKS_BOARD__URL"] = " postgresql://ada:c4nary@here/board"
    error = refusal(home, environ, home.config.read_text())
    assert "c4nary" not in error.message + error.cause + error.fix
    assert "board.url" in error.cause


def test_a_file_that_cannot_be_read_is_said(home: Home, environ: dict[str, str]) -> None:
    home.config.symlink_to(home.config)  # a ring: the one unreadable file that even root has
    with pytest.raises(ConfigError, match="it cannot be read: Too many levels of symbolic links"):
        load(home, environ)


def test_the_password_of_a_database_is_not_in_the_settings_own_text(home: Home, environ: dict[str, str]) -> None:
    environ |= {"DREAMOS_TASKS_BOARD__STORE": "postgres", "DREAMOS_TASKS_BOARD__URL": "postgresql://ada:c4nary@here/b"}
    assert "c4nary" not in repr(load(home, environ))


@pytest.mark.parametrize("text", ["5\nother: 6", "[[[", "{a: 1}", "*a", "[" * 20_000])
def test_a_variable_that_is_no_value_is_said(text: str, home: Home, environ: dict[str, str]) -> None:
    environ["DREAMOS_TASKS_CLAIMS__LEASE_SECONDS"] = text
    assert "claims.lease_seconds is " in refusal(home, environ).message
