import os

import pytest

from encas import processors
from encas.processors import usable_processors


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A machine with eight processors whose control groups lie in a folder."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)
    monkeypatch.setattr(processors, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(processors, "OWN_CGROUPS", tmp_path / "own")

    def written(own: str, **files: str) -> None:
        (tmp_path / "own").write_text(own)
        for path, text in files.items():
            file = tmp_path / "groups" / path.replace("__", "/").replace("_DOT_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    return written


def test_usable_processors_are_those_of_the_affinity(groups, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {1, 5, 9}, raising=False)
    assert usable_processors() == 3


@pytest.mark.parametrize(("count", "usable"), [(6, 6), (None, 1)])
def test_usable_processors_without_affinities_are_all_there_are(groups, monkeypatch, count, usable):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert usable_processors() == usable


@pytest.mark.parametrize(
    ("limit", "usable"),
    [("max 100000", 8), ("150000 100000", 2), ("200000 100000", 2), ("10000 100000", 1),
     ("1600000 100000", 8), ("nonsense", 8), ("0 0", 8)],
)  # fmt: skip
def test_usable_processors_of_a_container_are_its_quota(groups, limit, usable):
    groups("0::/\n", cpu_DOT_max=limit)
    assert usable_processors() == usable


def test_usable_processors_obey_the_smallest_quota_of_all_groups_above(groups):
    groups(
        "0::/pods/one\n",
        pods__cpu_DOT_max="300000 100000",
        pods__one__cpu_DOT_max="max 100000",
    )
    assert usable_processors() == 3


def test_usable_processors_know_control_groups_of_version_1(groups):
    files = {"cpu,cpuacct__pod__cpu_DOT_cfs_quota_us": "250000",
             "cpu,cpuacct__pod__cpu_DOT_cfs_period_us": "100000"}  # fmt: skip
    groups("9:memory:/pod\n4:cpu,cpuacct:/pod\n", **files)
    assert usable_processors() == 3


def test_usable_processors_without_a_quota_of_version_1_are_those_of_the_affinity(groups):
    files = {"cpu__cpu_DOT_cfs_quota_us": "-1", "cpu__cpu_DOT_cfs_period_us": "100000"}
    groups("1:cpu:/\n", **files)
    assert usable_processors() == 8


def test_usable_processors_pass_by_a_group_outside_of_the_mounted_ones(groups):
    groups("0::/../elsewhere\n", cpu_DOT_max="100000 100000")
    assert usable_processors() == 1
