import pytest

from encas.errors import SessionError
from encas.processors import usable_processors
from encas.runtime.placement import Placement


def test_placement_takes_every_processor_unless_told():
    assert Placement().threads == usable_processors()
    assert Placement(n_threads=1).threads == 1


def test_placement_on_a_device_that_there_is_none_of_is_refused():
    with pytest.raises(SessionError, match="expected cpu, cuda:N or tensorrt:N .*, got 'gpu'"):
        _ = Placement(device="gpu").place


def test_placement_of_cuda_graphs_on_the_cpu_is_refused():
    with pytest.raises(SessionError, match="CUDA graphs need a device cuda:N or tensorrt:N"):
        Placement(cuda_graphs=True)
