import itertools

from encas.serving.service.crowd import ENOUGH_ALONE, FIRST_PROBE, GAP_S, LAST_PROBE, Crowd

LATER_S = 10 * GAP_S


def batches(crowd, n_clients, n=1):
    """Batches of a closed loop of clients, which all ask again when they are answered."""
    waited_for = []
    for _ in range(n):
        for position in range(n_clients):
            crowd.note_request(0.0, n_open=position)
        waited_for.append(crowd.expected)
        crowd.note_batch(0.0, n_requests=min(crowd.expected, n_clients))
    return waited_for


def test_crowd_of_many_is_found_though_the_first_batches_hold_one_request():
    crowd = Crowd()
    batches(crowd, 16, 5 * (FIRST_PROBE + 1))
    assert crowd.expected == 16


def test_crowd_that_shrinks_is_expected_no_longer():
    crowd = Crowd()
    batches(crowd, 16, 5 * (FIRST_PROBE + 1))
    batches(crowd, 3, 2)
    assert crowd.expected == 3


def test_probes_become_rarer_where_they_find_nobody_and_end_at_a_bound():
    crowd = Crowd()
    waited_for = batches(crowd, 2, 10 * LAST_PROBE)
    probes = [i for i, expected in enumerate(waited_for) if expected == 4]
    gaps = [b - a for a, b in itertools.pairwise(probes)]
    assert gaps[:3] == [2 * FIRST_PROBE + 1, 4 * FIRST_PROBE + 1, 8 * FIRST_PROBE + 1]
    assert max(gaps) == LAST_PROBE + 1


def ask_alone(crowd, n, *, gap_s=LATER_S):
    now_s = 0.0
    for _ in range(n):
        crowd.note_batch(now_s, n_requests=1)
        now_s += gap_s
        crowd.note_request(now_s, n_open=0)


def test_client_that_asks_only_when_it_is_answered_is_one_and_never_waits_for_others():
    crowd = Crowd()
    ask_alone(crowd, ENOUGH_ALONE - 1)
    assert not crowd.is_one
    ask_alone(crowd, 10 * FIRST_PROBE)
    assert crowd.is_one
    assert crowd.expected == 1


def test_request_beside_another_or_right_after_an_answer_shows_that_there_are_more_clients():
    for gap_s, n_open in ((LATER_S, 1), (GAP_S / 2, 0)):
        crowd = Crowd()
        ask_alone(crowd, ENOUGH_ALONE)
        crowd.note_batch(1.0, n_requests=1)
        crowd.note_request(1.0 + gap_s, n_open=n_open)
        assert not crowd.is_one
