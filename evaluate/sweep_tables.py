# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
# ruff: noqa: PLR0913, PLR0917 - compiled functions take their arrays one by one
"""All thresholds of a member sequence at once, compiled.

With the members fixed, thresholds see of a sample only its stage bytes (stages.py): the bin b_j and
whether the answer is right, c_j. It leaves at stage j when b_j > g_j. So for all threshold genes
    correct(g) = sum of c_1 + sum over {b_1 <= g_1} of (c_2 - c_1)
                 + sum over {b_1 <= g_1, b_2 <= g_2} of (c_3 - c_2) + ..
    reached_{j+1}(g) = number of {b_1 <= g_1, .., b_j <= g_j}
are cumulative sums of histograms over 51, 51^2 .. cells. A *unit* of work is a prefix of up to four
members with up to 16 alternatives for the last member, its *lanes*: they share everything but the
last term. Shorter prefixes are filled up in front by stages that everyone passes at no cost.

Only points that improve on a *staircase* matter: stair[c] is the least cost known for c or more
right answers. Whatever cannot improve it is skipped, by a bound that is sound because costs are
never negative: once a stage is run by certain samples, the cost is at least that of the stages so
far, and no more answers become right than those that any of the remaining stages gets right. So
what is reported is exact, and nothing that improves the staircase is missed.
"""

from __future__ import annotations

from .compiled import compiled, inlined
from .sweep_space import MARGIN, Plane, Stair, SweepBlock
from .sweep_units import N_LANES, NOBODY, Units
from .threshold_grid import N_THRESHOLDS

KNOWN = -1


@compiled
def sweep_lane(lane, n_lanes, units, prefix, last, prices, stair, planes, blocks, codes, costs):
    """Sweeps units; each starts from the same staircase, so their order means nothing.

    Args:
        lane: which lane this is.
        n_lanes: how many there are; every n-th unit is a lane's.
        units: the samples.
        prefix: int64 [n, 4], members, NOBODY in front.
        last: int64 [n, 16], members, NOBODY at the end.
        prices: see `Prices`.
        stair: float64 [n_samples + 1 + MARGIN], +inf at the end.
        planes: room for one for each lane.
        blocks: room for as many.
        codes: int64 [n, n_samples + 1 + MARGIN], filled: the lane and the genes that improve on the
            staircase at each number of right answers, KNOWN where nothing does.
        costs: float64 [n, n_samples + 1 + MARGIN], filled: the cost there.
    """
    p, b = planes, blocks
    plane = Plane(
        p.n2[lane], p.gain2[lane], p.n3[lane], p.gain3[lane], p.hope3[lane], p.ceiling[lane]
    )
    block = SweepBlock(
        b.n4[lane], b.gain4[lane], b.hope4[lane], b.n5[lane], b.gain5[lane],
        b.row_n5[lane], b.row_gain5[lane], b.gain[lane], b.most[lane],
    )  # fmt: skip
    for u in range(lane, len(prefix), n_lanes):
        unit = Units(units.end[u], units.bins[u], units.right[u], units.best[u], units.gain[u])
        own = Stair(costs[u], codes[u])
        for right in range(len(stair)):
            own.cost[right] = stair[right]
            own.code[right] = KNOWN
        _sweep(unit, plane, block, prefix[u], last[u], prices, own)
        _keep_steps(own)


@inlined
def _price(prices, member, is_last, reached):
    if member == NOBODY:
        return 0.0
    return prices.table[prices.row[is_last, member], reached] * prices.factor[member]


@inlined
def _sweep(unit, plane, block, prefix, last, prices, stair):
    n_samples = unit.bins.shape[1]
    right1 = _fill_plane(unit, plane)
    _accumulate(plane)
    cost1 = _price(prices, prefix[0], 0, n_samples)
    for g1 in range(N_THRESHOLDS):
        n2 = plane.n2[g1]
        if n2 == (plane.n2[g1 - 1] if g1 > 0 else 0):
            continue
        cost2 = cost1 + _price(prices, prefix[1], 0, n2)
        right2 = right1 + plane.gain2[g1]
        _sweep_blocks(unit, plane, block, g1, cost2, right2, prefix, last, prices, stair)


