"""Runs of ENCAS-joint that take a second: two small supernetworks, ten cascades."""

from pathlib import Path

from encas.nat.joint_runs import JointRun
from encas.nat.joint_session import joint_transfer
from encas.nat.learning import Training
from encas.nat.nat_session import Launch, Origin
from encas.nat.nat_settings import NatSettings
from encas.nat.task import DataPlan
from encas.progress import unheard

TRAINING = Training(batch_size=24, learning_rate=0.05)
SETTINGS = NatSettings(
    iterations=1,
    archive_size=10,
    evaluations=60,
    epochs=1,
    warm_up_epochs=1,
    calibration_batches=2,
    calibration_batch_size=16,
    warm_up=TRAINING,
    training=TRAINING,
)
ORIGINS = (Origin(supernet="small-fused"), Origin(supernet="small-mobile"))


def run_jointly(
    data: str, out: Path, *, origins=ORIGINS, settings=SETTINGS, hear=unheard, **launch
) -> JointRun:
    """A run on some DATA; `launch` are the fields of a `Launch`."""
    plan = DataPlan(train=data)
    return joint_transfer(origins, plan, settings, out, launch=Launch(**launch), on_progress=hear)
