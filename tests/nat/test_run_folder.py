import json

import numpy as np
import pytest

from encas.errors import SearchError
from encas.nat.run_folder import (
    CHECKPOINT_FILE,
    keeper_of,
    refuse_other,
    refuse_taken,
    run_content,
)


class Counter:
    """A run that counts."""

    resumable = True

    def __init__(self, n=0):
        self.n = n

    def state(self):
        return {"n": np.array(self.n)}

    def restore(self, state):
        self.n = int(state["n"])


def test_run_goes_on_from_its_folder_with_the_same_settings_only(tmp_path):
    out = tmp_path / "run"
    keeper = keeper_of(Counter(5), out, {"seed": 1}, resume=False)
    keeper.keep()
    assert keeper.advice == f"{out} holds what was done: go on with --resume"
    counter = Counter()
    keeper_of(counter, out, {"seed": 1}, resume=True).resume()
    assert counter.n == 5
    with pytest.raises(SearchError, match="a run with other settings"):
        keeper_of(counter, out, {"seed": 2}, resume=True).resume()


@pytest.mark.parametrize("file", ["run.json", CHECKPOINT_FILE])
def test_folder_with_a_run_is_taken_unless_it_is_resumed(tmp_path, file):
    refuse_taken(tmp_path, "run.json", resume=False)
    (tmp_path / file).write_text("{}")
    refuse_taken(tmp_path, "run.json", resume=True)
    with pytest.raises(SearchError, match=rf"there is a run already \({file}\).*--resume"):
        refuse_taken(tmp_path, "run.json", resume=False)


def test_finished_run_with_other_settings_is_refused(tmp_path):
    refuse_other({"seed": 1, "more": 2}, {"seed": 1}, tmp_path)
    with pytest.raises(SearchError, match="holds a finished run with other epochs, seed: give"):
        refuse_other({"seed": 1}, {"seed": 2, "epochs": 3}, tmp_path)


def test_content_of_a_run_is_checked(tmp_path):
    with pytest.raises(SearchError, match=r"it has no run.json; `encas nat --resume` goes on"):
        run_content(tmp_path, "run.json", schema="nat_run", command="encas nat")
    (tmp_path / "run.json").write_text(json.dumps({"format": "encas.nat_run", "version": 1}))
    with pytest.raises(SearchError, match=r"run.json: .*lacks the key"):
        run_content(tmp_path, "run.json", schema="nat_run", command="encas nat")
