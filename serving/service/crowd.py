"""How many requests seem to be on their way: what a batch on the event loop waits for."""

from __future__ import annotations

import math

FIRST_PROBE, LAST_PROBE = 16, 256
ENOUGH_ALONE = 16
GAP_S = 0.00015


class Crowd:
    """Learns from requests and batches how many requests come together.

    Clients that wait for their answers ask again after it: as many requests as came last time will
    come this time, one after the other. To run the first one at once would make every batch hold
    one request, for ever. So a batch waits for `expected` requests, but not for long. Now and then
    it waits for twice as many, to see whether there are; the less often the more often there were
    not.
    """

    def __init__(self) -> None:
        self._expected = 1
        self._probe_every = FIRST_PROBE
        self._n_batches = 0
        self._n_alone = 0
        self._answered_s = -math.inf

    @property
    def is_one(self) -> bool:
        """Whether there seems to be a single client, which asks when it has its answer."""
        return self._n_alone >= ENOUGH_ALONE

    @property
    def expected(self) -> int:
        """The requests that the next batch should wait for, at least 1."""
        if self.is_one:
            return 1
        return 2 * self._expected if self._is_probing else self._expected

    def note_request(self, now_s: float, *, n_open: int) -> None:
        """Learns from a request that came while `n_open` others were not yet answered.

        One that comes right after an answer has been waiting in front of a busy event loop: no
        client is as quick.
        """
        is_alone = n_open == 0 and now_s - self._answered_s > GAP_S
        self._n_alone = self._n_alone + 1 if is_alone else 0

    def note_batch(self, now_s: float, *, n_requests: int) -> None:
        """Learns from a batch that was answered: of `expected` requests, or of all that came."""
        self._answered_s = now_s
        if self._is_probing:
            is_larger = n_requests > self._expected
            self._probe_every = FIRST_PROBE if is_larger else min(2 * self._probe_every, LAST_PROBE)
            self._n_batches = 0
        else:
            self._n_batches += 1
        self._expected = max(1, n_requests)

    @property
    def _is_probing(self) -> bool:
        return self._n_batches >= self._probe_every
