"""The hub's client: told once that there is no network, and its errors in a user's words."""

import io
import os
import re
import urllib.error

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")

from encas.pools.models import hub  # noqa: E402
from encas.pools.models.hub import hub_fault, look_for_hub  # noqa: E402


@pytest.fixture
def client(monkeypatch):
    """A client that has not looked for the hub yet, and how often it does."""
    looks = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    look_for_hub.cache_clear()

    def answer_with(result):
        def look(request, timeout):
            looks.append((request.full_url, timeout))
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(hub.urllib.request, "urlopen", look)
        return looks

    yield answer_with
    look_for_hub.cache_clear()


def is_offline():
    return huggingface_hub.constants.HF_HUB_OFFLINE, os.environ["HF_HUB_OFFLINE"]


def test_hub_that_does_not_answer_is_asked_once_and_never_again(client):
    looks = client(urllib.error.URLError("no network"))
    look_for_hub()
    look_for_hub()
    assert looks == [("https://huggingface.co", 5)]
    assert is_offline() == (True, "1")


@pytest.mark.parametrize(
    "answer",
    [io.BytesIO(), urllib.error.HTTPError("https://huggingface.co", 503, "busy", None, None)],
)
def test_hub_that_answers_anything_is_used(client, answer):
    client(answer)
    look_for_hub()
    assert is_offline() == (False, "0")


def test_client_that_is_offline_by_wish_does_not_look(client, monkeypatch):
    looks = client(io.BytesIO())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    look_for_hub()
    assert looks == []


@pytest.mark.parametrize(
    ("raised", "fault"),
    [
        ("GatedRepoError", "a/b is gated: ask for access on its page, then `hf auth login`"),
        ("RepositoryNotFoundError", r"the hub has no repository a/b \(or it is private"),
        ("LocalEntryNotFoundError", "a/b is not in the hub's cache, .* models--a--b into"),
        ("OfflineModeIsEnabled", "a/b is not in the hub's cache"),
        ("EntryNotFoundError", "a/b cannot be fetched: EntryNotFoundError"),
    ],
)
def test_error_of_the_hub_is_told_in_a_users_words(raised, fault):
    kind = getattr(hub.hub_errors, raised)
    cause = kind.__new__(kind)
    assert re.search(fault, hub_fault(cause, "a/b"))


def test_other_errors_are_not_the_hubs():
    assert hub_fault(RuntimeError("shapes"), "a/b") is None