@inlined
def _fill_plane(unit, plane):
    """Fills the histograms; returns how many answers stage 1 gets right."""
    for g1 in range(N_THRESHOLDS):
        plane.n2[g1] = plane.gain2[g1] = 0
        plane.ceiling[g1] = -1
        for g2 in range(N_THRESHOLDS):
            plane.n3[g1, g2] = plane.gain3[g1, g2] = plane.hope3[g1, g2] = 0
    right1 = 0
    for i in range(unit.bins.shape[1]):
        b1, b2, right2 = unit.bins[0, i], unit.bins[1, i], unit.right[1, i]
        right1 += unit.right[0, i]
        if b1 < N_THRESHOLDS:
            plane.n2[b1] += 1
            plane.gain2[b1] += right2 - unit.right[0, i]
            if b2 < N_THRESHOLDS:
                plane.n3[b1, b2] += 1
                plane.gain3[b1, b2] += unit.right[2, i] - right2
                plane.hope3[b1, b2] += unit.best[2, i] - right2
    return right1


@inlined
def _accumulate(plane):
    for line in (plane.n2, plane.gain2):
        for g in range(1, N_THRESHOLDS):
            line[g] += line[g - 1]
    for table in (plane.n3, plane.gain3, plane.hope3):
        for g1 in range(N_THRESHOLDS):
            for g2 in range(1, N_THRESHOLDS):
                table[g1, g2] += table[g1, g2 - 1]
        for g1 in range(1, N_THRESHOLDS):
            for g2 in range(N_THRESHOLDS):
                table[g1, g2] += table[g1 - 1, g2]


@compiled
def _sweep_blocks(unit, plane, block, g1, cost2, right2, prefix, last, prices, stair):
    next_b2, n3, ceiling = 0, 0, -1
    _clear(block)
    for g2 in range(N_THRESHOLDS):
        ceiling = max(ceiling, plane.ceiling[g2])
        hope = right2 + plane.hope3[g1, g2]
        # Nobody new runs stage 3, or a block with fewer of them says that it is in vain.
        if plane.n3[g1, g2] == n3 or (hope <= ceiling and prices.is_monotone):
            continue
        n3 = plane.n3[g1, g2]
        cost3 = cost2 + _price(prices, prefix[2], 0, n3)
        if cost3 < stair.cost[hope]:
            for b2 in range(next_b2, g2 + 1):
                start = unit.end[b2 - 1, N_THRESHOLDS] if b2 > 0 else 0
                _add(unit, start, unit.end[b2, g1], block)
            next_b2 = g2 + 1
            right3 = right2 + plane.gain3[g1, g2]
            code = N_LANES * (g1 + 64 * g2)
            lack = _sweep_block(block, cost3, right3, prefix, last, code, prices, stair)
            plane.ceiling[g2] = ceiling = max(ceiling, hope + lack - 1)


@inlined
def _clear(block):
    for b3 in range(N_THRESHOLDS):
        if block.n4[b3] > 0:
            for b4 in range(N_THRESHOLDS):
                block.n5[b3, b4] = 0
            for x in range(N_THRESHOLDS * N_LANES):
                block.gain5[b3, x] = 0
        block.n4[b3] = block.gain4[b3] = block.hope4[b3] = 0


@inlined
def _add(unit, start, stop, block):
    for i in range(start, stop):
        b3, b4 = unit.bins[2, i], unit.bins[3, i]
        if b3 >= N_THRESHOLDS:
            continue
        block.n4[b3] += 1
        block.gain4[b3] += unit.right[3, i] - unit.right[2, i]
        block.hope4[b3] += unit.best[3, i] - unit.right[3, i]
        if b4 < N_THRESHOLDS:
            block.n5[b3, b4] += 1
            total = block.gain5[b3, b4 * N_LANES : (b4 + 1) * N_LANES]
            gain = unit.gain[i]
            for lane in range(N_LANES):
                total[lane] += gain[lane]


