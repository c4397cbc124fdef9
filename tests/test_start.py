"""What happens before anything else is imported: modules that are put off until something of them is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = "import sys, dreamos_tasks.__main__ as start;"
AT_ONCE = """
from threading import Barrier, Thread
import inspect
barrier, found = Barrier(8), []
def use():
    barrier.wait()
    found.append(inspect.signature)
threads = [Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""


def said_by(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import ipaddress; print(type(ipaddress).__name__)", "PutOff"),
        ("import ipaddress; print(ipaddress.ip_address('127.0.0.1').is_loopback)", "True"),
        ("from ipaddress import ip_address; print(ip_address('127.0.0.1').is_loopback)", "True"),
        ("import ipaddress; ipaddress.ip_address; import ipaddress as again; print(type(again).__name__)", "module"),
        ("import inspect, dis; print(inspect.cleandoc(' a'))", "a"),
        ("import copy; print(hasattr(copy, 'deepcopy'), hasattr(copy, 'no_such_name'))", "True False"),
    ],
)
def test_what_was_put_off_is_there_when_it_is_used(code: str, expected: str) -> None:
    assert said_by(code) == expected


def test_several_threads_may_use_it_first() -> None:
    assert said_by(AT_ONCE) == "8 1"


def test_what_is_loaded_already_is_left_alone() -> None:
    code = (
        "import inspect, sys; before = inspect; import dreamos_tasks.__main__; print(sys.modules['inspect'] is before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"
