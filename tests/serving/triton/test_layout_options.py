import pytest

from encas.errors import ServingError
from encas.serving.triton.layout_options import LayoutOptions


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"layout": "nonsense"}, "the layouts are graph, bls, ensemble, python"),
        ({"around": "ensemble"}, "not around an ensemble"),
        ({"max_batch_size": 0}, "must not be negative, and batches not empty"),
        ({"tensorrt": True, "backend": "python"}, "TensorRT needs the target 'gpu'"),
    ],
)
def test_choices_that_contradict_are_refused(values, fault):
    with pytest.raises(ServingError, match=fault):
        LayoutOptions(**values)


@pytest.mark.parametrize(
    ("name", "least"),
    [("max_batch_size", 1), ("instances", 1), ("max_delay_ms", 0), ("max_queue", 0)],
)
def test_least_sizes_are_taken_and_smaller_ones_refused(name, least):
    assert getattr(LayoutOptions(**{name: least}), name) == least
    with pytest.raises(ServingError, match="Triton repository: sizes, delays and counts must not"):
        LayoutOptions(**{name: least - 1})


def test_every_contradiction_is_named():
    with pytest.raises(ServingError) as refused:
        LayoutOptions(around="ensemble", instances=0, tensorrt=True, target="cpu")
    assert len(refused.value.faults) == 3


@pytest.mark.parametrize("values", [{"target": "cpu"}, {"backend": "python"}])
def test_tensorrt_needs_a_gpu_and_its_backend(values):
    assert LayoutOptions(tensorrt=True).tensorrt
    with pytest.raises(ServingError, match="TensorRT needs the target 'gpu' and the backend"):
        LayoutOptions(tensorrt=True, **values)


@pytest.mark.parametrize(
    ("layout", "around", "core"),
    [("bls", "graph", "bls"), ("ensemble", "bls", "bls"), ("ensemble", "graph", "graph")],
)
def test_core_is_the_layout_of_the_cascade_itself(layout, around, core):
    assert LayoutOptions(layout=layout, around=around).core == core


@pytest.mark.parametrize(
    ("size", "buckets"), [(1, (1,)), (2, (1, 2)), (12, (1, 2, 4, 8, 12)), (16, (1, 2, 4, 8, 16))]
)
def test_buckets_are_powers_of_two_up_to_the_largest(size, buckets):
    assert LayoutOptions(max_batch_size=size).buckets == buckets
