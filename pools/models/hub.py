"""The Hugging Face hub: whether it answers at all, and what its errors mean for a user."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from functools import cache

from ...errors import MissingExtraError

try:
    import huggingface_hub
    from huggingface_hub import errors as hub_errors
except ImportError as error:
    raise MissingExtraError("models of the Hugging Face hub", extra="timm") from error

TIMEOUT_S = 5


@cache
def look_for_hub() -> None:
    """Where the hub does not answer, this process and those it starts use the hub's cache alone.

    Otherwise its client would try again for half a minute for each file of each model.
    """
    constants = huggingface_hub.constants
    if constants.HF_HUB_OFFLINE:
        return
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return
    except OSError:
        # The variable is read when the client is imported, as other processes will; here it was.
        os.environ["HF_HUB_OFFLINE"] = "1"
        constants.HF_HUB_OFFLINE = True


def hub_fault(cause: Exception, repository: str) -> str | None:
    """What an error of the hub's client means, and what to do; None where it is another error."""
    if isinstance(cause, hub_errors.GatedRepoError):
        return f"{repository} is gated: ask for access on its page, then `hf auth login`"
    if isinstance(cause, hub_errors.RepositoryNotFoundError):
        return f"the hub has no repository {repository} (or it is private: `hf auth login`)"
    if isinstance(cause, (hub_errors.LocalEntryNotFoundError, hub_errors.OfflineModeIsEnabled)):
        cache_folder = huggingface_hub.constants.HF_HUB_CACHE
        return (
            f"{repository} is not in the hub's cache, and the hub does not answer: where there is "
            f"a network, `hf download {repository}`, and copy the cache's folder "
            f"models--{repository.replace('/', '--')} into {cache_folder}"
        )
    if isinstance(cause, (hub_errors.HfHubHTTPError, hub_errors.EntryNotFoundError)):
        return f"{repository} cannot be fetched: {first_line(cause)}"
    return None


def first_line(cause: Exception) -> str:
    """The first line of an error's text, or else its kind."""
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