@compiled
def _sweep_block(block, cost3, right3, prefix, last, code, prices, stair):
    """Sweeps a block; returns how many more right answers any of its points needs, at least."""
    last_g3 = _last_hopeful(block, cost3, right3, prefix, prices, stair)
    lack = _lack(stair, right3, cost3, MARGIN)
    n4, right4, hope, ceiling = 0, right3, 0, -1
    for g4 in range(N_THRESHOLDS):
        block.row_n5[g4] = 0
    for x in range(N_THRESHOLDS * N_LANES):
        block.row_gain5[x] = 0
    for g3 in range(last_g3 + 1):
        if block.n4[g3] == 0:
            continue
        n4 += block.n4[g3]
        right4 += block.gain4[g3]
        hope += block.hope4[g3]
        _add_row(block, g3)
        cost4 = cost3 + _price(prices, prefix[3], 0, n4)
        most = right4 + hope + max(lack, 1) - 1
        if cost4 < stair.cost[most] and (most > ceiling or not prices.is_monotone):
            row_code = code + N_LANES * 64**2 * g3
            lack = _sweep_row(block, cost4, right4, lack, last, row_code, prices, stair)
            ceiling = max(ceiling, right4 + hope + lack - 1)
    return lack


@inlined
def _lack(stair, right, cost, lack):
    """How many more right answers than `right` improve the staircase at this cost; `lack` if more.

    No less than 1 if the staircase holds this point itself, 0 if it does not know any like it.
    """
    while lack > 0 and cost < stair.cost[right + lack - 1]:
        lack -= 1
    return lack


@inlined
def _last_hopeful(block, cost3, right3, prefix, prices, stair):
    """The last g_3 with which the staircase may nearly be improved, -1 if there is none."""
    last, n4, right4, hope = -1, 0, right3, 0
    for g3 in range(N_THRESHOLDS):
        if block.n4[g3] > 0:
            n4 += block.n4[g3]
            right4 += block.gain4[g3]
            hope += block.hope4[g3]
            if cost3 + _price(prices, prefix[3], 0, n4) < stair.cost[right4 + hope + MARGIN - 1]:
                last = g3
    return last


@inlined
def _add_row(block, g3):
    n5, gain5 = block.n5[g3], block.gain5[g3]
    for g4 in range(N_THRESHOLDS):
        block.row_n5[g4] += n5[g4]
    for x in range(N_THRESHOLDS * N_LANES):
        block.row_gain5[x] += gain5[x]


@compiled
def _sweep_row(block, cost4, right4, lack, last, code, prices, stair):
    """Sweeps a row; returns how many more right answers any point so far needs, at least."""
    _sum_row(block.row_gain5, block.gain, block.most)
    lack = _lack(stair, right4, cost4, lack)
    for lane in range(N_LANES):
        most = right4 + block.most[lane] + max(lack, 1) - 1
        if last[lane] != NOBODY and cost4 < stair.cost[most]:
            lack = _sweep_lane(
                block, cost4, right4, lack, lane, last[lane], code + lane, prices, stair
            )
    return lack


@inlined
def _sum_row(row_gain5, gain, most):
    """Sums a row over {b_4 <= g_4}, and finds the largest of the sums of each lane."""
    for x in range(N_LANES):
        gain[x] = row_gain5[x]
    for x in range(N_LANES, N_THRESHOLDS * N_LANES):
        gain[x] = gain[x - N_LANES] + row_gain5[x]
    for x in range(N_THRESHOLDS * N_LANES):
        most[x] = gain[x]
    n = N_THRESHOLDS
    while n > 1:
        half = n // 2
        high = most[(n - half) * N_LANES : n * N_LANES]
        for x in range(half * N_LANES):
            most[x] = high[x] if high[x] > most[x] else most[x]
        n -= half


@inlined
def _sweep_lane(block, cost4, right4, lack, lane, member, code, prices, stair):
    n5 = 0
    for g4 in range(N_THRESHOLDS):
        if block.row_n5[g4] == 0:
            continue
        n5 += block.row_n5[g4]
        right = right4 + block.gain[g4 * N_LANES + lane]
        cost = cost4 + _price(prices, member, 1, n5)
        if cost < stair.cost[right]:
            _step(stair, right, cost, code + N_LANES * 64**3 * g4)
        lack = _lack(stair, right, cost, lack)
    return lack


@inlined
def _step(stair, right, cost, code):
    """Lowers the staircase to the cost of so many right answers, where it is higher."""
    while right >= 0 and cost < stair.cost[right]:
        stair.cost[right] = cost
        stair.code[right] = code
        right -= 1


@inlined
def _keep_steps(stair):
    """Leaves the codes at the upper ends of their steps alone: the others are the same point."""
    for right in range(len(stair.code) - 2):
        if stair.cost[right] == stair.cost[right + 1]:
            stair.code[right] = KNOWN
