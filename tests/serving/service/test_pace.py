from encas.serving.service.pace import MIN_BATCHES, Pace


def pace_of(*times_s):
    pace = Pace()
    for run_s in times_s:
        pace.note(run_s)
    return pace


def test_pace_is_quick_only_after_enough_quick_batches():
    assert not pace_of().is_quick
    assert not pace_of(*[1e-4] * (MIN_BATCHES - 1)).is_quick
    assert pace_of(*[1e-4] * MIN_BATCHES).is_quick
    assert not pace_of(*[1e-3] * 100).is_quick


def test_one_long_batch_ends_a_quick_pace_and_a_few_quick_ones_bring_it_back():
    pace = pace_of(*[1e-4] * 50)
    pace.note(0.006)
    assert not pace.is_quick
    for _ in range(30):
        pace.note(1e-4)
    assert pace.is_quick


def test_pace_between_the_limits_stays_what_it_was():
    pace = pace_of(*[1e-4] * 50)
    for _ in range(100):
        pace.note(4.5e-4)
    assert pace.is_quick
    assert not pace_of(*[4.5e-4] * 100).is_quick


def test_pace_is_short_up_to_its_own_limit():
    assert not pace_of(*[1e-3] * (MIN_BATCHES - 1)).is_short
    assert pace_of(*[1e-3] * MIN_BATCHES).is_short
    assert not pace_of(*[4e-3] * MIN_BATCHES).is_short
