import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import numpy as np
import onnxruntime
import torch

from encas.errors import SearchError
from encas.export.onnx_export import export_member
from encas.nat.pretrained import PUBLISHED, make_supernet
from encas.nat.space import smallest
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
    space = make_supernet("small-mobile", n_classes=3, size=8).space
    with pytest.raises(SearchError, match="small-mobile: expected 14 genes below 4-2-"):
        genome_of(text, space)


def test_text_and_genome_are_inverse(rng):
    space = make_supernet("small-fused", n_classes=3, size=8).space
    genome = space.sample(1, rng)[0]
    assert (genome_of(genome_text(genome), space) == genome).all()


def exported_subnet(supernet, genome, folder):
    path = folder / "weights.safetensors"
    write_subnet(supernet.extract(supernet.space.decode(genome)), path)
    spec = spec_of(supernet.space, genome, n_classes=5, weights=path, base=folder)
    source = source_model(spec, base=folder)
    return export_member(source, input_shape=source.input_shape, exporter="legacy")


def require_equal_answers(exported, size):
    session = onnxruntime.InferenceSession(
        exported.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for n in (1, 8):
        x = np.random.default_rng(n).normal(size=(n, 3, size, size)).astype(np.float32)
        expected = torch.tensor(exported.raw(x)).softmax(dim=1)
        (got,) = session.run(["probabilities"], {"input": x})
        torch.testing.assert_close(torch.tensor(got), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_size_subnet_becomes_an_onnx_model_that_answers_alike(name, tmp_path):
    supernet = make_supernet(name, n_classes=5)
    exported = exported_subnet(supernet, smallest(supernet.space), tmp_path)
    require_equal_answers(exported, supernet.space.design.size)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_random_full_size_subnets_become_onnx_models_that_answer_alike(name, tmp_path, rng):
    supernet = make_supernet(name, n_classes=5)
    for genome in supernet.space.sample(2, rng):
        exported = exported_subnet(supernet, genome, tmp_path)
        require_equal_answers(exported, supernet.space.design.size)
