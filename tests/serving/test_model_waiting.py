"""Waiting for a model, with a clock that only moves when somebody waits."""

import re

import pytest

from encas.errors import ServingError
from encas.serving.model_waiting import ListedModels, awaited_model


class Server:
    """Lists its models, one entry of `states` after the other; the last stays."""

    def __init__(self, *states):
        self._states = list(states)
        self.now_s = 0.0
        self.heard = []

    def listed(self):
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]

    def pause(self, seconds):
        self.now_s += seconds

    def await_model(self, wanted=None, *, wait_s=60.0):
        return awaited_model(
            self.listed, wanted, where="host:1", wait_s=wait_s, on_progress=self.heard.append,
            clock=lambda: self.now_s, pause=self.pause,
        )  # fmt: skip


def models(ready="", loading=""):
    return ListedModels(ready=tuple(ready.split()), loading=tuple(loading.split()))


def test_models_are_ready_or_loading_or_neither():
    index = [
        {"name": "a", "state": "READY"},
        {"name": "b", "state": "UNAVAILABLE", "reason": "not loaded yet"},
        {"name": "c", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "d", "state": "LOADING", "reason": ""},
        {"name": "e"},
    ]
    assert ListedModels.of(index) == models("a", "b d")


@pytest.mark.parametrize(
    ("now", "wanted", "name"),
    [(models("a"), None, "a"), (models("a b"), "b", "b"), (models("a", "b"), "a", "a")],
)
def test_model_that_is_ready_is_taken_at_once_without_a_word(now, wanted, name):
    server = Server(now)
    assert (server.await_model(wanted), server.now_s, server.heard) == (name, 0.0, [])


@pytest.mark.parametrize("wanted", [None, "a"])
def test_server_that_loads_is_waited_for_and_it_is_said_for_what(wanted):
    server = Server(models("", "a"), models("", "a"), models("a"))
    assert server.await_model(wanted) == "a"
    assert [(p.what, p.done, p.text) for p in server.heard] == [
        ("waiting for host:1", 0.0, "not ready yet, it loads a"),
        ("waiting for host:1", 0.5, "not ready yet, it loads a"),
        ("waiting for host:1", 1.0, "ready"),
    ]
    assert [p.is_over for p in server.heard] == [False, False, True]


def test_unnamed_model_is_chosen_when_all_are_loaded():
    server = Server(models("a", "b"), models("a b"))
    with pytest.raises(ServingError, match="choose one of its models with --model: a, b"):
        server.await_model()
    assert server.now_s == 0.5


def test_server_that_does_not_get_ready_is_an_error_with_its_remedy():
    server = Server(models("", "a b"))
    fault = "not ready yet: after 3 s it still loads a, b; its log .*--wait-s gives it longer"
    with pytest.raises(ServingError, match=fault):
        server.await_model(wait_s=3.2)
    assert server.now_s == pytest.approx(3.2)


def test_no_time_to_wait_is_an_error_at_once():
    server = Server(models("", "a"))
    with pytest.raises(ServingError, match=re.escape("after 0 s it still loads a")):
        server.await_model(wait_s=0)
    assert server.heard == []


@pytest.mark.parametrize(("now", "wanted"), [(models("a", "b"), "c"), (models(), None)])
def test_model_that_will_never_be_there_is_refused(now, wanted):
    with pytest.raises(ServingError, match="choose one of its models with --model: "):
        Server(now).await_model(wanted)
