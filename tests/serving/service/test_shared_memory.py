import os
from pathlib import Path

import pytest

from encas.serving.protocol.protocol import Refusal, RegionSlice
from encas.serving.service import shared_memory
from encas.serving.service.shared_memory import Region, SharedMemory


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    (tmp_path / "object").write_bytes(bytes(range(32)))
    return tmp_path


@pytest.fixture
def memory(folder):
    memory = SharedMemory(is_allowed=True)
    memory.register(region())
    yield memory
    memory.unregister()


def n_open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def region(**values):
    return Region(**{"name": "r", "key": "/object", "offset": 8, "byte_size": 16, **values})


def place(**values):
    return RegionSlice(**{"region": "r", "byte_size": 4, **values})


def test_read_and_write_count_from_the_region(memory, folder):
    assert memory.read(place(offset=2)) == bytes([10, 11, 12, 13])
    memory.write(place(offset=12), b"abcd")
    assert (folder / "object").read_bytes()[20:24] == b"abcd"


def test_status_names_regions_and_unregister_forgets_them(memory):
    assert memory.status() == [{"name": "r", "key": "/object", "offset": 8, "byte_size": 16}]
    assert memory.status("r") == memory.status()
    memory.unregister("r")
    memory.unregister("r")
    assert memory.status() == []
    with pytest.raises(Refusal, match="unable to find shared memory region: 'r'"):
        memory.read(place())


def test_unregister_without_a_name_closes_every_file(folder):
    memory = SharedMemory(is_allowed=True)
    before = n_open_files()
    memory.register(region(name="a"))
    memory.register(region(name="b"))
    assert n_open_files() == before + 2
    memory.unregister()
    assert n_open_files() == before


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"name": "r"}, "already registered"),
        ({"key": "/../object"}, "no shared memory object can have the key"),
        ({"key": "/.."}, "no shared memory object can have the key"),
        ({"key": ""}, "no shared memory object can have the key"),
        ({"key": "/link"}, "unable to open"),
        ({"key": "/none"}, "unable to open shared memory object '/none': No such file"),
        ({"offset": 20}, "has 32 bytes, the region ends at 36"),
        ({"offset": -1}, "must start at 0 or later"),
        ({"byte_size": 0}, "at least a byte"),
    ],
)
def test_register_refuses_what_is_no_region(memory, folder, values, fault):
    (folder / "link").symlink_to(folder / "object")
    with pytest.raises(Refusal, match=fault):
        memory.register(region(**{"name": "other", **values}))
    assert len(memory.status()) == 1


@pytest.mark.parametrize("values", [{"offset": 13}, {"offset": -1}, {"byte_size": 17}])
def test_read_outside_of_the_region_is_refused(memory, values):
    with pytest.raises(Refusal, match="do not lie in shared memory region 'r' of 16 bytes"):
        memory.read(place(**values))


def test_write_of_more_than_the_place_is_refused(memory):
    with pytest.raises(Refusal, match="needs 5 bytes, shared memory region 'r' offers 4"):
        memory.write(place(), b"abcde")


def test_region_that_its_owner_shortens_is_refused(memory, folder):
    os.truncate(folder / "object", 10)
    with pytest.raises(Refusal, match="has become shorter"):
        memory.read(place())


def test_register_is_refused_where_others_listen(folder):
    with pytest.raises(Refusal, match="only for clients on the same machine"):
        SharedMemory(is_allowed=False).register(region())


def test_register_has_a_limit(memory, monkeypatch):
    monkeypatch.setattr(shared_memory, "MAX_REGIONS", 1)
    with pytest.raises(Refusal, match="more than 1 shared memory regions"):
        memory.register(region(name="other"))
