import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import numpy as np
import onnxruntime
import torch

from encas.errors import SearchError
from encas.export.onnx_export import export_member
from encas.nat.designs import space_of
from encas.nat.pretrained import make_supernet
from encas.nat.subnets import genome_of, genome_text, spec_of, subnet_name, write_subnet
from encas.pools.models.specs import source_model


def test_spec_rebuilds_the_subnet_that_was_written(tmp_path, rng):
    supernet = make_supernet("small-mobile", n_classes=3, size=8, n_channels=1)
    genome = supernet.space.sample(1, rng)[0]
    network = supernet.extract(supernet.space.decode(genome))
    path = tmp_path / "weights" / f"{subnet_name(supernet.space, genome)}.safetensors"
    write_subnet(network, path)
    spec = spec_of(supernet.space, genome, n_classes=3, weights=path, base=tmp_path)
    source = source_model(spec, base=tmp_path)
    assert source.input_shape == (1, 8, 8)
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(source.build()(x), network(x))


@pytest.mark.parametrize("text", ["", "1", "0-x", "99-0-0-0-0-0-0-0-0-0-0-0-0-0", "-1-2"])
def test_text_that_is_no_genome_is_refused(text):
    space = space_of("small-mobile", size=8)
    with pytest.raises(SearchError, match="small-mobile: expected 14 genes below 4-2-"):
        genome_of(text, space)


def test_text_and_genome_are_inverse(rng):
    space = space_of("small-fused", size=8)
    genome = space.sample(1, rng)[0]
    assert (genome_of(genome_text(genome), space) == genome).all()


def require_equal_answers(exported, size):
    session = onnxruntime.InferenceSession(
        exported.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for n in (1, 3):
        x = np.random.default_rng(n).normal(size=(n, 3, size, size)).astype(np.float32)
        expected = torch.tensor(exported.raw(x)).softmax(dim=1)
        (got,) = session.run(["probabilities"], {"input": x})
        torch.testing.assert_close(torch.tensor(got), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["ofa-mbv3-w1.2", "ofa-proxyless-w1.3", "alphanet"])
def test_full_size_subnet_becomes_an_onnx_model_that_answers_alike(name, rng):
    """A random one of each kind of blocks, at the lowest resolution."""
    space = space_of(name)
    genome = space.sample(1, rng)[0]
    genome[0] = 0
    source = source_model(spec_of(space, genome, n_classes=5))
    exported = export_member(source, input_shape=source.input_shape, exporter="legacy")
    require_equal_answers(exported, space.design.size)
