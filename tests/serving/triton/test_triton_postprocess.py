import json

import numpy as np
from fake_triton import joined, written


def test_postprocessing_gives_class_names(triton, loaded, pictured, tmp_path):
    model = loaded(written(pictured, tmp_path, layout="ensemble"), "three_postprocess")
    label = np.array([[4], [0]])
    responses = model.execute([{"label": label}, {"label": label[:1]}])
    assert joined(responses, "class").tolist() == [[b"eel"], [b"ant"], [b"eel"]]


def test_postprocessing_of_a_bundle_without_names_gives_numbers(triton, loaded, pictured, tmp_path):
    file = pictured / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": None}))
    model = loaded(written(pictured, tmp_path, layout="ensemble"), "three_postprocess")
    (response,) = model.execute([{"label": np.array([[4], [0]])}])
    assert response.tensors["class"].tolist() == [[b"4"], [b"0"]]


def test_postprocessing_gives_names_in_utf_8(own_module, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "classes.json").write_text('["\u00e4", "b"]', "utf-8")
    model = own_module("triton_postprocess").TritonPythonModel()
    model.initialize({"model_repository": str(tmp_path), "model_version": "1"})
    (response,) = model.execute([{"label": np.array([[0]])}])
    assert response.tensors["class"].tolist() == [["\u00e4".encode()]]
